/* SPDX-License-Identifier: BSD-2-Clause */
/* What a hunt for memory found, written: the formats of a struct pv_memory. */
#ifndef PV_OUT_MEMORY_H
#define PV_OUT_MEMORY_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "out/format.h"

struct pv_json;
struct pv_leak;
struct pv_memory;

extern const struct pv_format pv_memory_format_folded;
extern const struct pv_format pv_memory_format_html;
extern const struct pv_format pv_memory_format_speedscope;
extern const struct pv_format pv_memory_format_pprof;
extern const struct pv_format pv_memory_format_json;
extern const struct pv_format pv_memory_format_pvr;

/*
 * One JSON object and a line end.  whole: with every point, type and site, as the format has
 * it; else what the summary says.
 */
struct pv_err *pv_memory_json(const struct pv_memory *memory, const struct pv_leak *leak,
			      bool whole, FILE *file);

/* The members of that summary, for the page. */
struct pv_err *pv_memory_json_summary(const struct pv_memory *memory, const struct pv_leak *leak,
				      struct pv_json *json);

#endif
