/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a survey's times watch, if not everything: blocks of some sizes, at the places that may
 * allocate such.  Input: an aim, what the kernel's side has seen of places.  Output: places to
 * be probed, and for how long what was watched.
 */
#ifndef PV_SESSION_AIMING_H
#define PV_SESSION_AIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "collect/allocs.h"
#include "session/aim.h"

struct pv_alloc_places;
struct pv_probed;

struct pv_aiming {
	/* none is owned; all must outlive it */
	struct pv_allocs *allocs;
	const struct pv_alloc_places *places;
	struct pv_probed *probed;

	bool aimed; /* else everything is watched */
	struct pv_allocs_aim aim;
	bool narrow;          /* only places that were seen to allocate such blocks */
	uint64_t n_known;     /* of these places */
	uint64_t spent_ns[2]; /* by other times, by narrow ones */
	struct pv_aim_times times;
};

void pv_aiming_deinit(struct pv_aiming *aiming);

/* From the next time on; NULL: everything.  No place may be attached. */
struct pv_err *pv_aiming_set(struct pv_aiming *aiming, const struct pv_allocs_aim *aim);

/* Before a time: its places, if it is aimed. */
struct pv_err *pv_aiming_choose(struct pv_aiming *aiming);

/* After it: what it has cost the target. */
void pv_aiming_spent(struct pv_aiming *aiming, uint64_t ns);

#endif
