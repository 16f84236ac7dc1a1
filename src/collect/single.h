/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uprobes by one perf event each, for kernels whose uprobe_multi links are missing
 * (before Linux 6.6) or tell only of a process's first thread (up to 6.9).
 *
 * The kernel takes them away one by one, each after a grace period.  An event with
 * many locations in tracefs would go at once, but it stays behind if we are killed,
 * and needs a tracefs that can be written.
 */
#ifndef PV_COLLECT_SINGLE_H
#define PV_COLLECT_SINGLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { PV_SINGLE_MAX = 64 };

/* As pv_multi_link(), but fds_ret has one descriptor for each place. */
struct pv_err *pv_single_link(int program_fd, int file_fd, pid_t pid, const uint64_t *offsets,
			      const uint64_t *cookies, size_t n, int *fds_ret);

#endif
