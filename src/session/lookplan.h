/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a hunt's censuses are due: times alone.  Input: how long the hunt is, how long each look
 * took.  Output: when the next one is.
 */
#ifndef PV_SESSION_LOOKPLAN_H
#define PV_SESSION_LOOKPLAN_H

#include <stddef.h>
#include <stdint.h>

enum { PV_LOOKS_FEW = 5 }; /* after so many it shows whether anything rises */

struct pv_look_plan {
	uint64_t gap_ns;            /* between two */
	uint64_t next_ns;           /* when the next one is due; UINT64_MAX: none is */
	uint64_t took_ns, ended_ns; /* the last one that was made, and when it had ended */
	size_t n;                   /* that were made */
};

/* A hunt that is planned to be so long. */
void pv_look_plan_begin(struct pv_look_plan *plan, uint64_t start_ns, uint64_t length_ns);

/* One was made, or was tried in vain: the next one. */
void pv_look_plan_made(struct pv_look_plan *plan, uint64_t began_ns, uint64_t took_ns);
void pv_look_plan_failed(struct pv_look_plan *plan, uint64_t began_ns, uint64_t took_ns);

#endif
