/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hottest path: the heavy top of the tree of calls, in few rows.  Chains of
 * calls that only hand on are folded; the user's own code and the first call that
 * it makes into other code stay.
 */
#ifndef PV_ANALYSE_HOTPATH_H
#define PV_ANALYSE_HOTPATH_H

#include <stddef.h>
#include <stdint.h>

#include "analyse/calltree.h"
#include "base/err.h"

struct pv_profile;

struct pv_hotpath_row {
	struct pv_call call;
	uint32_t depth;  /* in these rows; the outermost 0 */
	uint32_t folded; /* calls between it and the row of its caller that are not shown */
};

/* About max rows, callers before callees, siblings by weight.  ret is the caller's (free). */
struct pv_err *pv_hotpath_of(const struct pv_profile *profile, struct pv_calltree *tree, size_t max,
			     struct pv_hotpath_row **ret, size_t *n_ret);

#endif
