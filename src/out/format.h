/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of output formats, of profiles, traces and hunts for memory: a format is one file
 * (out/NAME.c, out/trace_NAME.c, out/memory_NAME.c) and one line in formats.c.  Help and completion
 * come from the table; a lint holds the man page to it.
 */
#ifndef PV_OUT_FORMAT_H
#define PV_OUT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct pv_memory;
struct pv_profile;
struct pv_refs;
struct pv_trace;

struct pv_format {
	const char *name;            /* "folded": --format NAME */
	const char *const *suffixes; /* { ".folded", ".txt", NULL } */
	const char *help;            /* one line */
	bool binary;                 /* nothing for a terminal */
	/*
	 * Writes the whole profile or, in the other tables, the whole trace, ledger or hunt; the
	 * others are NULL.  Write errors are reported by the caller's ferror().
	 */
	struct pv_err *(*write)(const struct pv_profile *profile, FILE *file);
	struct pv_err *(*write_trace)(const struct pv_trace *trace, FILE *file);
	struct pv_err *(*write_refs)(const struct pv_refs *refs, FILE *file);
	struct pv_err *(*write_memory)(const struct pv_memory *memory, FILE *file);
};

/* NULL-terminated; the first is for what has no name of its own to end in: "-", and /dev/. */
extern const struct pv_format *const pv_formats[];
extern const struct pv_format *const pv_trace_formats[];
extern const struct pv_format *const pv_refs_formats[];
extern const struct pv_format *const pv_memory_formats[];

/* By name, or by the end of a file name; PV_ERR_USAGE lists what the table has. */
struct pv_err *pv_format_by_name(const struct pv_format *const *table, const char *name,
				 const struct pv_format **ret);
struct pv_err *pv_format_by_path(const struct pv_format *const *table, const char *path,
				 const struct pv_format **ret);

/*
 * Opens an output and says in which format it is to be written: the one that is
 * given or, with NULL, the one that its path ends in.  A binary format on a
 * terminal is PV_ERR_USAGE.
 */
struct pv_output;
struct pv_err *pv_format_open(const struct pv_format *const *table, const char *path,
			      const struct pv_format *given, const struct pv_format **format_ret,
			      struct pv_output **output_ret);

struct pv_str;
struct pv_strings;
struct pv_loc;

/*
 * Names come from the target and may be any bytes.  Escaped, a text is valid
 * UTF-8 and one line, and its bytes can be had back: bytes of invalid UTF-8 and
 * what pv_text_is_command() of base/text.h knows (line ends of every kind, what
 * XML forbids and what hides or reorders its neighbours) become \xNN for each
 * byte, a backslash becomes two.
 */
enum pv_escape {
	PV_ESCAPE_NONE = 0,
	PV_ESCAPE_LINE = 1, /* ';' too, for formats that separate by it; and for terminals */
	PV_ESCAPE_TEXT = 2,
};
struct pv_err *pv_escape_text(struct pv_str *str, const char *text, size_t n,
			      enum pv_escape escape);

/*
 * The text of one frame as folded output shows it, appended to str:
 * "qualname (file.py:LINE)", "symbol (library.so)", "symbol (inlined)",
 * "symbol_[k]", "[marker]", "thread NAME (TID)".  A file is shown by its base
 * name, a line that is not known not at all: "qualname (file.py)".
 */
struct pv_err *pv_frame_text(const struct pv_strings *strings, const struct pv_loc *loc,
			     enum pv_escape escape, struct pv_str *str);

#endif
