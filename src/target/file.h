/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file as a process sees it: below its root, a relative path below its working
 * directory, and with no more rights than the process itself has, since the path
 * comes from it.
 */
#ifndef PV_TARGET_FILE_H
#define PV_TARGET_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum pv_file_state {
	PV_FILE_READ,
	PV_FILE_NONE,    /* no such file, no regular one, or not one that the process may read */
	PV_FILE_LARGE,   /* more bytes than were asked for */
	PV_FILE_GONE,    /* the process has ended */
	PV_FILE_FOREIGN, /* it belongs to somebody else, who could say anything */
};

struct pv_file {
	enum pv_file_state state;
	char *text;                   /* PV_FILE_READ: owned by the caller, any bytes */
	size_t n;                     /* bytes of text */
	uint64_t mtime_ns;            /* of its contents, since 1970 */
	uint64_t device, inode, size; /* which file it is, and all its bytes */
};

/*
 * Never waits for what is no regular file (pipes, devices are not even opened),
 * and reads nothing of /proc and /sys.  A relative path that leads above the
 * working directory is PV_FILE_NONE.  Fails where memory is short, or its own
 * rights cannot be had back.
 */
struct pv_err *pv_file_read(pid_t pid, const char *path, size_t n_max, struct pv_file *ret);

/*
 * The same for a file in a place where everybody may put one (/tmp): it must be the
 * process's user's, or root's, and path itself no symbolic link.  n_max bytes of it at most,
 * from `from` on.
 */
struct pv_err *pv_file_read_owned(pid_t pid, const char *path, uint64_t from, size_t n_max,
				  struct pv_file *ret);

#endif
