/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The totals of a trace.  Input: the kernel's side of it.  Output: executions that were not kept,
 * losses, hits and what they cost.
 */
#ifndef PV_SESSION_TRACETOTALS_H
#define PV_SESSION_TRACETOTALS_H

#include <stdint.h>

#include "base/err.h"

struct pv_inside;
struct pv_trace;

/* unwatched: why there was no watchpoint, "" if there was none to be. */
struct pv_err *pv_trace_totals(const struct pv_inside *inside, const char *unwatched,
			       uint64_t duration_ns, struct pv_trace *trace);

#endif
