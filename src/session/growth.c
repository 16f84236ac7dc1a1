/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a survey one of pools.  Input: a process.  Output: a survey. */
#include "session/growth.h"

#include "session/survey.h"

enum {
	/* A program that fills and empties a pool may do so 60,000 times a second: it shows early.
	 */
	WINDOW_N = 1000,
	WINDOW_NS = 500 * 1000 * 1000,
	GAP_NS = 100 * 1000 * 1000,
	FIRST_NS = 2 * 1000 * 1000,
};

/* Of 3 % that are meant: what places do to page tables shows in no hit. */
#define SHARE 0.02

struct pv_err *pv_growth_create(const struct pv_growth_options *options, struct pv_survey **ret)
{
	const struct pv_survey_options survey = {
		.probed = options->probed,
		.memory = options->memory,
		.heap = options->heap,
		.start_ns = options->start_ns,
		.start_cpu_ns = options->start_cpu_ns,
		.kind = PV_SURVEY_GROWTH,
		.share = SHARE,
		.window_n = WINDOW_N,
		.window_ns = WINDOW_NS,
		.gap_ns = GAP_NS,
		.first_ns = FIRST_NS,
	};

	return pv_survey_create(&survey, ret);
}
