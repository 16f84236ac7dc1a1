/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files of /proc as text.  Internal to target/. */
#ifndef PV_TARGET_PROCFS_H
#define PV_TARGET_PROCFS_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/*
 * The whole of /proc/PID/NAME; bytes may be NUL.  A process or thread that is
 * gone gives PV_ERR_NOPROC.  ret is cleared first and stays the caller's also
 * on failure.
 */
struct pv_err *pv_procfs_read(pid_t pid, const char *name, struct pv_str *ret);

/* The error for an errno from a path below /proc/PID: ENOENT there means that it is gone. */
struct pv_err *pv_procfs_err(pid_t pid, const char *name, int errnum);

/* The root directory of a process as we see it; "": ours, or not to be read. */
void pv_procfs_root(pid_t pid, char *ret, size_t size);

/* The kernel tells paths as we see them (d_path); in a chroot the process sees others. */
void pv_procfs_inner_path(char *path, const char *root);

#endif
