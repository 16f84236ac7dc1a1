/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell of every page: one self-contained HTML file, made of what
 * viewer/embed.py puts together at build time and of one compressed block of
 * data.  The block is a sequence of sections, each a four-letter tag and bytes;
 * what they hold is between the view's encoder and its scripts.  The bytes are
 * described in docs/formats.md.
 */
#ifndef PV_OUT_VIEWER_H
#define PV_OUT_VIEWER_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct pv_viewer;

/* The page around the data of one view. */
struct pv_viewer_page {
	const char *before, *after;
	size_t n_before, n_after;
};

/* generated */
extern const struct pv_viewer_page pv_viewer_profile;
extern const struct pv_viewer_page pv_viewer_trace;
extern const struct pv_viewer_page pv_viewer_memory;

/* Writes the page up to its data.  page and file are not owned; write errors: ferror(). */
struct pv_err *pv_viewer_create(const struct pv_viewer_page *page, FILE *file,
				struct pv_viewer **ret);
void pv_viewer_destroy(struct pv_viewer *viewer);

/* tag: four letters. */
struct pv_err *pv_viewer_section(struct pv_viewer *viewer, const char *tag, const void *bytes,
				 size_t n);

/* The rest of the data and of the page. */
struct pv_err *pv_viewer_end(struct pv_viewer *viewer);

#endif
