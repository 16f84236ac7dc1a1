/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ledger as text: each change with who made it and for which Python line, then what calls left
 * behind, the sums, and the verdict.
 * Input: a struct pv_refs.
 * Output: lines for people; on a terminal in colours and no wider than it is.
 */
#include <inttypes.h>
#include <string.h>

#include "analyse/refnet.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"
#include "out/refs.h"
#include "tui/prose.h"
#include "tui/rows.h"
#include "tui/term.h"

enum {
	WIDE = 1000, /* columns of what is no terminal */
	FIRST = 20,  /* changes at the beginning that a terminal shows, and at the end */
	LAST = 10,
	ROWS = 12, /* of each table */
	NETS = 4,  /* of a function */
};

struct page {
	const struct pv_refs *refs;
	const struct pv_profile *profile;
	const struct pv_refnet *net;
	const struct pv_term *term;
	bool all;     /* changes and rows */
	bool accused; /* of lives: a function is */
};

static void cleanup_net(struct pv_refnet **net)
{
	pv_refnet_destroy(*net);
}

static const struct pv_loc *loc_at(const struct page *page, uint32_t index)
{
	return pv_vec_at(&page->profile->locs, index);
}

static struct pv_err *append_id(const struct page *page, uint32_t id, struct pv_str *str)
{
	return pv_text_append(str, pv_strings_get(page->profile->strings, id),
			      pv_strings_length(page->profile->strings, id));
}

static void put(const struct page *page, const char *text, enum pv_colour colour, bool bold)
{
	pv_term_put(page->term, text, strlen(text), colour, bold);
}

static void put_head(const struct page *page, const char *text)
{
	fputc('\n', page->term->file);
	put(page, text, PV_COLOUR_NONE, true);
	fputc('\n', page->term->file);
}

/* ---- places */

/* Whose instruction it is: "array_argsort", or what the compiler has put into it. */
static struct pv_err *append_by(const struct page *page, uint32_t index, struct pv_str *str)
{
	const struct pv_ref_site *site;

	if (index == PV_REFS_NONE)
		return pv_str_appendf(str, "[unknown]");
	site = pv_vec_at(&page->refs->sites, index);
	return site->source ? append_id(page, site->source, str)
			    : pv_frame_function(page->profile, loc_at(page, site->function), str);
}

/* "methods.c:1274", or "+0x4a, multiarray.so" where no line is known. */
static struct pv_err *append_where(const struct page *page, uint32_t index, struct pv_str *str)
{
	const struct pv_ref_site *site;
	const struct pv_loc *loc;
	struct pv_err *err = NULL;

	if (index == PV_REFS_NONE)
		return NULL;
	site = pv_vec_at(&page->refs->sites, index);
	loc = loc_at(page, site->function);
	if (site->line || site->source)
		err = pv_ref_site_text(page->refs, site, str);
	else if (site->offset != UINT64_MAX)
		err = pv_str_appendf(str, "+0x%" PRIx64, site->offset);
	if (!err && loc->module && !site->line) {
		err = pv_str_appendf(str, str->n ? ", " : "");
		if (!err)
			err = pv_frame_place(page->profile, loc, 0, 0, str);
	}
	return err;
}

static struct pv_err *append_line(const struct page *page, uint32_t frame, struct pv_str *str)
{
	const struct pv_ref_frame *python;
	const struct pv_loc *loc;
	struct pv_err *err;

	if (frame == PV_REFS_NONE)
		return pv_str_appendf(str, "[no Python]");
	python = pv_vec_at(&page->refs->frames, frame);
	loc = loc_at(page, python->loc);
	err = pv_frame_place(page->profile, loc, loc->line, loc->line, str);
	if (!err)
		err = pv_str_append(str, " ", 1);
	return err ? err : pv_frame_function(page->profile, loc, str);
}

/* ---- changes */

static struct pv_err *add_change(const struct page *page, const struct pv_change *change,
				 struct pv_rows *rows)
{
	int64_t delta = pv_change_delta(change);
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	if (page->refs->field_size)
		snprintf(row->numbers, sizeof(row->numbers),
			 "  %12.3f ms  0x%" PRIx64 " -> 0x%" PRIx64 "  ",
			 (double)change->time_ns / 1e6, (uint64_t)change->before,
			 (uint64_t)change->after);
	else
		snprintf(row->numbers, sizeof(row->numbers),
			 "  %12.3f ms  %6" PRId64 " -> %6" PRId64 "  %+" PRId64 "  ",
			 (double)change->time_ns / 1e6, change->before, change->after, delta);
	row->colour = delta > 0 ? PV_COLOUR_NATIVE : PV_COLOUR_NONE;
	if (change->flags & PV_REF_BY_KERNEL)
		err = pv_str_appendf(&row->name, "[a system call]");
	else
		err = append_by(page, change->site, &row->name);
	if (!err)
		err = pv_str_append(&row->name, " ", 1);
	if (!err)
		err = append_where(page, change->site, &row->name);
	if (!err)
		err = append_line(page, change->python, &row->place);
	return err;
}

static struct pv_err *put_changes(struct page *page)
{
	const struct pv_refs *refs = page->refs;
	size_t n = refs->changes.n, first = n, from = n;
	struct pv_err *err = NULL;

	if (!n)
		return NULL;
	if (!page->all && n > FIRST + LAST) {
		first = FIRST;
		from = n - LAST;
	}
	put_head(page, refs->field_size ? "            time  value   by   from"
					: "            time          count       by   from");
	for (int part = 0; !err && part < 2; part++) {
		struct pv_rows rows;

		pv_rows_init(&rows);
		for (size_t i = part ? from : 0; !err && i < (part ? n : first); i++)
			err = add_change(page, pv_vec_at(&refs->changes, i), &rows);
		if (!err)
			err = pv_rows_print(&rows, page->term);
		pv_rows_deinit(&rows);
		if (!part && first < n)
			fprintf(page->term->file,
				"  ... %s more, all of them with -o FILE.txt ...\n",
				pv_text_number(from - first).text);
	}
	return err;
}

/* ---- what calls left */

static const char *verdict_text(const struct pv_refnet_function *function)
{
	switch (function->verdict) {
	case PV_REFNET_BALANCED:
		return "balanced";
	case PV_REFNET_GIVES:
		return function->keeps ? "always, never given back" : "always";
	case PV_REFNET_TAKES:
		return "always";
	case PV_REFNET_VARIES:
		return "differs";
	default:
		return "no call was seen whole";
	}
}

static struct pv_err *add_function(const struct page *page, const struct pv_refnet_function *one,
				   struct pv_rows *rows)
{
	const struct pv_loc *loc = loc_at(page, one->function);
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	snprintf(row->numbers, sizeof(row->numbers), "  %10s calls  ",
		 pv_text_number(one->all).text);
	row->colour = one->python ? PV_COLOUR_PYTHON : PV_COLOUR_NATIVE;
	row->bold = one->verdict == PV_REFNET_VARIES && !one->python && !one->interpreter;
	err = pv_frame_function(page->profile, loc, &row->name);
	if (!err)
		err = pv_str_append(&row->name, " ", 1);
	if (!err)
		err = pv_frame_place(page->profile, loc, 0, 0, &row->name);
	for (size_t i = 0; !err && i < one->n_nets && i < NETS; i++) {
		const struct pv_refnet_net *net = pv_vec_at(&page->net->nets, one->first_net + i);

		err = pv_str_appendf(&row->place,
				     net->net ? "%s%+" PRId64 " in %s" : "%s%" PRId64 " in %s",
				     i ? ", " : "", net->net, pv_text_number(net->calls).text);
	}
	if (!err && one->n_nets > NETS)
		err = pv_str_appendf(&row->place, ", and %zu others", one->n_nets - NETS);
	return err ? err
		   : pv_str_appendf(&row->place, "%s%s", one->n_nets ? ": " : "",
				    verdict_text(one));
}

static struct pv_err *put_functions(struct page *page)
{
	const struct pv_vec *functions = &page->net->functions;
	struct pv_rows rows;
	struct pv_err *err = NULL;
	size_t shown = 0, judged = 0;

	pv_rows_init(&rows);
	for (size_t i = 0; !err && i < functions->n; i++) {
		const struct pv_refnet_function *one = pv_vec_at(functions, i);

		if (!one->n_nets)
			continue;
		judged++;
		if (!page->all && shown >= ROWS)
			continue;
		shown++;
		err = add_function(page, one, &rows);
	}
	if (!err && shown) {
		put_head(page, "net change per call");
		err = pv_rows_print(&rows, page->term);
		if (judged > shown)
			fprintf(page->term->file, "  ... %zu more functions ...\n", judged - shown);
	}
	pv_rows_deinit(&rows);
	return err;
}

/* ---- sums */

static struct pv_err *append_site(const struct page *page, uint32_t site, struct pv_str *name,
				  struct pv_str *place)
{
	struct pv_err *err = append_by(page, site, name);

	return err ? err : append_where(page, site, place);
}

static struct pv_err *put_left(struct page *page)
{
	const struct pv_vec *left = &page->net->unmatched;
	struct pv_rows rows;
	struct pv_err *err = NULL;

	if (!left->n)
		return NULL;
	put_head(page, "without a partner (+1 that no -1 made up for, first)");
	pv_rows_init(&rows);
	for (size_t i = 0; !err && i < left->n && (page->all || i < ROWS); i++) {
		const struct pv_refnet_left *one = pv_vec_at(left, i);
		struct pv_row *row;

		err = pv_rows_add(&rows, &row);
		if (err)
			break;
		snprintf(row->numbers, sizeof(row->numbers), "  %10s times  %+" PRId64 "  ",
			 pv_text_number(one->n).text, one->sign);
		err = append_site(page, one->site, &row->name, &row->place);
	}
	if (!err)
		err = pv_rows_print(&rows, page->term);
	pv_rows_deinit(&rows);
	return err;
}

static struct pv_err *put_pairs(struct page *page)
{
	const struct pv_vec *pairs = &page->net->pairs;
	struct pv_rows rows;
	struct pv_err *err = NULL;

	if (!pairs->n)
		return NULL;
	put_head(page, "pairs (+1 at, -1 at)");
	pv_rows_init(&rows);
	for (size_t i = 0; !err && i < pairs->n && (page->all || i < ROWS); i++) {
		const struct pv_refnet_pair *pair = pv_vec_at(pairs, i);
		struct pv_row *row;

		err = pv_rows_add(&rows, &row);
		if (err)
			break;
		snprintf(row->numbers, sizeof(row->numbers), "  %10s times  ",
			 pv_text_number(pair->n).text);
		err = append_by(page, pair->plus, &row->name);
		if (!err)
			err = pv_str_append(&row->name, " ", 1);
		if (!err)
			err = append_where(page, pair->plus, &row->name);
		if (!err)
			err = append_by(page, pair->minus, &row->place);
		if (!err)
			err = pv_str_append(&row->place, " ", 1);
		if (!err)
			err = append_where(page, pair->minus, &row->place);
	}
	if (!err)
		err = pv_rows_print(&rows, page->term);
	pv_rows_deinit(&rows);
	return err;
}

static struct pv_err *put_sums(struct page *page, const char *head, const struct pv_vec *sums,
			       bool sites)
{
	struct pv_rows rows;
	struct pv_err *err = NULL;

	if (!sums->n)
		return NULL;
	put_head(page, head);
	pv_rows_init(&rows);
	for (size_t i = 0; !err && i < sums->n && (page->all || i < ROWS); i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(sums, i);
		struct pv_row *row;

		err = pv_rows_add(&rows, &row);
		if (err)
			break;
		snprintf(row->numbers, sizeof(row->numbers), "  %+10" PRId64 " %+10" PRId64 "  ",
			 (int64_t)sum->plus, -(int64_t)sum->minus);
		if (sites) {
			err = append_site(page, sum->key, &row->name, &row->place);
			continue;
		}
		err = pv_frame_function(page->profile, loc_at(page, sum->key), &row->name);
		if (!err)
			err = pv_frame_place(page->profile, loc_at(page, sum->key),
					     loc_at(page, sum->key)->line,
					     loc_at(page, sum->key)->line, &row->place);
	}
	if (!err)
		err = pv_rows_print(&rows, page->term);
	pv_rows_deinit(&rows);
	if (!err && !page->all && sums->n > ROWS)
		fprintf(page->term->file, "  ... %zu more ...\n", sums->n - ROWS);
	return err;
}

/* ---- the beginning and the end */

static struct pv_err *append_object(const struct page *page, struct pv_str *str)
{
	const struct pv_refs *refs = page->refs;
	struct pv_err *err = append_id(page, refs->type, str);

	if (err)
		return err;
	if (refs->field_size)
		return pv_str_appendf(str, " at 0x%" PRIx64 ", %u byte%s at +%u", refs->object,
				      refs->field_size, refs->field_size == 1 ? "" : "s",
				      refs->field_at);
	return pv_str_appendf(str, " at 0x%" PRIx64, refs->object);
}

static struct pv_err *put_title(struct page *page)
{
	PV_CLEANUP(pv_prose_deinit) struct pv_prose prose;
	const struct pv_refs *refs = page->refs;
	struct pv_err *err;

	pv_prose_init(&prose);
	err = append_object(page, &prose.text);
	if (!err)
		err = pv_prose_ink(&prose, 0, PV_COLOUR_NONE, true);
	if (!err)
		err = pv_str_appendf(&prose.text, " of ");
	if (!err)
		err = append_id(page, page->profile->title, &prose.text);
	if (!err)
		err = pv_str_appendf(&prose.text, " (%u), ", page->profile->pid);
	if (!err)
		err = append_id(page, page->profile->interpreter, &prose.text);
	if (!err && refs->lives.on) {
		err = pv_str_appendf(&prose.text, ", one of what is born at `");
		if (!err)
			err = append_id(page, refs->lives.place, &prose.text);
		if (!err)
			err = pv_str_append(&prose.text, "`", 1);
	}
	if (!err && !refs->field_size)
		err = pv_str_appendf(&prose.text, ": count %" PRId64 " -> %" PRId64,
				     refs->lives.on ? 0 : refs->first, refs->last);
	if (!err)
		err = pv_str_appendf(&prose.text, " in %s change%s, %.1f s\n",
				     pv_text_number(refs->changes.n).text,
				     refs->changes.n == 1 ? "" : "s",
				     (double)page->profile->duration_ns / 1e9);
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

static const char *end_text(enum pv_refs_end end)
{
	switch (end) {
	case PV_REFS_FREED:
		return "The object was freed: its count came to 0.";
	case PV_REFS_IMMORTAL:
		return "The object was made immortal: its count means nothing any more.";
	case PV_REFS_REPLACED:
		return "The object is gone: its memory was used again, its count never came to 0.";
	case PV_REFS_ENOUGH:
		return "Ended after as many changes as were asked for (-n).";
	case PV_REFS_TARGET_ENDED:
		return "The process has ended.";
	case PV_REFS_EXEC:
		return "The process runs another program.";
	case PV_REFS_FOUND:
		return "Ended: one is lost.";
	case PV_REFS_BUDGET:
		return "Ended early: what was watched cost the process more than --budget.";
	default:
		return NULL;
	}
}

static struct pv_err *put_end(struct page *page)
{
	PV_CLEANUP(pv_prose_deinit) struct pv_prose prose;
	const struct pv_refs *refs = page->refs;
	const char *end = end_text(refs->end);
	struct pv_err *err = NULL;
	size_t start;

	pv_prose_init(&prose);
	if (!refs->field_size && !refs->on_free) {
		err = pv_refnet_sentence(refs, page->net, &prose.text);
		if (!err && (refs->lives.on ? page->accused : page->net->suspect != PV_REFNET_NONE))
			err = pv_prose_ink(&prose, 0, PV_COLOUR_WARN, true);
		if (!err)
			err = pv_str_appendf(&prose.text, ".\n");
	}
	if (!err && end)
		err = pv_str_appendf(&prose.text, "%s\n", end);
	start = prose.text.n;
	if (!err)
		err = pv_refs_doubts(refs, &prose.text);
	if (!err)
		err = pv_str_appendf(&prose.text, "cost: %.2f CPUs of the process's time",
				     refs->cost_cpus);
	if (!err && refs->bare_ns)
		err = pv_str_appendf(&prose.text,
				     "; a write to the watched word takes %.1f us here, "
				     "at least",
				     (double)refs->bare_ns / 1e3);
	if (!err)
		err = pv_str_append(&prose.text, "\n", 1);
	if (!err)
		err = pv_prose_ink(&prose, start, PV_COLOUR_PALE, false);
	if (err)
		return err;
	fputc('\n', page->term->file);
	pv_prose_print(&prose, page->term);
	return NULL;
}

static struct pv_err *put_page(struct page *page, bool changes)
{
	struct pv_err *err = put_title(page);

	if (!err && changes)
		err = put_changes(page);
	if (!err && page->refs->lives.on)
		err = pv_refs_lives_put(page->refs, page->net, page->term, page->all,
					&page->accused);
	/* of one life the calls tell nothing: what others did is in the table above */
	if (!err && page->refs->lives.on)
		return put_end(page);
	if (!err && !page->refs->field_size)
		err = put_left(page);
	if (!err && !page->refs->field_size)
		err = put_functions(page);
	if (!err)
		err = put_sums(page, "by place", &page->net->by_site, true);
	if (!err)
		err = put_sums(page, "by Python line", &page->net->by_line, false);
	if (!err)
		err = put_sums(page, "by C function", &page->net->by_function, false);
	if (!err && !page->refs->field_size)
		err = put_pairs(page);
	return err ? err : put_end(page);
}

static struct pv_err *write_page(const struct pv_refs *refs, const struct pv_term *term, bool all,
				 bool changes)
{
	PV_CLEANUP(cleanup_net) struct pv_refnet *net = NULL;
	struct page page = { .refs = refs, .profile = refs->profile, .term = term, .all = all };
	struct pv_err *err = pv_refnet_create(refs, &net);

	page.net = net;
	return err ? err : put_page(&page, changes);
}

struct pv_err *pv_refs_text_write(const struct pv_refs *refs, const struct pv_term *term)
{
	return write_page(refs, term, false, true);
}

struct pv_err *pv_refs_text_summary(const struct pv_refs *refs, const struct pv_term *term)
{
	return write_page(refs, term, false, false);
}

static struct pv_err *text_write(const struct pv_refs *refs, FILE *file)
{
	struct pv_term term = pv_term_fixed(file, WIDE, false);

	return write_page(refs, &term, true, true);
}

static const char *const text_suffixes[] = { ".txt", NULL };

const struct pv_format pv_refs_format_text = {
	.name = "text",
	.suffixes = text_suffixes,
	.help = "all changes, sums and the verdict, for people",
	.write_refs = text_write,
};
