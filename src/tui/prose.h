/* SPDX-License-Identifier: BSD-2-Clause */
/* Sentences in several colours, broken between words at the terminal's width. */
#ifndef PV_TUI_PROSE_H
#define PV_TUI_PROSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "tui/term.h"

struct pv_prose {
	struct pv_str text; /* for people (base/text.h), and line ends */
	struct pv_vec inks; /* struct pv_ink */
};

/* A coloured part; in order, not overlapping. */
struct pv_ink {
	size_t start, end; /* bytes */
	enum pv_colour colour;
	bool bold;
};

void pv_prose_init(struct pv_prose *prose);
void pv_prose_deinit(struct pv_prose *prose);

/* Colours the text from byte start to its end. */
struct pv_err *pv_prose_ink(struct pv_prose *prose, size_t start, enum pv_colour colour, bool bold);

/* Broken on a terminal only: elsewhere a line stays one, so that it can be searched. */
void pv_prose_print(const struct pv_prose *prose, const struct pv_term *term);

#endif
