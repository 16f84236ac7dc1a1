/* SPDX-License-Identifier: BSD-2-Clause */
/* What several formats of traces say of a call, as texts. */
#ifndef PV_OUT_TRACE_CALLS_H
#define PV_OUT_TRACE_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_profile;
struct pv_str;
struct pv_trace;

/* Appends "resumed, yielded", "end guessed" and so on; nothing for a plain call. */
struct pv_err *pv_call_marks(uint32_t flags, struct pv_str *str);

/* Appends frames of a node, innermost first, "; " between them; nothing for node 0. */
struct pv_err *pv_trace_stack(const struct pv_profile *profile, uint32_t node, struct pv_str *str);

/* Appends a string of the profile, escaped. */
struct pv_err *pv_trace_string(const struct pv_profile *profile, uint32_t id, struct pv_str *str);

/* The same of arguments or a result, which are escaped already. */
struct pv_err *pv_trace_value(const struct pv_profile *profile, uint32_t id, struct pv_str *str);

/*
 * Calls as begins and ends in the order of time: enter and leave are called with the
 * index of each call, what is open when another one begins beside it first.
 */
struct pv_trace_visitor {
	void *ctx;
	struct pv_err *(*enter)(void *ctx, uint32_t call);
	struct pv_err *(*leave)(void *ctx, uint32_t call);
};
struct pv_err *pv_trace_visit(const struct pv_trace *trace, size_t execution,
			      const struct pv_trace_visitor *visitor);

#endif
