/* SPDX-License-Identifier: BSD-2-Clause */
/* All that is said of a profile at the end of a capture, as plain data. */
#ifndef PV_ANALYSE_VERDICT_H
#define PV_ANALYSE_VERDICT_H

#include <stddef.h>

#include "analyse/answer.h"
#include "analyse/hotpath.h"
#include "analyse/hottest.h"
#include "analyse/turn.h"
#include "analyse/load.h"
#include "base/err.h"

struct pv_profile;
struct pv_wait;

struct pv_verdict {
	struct pv_load load;
	struct pv_turn turn;
	struct pv_answer answer;
	struct pv_hottest *hottest; /* functions by self */
	size_t n_hottest;
	struct pv_hotpath_row *hotpath;
	size_t n_hotpath;
};

/* wait: of an idle target, or NULL. */
struct pv_err *pv_verdict_of(const struct pv_profile *profile, const struct pv_wait *wait,
			     struct pv_verdict *ret);
void pv_verdict_deinit(struct pv_verdict *verdict);

#endif
