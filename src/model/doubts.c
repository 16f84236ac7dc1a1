/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a profile's totals people must be told.
 * Input: the totals of a profile.
 * Output: numbers and texts, none if all is as it should be.
 */
#include "model/doubts.h"

#include <stddef.h>

#include "base/str.h"
#include "model/profile.h"

enum {
	MISSING_PERCENT = 1, /* of the expected samples */
	MISSING_ERRORS = 4,  /* standard errors of a count: ticks are by the clock, not by thread */
	/* CPU time of children that is worth a word, and as a share of the wall time */
	UNWATCHED_NS = 20000000,
	UNWATCHED_PERCENT = 1,
};

bool pv_totals_known(const struct pv_profile *profile)
{
	/* pitviper's own time is never nothing */
	return profile->own_cpu_ns || profile->target_cpu_ns || profile->probe_ns;
}

struct pv_missing pv_missing_of(const struct pv_profile *profile)
{
	uint64_t have = pv_losses_samples(&profile->losses), missing;
	struct pv_missing ret = {};

	if (!profile->period_ns)
		return ret;
	for (size_t i = 0; i < profile->samples.n; i++)
		have += ((struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	ret.expected = profile->target_cpu_ns / profile->period_ns;
	if (ret.expected <= have)
		return ret;
	missing = ret.expected - have;
	/* of the standard error follows that a handful is never missing: it is more than 16 */
	if (missing * 100 > ret.expected * MISSING_PERCENT &&
	    missing * missing > MISSING_ERRORS * MISSING_ERRORS * ret.expected)
		ret.missing = missing;
	return ret;
}

struct pv_err *pv_unwatched_text(const struct pv_profile *profile, struct pv_str *str)
{
	double s = profile->unwatched_cpu_ns / 1e9;
	struct pv_err *err;

	if (profile->unwatched_cpu_ns < UNWATCHED_NS ||
	    profile->unwatched_cpu_ns * 100 < profile->duration_ns * UNWATCHED_PERCENT)
		return NULL;
	if (profile->n_unwatched && !profile->unwatched_least)
		err = pv_str_appendf(str, "%u child process%s used ", profile->n_unwatched,
				     profile->n_unwatched == 1 ? "" : "es");
	else
		err = pv_str_appendf(str, "Child processes used %s",
				     profile->unwatched_least ? "at least " : "");
	return err ? err : pv_str_appendf(str, "%.*f s of CPU meanwhile", s < 0.95 ? 2 : 1, s);
}
