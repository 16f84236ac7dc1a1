/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace's summary for machines: what was asked for, the executions, the functions
 * that were called, what is missing, what it cost.
 * Input: a trace.
 * Output: one JSON object; docs/formats.md describes it.
 */
#include "analyse/callees.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/frame.h"
#include "model/loss.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/trace.h"

struct summary {
	const struct pv_trace *trace;
	const struct pv_profile *profile;
	struct pv_callees callees;
	struct pv_vec doubts; /* struct pv_str */
	struct pv_json json;
};

static void summary_deinit(struct summary *summary)
{
	pv_callees_deinit(&summary->callees);
	pv_trace_doubts_deinit(&summary->doubts);
}

static void put_string(struct summary *s, const char *key, uint32_t id)
{
	pv_json_bytes(&s->json, key, pv_strings_get(s->profile->strings, id),
		      pv_strings_length(s->profile->strings, id));
}

/* Fields of the object that is open. */
static void put_loc(struct summary *s, uint32_t index)
{
	const struct pv_loc *loc = pv_vec_at(&s->profile->locs, index);

	put_string(s, "function", loc->function);
	pv_json_string(&s->json, "kind", pv_frame_kind(loc->kind));
	if (loc->file)
		put_string(s, "file", loc->file);
	if (loc->module)
		put_string(s, "module", loc->module);
	if (loc->line > 0)
		pv_json_int(&s->json, "line", loc->line);
}

static void put_target(struct summary *s)
{
	const struct pv_profile *profile = s->profile;
	static const char *const ends[] = {
		[PV_TRACE_STOPPED] = "stopped",     [PV_TRACE_COUNT] = "count",
		[PV_TRACE_TARGET_ENDED] = "target", [PV_TRACE_REPLACED] = "exec",
		[PV_TRACE_BUDGET] = "budget",       [PV_TRACE_ROOM] = "room",
		[PV_TRACE_MEMORY] = "memory",
	};

	pv_json_int(&s->json, "pid", profile->pid);
	put_string(s, "process", profile->target_name);
	put_string(s, "title", profile->title);
	put_string(s, "interpreter", profile->interpreter);
	pv_json_int(&s->json, "start_unix_ns", (int64_t)profile->start_unix_ns);
	pv_json_thousandths(&s->json, "elapsed_s", profile->duration_ns / 1000000);
	pv_json_string(&s->json, "ended", ends[s->trace->end]);
	pv_json_begin(&s->json, "trigger", '{');
	put_loc(s, s->trace->function);
	pv_json_end(&s->json, '}');
}

/* Innermost first. */
static void put_stack(struct summary *s, uint32_t node)
{
	const struct pv_stack_node *nodes = s->profile->nodes.data;

	pv_json_begin(&s->json, "stack", '[');
	for (; node; node = nodes[node].parent) {
		pv_json_begin(&s->json, NULL, '{');
		put_loc(s, nodes[node].loc);
		pv_json_end(&s->json, '}');
	}
	pv_json_end(&s->json, ']');
}

static void put_execution(struct summary *s, size_t index)
{
	const struct pv_execution *of = pv_vec_at(&s->trace->executions, index);
	const struct pv_profile_thread *thread = pv_vec_at(&s->profile->threads, of->thread);
	const struct pv_call *first = NULL;
	struct pv_json *json = &s->json;
	int64_t resumed = 0;

	for (size_t i = of->first; i < of->first + of->n; i++) {
		const struct pv_call *call = pv_vec_at(&s->trace->calls, i);

		first = first ? first : call;
		resumed += !!(call->flags & PV_CALL_RESUMED);
	}
	pv_json_begin(json, NULL, '{');
	pv_json_int(json, "number", (int64_t)of->number);
	pv_json_int(json, "pid", thread->pid);
	pv_json_int(json, "tid", thread->tid);
	put_string(s, "thread", thread->name);
	if (first) {
		pv_json_int(json, "start_ns", (int64_t)first->start_ns);
		pv_json_int(json, "duration_ns", (int64_t)pv_call_ns(first));
		pv_json_int(json, "off_cpu_ns", (int64_t)first->off_cpu_ns);
	}
	pv_json_int(json, "calls", (int64_t)of->n - resumed);
	pv_json_int(json, "resumed", resumed);
	pv_json_bool(json, "partial", of->partial);
	pv_json_bool(json, "late", of->late);
	pv_json_int(json, "lost", (int64_t)of->lost);
	put_stack(s, of->node);
	pv_json_end(json, '}');
}

static void put_executions(struct summary *s)
{
	const struct pv_trace *trace = s->trace;
	struct pv_json *json = &s->json;

	pv_json_begin(json, "executions", '{');
	pv_json_int(json, "seen", (int64_t)trace->n_seen);
	pv_json_int(json, "kept", (int64_t)trace->executions.n);
	pv_json_int(json, "shorter", (int64_t)trace->n_short);
	pv_json_int(json, "unmet", (int64_t)trace->n_unmet);
	pv_json_int(json, "undecided", (int64_t)trace->n_undecided);
	pv_json_int(json, "skipped", (int64_t)trace->n_skipped);
	pv_json_int(json, "gone", (int64_t)trace->n_gone);
	pv_json_int(json, "unsent", (int64_t)trace->n_unsent);
	pv_json_int(json, "duration_ns", (int64_t)s->callees.duration_ns);
	pv_json_begin(json, "list", '[');
	for (size_t i = 0; i < trace->executions.n; i++)
		put_execution(s, i);
	pv_json_end(json, ']');
	pv_json_end(json, '}');
}

static void put_callee(struct summary *s, const struct pv_callee *callee)
{
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "calls", callee->calls },           { "resumed", callee->resumed },
		{ "yielded", callee->yielded },       { "raised", callee->raised },
		{ "guessed", callee->guessed },       { "cut", callee->cut },
		{ "total_ns", callee->total_ns },     { "self_ns", callee->self_ns },
		{ "off_cpu_ns", callee->off_cpu_ns },
	};
	const struct {
		const char *key;
		uint64_t ns;
	} times[] = { { "min_ns", callee->min_ns },
		      { "p50_ns", callee->p50_ns },
		      { "p99_ns", callee->p99_ns },
		      { "max_ns", callee->max_ns } };

	pv_json_begin(&s->json, NULL, '{');
	put_loc(s, callee->function);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		pv_json_int(&s->json, numbers[i].key, (int64_t)numbers[i].n);
	pv_json_bool(&s->json, "recursive", callee->recursive);
	pv_json_int(&s->json, "measured", (int64_t)callee->measured);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times) && callee->measured; i++)
		pv_json_int(&s->json, times[i].key, (int64_t)times[i].ns);
	pv_json_end(&s->json, '}');
}

static void put_callees(struct summary *s)
{
	pv_json_begin(&s->json, "callees", '[');
	for (size_t i = 0; i < s->callees.n; i++)
		put_callee(s, &s->callees.list[i]);
	pv_json_end(&s->json, ']');
}

static void put_quality(struct summary *s)
{
	const struct pv_callees *callees = &s->callees;
	struct pv_json *json = &s->json;

	pv_json_begin(json, "calls", '{');
	pv_json_int(json, "calls", (int64_t)callees->calls);
	pv_json_int(json, "resumed", (int64_t)callees->resumed);
	pv_json_int(json, "guessed_beginnings", (int64_t)callees->guessed_begins);
	pv_json_int(json, "guessed_ends", (int64_t)callees->guessed_ends);
	pv_json_int(json, "cut", (int64_t)callees->cut);
	pv_json_end(json, '}');
	pv_json_begin(json, "losses", '{');
	pv_json_int(json, "events", (int64_t)callees->lost);
	pv_json_int(json, "lossy_executions", (int64_t)callees->n_lossy);
	pv_json_int(json, "partial_executions", (int64_t)callees->n_partial);
	pv_json_int(json, "elsewhere", (int64_t)s->trace->n_elsewhere);
	pv_json_int(json, "stranger_hits", (int64_t)s->trace->strangers);
	pv_json_end(json, '}');
	pv_losses_json(&s->profile->losses, json);
	pv_json_begin(json, "doubts", '[');
	for (size_t i = 0; i < s->doubts.n; i++)
		pv_json_string(json, NULL, pv_str_text(pv_vec_at(&s->doubts, i)));
	pv_json_end(json, ']');
}

static void put_probes(struct summary *s)
{
	const struct pv_trace *trace = s->trace;
	struct pv_json *json = &s->json;

	static const char *const waits[] = {
		[PV_TRACE_ARMED] = "armed",
		[PV_TRACE_WATCHED] = "watchpoint",
		[PV_TRACE_ENTERED] = "entry",
		[PV_TRACE_UNLOADED] = "library",
	};

	pv_json_begin(json, "probes", '{');
	pv_json_string(json, "waited_by", waits[trace->wait]);
	if (trace->unwatched)
		put_string(s, "unwatched", trace->unwatched);
	pv_json_int(json, "watch_hits", (int64_t)trace->watch_hits);
	pv_json_int(json, "watch_hit_ns", (int64_t)trace->watch_price_ns);
	pv_json_int(json, "sites", (int64_t)trace->n_sites);
	pv_json_int(json, "stepped_sites", (int64_t)trace->n_stepped);
	pv_json_int(json, "hits", (int64_t)trace->hits[0]);
	pv_json_int(json, "stepped_hits", (int64_t)trace->hits[1]);
	pv_json_int(json, "hit_ns", (int64_t)trace->prices_ns[0]);
	pv_json_int(json, "stepped_hit_ns", (int64_t)trace->prices_ns[1]);
	pv_json_double(json, "cost_cpus", trace->cost_cpus);
	pv_json_double(json, "attach_ms", trace->attach_ms);
	pv_json_end(json, '}');
}

struct pv_err *pv_trace_summary_json(const struct pv_trace *trace, FILE *file)
{
	struct summary s PV_CLEANUP(summary_deinit) = { .trace = trace,
							.profile = trace->profile,
							.doubts = PV_VEC(struct pv_str),
							.json = { .file = file } };
	struct pv_err *err = pv_callees_init(&s.callees, trace);

	if (!err)
		err = pv_trace_doubts(trace, &s.callees, &s.doubts);
	if (err)
		return err;
	pv_json_begin(&s.json, NULL, '{');
	put_target(&s);
	put_executions(&s);
	put_quality(&s);
	put_callees(&s);
	put_probes(&s);
	pv_json_end(&s.json, '}');
	fputc('\n', file);
	return NULL;
}
