/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU time of processes, of threads and children that have ended, too: a perf
 * task-clock counter a thread, inherited by what the thread creates.  Input:
 * thread ids, births.  Output: nanoseconds.
 */
#ifndef PV_COLLECT_CLOCKS_H
#define PV_COLLECT_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_clocks;
struct pv_side_event;

/* children: forked processes count as well. */
struct pv_err *pv_clocks_create(bool children, struct pv_clocks **ret);
void pv_clocks_destroy(struct pv_clocks *clocks);

/* All threads that pid has now; PV_ERR_NOPROC if it is gone. */
struct pv_err *pv_clocks_add(struct pv_clocks *clocks, pid_t pid);

/*
 * A FORK event of a counted process: what was born of a thread whose counter
 * was there before has inherited it; anything else is given its own.  EXIT frees
 * the thread id for reuse.  Events must come in the order of their times.
 */
struct pv_err *pv_clocks_event(struct pv_clocks *clocks, const struct pv_side_event *event);

/* CPU time since each counter was there. */
struct pv_err *pv_clocks_read(struct pv_clocks *clocks, uint64_t *ret);

#endif
