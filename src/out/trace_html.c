/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a trace's page, column by column.  docs/formats.md describes the
 * sections.
 * Input: a trace.  Output: sections for the shell of out/viewer.h.
 */
#include <stdlib.h>

#include "analyse/callees.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/loss.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/sections.h"
#include "out/trace.h"
#include "out/viewer.h"
#include "recfile/bytes.h"

#define PUT PV_SECTIONS_PUT

struct html {
	const struct pv_trace *trace;
	const struct pv_profile *profile;
	struct pv_viewer *viewer;
	uint32_t *place; /* by node: its place in the order in which nodes are written */
};

static void html_deinit(struct html *html)
{
	pv_viewer_destroy(html->viewer);
	free(html->place);
}

static void meta_capture(struct pv_json *json, const struct pv_trace *trace)
{
	const struct pv_profile *profile = trace->profile;

	pv_json_begin(json, "capture", '{');
	pv_sections_target(json, profile);
	/* what is left of it: together they are more than a number of JavaScript holds */
	pv_json_int(json, "start_rest_ns", (int64_t)(profile->start_unix_ns % 1000000));
	pv_json_int(json, "duration_ns", (int64_t)profile->duration_ns);
	pv_json_int(json, "function", trace->function);
	pv_json_end(json, '}');
}

static void meta_counts(struct pv_json *json, const struct pv_trace *trace,
			const struct pv_callees *callees)
{
	pv_json_begin(json, "counts", '{');
	pv_json_int(json, "seen", (int64_t)trace->n_seen);
	pv_json_int(json, "shorter", (int64_t)trace->n_short);
	pv_json_int(json, "unmet", (int64_t)trace->n_unmet);
	pv_json_int(json, "undecided", (int64_t)trace->n_undecided);
	pv_json_int(json, "skipped", (int64_t)trace->n_skipped);
	pv_json_int(json, "gone", (int64_t)trace->n_gone);
	pv_json_int(json, "unsent", (int64_t)trace->n_unsent);
	pv_json_int(json, "elsewhere", (int64_t)trace->n_elsewhere);
	pv_json_int(json, "lost", (int64_t)callees->lost);
	pv_json_int(json, "partial", (int64_t)callees->n_partial);
	pv_json_int(json, "guessed_beginnings", (int64_t)callees->guessed_begins);
	pv_json_int(json, "guessed_ends", (int64_t)callees->guessed_ends);
	pv_json_int(json, "cut", (int64_t)callees->cut);
	pv_json_int(json, "strangers", (int64_t)trace->strangers);
	pv_json_end(json, '}');
	pv_json_begin(json, "probes", '{');
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

/* What is missing, in the words of analyse/callees.c, and what was lost by cause. */
static struct pv_err *meta_doubts(struct pv_json *json, const struct pv_trace *trace)
{
	PV_CLEANUP(pv_callees_deinit) struct pv_callees callees = { .n = 0 };
	PV_CLEANUP(pv_trace_doubts_deinit) struct pv_vec doubts = PV_VEC(struct pv_str);
	const struct pv_losses *losses = &trace->profile->losses;
	struct pv_err *err = pv_callees_init(&callees, trace);

	if (!err)
		err = pv_trace_doubts(trace, &callees, &doubts);
	if (err)
		return err;
	meta_counts(json, trace, &callees);
	pv_json_begin(json, "doubts", '[');
	for (size_t i = 0; i < doubts.n; i++)
		pv_json_string(json, NULL, pv_str_text(pv_vec_at(&doubts, i)));
	pv_json_end(json, ']');
	pv_losses_json(losses, json);
	pv_sections_causes(json, losses);
	return NULL;
}

static struct pv_err *fill_meta(void *ctx, struct pv_json *json)
{
	struct html *html = ctx;

	meta_capture(json, html->trace);
	return meta_doubts(json, html->trace);
}

/* Thread, node, number, events lost with "partial" in bit 0, calls, start. */
static struct pv_err *write_executions(struct html *html, struct pv_vec *bytes)
{
	const struct pv_trace *trace = html->trace;
	struct pv_err *err = PUT(bytes, trace->executions.n);

	for (size_t i = 0; i < trace->executions.n && !err; i++) {
		const struct pv_execution *of = pv_vec_at(&trace->executions, i);
		uint64_t start = 0;

		if (of->n)
			start = ((struct pv_call *)pv_vec_at(&trace->calls, of->first))->start_ns;
		err = PUT(bytes, of->thread, html->place[of->node], of->number,
			  of->lost << 1 | of->partial, of->n, start);
	}
	return err ? err : pv_sections_flush(html->viewer, "EXEC", bytes);
}

/* The call before this one in its execution, or itself. */
static const struct pv_call *before(const struct pv_trace *trace, size_t i)
{
	const struct pv_call *call = pv_vec_at(&trace->calls, i);

	return call->parent == PV_CALL_NONE ? call : call - 1;
}

static uint64_t parent_of(const struct pv_trace *trace, size_t i)
{
	const struct pv_call *call = pv_vec_at(&trace->calls, i);

	return call->parent == PV_CALL_NONE ? 0 : i - call->parent;
}

static uint64_t start_of(const struct pv_trace *trace, size_t i)
{
	const struct pv_call *call = pv_vec_at(&trace->calls, i);

	return pv_zigzag(call->start_ns - before(trace, i)->start_ns);
}

/* What stands of each call, one column after the other. */
enum column {
	COLUMN_FUNCTION,
	COLUMN_PARENT,
	COLUMN_FLAGS,
	COLUMN_ARGUMENTS,
	COLUMN_RESULT,
	COLUMN_BEGIN,
	COLUMN_DURATION,
	COLUMN_OFF_CPU,
};

static uint64_t value_of(const struct pv_trace *trace, size_t i, enum column column)
{
	const struct pv_call *call = pv_vec_at(&trace->calls, i);

	switch (column) {
	case COLUMN_FUNCTION:
		return call->function;
	case COLUMN_PARENT:
		return parent_of(trace, i);
	case COLUMN_FLAGS:
		return call->flags;
	case COLUMN_ARGUMENTS:
		return call->arguments;
	case COLUMN_RESULT:
		return call->result;
	case COLUMN_BEGIN:
		return start_of(trace, i);
	case COLUMN_DURATION:
		return pv_call_ns(call);
	case COLUMN_OFF_CPU:
		return call->off_cpu_ns;
	}
	return 0;
}

static struct pv_err *write_calls(struct html *html, struct pv_vec *bytes)
{
	static const char *const tags[] = {
		[COLUMN_FUNCTION] = "CLOC",  [COLUMN_PARENT] = "CPAR",  [COLUMN_FLAGS] = "CFLG",
		[COLUMN_ARGUMENTS] = "CARG", [COLUMN_RESULT] = "CRES",  [COLUMN_BEGIN] = "CBEG",
		[COLUMN_DURATION] = "CDUR",  [COLUMN_OFF_CPU] = "COFF",
	};
	const struct pv_trace *trace = html->trace;
	struct pv_err *err = NULL;

	for (size_t c = 0; c < sizeof(tags) / sizeof(*tags) && !err; c++) {
		for (size_t i = 0; i < trace->calls.n && !err; i++)
			err = PUT(bytes, value_of(trace, i, c));
		if (!err)
			err = pv_sections_flush(html->viewer, tags[c], bytes);
	}
	return err;
}

static struct pv_err *html_write(const struct pv_trace *trace, FILE *file)
{
	struct html html PV_CLEANUP(html_deinit) = { .trace = trace, .profile = trace->profile };
	struct pv_vec bytes PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_err *err = pv_viewer_create(&pv_viewer_trace, file, &html.viewer);

	if (!err)
		err = pv_sections_meta(html.viewer, "trace", html.profile, fill_meta, &html);
	if (!err)
		err = pv_sections_strings(html.viewer, html.profile, &bytes);
	if (!err)
		err = pv_sections_locs(html.viewer, html.profile, &bytes);
	if (!err)
		err = pv_sections_nodes(html.viewer, html.profile, &html.place);
	if (!err)
		err = write_executions(&html, &bytes);
	if (!err)
		err = write_calls(&html, &bytes);
	if (!err)
		err = pv_sections_sources(html.viewer, html.profile, &bytes);
	return err ? err : pv_viewer_end(html.viewer);
}

static const char *const html_suffixes[] = { ".html", NULL };

const struct pv_format pv_trace_format_html = {
	.name = "html",
	.suffixes = html_suffixes,
	.help = "one page to look at in a browser: timeline, functions, executions",
	.write_trace = html_write,
};
