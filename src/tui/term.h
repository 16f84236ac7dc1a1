/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stream is written to: how wide it is, and how text is coloured on it. */
#ifndef PV_TUI_TERM_H
#define PV_TUI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Layers as on the page: Python blue, native amber, kernel violet. */
enum pv_colour {
	PV_COLOUR_NONE,
	PV_COLOUR_PYTHON,
	PV_COLOUR_NATIVE,
	PV_COLOUR_KERNEL,
	PV_COLOUR_GOOD,
	PV_COLOUR_WARN,
	PV_COLOUR_PALE,
	PV_COLOURS,
};

struct pv_term {
	FILE *file;
	bool terminal;               /* not a file or a pipe */
	bool erases;                 /* a line can be written again */
	unsigned int width;          /* columns */
	const char *const *sequence; /* by enum pv_colour; NULL: no colours */
};

enum { PV_TERM_WIDTH = 100 /* where nothing tells */ };

/*
 * Width: of the terminal, else $COLUMNS, else PV_TERM_WIDTH.  Colours: on a
 * terminal, unless $NO_COLOR is set or $TERM is dumb; 256 of them if $TERM or
 * $COLORTERM say that it has them.
 */
struct pv_term pv_term_of(FILE *file);

/* The same without looking, for tests. */
struct pv_term pv_term_fixed(FILE *file, unsigned int width, bool colours);

/* n bytes in that colour, bold or not. */
void pv_term_put(const struct pv_term *term, const char *text, size_t n, enum pv_colour colour,
		 bool bold);

/* n columns of blanks; none if n is negative. */
void pv_term_pad(const struct pv_term *term, int n);

#endif
