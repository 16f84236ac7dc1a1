/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of output formats: a format is one file (out/NAME.c) and one line
 * in formats.c.  Help, man page and completion come from the table.
 */
#ifndef PV_OUT_FORMAT_H
#define PV_OUT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct pv_profile;

struct pv_format {
	const char *name;            /* "folded": --format NAME */
	const char *const *suffixes; /* { ".folded", ".txt", NULL } */
	const char *help;            /* one line */
	/* Writes the whole profile; write errors are reported by the caller's ferror(). */
	struct pv_err *(*write)(const struct pv_profile *profile, FILE *file);
};

extern const struct pv_format *const pv_formats[]; /* NULL-terminated */

/*
 * By name, or by the end of a file name; PV_ERR_USAGE lists what there is.
 * "-" and what is in /dev/ have no name of their own to end in: folded.
 */
struct pv_err *pv_format_by_name(const char *name, const struct pv_format **ret);
struct pv_err *pv_format_by_path(const char *path, const struct pv_format **ret);

/*
 * The text of one frame as folded output shows it, appended to str:
 * "qualname (file.py:LINE)", "symbol (library.so)", "symbol (inlined)",
 * "symbol_[k]", "[marker]", "thread NAME (TID)".  A file is shown by its base
 * name, a line that is not known not at all: "qualname (file.py)".  escape:
 * bytes of invalid UTF-8, control characters (line ends of every kind among
 * them) and ';' become \xNN, a backslash becomes two: use it for one-line formats
 * and for terminals, since names come from the target.
 */
struct pv_str;
struct pv_strings;
struct pv_loc;
struct pv_err *pv_frame_text(const struct pv_strings *strings, const struct pv_loc *loc,
			     bool escape, struct pv_str *str);

#endif
