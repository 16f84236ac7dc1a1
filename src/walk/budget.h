/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What probes cost the target, held against what they may: a debt, from which time takes as much as
 * the budget allows.  Input: the cost of some hits, the time.  Output: is it too much?
 */
#ifndef PV_WALK_BUDGET_H
#define PV_WALK_BUDGET_H

#include "abi/probe.h"

/*
 * budget_ppm: millionths of a CPU's time.  limit_ns: how much of a burst may be borrowed.  True
 * once, when the debt passes that.
 */
static inline int pv_budget_pay(struct pv_probe_state *state, __u64 budget_ppm, __u64 limit_ns,
				__u64 now_ns, __u64 cost_ns)
{
	__u64 earned = (now_ns - state->debt_time_ns) * budget_ppm / 1000000;
	__u64 debt = state->debt_ns + cost_ns;

	state->debt_time_ns = now_ns;
	state->debt_ns = debt > earned ? debt - earned : 0;
	if (state->debt_ns <= limit_ns || state->told)
		return 0;
	state->told = 1;
	return 1;
}

#endif
