/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One link that holds any number of uprobes of one file in one process.  By the
 * raw system call: libbpf knows it from 1.3 on.  One by one they are attached
 * quickly, but each takes a grace period of the kernel's to go.
 */
#ifndef PV_COLLECT_MULTI_H
#define PV_COLLECT_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* include/uapi/linux/bpf.h of Linux 6.6, BPF_TRACE_UPROBE_MULTI; the headers here may be older. */
enum { PV_MULTI_ATTACH_TYPE = 48 };

/* Does this kernel have such links?  Needs the right to load BPF programs. */
bool pv_multi_exists(void);

/*
 * file_fd: the probed file, by whatever path.  offsets: bytes into it.  The link's
 * descriptor is *ret; closed, or with our end, all of it is gone.
 */
struct pv_err *pv_multi_link(int program_fd, int file_fd, pid_t pid, const uint64_t *offsets,
			     const uint64_t *cookies, size_t n, int *ret);

#endif
