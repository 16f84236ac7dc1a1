/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls by function.
 * Input: a trace.
 * Output: a table, its sums, and sentences about what is missing.
 */
#include "analyse/callees.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/trace.h"

/* One stay of which both ends were seen. */
struct stay {
	uint32_t function;
	uint64_t ns;
};

struct counting {
	const struct pv_trace *trace;
	uint64_t *self;
	struct pv_callee *all; /* by location */
	uint32_t *open;        /* by location: stays on the path to the call at hand */
	struct pv_vec path;    /* uint32_t, calls */
	struct stay *stays;
	size_t n_stays;
};

static void counting_deinit(struct counting *counting)
{
	free(counting->self);
	free(counting->all);
	free(counting->open);
	free(counting->stays);
	pv_vec_deinit(&counting->path);
}

static const struct pv_call *call_at(const struct pv_trace *trace, size_t i)
{
	return pv_vec_at(&trace->calls, i);
}

/* Cuts the path to where the call's parent is its end. */
static void leave_others(struct counting *counting, const struct pv_call *call)
{
	while (counting->path.n) {
		uint32_t last = *(uint32_t *)pv_vec_at(&counting->path, counting->path.n - 1);

		if (last == call->parent)
			break;
		counting->open[call_at(counting->trace, last)->function]--;
		counting->path.n--;
	}
}

static struct pv_err *count_call(struct counting *counting, uint32_t i)
{
	const struct pv_call *call = call_at(counting->trace, i);
	struct pv_callee *callee = &counting->all[call->function];
	uint64_t ns = pv_call_ns(call);
	bool guessed = call->flags & (PV_CALL_END_GUESSED | PV_CALL_BEGIN_GUESSED);
	bool cut = call->flags & PV_CALL_CUT;

	callee->function = call->function;
	callee->calls += !(call->flags & PV_CALL_RESUMED);
	callee->resumed += !!(call->flags & PV_CALL_RESUMED);
	callee->raised += !!(call->flags & PV_CALL_RAISED);
	callee->yielded += !!(call->flags & PV_CALL_YIELDED);
	callee->guessed += guessed;
	callee->cut += cut;
	callee->self_ns += counting->self[i];
	leave_others(counting, call);
	if (counting->open[call->function]++) {
		callee->recursive = true;
	} else {
		callee->total_ns += ns;
		callee->off_cpu_ns += call->off_cpu_ns;
	}
	if (!guessed && !cut)
		counting->stays[counting->n_stays++] =
			(struct stay){ .function = call->function, .ns = ns };
	return pv_vec_append(&counting->path, &i, 1, NULL);
}

static int compare_stays(const void *a, const void *b)
{
	const struct stay *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/* The smallest that `percent` of all do not exceed. */
static uint64_t percentile(const struct stay *stays, size_t n, size_t percent)
{
	return stays[(n * percent + 99) / 100 - 1].ns;
}

static void measure_stays(struct counting *counting)
{
	const struct stay *stays = counting->stays;
	size_t n = counting->n_stays, end;

	if (n)
		qsort(counting->stays, n, sizeof(*stays), compare_stays);
	for (size_t i = 0; i < n; i = end) {
		struct pv_callee *callee = &counting->all[stays[i].function];

		for (end = i; end < n && stays[end].function == stays[i].function; end++)
			;
		callee->measured = end - i;
		callee->min_ns = stays[i].ns;
		callee->p50_ns = percentile(stays + i, end - i, 50);
		callee->p99_ns = percentile(stays + i, end - i, 99);
		callee->max_ns = stays[end - 1].ns;
	}
}

static int compare_callees(const void *a, const void *b)
{
	const struct pv_callee *x = a, *y = b;

	if (x->self_ns != y->self_ns)
		return x->self_ns > y->self_ns ? -1 : 1;
	if (x->total_ns != y->total_ns)
		return x->total_ns > y->total_ns ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

static void sum_all(struct pv_callees *callees, const struct pv_trace *trace)
{
	for (size_t i = 0; i < trace->calls.n; i++) {
		const struct pv_call *call = call_at(trace, i);

		callees->calls += !(call->flags & PV_CALL_RESUMED);
		callees->resumed += !!(call->flags & PV_CALL_RESUMED);
		callees->guessed_begins += !!(call->flags & PV_CALL_BEGIN_GUESSED);
		callees->guessed_ends += !!(call->flags & PV_CALL_END_GUESSED);
		callees->cut += !!(call->flags & PV_CALL_CUT);
	}
	for (size_t i = 0; i < trace->executions.n; i++) {
		const struct pv_execution *execution = pv_vec_at(&trace->executions, i);

		callees->lost += execution->lost;
		callees->n_lossy += execution->lost != 0;
		callees->n_partial += execution->partial;
		if (execution->n)
			callees->duration_ns += pv_call_ns(call_at(trace, execution->first));
	}
}

static struct pv_err *count_calls(struct counting *counting)
{
	const struct pv_trace *trace = counting->trace;
	struct pv_err *err = pv_trace_self(trace, &counting->self);

	counting->all = calloc(trace->profile->locs.n + 1, sizeof(*counting->all));
	counting->open = calloc(trace->profile->locs.n + 1, sizeof(*counting->open));
	counting->stays = calloc(trace->calls.n + 1, sizeof(*counting->stays));
	if (!err && (!counting->all || !counting->open || !counting->stays))
		err = &pv_enomem;
	for (size_t i = 0; i < trace->calls.n && !err; i++)
		err = count_call(counting, i);
	return err;
}

struct pv_err *pv_callees_init(struct pv_callees *callees, const struct pv_trace *trace)
{
	struct counting counting PV_CLEANUP(counting_deinit) = { .trace = trace,
								 .path = PV_VEC(uint32_t) };
	struct pv_err *err = count_calls(&counting);

	if (err)
		return err;
	measure_stays(&counting);
	*callees = (struct pv_callees){ .n = 0 };
	for (size_t i = 0; i < trace->profile->locs.n; i++) {
		if (!counting.all[i].calls && !counting.all[i].resumed)
			continue;
		callees->recursive = callees->recursive || counting.all[i].recursive;
		counting.all[callees->n++] = counting.all[i];
	}
	callees->list = pv_steal(counting.all);
	qsort(callees->list, callees->n, sizeof(*callees->list), compare_callees);
	sum_all(callees, trace);
	return NULL;
}

void pv_callees_deinit(struct pv_callees *callees)
{
	free(callees->list);
	callees->list = NULL;
}

/* "3 calls", in sentences */
static struct pv_err *append_count(struct pv_str *str, uint64_t n, const char *noun)
{
	return pv_str_appendf(str, "%s %s%s", pv_text_number(n).text, noun, n == 1 ? "" : "s");
}

static struct pv_err *add_doubt(struct pv_vec *doubts, struct pv_str **ret)
{
	return pv_vec_append(doubts, NULL, 1, ret);
}

static struct pv_err *doubt_guesses(const struct pv_callees *callees, struct pv_vec *doubts)
{
	uint64_t ends = callees->guessed_ends, begins = callees->guessed_begins;
	struct pv_str *str;
	struct pv_err *err;

	if (!ends && !begins)
		return NULL;
	err = add_doubt(doubts, &str);
	if (!err && ends)
		err = append_count(str, ends, "end");
	if (!err && ends && begins)
		err = pv_str_appendf(str, " and ");
	if (!err && begins)
		err = append_count(str, begins, "beginning");
	return err ? err
		   : pv_str_appendf(str, " of calls %s not seen, and %s guessed",
				    ends + begins == 1 ? "was" : "were",
				    ends + begins == 1 ? "is" : "are");
}

/* What is missing in executions. */
static struct pv_err *doubt_executions(const struct pv_callees *callees, struct pv_vec *doubts)
{
	struct pv_err *err = NULL;
	struct pv_str *str;

	if (callees->lost) {
		err = add_doubt(doubts, &str);
		if (!err)
			err = append_count(str, callees->lost, "event");
		if (!err)
			err = pv_str_appendf(str, " %s lost: calls are missing in ",
					     callees->lost == 1 ? "was" : "were");
		if (!err)
			err = append_count(str, callees->n_lossy, "execution");
	}
	if (!err && callees->n_partial) {
		err = add_doubt(doubts, &str);
		if (!err)
			err = append_count(str, callees->n_partial, "execution");
		if (!err)
			err = pv_str_appendf(str,
					     " began before all places were probed: calls are "
					     "missing or their ends guessed in %s",
					     callees->n_partial == 1 ? "it" : "them");
	}
	if (!err && callees->cut) {
		err = add_doubt(doubts, &str);
		if (!err)
			err = append_count(str, callees->cut, "call");
		if (!err)
			err = pv_str_appendf(str, " had not ended when the record did");
	}
	return err;
}

static struct pv_err *doubt_losses(const struct pv_losses *losses, struct pv_vec *doubts)
{
	struct pv_err *err = NULL;
	struct pv_str *str;

	for (size_t i = 1; i < PV_LOSSES_MAX && !err; i++) {
		/* the others show in the stacks, or in the executions' own numbers */
		if (!losses->count[i] || !pv_losses_is_gap(losses, i))
			continue;
		err = add_doubt(doubts, &str);
		if (!err)
			err = pv_str_appendf(str, "%s %s", pv_text_number(losses->count[i]).text,
					     pv_losses_text(losses, i));
	}
	return err;
}

static struct pv_err *doubt_end(enum pv_trace_end end, struct pv_vec *doubts)
{
	static const char *const texts[] = {
		[PV_TRACE_REPLACED] = "It ended early: the process ran another program",
		[PV_TRACE_BUDGET] = "It ended early: the probes cost more than the budget",
		[PV_TRACE_ROOM] = "It ended early: there was no room for more calls",
		[PV_TRACE_MEMORY] = "It ended early: the process's control group has too little "
				    "memory left for more breakpoints",
	};
	struct pv_str *str;
	struct pv_err *err;

	if (end >= sizeof(texts) / sizeof(*texts) || !texts[end])
		return NULL;
	err = add_doubt(doubts, &str);
	return err ? err : pv_str_appendf(str, "%s", texts[end]);
}

struct pv_err *pv_trace_doubts(const struct pv_trace *trace, const struct pv_callees *callees,
			       struct pv_vec *ret)
{
	struct pv_err *err;
	struct pv_str *str;

	*ret = (struct pv_vec)PV_VEC(struct pv_str);
	err = doubt_end(trace->end, ret);
	if (!err)
		err = doubt_executions(callees, ret);
	if (!err)
		err = doubt_guesses(callees, ret);
	if (!err && trace->strangers) {
		err = add_doubt(ret, &str);
		if (!err)
			err = append_count(str, trace->strangers, "hit");
		if (!err)
			err = pv_str_appendf(str, " of probes in forked children");
	}
	if (!err && trace->n_unsent) {
		err = add_doubt(ret, &str);
		if (!err)
			err = append_count(str, trace->n_unsent, "execution");
		if (!err)
			err = pv_str_appendf(str, " %s lost whole",
					     trace->n_unsent == 1 ? "was" : "were");
	}
	if (!err && trace->n_elsewhere) {
		err = add_doubt(ret, &str);
		if (!err)
			err = append_count(str, trace->n_elsewhere, "native call");
		if (!err)
			err = pv_str_appendf(str, " on another stack of the thread, left out");
	}
	if (!err)
		err = doubt_losses(&trace->profile->losses, ret);
	if (err)
		pv_trace_doubts_deinit(ret);
	return err;
}

void pv_trace_doubts_deinit(struct pv_vec *doubts)
{
	for (size_t i = 0; i < doubts->n; i++)
		pv_str_deinit(pv_vec_at(doubts, i));
	pv_vec_deinit(doubts);
}
