/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sentences in several colours.
 * Input: text and its colours.
 * Output: lines no wider than the terminal.
 */
#include "tui/prose.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

void pv_prose_init(struct pv_prose *prose)
{
	*prose = (struct pv_prose){ .inks = PV_VEC(struct pv_ink) };
}

void pv_prose_deinit(struct pv_prose *prose)
{
	pv_str_deinit(&prose->text);
	pv_vec_deinit(&prose->inks);
}

struct pv_err *pv_prose_ink(struct pv_prose *prose, size_t start, enum pv_colour colour, bool bold)
{
	struct pv_ink ink = { start, prose->text.n, colour, bold };

	return start < ink.end ? pv_vec_append(&prose->inks, &ink, 1, NULL) : NULL;
}

/* "%" and "s" stay with their number. */
static bool is_unit(const char *text)
{
	return *text == '%' || (*text == 's' && !isalnum((unsigned char)text[1]));
}

/* Bytes of the word at text: up to a blank or a line end. */
static size_t word_length(const char *text)
{
	size_t n = strcspn(text, " \n");

	while (text[n] == ' ' && is_unit(text + n + 1))
		n += 1 + strcspn(text + n + 1, " \n");
	return n;
}

/* Bytes start to end, each in its colour. */
static void print_inked(const struct pv_prose *prose, const struct pv_term *term, size_t start,
			size_t end)
{
	const struct pv_ink *ink = prose->inks.data, *last = ink + prose->inks.n;
	const char *text = pv_str_text(&prose->text);

	for (; ink < last && start < end; ink++) {
		size_t from = ink->start > start ? ink->start : start, to = ink->end;

		if (ink->end <= start)
			continue;
		if (from >= end)
			break;
		to = to < end ? to : end;
		fwrite(text + start, 1, from - start, term->file);
		pv_term_begin(term, ink->colour, ink->bold);
		fwrite(text + from, 1, to - from, term->file);
		pv_term_plain(term);
		start = to;
	}
	if (start < end)
		fwrite(text + start, 1, end - start, term->file);
}

void pv_prose_print(const struct pv_prose *prose, const struct pv_term *term)
{
	const char *text = pv_str_text(&prose->text);
	size_t at = 0, column = 0;

	while (at < prose->text.n) {
		size_t gap = strspn(text + at, " "), n = word_length(text + at + gap);
		size_t width = pv_text_width(text + at + gap, n);

		if (term->terminal && column && column + gap + width > term->width) {
			fputc('\n', term->file);
			column = gap = 0;
			at += strspn(text + at, " ");
		}
		print_inked(prose, term, at, at + gap + n);
		column += gap + width;
		at += gap + n;
		if (text[at] == '\n') {
			fputc('\n', term->file);
			column = 0;
			at++;
		}
	}
}
