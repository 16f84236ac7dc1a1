/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer in sentences: how much CPU time, in which layers, and where most of
 * it goes; of an idle target, where it waits.
 */
#ifndef PV_ANALYSE_ANSWER_H
#define PV_ANALYSE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

struct pv_profile;
struct pv_turn;
struct pv_load;
struct pv_wait;

/* A part of the text that is of one layer. */
struct pv_span {
	size_t start, end; /* bytes */
	uint32_t kind;     /* enum pv_loc_kind */
	bool own;
};

struct pv_answer {
	struct pv_str text;  /* one or more lines, each ended by a line end */
	struct pv_vec spans; /* struct pv_span, in order, not overlapping */
};

/* wait may be NULL: not known, or not asked for. */
struct pv_err *pv_answer_of(const struct pv_profile *profile, const struct pv_load *load,
			    const struct pv_turn *turn, const struct pv_wait *wait,
			    struct pv_answer *ret);
void pv_answer_deinit(struct pv_answer *answer);

#endif
