/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened inside executions of a function, written: the formats of a struct pv_trace. */
#ifndef PV_OUT_TRACE_H
#define PV_OUT_TRACE_H

#include <stdio.h>

#include "base/err.h"
#include "out/format.h"

struct pv_term;
struct pv_trace;

extern const struct pv_format pv_trace_format_text;
extern const struct pv_format pv_trace_format_html;
extern const struct pv_format pv_trace_format_folded;
extern const struct pv_format pv_trace_format_chrome;
extern const struct pv_format pv_trace_format_perfetto;

/* The text format as a terminal shows it: in colours, lines cut at its width. */
struct pv_err *pv_trace_text_write(const struct pv_trace *trace, const struct pv_term *term);

/* The same without the executions: the table of callees, and how good all of it is. */
struct pv_err *pv_trace_text_summary(const struct pv_trace *trace, const struct pv_term *term);

/* The summary for machines: one JSON object and a line end. */
struct pv_err *pv_trace_summary_json(const struct pv_trace *trace, FILE *file);

#endif
