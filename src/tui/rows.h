/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of numbers, a name and a place: the places stand in one column.  A row
 * that is too long loses its place first, then the end of its name.
 */
#ifndef PV_TUI_ROWS_H
#define PV_TUI_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "tui/term.h"

struct pv_row {
	char numbers[128];         /* formatted by the caller, equally wide in all rows */
	unsigned int indent;       /* columns */
	bool folded;               /* "… " before the name: something between is not shown */
	struct pv_str name, place; /* for people: base/text.h */
	enum pv_colour colour;
	bool bold;
};

/* A growing list of rows; zero-initialised is empty. */
struct pv_rows {
	struct pv_vec list; /* struct pv_row */
};

void pv_rows_init(struct pv_rows *rows);
void pv_rows_deinit(struct pv_rows *rows);

/* A zeroed row at the end, valid until the next one. */
struct pv_err *pv_rows_add(struct pv_rows *rows, struct pv_row **ret);

/* Names and places of the rows may be cut by this. */
struct pv_err *pv_rows_print(struct pv_rows *rows, const struct pv_term *term);

#endif
