/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a trace is short of, and what it cost.  Input: the kernel's side, whose probes are gone.
 * Output: the trace's totals.
 */
#include "session/tracetotals.h"

#include <string.h>

#include "abi/loss.h"
#include "abi/trace.h"
#include "collect/inside.h"
#include "collect/probes.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "session/losses.h"

/* What it cost, and what is missing. */
struct pv_err *pv_trace_totals(const struct pv_inside *inside, const char *unwatched,
			       uint64_t duration_ns, struct pv_trace *trace)
{
	struct pv_trace_state state = pv_inside_state(inside);
	const struct pv_probes *probes = pv_inside_probes(inside);
	struct pv_probe_state hits = pv_inside_probe_state(inside);
	struct pv_losses *losses = &trace->profile->losses;
	uint64_t cost_ns = state.spent_ns + state.decided_ns;
	struct pv_err *err;

	for (size_t i = 0; i < PV_TRACE_RUNS_MAX; i++)
		cost_ns += state.runs[i].number ? state.runs[i].spent_ns : 0;
	pv_probes_prices(probes, trace->prices_ns);
	for (int i = 0; i < 2; i++) {
		trace->hits[i] = hits.hits[i];
		cost_ns += hits.hits[i] * trace->prices_ns[i];
	}
	err = pv_strings_add(trace->profile->strings, unwatched, strlen(unwatched),
			     &trace->unwatched);
	if (err)
		return err;
	trace->watch_hits = state.watch_hits;
	trace->watch_price_ns = state.watch_cost_ns;
	cost_ns += state.watch_hits * state.watch_cost_ns;
	trace->profile->duration_ns = duration_ns;
	if (trace->profile->duration_ns)
		trace->cost_cpus = (double)cost_ns / (double)trace->profile->duration_ns;
	pv_probes_count(probes, &trace->n_sites, &trace->n_stepped);
	trace->strangers = hits.strangers;
	trace->n_seen = state.begun - state.beyond + state.unmet + state.undecided;
	trace->n_unmet = state.unmet;
	trace->n_undecided = state.undecided;
	trace->n_skipped = state.skipped;
	trace->n_elsewhere = state.elsewhere;
	trace->n_unsent = state.unsent;
	err = pv_inside_losses(inside, losses->count);
	losses->count[PV_LOSS_PROBE_SCRATCH] += state.no_scratch;
	losses->count[PV_LOSS_PROBE_REPLACED] += state.replaced;
	pv_losses_describe(losses);
	return err;
}
