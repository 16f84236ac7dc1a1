/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace as text: each execution with the stack that led to it, a line where a call
 * began and a line where it ended, then the functions that were called, then what is
 * missing and what it cost.
 * Input: a trace.
 * Output: lines for people; on a terminal in colours and no wider than it is.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "analyse/callees.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/trace.h"
#include "out/trace_calls.h"
#include "tui/prose.h"
#include "tui/rows.h"
#include "tui/term.h"

enum {
	LEVELS_MAX = 40, /* that are indented; below it the level is told */
	WIDE = 1000,     /* columns of what is no terminal */
	NARROW = 100,    /* columns; a terminal with less has a smaller table */
	LEAD = 28,       /* columns of times before the arrows */
	NS_A_MS = 1000000,
};

#define UNSEEN "without calls of which an end is guessed or missing\n"

struct page {
	const struct pv_trace *trace;
	const struct pv_profile *profile;
	const struct pv_term *term;
	struct pv_str name, place; /* scratch: the two halves of a line */
};

static enum pv_colour colour_of(const struct pv_loc *loc)
{
	switch (loc->kind) {
	case PV_LOC_PYTHON:
		return PV_COLOUR_PYTHON;
	case PV_LOC_NATIVE:
	case PV_LOC_INLINED:
		return PV_COLOUR_NATIVE;
	case PV_LOC_KERNEL:
		return PV_COLOUR_KERNEL;
	default:
		return PV_COLOUR_PALE;
	}
}

static const struct pv_loc *loc_at(const struct page *page, uint32_t index)
{
	return pv_vec_at(&page->profile->locs, index);
}

static struct pv_err *append_string(struct pv_str *str, const struct pv_profile *profile,
				    uint32_t id)
{
	return pv_text_append(str, pv_strings_get(profile->strings, id),
			      pv_strings_length(profile->strings, id));
}

/* Begins a line's two halves anew: the function, its place in brackets. */
static struct pv_err *set_function(struct page *page, const struct pv_loc *loc, bool with_place)
{
	struct pv_err *err;

	pv_str_clear(&page->name);
	pv_str_clear(&page->place);
	err = pv_frame_function(page->profile, loc, &page->name);
	if (err || !with_place)
		return err;
	err = pv_str_appendf(&page->place, " (");
	if (!err)
		err = pv_frame_place(page->profile, loc, loc->line, loc->line, &page->place);
	if (!err && page->place.n <= 2)
		pv_str_clear(&page->place);
	else if (!err)
		err = pv_str_appendf(&page->place, ")");
	return err;
}

/* The two halves, in what the terminal has left of a line; the place goes first. */
static struct pv_err *put_halves(struct page *page, size_t used, enum pv_colour colour, bool bold)
{
	size_t width = page->term->terminal ? page->term->width : SIZE_MAX;
	size_t left = width > used ? width - used : 0, n;
	struct pv_err *err = NULL;

	if (page->term->terminal) {
		err = pv_text_cut(&page->name, 0, left);
		n = pv_text_width(pv_str_text(&page->name), page->name.n);
		if (!err)
			err = pv_text_cut(&page->place, 0, left > n ? left - n : 0);
	}
	pv_term_put(page->term, pv_str_text(&page->name), page->name.n, colour, bold);
	pv_term_put(page->term, pv_str_text(&page->place), page->place.n, PV_COLOUR_PALE, false);
	fputc('\n', page->term->file);
	return err;
}

static void put_pale(const struct page *page, const char *text)
{
	pv_term_put(page->term, text, strlen(text), PV_COLOUR_PALE, false);
}

static struct pv_err *put_head(struct page *page)
{
	const struct pv_trace *trace = page->trace;
	const struct pv_profile *profile = page->profile;
	struct pv_err *err = set_function(page, loc_at(page, trace->function), true);

	if (!err)
		err = pv_str_appendf(&page->place, " in ");
	if (!err)
		err = append_string(&page->place, profile,
				    profile->title ? profile->title : profile->target_name);
	if (!err)
		err = pv_str_appendf(&page->place, " (%u)", profile->pid);
	if (!err && profile->interpreter)
		err = pv_str_appendf(&page->place, ", ");
	if (!err)
		err = append_string(&page->place, profile, profile->interpreter);
	return err ? err : put_halves(page, 0, colour_of(loc_at(page, trace->function)), true);
}

/* The wall clock at so many ns of the trace: "  14:03:07.114", nothing if it is not known. */
static void put_clock(const struct page *page, uint64_t ns)
{
	uint64_t unix_ns = page->profile->start_unix_ns + ns;
	time_t seconds = (time_t)(unix_ns / 1000000000);
	struct tm tm;
	char text[32];

	if (!page->profile->start_unix_ns || !localtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%H:%M:%S", &tm))
		return;
	fprintf(page->term->file, "  %s.%03u", text, (unsigned int)(unix_ns / 1000000 % 1000));
}

static bool is_same_function(const struct pv_loc *a, const struct pv_loc *b)
{
	return a->kind == b->kind && a->function == b->function && a->file == b->file &&
	       a->module == b->module;
}

/* The stack that led to an execution, innermost first, without the function itself. */
static struct pv_err *put_stack(struct page *page, size_t index)
{
	const struct pv_execution *execution = pv_vec_at(&page->trace->executions, index);
	const struct pv_stack_node *nodes = page->profile->nodes.data;
	uint32_t at = execution->node;
	struct pv_err *err = NULL;
	const char *word = "from ";

	for (size_t i = 0; at && i < index; i++) {
		const struct pv_execution *other = pv_vec_at(&page->trace->executions, i);

		if (other->node != at)
			continue;
		fprintf(page->term->file, "     from the same place as #%" PRIu64 "\n",
			other->number);
		return NULL;
	}
	if (at &&
	    is_same_function(loc_at(page, nodes[at].loc), loc_at(page, page->trace->function)))
		at = nodes[at].parent;
	for (; at && !err; at = nodes[at].parent) {
		const struct pv_loc *loc = loc_at(page, nodes[at].loc);

		err = set_function(page, loc, true);
		fprintf(page->term->file, "     %s", word);
		if (!err)
			err = put_halves(page, 10, colour_of(loc), false);
		word = "     ";
	}
	return err;
}

static struct pv_err *put_execution_head(struct page *page, size_t index)
{
	const struct pv_execution *execution = pv_vec_at(&page->trace->executions, index);
	const struct pv_call *first = pv_vec_at(&page->trace->calls, execution->first);
	const struct pv_profile_thread *thread =
		pv_vec_at(&page->profile->threads, execution->thread);
	FILE *file = page->term->file;
	char number[32];
	struct pv_err *err;
	int n = snprintf(number, sizeof(number), "#%" PRIu64, execution->number);

	pv_term_put(page->term, number, n, PV_COLOUR_NONE, true);
	put_clock(page, first->start_ns);
	pv_str_clear(&page->name);
	err = append_string(&page->name, page->profile, thread->name);
	if (err)
		return err;
	fprintf(file, "  thread %u%s%s  ", thread->tid, page->name.n ? " " : "",
		pv_str_text(&page->name));
	if (pv_call_ns(first) < NS_A_MS)
		fprintf(file, "%s", pv_text_duration(pv_call_ns(first)).text);
	else
		fprintf(file, "%.3f ms", (double)pv_call_ns(first) / NS_A_MS);
	if (first->off_cpu_ns)
		fprintf(file, ", %s of it not on a CPU", pv_text_duration(first->off_cpu_ns).text);
	fputc('\n', file);
	if (execution->partial || execution->lost) {
		fputs("     ", file);
		if (execution->partial)
			put_pale(page, execution->late
					       ? "partial: it was waited for, and what it calls "
						 "is probed since it began (see --arm-now)"
					       : "partial: not all places were probed yet when it "
						 "began");
		if (execution->lost)
			fprintf(file, "%s%s event%s of it lost: calls are missing",
				execution->partial ? "; " : "",
				pv_text_number(execution->lost).text,
				execution->lost == 1 ? "" : "s");
		fputc('\n', file);
	}
	return put_stack(page, index);
}

/* Time since the execution's beginning, duration of what ended, level. */
static size_t put_times(const struct page *page, const struct pv_call *call, uint64_t ns,
			bool guessed, const char *duration)
{
	const struct pv_execution *execution = pv_vec_at(&page->trace->executions, call->execution);
	const struct pv_call *first = pv_vec_at(&page->trace->calls, execution->first);
	uint64_t since = ns > first->start_ns ? ns - first->start_ns : 0;
	FILE *file = page->term->file;
	int level = call->depth < LEVELS_MAX ? (int)call->depth : LEVELS_MAX, n;

	n = fprintf(file, "%c%*" PRIu64 ".%03u  %9s", guessed ? '~' : ' ', 8, since / NS_A_MS,
		    (unsigned int)(since / 1000 % 1000), duration);
	n += fprintf(file, "%*s", (n < LEAD ? LEAD - n : 1) + 2 * level, "");
	if (call->depth > LEVELS_MAX)
		n += fprintf(file, "[%" PRIu32 "] ", call->depth);
	return n;
}

static struct pv_err *put_begin(void *ctx, uint32_t index)
{
	struct page *page = ctx;
	const struct pv_call *call = pv_vec_at(&page->trace->calls, index);
	const struct pv_loc *loc = loc_at(page, call->function);
	size_t n = put_times(page, call, call->start_ns, call->flags & PV_CALL_BEGIN_GUESSED, "");
	struct pv_err *err = set_function(page, loc, true);

	fputs("-> ", page->term->file);
	if (!err && call->arguments) {
		err = pv_str_appendf(&page->name, "(");
		if (!err)
			err = pv_trace_value(page->profile, call->arguments, &page->name);
		if (!err)
			err = pv_str_appendf(&page->name, ")");
	}
	if (!err && call->flags & PV_CALL_RESUMED)
		err = pv_str_appendf(&page->place, "  resumed");
	return err ? err : put_halves(page, n + 3, colour_of(loc), false);
}

static struct pv_err *put_end(void *ctx, uint32_t index)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ PV_CALL_YIELDED, "  yielded" },
		{ PV_CALL_RAISED, "  raised" },
		{ PV_CALL_END_GUESSED, "  end guessed" },
		{ PV_CALL_BEGIN_GUESSED, "  beginning guessed" },
		{ PV_CALL_CUT, "  not ended" },
	};
	struct page *page = ctx;
	const struct pv_call *call = pv_vec_at(&page->trace->calls, index);
	const struct pv_loc *loc = loc_at(page, call->function);
	bool guessed = call->flags & PV_CALL_END_GUESSED;
	size_t n = put_times(page, call, call->end_ns, guessed,
			     pv_text_duration(pv_call_ns(call)).text);
	struct pv_err *err = set_function(page, loc, false);

	fputs(call->flags & PV_CALL_CUT ? ".. " : "<- ", page->term->file);
	if (!err && call->result) {
		err = pv_str_appendf(&page->name, " = ");
		if (!err)
			err = pv_trace_value(page->profile, call->result, &page->name);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !err; i++) {
		if (call->flags & words[i].flag)
			err = pv_str_appendf(&page->place, "%s", words[i].word);
	}
	return err ? err : put_halves(page, n + 3, colour_of(loc), false);
}

static struct pv_err *put_execution(struct page *page, size_t index)
{
	const struct pv_execution *execution = pv_vec_at(&page->trace->executions, index);
	const struct pv_trace_visitor visitor = { page, put_begin, put_end };
	struct pv_err *err;

	fputc('\n', page->term->file);
	if (!execution->n)
		return NULL;
	err = put_execution_head(page, index);
	return err ? err : pv_trace_visit(page->trace, index, &visitor);
}

/* Columns of times; a narrow terminal has no room for all. */
enum { COLUMNS = 6 };
static const struct column {
	const char *title;
	bool single; /* of single calls */
	bool wide;
} columns[COLUMNS] = {
	{ "total", false, false }, { "self", false, false }, { "min", true, true },
	{ "p50", true, false },    { "p99", true, false },   { "max", true, true },
};

static bool has_column(const struct page *page, size_t i)
{
	return !columns[i].wide || !page->term->terminal || page->term->width >= NARROW;
}

static struct pv_err *add_row(struct page *page, struct pv_rows *rows,
			      const struct pv_callee *callee)
{
	const struct pv_loc *loc = loc_at(page, callee->function);
	const uint64_t times[COLUMNS] = { callee->total_ns, callee->self_ns, callee->min_ns,
					  callee->p50_ns,   callee->p99_ns,  callee->max_ns };
	const struct {
		uint64_t n;
		const char *word;
	} notes[] = { { callee->resumed, "resumed" },
		      { callee->raised, "raised" },
		      { callee->guessed, "guessed" },
		      { callee->cut, "not ended" } };
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);
	size_t n;

	if (err)
		return err;
	n = snprintf(row->numbers, sizeof(row->numbers), "%10s",
		     pv_text_number(callee->calls).text);
	for (size_t i = 0; i < COLUMNS; i++) {
		bool known = !columns[i].single || callee->measured;

		if (has_column(page, i))
			n += snprintf(row->numbers + n, sizeof(row->numbers) - n, "  %8s",
				      known ? pv_text_duration(times[i]).text : "-");
	}
	snprintf(row->numbers + n, sizeof(row->numbers) - n, "  ");
	row->colour = colour_of(loc);
	err = pv_frame_function(page->profile, loc, &row->name);
	if (!err)
		err = pv_frame_place(page->profile, loc, loc->line, loc->line, &row->place);
	for (size_t i = 0; i < sizeof(notes) / sizeof(*notes) && !err; i++) {
		if (notes[i].n)
			err = pv_str_appendf(&row->place, "%s%s %s", row->place.n ? ", " : "",
					     pv_text_number(notes[i].n).text, notes[i].word);
	}
	return err;
}

static void put_titles(const struct page *page)
{
	char text[128];
	size_t n = snprintf(text, sizeof(text), "%10s", "calls");

	for (size_t i = 0; i < COLUMNS; i++) {
		if (has_column(page, i))
			n += snprintf(text + n, sizeof(text) - n, "  %8s", columns[i].title);
	}
	snprintf(text + n, sizeof(text) - n, "  function\n");
	put_pale(page, text);
}

static struct pv_err *put_table(struct page *page, const struct pv_callees *callees)
{
	PV_CLEANUP(pv_rows_deinit) struct pv_rows rows;
	struct pv_term term = *page->term;
	FILE *file = term.file;
	struct pv_err *err = set_function(page, loc_at(page, page->trace->function), false);

	pv_rows_init(&rows);
	for (size_t i = 0; i < callees->n && !err; i++)
		err = add_row(page, &rows, &callees->list[i]);
	if (err || !callees->n)
		return err;
	fprintf(file, "\ncallees of %s, %zu execution%s, %s\n", pv_str_text(&page->name),
		page->trace->executions.n, page->trace->executions.n == 1 ? "" : "s",
		pv_text_duration(callees->duration_ns).text);
	put_titles(page);
	if (!term.terminal)
		term.width = WIDE;
	err = pv_rows_print(&rows, &term);
	if (callees->recursive)
		put_pale(page, "total: of calls inside another one of the same function only the "
			       "outermost\n");
	if (callees->guessed_begins || callees->guessed_ends || callees->cut)
		put_pale(page, has_column(page, 2) ? "min to max: " UNSEEN : "p50, p99: " UNSEEN);
	return err;
}

/* Executions, kept and not; calls. */
static struct pv_err *append_counts(struct page *page, const struct pv_callees *callees,
				    struct pv_str *str)
{
	const struct pv_trace *trace = page->trace;
	const struct {
		uint64_t n;
		const char *why;
	} left_out[] = { { trace->n_short, "shorter than --duration-over" },
			 { trace->n_unmet, "for which --if did not hold" },
			 { trace->n_undecided, "for which --if could not be decided" },
			 { trace->n_skipped, "while others were recorded" },
			 { trace->n_gone, "that had ended before all was probed" },
			 { trace->n_unsent, "of which all was lost" } };
	struct pv_err *err =
		pv_str_appendf(str, "%s of ", pv_text_number(trace->executions.n).text);
	const char *before = " (not: ";

	if (!err)
		err = pv_str_appendf(str, "%s execution%s", pv_text_number(trace->n_seen).text,
				     trace->n_seen == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out) && !err; i++) {
		if (!left_out[i].n)
			continue;
		err = pv_str_appendf(str, "%s%s %s", before, pv_text_number(left_out[i].n).text,
				     left_out[i].why);
		before = ", ";
	}
	if (!err && *before == ',')
		err = pv_str_appendf(str, ")");
	if (!err)
		err = pv_str_appendf(str, ", %s call%s", pv_text_number(callees->calls).text,
				     callees->calls == 1 ? "" : "s");
	if (!err && callees->resumed)
		err = pv_str_appendf(str, ", %s resumed", pv_text_number(callees->resumed).text);
	return err ? err : pv_str_appendf(str, callees->lost ? "." : ", none lost.");
}

static struct pv_err *append_cost(const struct pv_trace *trace, struct pv_str *str)
{
	struct pv_err *err =
		pv_str_appendf(str, "  %s hits of probes at %" PRIu64 " ns",
			       pv_text_number(trace->hits[0]).text, trace->prices_ns[0]);

	if (!err && trace->hits[1])
		err = pv_str_appendf(str, ", %s at %" PRIu64 " ns",
				     pv_text_number(trace->hits[1]).text, trace->prices_ns[1]);
	if (!err && trace->watch_hits)
		err = pv_str_appendf(str, ", %s of a watchpoint at %" PRIu64 " ns",
				     pv_text_number(trace->watch_hits).text, trace->watch_price_ns);
	if (!err)
		err = pv_str_appendf(str, ": %.1f %% of a CPU; %s places, attached in %.0f ms.",
				     100 * trace->cost_cpus, pv_text_number(trace->n_sites).text,
				     trace->attach_ms);
	return err;
}

static struct pv_err *put_quality(struct page *page, const struct pv_callees *callees)
{
	PV_CLEANUP(pv_trace_doubts_deinit) struct pv_vec doubts = PV_VEC(struct pv_str);
	PV_CLEANUP(pv_prose_deinit) struct pv_prose prose;
	struct pv_err *err = pv_trace_doubts(page->trace, callees, &doubts);
	size_t start;

	pv_prose_init(&prose);
	if (!err)
		err = append_counts(page, callees, &prose.text);
	for (size_t i = 0; i < doubts.n && !err; i++) {
		const struct pv_str *doubt = pv_vec_at(&doubts, i);

		err = pv_str_append(&prose.text, "  ", 2);
		start = prose.text.n;
		if (!err)
			err = pv_text_append(&prose.text, pv_str_text(doubt), doubt->n);
		if (!err)
			err = pv_str_append(&prose.text, ".", 1);
		if (!err)
			err = pv_prose_ink(&prose, start, PV_COLOUR_WARN, false);
	}
	if (!err)
		err = append_cost(page->trace, &prose.text);
	if (!err)
		err = pv_str_append(&prose.text, "\n", 1);
	if (err)
		return err;
	fputc('\n', page->term->file);
	pv_prose_print(&prose, page->term);
	return NULL;
}

static void page_deinit(struct page *page)
{
	pv_str_deinit(&page->name);
	pv_str_deinit(&page->place);
}

/* calls: also each call of each execution. */
static struct pv_err *write_page(const struct pv_trace *trace, bool calls,
				 const struct pv_term *term)
{
	struct page page PV_CLEANUP(
		page_deinit) = { .trace = trace, .profile = trace->profile, .term = term };
	PV_CLEANUP(pv_callees_deinit) struct pv_callees callees = { .n = 0 };
	struct pv_err *err = pv_callees_init(&callees, trace);

	if (!err)
		err = put_head(&page);
	for (size_t i = 0; calls && i < trace->executions.n && !err; i++)
		err = put_execution(&page, i);
	if (!err)
		err = put_table(&page, &callees);
	return err ? err : put_quality(&page, &callees);
}

struct pv_err *pv_trace_text_write(const struct pv_trace *trace, const struct pv_term *term)
{
	return write_page(trace, true, term);
}

struct pv_err *pv_trace_text_summary(const struct pv_trace *trace, const struct pv_term *term)
{
	return write_page(trace, false, term);
}

static struct pv_err *text_write(const struct pv_trace *trace, FILE *file)
{
	struct pv_term term = pv_term_fixed(file, WIDE, false);

	return pv_trace_text_write(trace, &term);
}

static const char *const text_suffixes[] = { ".txt", NULL };

const struct pv_format pv_trace_format_text = {
	.name = "text",
	.suffixes = text_suffixes,
	.help = "a line where a call begins and where it ends, then a table",
	.write_trace = text_write,
};
