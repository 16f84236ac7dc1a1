/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The turning point of a profile: the last own line on the heaviest path before
 * most of the time goes elsewhere, and where it goes.
 */
#ifndef PV_ANALYSE_TURN_H
#define PV_ANALYSE_TURN_H

#include <stdbool.h>

#include "analyse/calltree.h"
#include "base/err.h"

struct pv_turn {
	bool found;
	bool spread; /* nothing below `what` has most of it */
	bool has_under;
	struct pv_call what;  /* where the time goes */
	struct pv_call under; /* the last own call above; without own code the last Python call */
};

struct pv_err *pv_turn_of(const struct pv_profile *profile, struct pv_calltree *tree,
			  struct pv_turn *ret);

#endif
