/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a survey one of blocks.  Input: a process.  Output: a survey. */
#include "session/bursts.h"

#include "session/survey.h"

enum {
	BURST_N = 5000,
	BURST_NS = 20 * 1000 * 1000,
	GAP_NS = 200 * 1000 * 1000,
	FIRST_NS = 10 * 1000 * 1000,
};

/* Of 10 % that are meant: what places do to page tables shows in no hit. */
#define SHARE 0.08

static struct pv_err *create(const struct pv_bursts_options *options,
			     const struct pv_survey_options *kind, struct pv_survey **ret)
{
	struct pv_survey_options survey = *kind;

	survey.probed = options->probed;
	survey.memory = options->memory;
	survey.heap = options->heap;
	survey.caches = options->caches;
	survey.states = options->states;
	survey.start_ns = options->start_ns;
	survey.start_cpu_ns = options->start_cpu_ns;
	return pv_survey_create(&survey, ret);
}

struct pv_err *pv_bursts_create(const struct pv_bursts_options *options, struct pv_survey **ret)
{
	const struct pv_survey_options kind = {
		.kind = PV_SURVEY_BURSTS,
		.share = options->share > 0 ? options->share : SHARE,
		.window_n = BURST_N,
		.window_ns = BURST_NS,
		.gap_ns = GAP_NS,
		.first_ns = FIRST_NS,
		.survivors_max = options->survivors_max,
	};

	return create(options, &kind, ret);
}

struct pv_err *pv_bursts_create_all(const struct pv_bursts_options *options, double budget,
				    struct pv_survey **ret)
{
	const struct pv_survey_options kind = { .kind = PV_SURVEY_ALL, .share = budget };

	return create(options, &kind, ret);
}
