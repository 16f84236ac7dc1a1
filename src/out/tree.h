/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk over the stacks of a profile as one tree in which equal frames below
 * the same parent are one.  The tree is never made as a whole: what is kept is
 * a few bytes for each of the profile's own nodes.
 */
#ifndef PV_OUT_TREE_H
#define PV_OUT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_profile;

enum pv_tree_order {
	PV_TREE_BY_RANK,
	PV_TREE_BY_TOTAL, /* the heaviest first, by rank if equal */
};

struct pv_tree_frame {
	uint32_t rank;
	uint32_t depth;       /* 0: the root, which has no rank */
	uint64_t self, total; /* samples */
};

typedef struct pv_err *pv_tree_enter(void *ctx, const struct pv_tree_frame *frame);

/*
 * Calls enter for the root, then for each frame before those below it; children
 * in the order that is asked for.  rank: by location; equal = the same frame.
 */
struct pv_err *pv_tree_walk(const struct pv_profile *profile, const uint32_t *rank,
			    enum pv_tree_order order, pv_tree_enter *enter, void *ctx);

/* Some samples have no frame at all: the formats that need one give them [unknown]. */
bool pv_tree_any_without_stack(const struct pv_profile *profile);

#endif
