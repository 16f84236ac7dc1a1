/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of numbers, a name and a place.
 * Input: texts.
 * Output: aligned lines no wider than the terminal.
 */
#include "tui/rows.h"

#include <string.h>

#include "base/text.h"

enum {
	GAP = 2,         /* between name and place */
	PLACE_LEAST = 8, /* columns; with fewer a place is left out */
	INDENT_MAX = 40,
};

void pv_rows_init(struct pv_rows *rows)
{
	*rows = (struct pv_rows){ .list = PV_VEC(struct pv_row) };
}

void pv_rows_deinit(struct pv_rows *rows)
{
	for (size_t i = 0; i < rows->list.n; i++) {
		struct pv_row *row = pv_vec_at(&rows->list, i);

		pv_str_deinit(&row->name);
		pv_str_deinit(&row->place);
	}
	pv_vec_deinit(&rows->list);
}

struct pv_err *pv_rows_add(struct pv_rows *rows, struct pv_row **ret)
{
	return pv_vec_append(&rows->list, NULL, 1, ret);
}

static size_t width_of(const struct pv_str *str)
{
	return pv_text_width(pv_str_text(str), str->n);
}

/* Columns before the name, behind the numbers. */
static size_t lead(const struct pv_row *row)
{
	size_t indent = row->indent < INDENT_MAX ? row->indent : INDENT_MAX;

	return indent + (row->folded ? 2 : 0);
}

/* Where the places begin: behind the longest name, if that leaves room for the longest place. */
static size_t place_column(const struct pv_rows *rows, size_t available)
{
	size_t name = 0, place = 0, column;

	for (size_t i = 0; i < rows->list.n; i++) {
		const struct pv_row *row = pv_vec_at(&rows->list, i);
		size_t n = lead(row) + width_of(&row->name), p = width_of(&row->place);

		name = n > name ? n : name;
		place = p > place ? p : place;
	}
	if (name + GAP + place <= available)
		return name + GAP;
	/* a few long names do not push all places out */
	column = available * 3 / 5;
	if (place + column < available)
		column = available - place;
	return column < name + GAP ? column : name + GAP;
}

static struct pv_err *print_row(struct pv_row *row, const struct pv_term *term, size_t available,
				size_t column)
{
	static const char fold[] = "… ";
	size_t before = lead(row), name, used;
	struct pv_err *err;

	err = pv_text_cut(&row->name, 0, available > before ? available - before : 0);
	if (err)
		return err;
	name = width_of(&row->name);
	used = before + name;
	fprintf(term->file, "%s", row->numbers);
	pv_term_pad(term, before - (row->folded ? 2 : 0));
	if (row->folded)
		pv_term_put(term, fold, sizeof(fold) - 1, PV_COLOUR_PALE, false);
	pv_term_put(term, pv_str_text(&row->name), row->name.n, row->colour, row->bold);
	if (column < used + GAP)
		column = used + GAP;
	if (row->place.n && column + PLACE_LEAST <= available) {
		err = pv_text_cut(&row->place, 0, available - column);
		pv_term_pad(term, column - used);
		pv_term_put(term, pv_str_text(&row->place), row->place.n,
			    row->bold ? PV_COLOUR_NONE : PV_COLOUR_PALE, false);
	}
	fputc('\n', term->file);
	return err;
}

struct pv_err *pv_rows_print(struct pv_rows *rows, const struct pv_term *term)
{
	struct pv_row *row = rows->list.data;
	size_t available, column, i;
	struct pv_err *err = NULL;

	if (!rows->list.n)
		return NULL;
	available = strlen(row->numbers) < term->width ? term->width - strlen(row->numbers) : 0;
	column = place_column(rows, available);
	for (i = 0; !err && i < rows->list.n; i++)
		err = print_row(&row[i], term, available, column);
	return err;
}
