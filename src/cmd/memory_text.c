/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hunt as text.  Input: a pv_memory, the verdict.  Output: lines.
 */
#include "cmd/memory_text.h"

#include <inttypes.h>
#include <string.h>

#include "analyse/leak.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "cmd/outputs.h"
#include "model/loss.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "tui/prose.h"
#include "tui/rows.h"
#include "tui/term.h"

enum {
	SUSPECTS_MAX = 8,
	TYPES_MAX = 8,
	HOLDERS_MAX = 8,
	NEXT_MAX = 3,
	KIND_COLUMNS = 12,
};

struct page {
	const struct pv_memory *memory;
	const struct pv_leak *leak;
	const struct pv_term *term;
};

static enum pv_colour colour_of(enum pv_leak_kind kind)
{
	return kind == PV_LEAK_CLEAN    ? PV_COLOUR_GOOD
	       : kind < PV_LEAK_GROWING ? PV_COLOUR_NONE
					: PV_COLOUR_WARN;
}

static struct pv_err *append_string(const struct page *page, uint32_t id, struct pv_str *str)
{
	const struct pv_strings *strings = page->memory->profile->strings;

	return pv_text_append(str, pv_strings_get(strings, id), pv_strings_length(strings, id));
}

/* The first line in colour: it is the answer. */
static struct pv_err *print_verdict(const struct page *page)
{
	PV_CLEANUP(pv_prose_deinit) struct pv_prose prose;
	const struct pv_str *text = &page->leak->text;
	const char *end = memchr(pv_str_text(text), '\n', text->n);
	size_t first = end ? (size_t)(end - pv_str_text(text)) : text->n;
	struct pv_err *err;

	pv_prose_init(&prose);
	err = pv_str_append(&prose.text, pv_str_text(text), first);
	if (!err)
		err = pv_prose_ink(&prose, 0, colour_of(page->leak->kind), true);
	if (!err)
		err = pv_str_append(&prose.text, pv_str_text(text) + first, text->n - first);
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

static void print_head(const struct page *page, const char *text)
{
	fputc('\n', page->term->file);
	pv_term_put(page->term, text, strlen(text), PV_COLOUR_PALE, false);
	fputc('\n', page->term->file);
}

/* By the verdict. */
static bool is_named(const struct page *page, const struct pv_suspect *one)
{
	return one == page->leak->suspects.data && page->leak->has_site;
}

static struct pv_err *add_suspect(const struct page *page, const struct pv_suspect *one,
				  struct pv_rows *rows)
{
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	snprintf(row->numbers, sizeof(row->numbers), "%10s %11s %11s %7s  ",
		 pv_text_bytes((double)one->left_bytes).text, pv_text_number(one->left_count).text,
		 pv_text_number(one->seen_count).text,
		 pv_text_percent(one->left_count, one->seen_count, 0).text);
	row->bold = is_named(page, one);
	err = pv_spot_text(page->memory, &one->spot, &row->name);
	if (!err && one->type != PV_MEMORY_NONE)
		err = pv_leak_type(page->memory, one->type, &row->place);
	return err;
}

static struct pv_err *print_places(const struct page *page, const char *title, bool suspect)
{
	const struct pv_vec *suspects = &page->leak->suspects;
	PV_CLEANUP(pv_str_deinit) struct pv_str head = { 0 };
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	double weight = 1;
	struct pv_err *err;

	pv_rows_init(&rows);
	err = pv_str_appendf(&head, "      left       count   allocated   stays  %s", title);
	for (size_t i = 0; i < suspects->n && i < SUSPECTS_MAX && !err; i++) {
		const struct pv_suspect *one = pv_vec_at(suspects, i);

		if (one->weight > weight)
			weight = one->weight;
		if (one->left_count &&
		    (is_named(page, one) || pv_leak_accuses(page->leak, one)) == suspect)
			err = add_suspect(page, one, &rows);
	}
	if (!err && weight > 1 && suspect)
		err = pv_str_appendf(&head, "; seen for %s of the time",
				     pv_text_percent((uint64_t)(1e6 / weight), 1000000, 0).text);
	if (err || !rows.list.n)
		return err;
	print_head(page, pv_str_text(&head));
	return pv_rows_print(&rows, page->term);
}

static struct pv_err *print_suspects(const struct page *page)
{
	struct pv_err *err;

	/* what stays of what does not grow is a cache's, and no suspect; files have it */
	if (page->leak->kind == PV_LEAK_CLEAN)
		return NULL;
	err = print_places(page, "where, the most suspect first", true);
	return err ? err
		   : print_places(page, "no suspects: in flight, or of what does not grow", false);
}

static struct pv_err *add_type(const struct page *page, const struct pv_growth_type *one,
			       struct pv_rows *rows)
{
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	snprintf(row->numbers, sizeof(row->numbers), "%8s/s %11s %11s %11s  ",
		 pv_text_bytes(one->bytes_per_s).text, pv_text_bytes((double)one->last.bytes).text,
		 pv_text_number(one->last.count).text, pv_text_number(one->first.count).text);
	row->bold = page->leak->n_types && page->leak->types[0] == one->type;
	return pv_leak_type(page->memory, one->type, &row->name);
}

static struct pv_err *print_types(const struct page *page)
{
	const struct pv_vec *types = &page->leak->growth.types;
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err = NULL;

	pv_rows_init(&rows);
	if (!types->n)
		return NULL;
	for (size_t i = 0; i < types->n && i < TYPES_MAX && !err; i++)
		err = add_type(page, pv_vec_at(types, i), &rows);
	if (err)
		return err;
	print_head(page, "     grows       bytes     objects    at start  type");
	return pv_rows_print(&rows, page->term);
}

static struct pv_err *print_mappings(const struct page *page)
{
	const struct pv_vec *points = &page->memory->points;
	const struct pv_growth *growth = &page->leak->growth;
	const struct pv_memory_point *first, *last;
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err = NULL;

	pv_rows_init(&rows);
	if (points->n < 2)
		return NULL;
	first = pv_vec_at(points, 0);
	last = pv_vec_at(points, points->n - 1);
	for (int i = 0; i < PV_MEMORY_N_CLASSES && !err; i++) {
		const struct pv_slope *slope = growth->mapped[i].grows && !growth->resident[i].grows
						       ? &growth->mapped[i]
						       : &growth->resident[i];
		struct pv_row *row;

		if (!first->resident[i] && !last->resident[i] && !slope->grows)
			continue;
		err = pv_rows_add(&rows, &row);
		if (err)
			break;
		snprintf(row->numbers, sizeof(row->numbers), "%8s/s %11s %11s  ",
			 slope->grows ? pv_text_bytes(slope->per_s).text : "0 B",
			 pv_text_bytes((double)last->resident[i]).text,
			 pv_text_bytes((double)first->resident[i]).text);
		err = pv_str_appendf(&row->name, "%s",
				     pv_memory_class_name((enum pv_memory_class)i));
		if (!err && slope == &growth->mapped[i])
			err = pv_str_appendf(&row->place, "address space, mostly untouched");
	}
	if (err || !rows.list.n)
		return err;
	print_head(page, "     grows   in memory    at start  mappings");
	return pv_rows_print(&rows, page->term);
}

static struct pv_err *add_holder(const struct page *page, const struct pv_memory_holder *one,
				 struct pv_rows *rows)
{
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	snprintf(row->numbers, sizeof(row->numbers), "%11s %11s  %-*s",
		 pv_text_number(one->objects).text, pv_text_number(one->references).text,
		 KIND_COLUMNS, pv_holder_kind_name(one->kind));
	if (one->kind == PV_HOLDER_NONE &&
	    !pv_strings_length(page->memory->profile->strings, one->text))
		return pv_str_appendf(&row->name, "nobody that was found");
	return append_string(page, one->text, &row->name);
}

static struct pv_err *print_subject(const struct page *page, uint32_t index)
{
	const struct pv_memory_subject *one = pv_vec_at(&page->memory->subjects, index);
	PV_CLEANUP(pv_str_deinit) struct pv_str head = { 0 };
	struct pv_rows rows PV_CLEANUP(pv_rows_deinit);
	struct pv_err *err;

	pv_rows_init(&rows);
	for (size_t i = 0; i < page->memory->holders.n && rows.list.n < HOLDERS_MAX; i++) {
		const struct pv_memory_holder *holder = pv_vec_at(&page->memory->holders, i);

		err = holder->subject == index ? add_holder(page, holder, &rows) : NULL;
		if (err)
			return err;
	}
	err = pv_str_appendf(&head, "    objects  references  who holds ");
	if (!err)
		err = append_string(page, one->text, &head);
	if (!err && !one->address)
		err = pv_str_appendf(&head, ", %s of %s looked at",
				     pv_text_number(one->objects).text,
				     pv_text_number(one->of).text);
	if (!err && one->refcount >= 0)
		err = pv_str_appendf(&head, ", counts %s, found %s",
				     pv_text_number((uint64_t)one->refcount).text,
				     pv_text_number(one->found).text);
	if (!err)
		err = pv_text_cut(&head, 0, page->term->width);
	if (err)
		return err;
	print_head(page, pv_str_text(&head));
	err = pv_rows_print(&rows, page->term);
	if (!err && one->lost_objects)
		fprintf(page->term->file,
			"%11s %11s  lost: the counts say more than anyone holds\n",
			pv_text_number(one->lost_objects).text,
			pv_text_number(one->lost_references).text);
	if (!err && one->partial)
		fprintf(page->term->file, one->lost_objects ? "not all of its objects could be "
							      "gone through: some holders may have "
							      "no path\n"
							    : "not all of its memory could be gone "
							      "through: nothing is called lost, "
							      "some holders may have no path\n");
	return err;
}

/* "trend 20.0 s; census 14 looks; bursts refused: ..." */
static struct pv_err *append_rung(const struct page *page, enum pv_rung index, struct pv_str *str)
{
	const struct pv_memory *memory = page->memory;
	const struct pv_memory_rung *rung = &memory->rungs[index];
	uint64_t took_ns = 0;
	unsigned int looks = 0;
	struct pv_err *err = pv_str_appendf(str, "%s%s", str->n ? "; " : "", pv_rung_name(index));

	for (size_t i = 0; i < memory->looks.n && index == PV_RUNG_CENSUS; i++) {
		const struct pv_memory_look *look = pv_vec_at(&memory->looks, i);

		looks += look->kind == PV_LOOK_CENSUS;
		took_ns += look->kind == PV_LOOK_CENSUS ? look->took_ns : 0;
	}
	if (!err && rung->state != PV_RUNG_CLIMBED)
		err = pv_str_appendf(str, " %s", pv_rung_state_name(rung->state));
	if (!err && looks)
		err = pv_str_appendf(str, " %u looks, %s each", looks,
				     pv_text_duration(took_ns / looks).text);
	else if (!err && index == PV_RUNG_BURSTS && memory->bursts.n)
		err = pv_str_appendf(str, " %zu", memory->bursts.n);
	else if (!err && rung->took_ns && rung->state != PV_RUNG_NOT_NEEDED)
		err = pv_str_appendf(str, " %s", pv_text_duration(rung->took_ns).text);
	if (!err && index == PV_RUNG_HOLDERS && rung->took_ns &&
	    rung->state != PV_RUNG_NOT_NEEDED &&
	    memory->rungs[PV_RUNG_TREND].state != PV_RUNG_NOT_ASKED)
		err = pv_str_appendf(str, " after all else");
	if (!err && rung->slowdown > 0)
		err = pv_str_appendf(
			str, ", cost %s",
			pv_text_percent((uint64_t)(rung->slowdown * 1e6), 1000000, 1).text);
	if (!err && rung->lost)
		err = pv_str_appendf(str, ", %s events lost", pv_text_number(rung->lost).text);
	if (!err && pv_strings_length(memory->profile->strings, rung->why)) {
		err = pv_str_appendf(str, ": ");
		if (!err)
			err = append_string(page, rung->why, str);
	}
	return err;
}

static struct pv_err *print_rungs(const struct page *page)
{
	PV_CLEANUP(pv_prose_deinit) struct pv_prose prose;
	PV_CLEANUP(pv_str_deinit) struct pv_str rungs = { 0 };
	struct pv_err *err = NULL;

	pv_prose_init(&prose);
	for (int i = 0; i < PV_RUNG_N && !err; i++) {
		if (page->memory->rungs[i].state != PV_RUNG_NOT_ASKED)
			err = append_rung(page, (enum pv_rung)i, &rungs);
	}
	if (!err && rungs.n)
		err = pv_str_appendf(&prose.text, "looked by: %s.\n", pv_str_text(&rungs));
	for (size_t i = 0; i < page->memory->blind.n && !err; i++) {
		err = pv_str_appendf(&prose.text, i ? "" : "not seen: ");
		if (!err)
			err = append_string(page,
					    *(const uint32_t *)pv_vec_at(&page->memory->blind, i),
					    &prose.text);
		if (!err)
			err = pv_str_appendf(&prose.text,
					     i + 1 < page->memory->blind.n ? "; " : ".\n");
	}
	if (!err)
		pv_prose_print(&prose, page->term);
	return err;
}

/* Where no census has said it already. */
static struct pv_err *print_allocator(const struct page *page)
{
	const struct pv_memory *memory = page->memory;
	PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
	struct pv_err *err = append_string(page, memory->allocator, &name);

	if (!err && name.n && memory->other_allocator &&
	    memory->rungs[PV_RUNG_CENSUS].state != PV_RUNG_PARTLY)
		fprintf(page->term->file,
			"its C allocator is %s: what that keeps is not read, and its growth is "
			"that "
			"of mappings.\n",
			pv_str_text(&name));
	return err;
}

static void print_losses(const struct page *page)
{
	const struct pv_losses *losses = &page->memory->profile->losses;

	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			fprintf(page->term->file, "%12s  %s\n",
				pv_text_number(losses->count[i]).text, pv_losses_text(losses, i));
	}
}

static struct pv_err *print_end(const struct page *page, const char *const *outputs, size_t n)
{
	const struct pv_memory *memory = page->memory;
	PV_CLEANUP(pv_str_deinit) struct pv_str wrote = { 0 };
	struct pv_err *err = pv_outputs_say(outputs, n, &wrote);
	FILE *file = page->term->file;

	if (err)
		return err;
	fprintf(file, "cost %s of one CPU of the target's time, %s of pitviper's own",
		pv_text_percent((uint64_t)(memory->cost_cpus * 1e6 + 0.5), 1000000, 1).text,
		pv_text_duration(memory->profile->own_cpu_ns).text);
	if (memory->kernel_bytes)
		fprintf(file, ", %s in the kernel",
			pv_text_bytes((double)memory->kernel_bytes).text);
	fprintf(file, ".%s%s\n", wrote.n ? "  " : "", pv_str_text(&wrote));
	return NULL;
}

static struct pv_err *print_problem(const struct page *page)
{
	const struct pv_profile *profile = page->memory->profile;
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = append_string(page, profile->problem, &text);

	if (!err && text.n)
		fprintf(page->term->file, "its Python cannot be read: %s\n", pv_str_text(&text));
	return err;
}

static void print_command(const struct page *page, const struct pv_str *command, size_t *n)
{
	if (command->n)
		fprintf(page->term->file, "%s%s\n",
			(*n)++ ? "      " : "next: ", pv_str_text(command));
}

/* What finds out more, to be copied: of the verdict, then of the first rows of its places. */
static struct pv_err *print_next(const struct page *page)
{
	const struct pv_vec *suspects = &page->leak->suspects;
	struct pv_err *err = NULL;
	size_t n = 0;

	print_command(page, &page->leak->next, &n);
	for (size_t i = 0; i < suspects->n && n < NEXT_MAX && !err; i++) {
		PV_CLEANUP(pv_str_deinit) struct pv_str command = { 0 };
		const struct pv_suspect *one = pv_vec_at(suspects, i);

		if (!pv_leak_accuses(page->leak, one))
			continue;
		err = pv_leak_refs_place(page->memory, one, &command);
		if (!err)
			print_command(page, &command, &n);
	}
	/* nothing of a place is known: a type is */
	for (uint32_t i = 0; i < page->leak->n_types && !n && !err; i++) {
		PV_CLEANUP(pv_str_deinit) struct pv_str command = { 0 };

		err = pv_leak_refs_type(page->memory, page->leak->types[i], &command);
		if (!err)
			print_command(page, &command, &n);
	}
	return err;
}

struct pv_err *pv_memory_print(const struct pv_memory *memory, const struct pv_leak *leak,
			       const char *const *outputs, size_t n_outputs,
			       const struct pv_term *term)
{
	const struct page page = { .memory = memory, .leak = leak, .term = term };
	struct pv_err *err = print_verdict(&page);

	if (!err)
		err = print_problem(&page);
	if (!err)
		err = print_suspects(&page);
	if (!err)
		err = print_types(&page);
	for (uint32_t i = 0; i < memory->subjects.n && !err; i++)
		err = print_subject(&page, i);
	if (!err)
		err = print_mappings(&page);
	fputc('\n', term->file);
	if (!err)
		err = print_rungs(&page);
	if (!err)
		err = print_allocator(&page);
	if (err)
		return err;
	print_losses(&page);
	err = print_end(&page, outputs, n_outputs);
	return err ? err : print_next(&page);
}
