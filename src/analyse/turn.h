/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The turning point of a profile: the own line at which most of the time leaves
 * the user's own code, and where it goes.  Each sample belongs to the innermost
 * own call of its stack, for there one can do something about it; the page
 * (src/out/viewer/profile/answer.js) answers by the same rule.
 */
#ifndef PV_ANALYSE_TURN_H
#define PV_ANALYSE_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "analyse/calltree.h"
#include "base/err.h"

struct pv_turn {
	bool has_own;    /* there is own code */
	bool is_foreign; /* what runs none at all: no own function has a fair share beside it */
	bool found;      /* `what` */
	bool has_under;
	bool in_gc;           /* `what` is the garbage collector */
	bool unreadable;      /* CPython is there, but no stack has a Python frame */
	bool incomplete;      /* most of `foreign` */
	uint64_t foreign;     /* samples without any own code */
	uint64_t own;         /* of the own function with most samples */
	struct pv_call what;  /* where the time goes: other code, or the own call itself */
	struct pv_call under; /* the own call above; of foreign C code the Python call above */
};

struct pv_err *pv_turn_of(const struct pv_profile *profile, struct pv_turn *ret);

#endif
