/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a capture as text.
 * Input: a profile and the verdicts of analyse/ on it.
 * Output: text on a terminal, a file or a pipe.
 */
#include "cmd/summary.h"

#include <stdlib.h>
#include <string.h>

#include "analyse/verdict.h"
#include "analyse/wait.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "cmd/outputs.h"
#include "model/doubts.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"
#include "tui/prose.h"
#include "tui/rows.h"
#include "tui/term.h"

enum {
	WIDE = 100,        /* columns from which the table has one more number, */
	NARROW = 50,       /* with fewer only one */
	PROCESSES_MAX = 8, /* rows */
};

/* What the parts of the summary share. */
struct page {
	const struct pv_profile *profile;
	const struct pv_verdict *verdict;
	const struct pv_vec *doubts; /* struct pv_doubt */
	const struct pv_term *term;
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static enum pv_colour colour_of(uint32_t kind)
{
	switch (kind) {
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

static struct pv_err *append_string(const struct page *page, uint32_t id, struct pv_str *str)
{
	const struct pv_strings *strings = page->profile->strings;

	return pv_text_append(str, pv_strings_get(strings, id), pv_strings_length(strings, id));
}

static struct pv_err *print_answer(const struct page *page)
{
	const struct pv_answer *answer = &page->verdict->answer;
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_err *err;

	pv_prose_init(&prose);
	err = pv_str_append(&prose.text, pv_str_text(&answer->text), answer->text.n);
	for (size_t i = 0; !err && i < answer->spans.n; i++) {
		const struct pv_span *span = pv_vec_at(&answer->spans, i);
		struct pv_ink ink = { span->start, span->end, colour_of(span->kind), span->own };

		err = pv_vec_append(&prose.inks, &ink, 1, NULL);
	}
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

/* What a recording's reader had to say comes first: it holds for all that follows. */
static struct pv_err *print_note(const struct page *page)
{
	const struct pv_profile *profile = page->profile;
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_err *err = NULL;

	pv_prose_init(&prose);
	if (profile->note) {
		err = pv_str_appendf(&prose.text, "Note: ");
		if (!err)
			err = append_string(page, profile->note, &prose.text);
		if (!err)
			err = pv_str_appendf(&prose.text, ".\n");
	} else if (profile->cut) {
		err = pv_str_appendf(
			&prose.text,
			"The recording breaks off; what follows is what it holds up to there.\n");
	}
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

static struct pv_err *print_unwatched(const struct page *page)
{
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_err *err;

	pv_prose_init(&prose);
	err = pv_unwatched_text(page->profile, &prose.text);
	if (err || !prose.text.n)
		return err;
	err = pv_prose_ink(&prose, 0, PV_COLOUR_WARN, false);
	if (!err)
		err = pv_str_appendf(&prose.text, ", not recorded: --children takes them along.\n");
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

/* Programs without Python, or with one that cannot be read. */
static struct pv_err *print_problems(const struct page *page)
{
	const struct pv_profile *profile = page->profile;
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_err *err = NULL;

	pv_prose_init(&prose);
	if (profile->problem) {
		err = pv_str_appendf(&prose.text, "Python frames are not shown: ");
		if (!err)
			err = append_string(page, profile->problem, &prose.text);
		if (!err)
			err = pv_str_appendf(&prose.text, ".\n");
	} else if (profile->pid && !profile->interpreter && !profile->quality.with_python &&
		   page->verdict->load.n_processes < 2) {
		err = pv_str_appendf(&prose.text, "No CPython in ");
		if (!err)
			err = append_string(page, profile->target_name, &prose.text);
		if (!err)
			err = pv_str_appendf(&prose.text, " (%u): native and kernel stacks only.\n",
					     profile->pid);
	}
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

static struct pv_percent share_of(const struct page *page, uint64_t samples)
{
	return pv_text_percent(samples, page->verdict->load.samples, 1);
}

/* Three places: 8.81, 28.4, 284 */
static void format_seconds(const struct page *page, uint64_t samples, char *buffer, size_t size)
{
	double s = samples * page->profile->period_ns / 1e9;

	if (!page->profile->period_ns) {
		snprintf(buffer, size, "-");
		return;
	}
	snprintf(buffer, size, "%.*f s", s < 9.995 ? 2 : s < 99.95 ? 1 : 0, s);
}

static int compare_process(const void *a, const void *b)
{
	const struct pv_profile_process *x = *(const struct pv_profile_process *const *)a;
	const struct pv_profile_process *y = *(const struct pv_profile_process *const *)b;

	if (x->samples != y->samples)
		return x->samples < y->samples ? 1 : -1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* "gunicorn: worker [app:app] (4131)   CPython 3.12.1" */
static struct pv_err *add_process(const struct page *page, const struct pv_profile_process *process,
				  struct pv_rows *rows)
{
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);
	struct pv_percent share = share_of(page, process->samples);
	char time[32];

	if (err)
		return err;
	format_seconds(page, process->samples, time, sizeof(time));
	if (page->term->width < NARROW)
		snprintf(row->numbers, sizeof(row->numbers), "  %7s  ", share.text);
	else
		snprintf(row->numbers, sizeof(row->numbers), "  %7s %8s  ", share.text, time);
	err = append_string(page, process->title ? process->title : process->name, &row->name);
	if (!err)
		err = pv_str_appendf(&row->name, " (%u)", process->pid);
	return err ? err
		   : append_string(page, process->problem ? process->problem : process->interpreter,
				   &row->place);
}

static struct pv_err *print_processes(const struct page *page)
{
	const struct pv_profile *profile = page->profile;
	_pv_free_ const struct pv_profile_process **list =
		calloc(profile->processes.n + 1, sizeof(*list));
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err = NULL;
	size_t n = 0, i;

	pv_rows_init(&rows);
	if (!list)
		return &pv_enomem;
	if (page->verdict->load.n_processes < 2)
		return NULL;
	for (i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		if (process->samples)
			list[n++] = process;
	}
	qsort(list, n, sizeof(*list), compare_process);
	for (i = 0; !err && i < n && i < PROCESSES_MAX; i++)
		err = add_process(page, list[i], &rows);
	if (err)
		return err;
	fprintf(page->term->file, "\n processes\n");
	err = pv_rows_print(&rows, page->term);
	if (n > PROCESSES_MAX)
		fprintf(page->term->file, "  and %zu more\n", n - PROCESSES_MAX);
	return err;
}

static struct pv_err *fill_place(const struct page *page, const struct pv_loc *loc,
				 const struct pv_lines *lines, bool own, struct pv_row *row)
{
	row->colour = colour_of(loc->kind);
	row->bold = own;
	return pv_frame_place(page->profile, loc, lines->first, lines->last, &row->place);
}

static struct pv_err *add_function(const struct page *page, const struct pv_hottest *hottest,
				   struct pv_rows *rows)
{
	const struct pv_loc *loc = pv_vec_at(&page->profile->locs, hottest->loc);
	struct pv_percent of_self = share_of(page, hottest->self),
			  of_total = share_of(page, hottest->total);
	char self[32], total[32];
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	format_seconds(page, hottest->self, self, sizeof(self));
	format_seconds(page, hottest->total, total, sizeof(total));
	if (page->term->width < NARROW)
		snprintf(row->numbers, sizeof(row->numbers), "  %7s  ", of_self.text);
	else if (page->term->width < WIDE)
		snprintf(row->numbers, sizeof(row->numbers), "  %7.9s %7.9s  %7.9s  ", of_self.text,
			 self, of_total.text);
	else
		snprintf(row->numbers, sizeof(row->numbers), "  %7.9s %7.9s  %7.9s %7.9s  ",
			 of_self.text, self, of_total.text, total);
	err = pv_frame_function(page->profile, loc, &row->name);
	return err ? err : fill_place(page, loc, &hottest->lines, hottest->own, row);
}

static struct pv_err *print_hottest(const struct page *page)
{
	const struct pv_verdict *verdict = page->verdict;
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err = NULL;

	pv_rows_init(&rows);
	if (!verdict->n_hottest)
		return NULL;
	for (size_t i = 0; !err && i < verdict->n_hottest; i++)
		err = add_function(page, &verdict->hottest[i], &rows);
	if (err)
		return err;
	fprintf(page->term->file, "\n    self  %s%sfunction\n",
		page->term->width < NARROW ? "" : "          total  ",
		page->term->width < WIDE ? "" : "         ");
	return pv_rows_print(&rows, page->term);
}

/* names: by depth, the column at which the last row's name began. */
static struct pv_err *add_call(const struct page *page, const struct pv_hotpath_row *call,
			       unsigned int *names, struct pv_rows *rows)
{
	const struct pv_loc *loc = pv_vec_at(&page->profile->locs, call->call.loc);
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	snprintf(row->numbers, sizeof(row->numbers), "  %7s  ",
		 share_of(page, call->call.total).text);
	row->indent = call->depth ? names[call->depth - 1] + 2 : 0;
	row->folded = call->folded;
	names[call->depth] = row->indent + (row->folded ? 2 : 0);
	err = call->call.unnamed ? pv_str_appendf(&row->name, "[unknown]")
				 : pv_frame_function(page->profile, loc, &row->name);
	if (!err && call->call.recursive)
		err = pv_str_appendf(&row->name, " (recursive)");
	return err ? err : fill_place(page, loc, &call->call.lines, call->call.own, row);
}

static struct pv_err *print_hotpath(const struct page *page)
{
	const struct pv_verdict *verdict = page->verdict;
	_pv_free_ unsigned int *names = calloc(verdict->n_hotpath + 1, sizeof(*names));
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err = NULL;

	pv_rows_init(&rows);
	if (!names)
		return &pv_enomem;
	if (!verdict->n_hotpath)
		return NULL;
	for (size_t i = 0; !err && i < verdict->n_hotpath; i++)
		err = add_call(page, &verdict->hotpath[i], names, &rows);
	if (err)
		return err;
	fprintf(page->term->file, "\n hottest path\n");
	return pv_rows_print(&rows, page->term);
}

static struct pv_err *say_complete(const struct pv_quality *quality, struct pv_str *str)
{
	struct pv_err *err = pv_str_append(str, "; ", 2);

	if (!err)
		err = pv_complete_text(quality, str);
	if (!err && quality->bridged)
		err = pv_str_appendf(str, ", %s bridged", pv_text_number(quality->bridged).text);
	if (!err && quality->truncated)
		err = pv_str_appendf(str, ", %s truncated",
				     pv_text_number(quality->truncated).text);
	if (!err && quality->marked)
		err = pv_str_appendf(str, ", %s marked", pv_text_number(quality->marked).text);
	return err;
}

static struct pv_err *say_cost(const struct pv_profile *profile, struct pv_str *str)
{
	struct pv_err *err = NULL;

	if (!pv_totals_known(profile))
		return pv_str_append(str, ".", 1);
	/* without samples there was nothing to measure */
	if (profile->probe_ns || !profile->quality.samples)
		err = pv_str_appendf(str, "; cost %.2g %% of one CPU in the target, ",
				     percent(profile->probe_ns, profile->duration_ns));
	else
		err = pv_str_appendf(str, "; cost in the target not measured, ");
	return err ? err : pv_str_appendf(str, "%.2f s in pitviper.", profile->own_cpu_ns / 1e9);
}

/* "2,812 samples, none lost; 99.96 % complete; cost ..." */
static struct pv_err *say_quality(const struct page *page, bool good, struct pv_prose *prose)
{
	const struct pv_profile *profile = page->profile;
	const struct pv_quality *quality = &profile->quality;
	const struct pv_load *load = &page->verdict->load;
	struct pv_str *text = &prose->text;
	struct pv_err *err;

	err = pv_str_appendf(text, "%s sample%s", pv_text_number(quality->samples).text,
			     quality->samples == 1 ? "" : "s");
	if (!err && load->rough && quality->samples)
		err = pv_str_appendf(text, " (few: shares are rough)");
	if (!err)
		err = load->lost
			      ? pv_str_appendf(text, ", %s lost", pv_text_number(load->lost).text)
			      : pv_str_appendf(text, ", none lost");
	if (!err && load->missing)
		err = pv_str_appendf(text, ", %s (%.1f %%) fewer than its CPU time is worth",
				     pv_text_number(load->missing).text,
				     percent(load->missing, load->expected));
	if (!err)
		err = pv_prose_ink(prose, 0, good ? PV_COLOUR_GOOD : PV_COLOUR_WARN, false);
	if (!err && quality->samples)
		err = say_complete(quality, text);
	return err ? err : say_cost(profile, text);
}

static struct pv_err *say_outputs(const char *const *outputs, size_t n, const char *cut,
				  struct pv_str *str)
{
	struct pv_err *err = pv_outputs_say(outputs, n, str);

	if (err || !cut)
		return err;
	if (n)
		err = pv_str_appendf(str, "; ");
	if (!err)
		err = pv_text_append(str, cut, strlen(cut));
	return err ? err : pv_str_appendf(str, " is cut off");
}

static struct pv_err *print_quality(const struct page *page, const char *const *outputs, size_t n,
				    const char *cut)
{
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_str wrote PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err;
	size_t columns;

	pv_prose_init(&prose);
	err = say_quality(page, !page->doubts->n, &prose);
	if (!err)
		err = say_outputs(outputs, n, cut, &wrote);
	if (err)
		return err;
	columns = pv_text_width(pv_str_text(&prose.text), prose.text.n) + 2 +
		  pv_text_width(pv_str_text(&wrote), wrote.n);
	if (wrote.n)
		err = pv_str_appendf(&prose.text, "%s%s",
				     columns <= page->term->width ? "  " : "\n",
				     pv_str_text(&wrote));
	if (!err)
		err = pv_str_append(&prose.text, "\n", 1);
	if (err)
		return err;
	fputc('\n', page->term->file);
	pv_prose_print(&prose, page->term);
	return NULL;
}

/* A bridged break or a refused bridge is told, too. */
static struct pv_err *print_losses(const struct page *page)
{
	const struct pv_losses *losses = &page->profile->losses;
	struct pv_prose prose PV_CLEANUP(pv_prose_deinit);
	struct pv_err *err = NULL;

	pv_prose_init(&prose);
	if (!pv_losses_any(losses))
		return NULL;
	err = pv_str_appendf(&prose.text, "Lost or marked, by cause:\n");
	for (size_t i = 1; !err && i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			err = pv_str_appendf(&prose.text, "  %7s %s\n",
					     pv_text_number(losses->count[i]).text,
					     pv_losses_text(losses, i));
	}
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

/* What no other part of the summary says. */
static struct pv_err *print_doubts(const struct page *page)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < page->doubts->n; i++) {
		const struct pv_doubt *doubt = pv_vec_at(page->doubts, i);

		if (doubt->kind != PV_DOUBT_SOURCES && doubt->kind != PV_DOUBT_UNKNOWN &&
		    doubt->kind != PV_DOUBT_KERNEL)
			continue;

		struct pv_prose prose PV_CLEANUP(pv_prose_deinit);

		pv_prose_init(&prose);
		err = pv_text_append(&prose.text, pv_str_text(&doubt->text), doubt->text.n);
		if (!err)
			err = pv_str_append(&prose.text, ".\n", 2);
		if (!err)
			pv_prose_print(&prose, page->term);
	}
	return err;
}

struct pv_err *pv_summary_print(const struct pv_profile *profile, const struct pv_live *live,
				const char *const *outputs, size_t n_outputs,
				const struct pv_term *term)
{
	struct pv_verdict verdict PV_CLEANUP(pv_verdict_deinit) = {};
	struct pv_vec doubts PV_CLEANUP(pv_doubts_deinit) = PV_VEC(struct pv_doubt);
	struct page page = { profile, &verdict, &doubts, term };
	struct pv_wait wait PV_CLEANUP(pv_wait_deinit) = {};
	struct pv_err *err = pv_wait_get(profile, &wait);

	wait.is_there = live && !profile->ended;
	if (!err)
		err = pv_verdict_of(profile, &wait, &verdict);
	if (!err)
		err = pv_doubts_of(profile, &doubts);
	if (err)
		return err;
	fputc('\n', term->file);
	err = print_note(&page);
	if (!err)
		err = print_answer(&page);
	if (!err)
		err = print_unwatched(&page);
	if (!err)
		err = print_problems(&page);
	if (!err)
		err = print_processes(&page);
	if (!err)
		err = print_hottest(&page);
	if (!err)
		err = print_hotpath(&page);
	if (!err)
		err = print_quality(&page, outputs, n_outputs, live ? live->cut_output : NULL);
	if (!err)
		err = print_losses(&page);
	return err ? err : print_doubts(&page);
}
