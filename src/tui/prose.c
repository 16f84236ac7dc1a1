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
	const char *text = pv_str_text(&prose->text);

	for (size_t i = 0; i < prose->inks.n; i++) {
		const struct pv_ink *ink = pv_vec_at(&prose->inks, i);
		size_t from = ink->start > start ? ink->start : start;
		size_t to = ink->end < end ? ink->end : end;

		if (from >= to)
			continue;
		pv_term_put(term, text + start, from - start, PV_COLOUR_NONE, false);
		pv_term_put(term, text + from, to - from, ink->colour, ink->bold);
		start = to;
	}
	pv_term_put(term, text + start, end - start, PV_COLOUR_NONE, false);
}

/* The end of the line that begins at start: as many words as fit, but one at least. */
static size_t find_break(const struct pv_prose *prose, const struct pv_term *term, size_t start)
{
	const char *text = pv_str_text(&prose->text);
	size_t at = start, column = 0;

	while (text[at] && text[at] != '\n') {
		size_t gap = strspn(text + at, " "), n = word_length(text + at + gap);
		size_t width = gap + pv_text_width(text + at + gap, n);

		if (term->terminal && at > start && column + width > term->width)
			break;
		column += width;
		at += gap + n;
	}
	return at;
}

void pv_prose_print(const struct pv_prose *prose, const struct pv_term *term)
{
	const char *text = pv_str_text(&prose->text);
	size_t at = 0, end;

	while (at < prose->text.n) {
		end = find_break(prose, term, at);
		print_inked(prose, term, at, end);
		at = end;
		if (at == prose->text.n)
			break;
		fputc('\n', term->file);
		at += text[at] == '\n' ? 1 : strspn(text + at, " ");
	}
}
