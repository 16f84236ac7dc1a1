/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What several formats of traces have in common.
 * Input: a trace.
 * Output: texts, and its calls in the order of time.
 */
#include "out/trace_calls.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/format.h"

struct pv_err *pv_call_marks(uint32_t flags, struct pv_str *str)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ PV_CALL_RESUMED, "resumed" },
		{ PV_CALL_YIELDED, "yielded" },
		{ PV_CALL_RAISED, "raised" },
		{ PV_CALL_BEGIN_GUESSED, "beginning guessed" },
		{ PV_CALL_END_GUESSED, "end guessed" },
		{ PV_CALL_CUT, "not ended" },
	};
	struct pv_err *err = NULL;
	const char *before = "";

	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !err; i++) {
		if (!(flags & words[i].flag))
			continue;
		err = pv_str_appendf(str, "%s%s", before, words[i].word);
		before = ", ";
	}
	return err;
}

struct pv_err *pv_trace_stack(const struct pv_profile *profile, uint32_t node, struct pv_str *str)
{
	const struct pv_stack_node *nodes = profile->nodes.data;
	struct pv_err *err = NULL;
	const char *before = "";

	for (; node && !err; node = nodes[node].parent) {
		err = pv_str_appendf(str, "%s", before);
		if (!err)
			err = pv_frame_text(profile->strings,
					    pv_vec_at(&profile->locs, nodes[node].loc),
					    PV_ESCAPE_LINE, str);
		before = "; ";
	}
	return err;
}

struct pv_err *pv_trace_string(const struct pv_profile *profile, uint32_t id, struct pv_str *str)
{
	return pv_escape_text(str, pv_strings_get(profile->strings, id),
			      pv_strings_length(profile->strings, id), PV_ESCAPE_TEXT);
}

struct pv_err *pv_trace_value(const struct pv_profile *profile, uint32_t id, struct pv_str *str)
{
	return pv_text_append_escaped(str, pv_strings_get(profile->strings, id),
				      pv_strings_length(profile->strings, id));
}

struct pv_err *pv_trace_visit(const struct pv_trace *trace, size_t execution,
			      const struct pv_trace_visitor *visitor)
{
	const struct pv_execution *of = pv_vec_at(&trace->executions, execution);
	struct pv_vec open PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint32_t);
	uint32_t at = (uint32_t)of->first, end = (uint32_t)(of->first + of->n);
	struct pv_err *err = NULL;

	while (!err && (at < end || open.n)) {
		const struct pv_call *call = at < end ? pv_vec_at(&trace->calls, at) : NULL;
		uint32_t last = open.n ? *(uint32_t *)pv_vec_at(&open, open.n - 1) : PV_CALL_NONE;

		if (open.n && (!call || call->parent != last)) {
			err = visitor->leave(visitor->ctx, last);
			open.n--;
			continue;
		}
		err = visitor->enter(visitor->ctx, at);
		if (!err)
			err = pv_vec_append(&open, &at, 1, NULL);
		at++;
	}
	return err;
}
