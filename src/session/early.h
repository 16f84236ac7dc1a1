/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Points of a trend from before a census told where Python's arenas are: they are counted anew when
 * one has.  Input: mappings at each point.  Output: the points, all by the same rule.
 */
#ifndef PV_SESSION_EARLY_H
#define PV_SESSION_EARLY_H

#include <stddef.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_mappings_hints;

struct pv_early {
	struct pv_vec kept; /* struct pv_vec of struct pv_smap, of points one behind the other */
	size_t bytes;       /* of them */
	size_t bytes_max;
	size_t n_dropped; /* points before them, whose mappings took more than that */
};

void pv_early_init(struct pv_early *early, size_t bytes_max);
void pv_early_deinit(struct pv_early *early);

/* Keeps what the next point is counted of: struct pv_smap. */
struct pv_err *pv_early_keep(struct pv_early *early, const struct pv_vec *smaps);

/*
 * points: struct pv_memory_point, all that there are, the first of which were kept; hints have
 * pools.  Those whose mappings are there no more are taken out: by another rule they would be a
 * step in what does not grow; *dropped_ret: how many.  Nothing is kept afterwards.
 */
void pv_early_recount(struct pv_early *early, const struct pv_mappings_hints *hints,
		      struct pv_vec *points, size_t *dropped_ret);

#endif
