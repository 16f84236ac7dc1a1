/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Side-band records of the whole machine: mappings, execs, births and deaths,
 * from one dummy perf event a CPU.  Input: perf ring buffers.  Output:
 * pv_side_event in the order of what led to what.
 */
#ifndef PV_COLLECT_SIDEBAND_H
#define PV_COLLECT_SIDEBAND_H

#include "collect/collect.h"

struct pv_sideband;

/* Adds its descriptors to epoll_fd. */
struct pv_err *pv_sideband_create(int epoll_fd, struct pv_sideband **ret);
void pv_sideband_destroy(struct pv_sideband *sideband);

/*
 * The records that are there, by time over all CPUs.  What led to an event comes
 * before it, in this call or an earlier one.
 */
struct pv_err *pv_sideband_drain(struct pv_sideband *sideband,
				 const struct pv_collect_handlers *handlers);

/* Records that the kernel dropped so far. */
uint64_t pv_sideband_lost(const struct pv_sideband *sideband);

#endif
