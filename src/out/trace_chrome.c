/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chrome's trace event format, as chrome://tracing, Perfetto and speedscope read it:
 * a complete event ("X") for each call, after those that it lies in; times in
 * microseconds with three decimals, so to the nanosecond.
 * Input: a trace.
 * Output: JSON.
 */
#include <stdlib.h>

#include "analyse/callees.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/trace.h"
#include "out/trace_calls.h"

struct chrome {
	const struct pv_trace *trace;
	const struct pv_profile *profile;
	struct pv_json json;
	uint64_t *self;
	struct pv_str text; /* scratch */
};

static void chrome_deinit(struct chrome *chrome)
{
	free(chrome->self);
	pv_str_deinit(&chrome->text);
}

static void put_text(struct chrome *chrome, const char *key)
{
	if (chrome->text.n)
		pv_json_bytes(&chrome->json, key, pv_str_text(&chrome->text), chrome->text.n);
}

static struct pv_err *put_string(struct chrome *chrome, const char *key, uint32_t id)
{
	struct pv_err *err;

	pv_str_clear(&chrome->text);
	err = pv_trace_string(chrome->profile, id, &chrome->text);
	if (!err)
		put_text(chrome, key);
	return err;
}

static struct pv_err *put_value(struct chrome *chrome, const char *key, uint32_t id)
{
	struct pv_err *err;

	pv_str_clear(&chrome->text);
	err = pv_trace_value(chrome->profile, id, &chrome->text);
	if (!err)
		put_text(chrome, key);
	return err;
}

/* {"ph":"M","name":"thread_name","pid":1,"tid":2,"args":{"name":"..."}} */
static struct pv_err *put_name(struct chrome *chrome, const char *what, uint32_t pid, uint32_t tid,
			       uint32_t name)
{
	struct pv_json *json = &chrome->json;
	struct pv_err *err;

	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "ph", "M");
	pv_json_string(json, "name", what);
	pv_json_int(json, "pid", pid);
	pv_json_int(json, "tid", tid);
	pv_json_begin(json, "args", '{');
	pv_str_clear(&chrome->text);
	err = pv_trace_string(chrome->profile, name, &chrome->text);
	pv_json_bytes(json, "name", pv_str_text(&chrome->text), chrome->text.n);
	pv_json_end(json, '}');
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *put_names(struct chrome *chrome)
{
	const struct pv_profile *profile = chrome->profile;
	struct pv_err *err = put_name(chrome, "process_name", profile->pid, profile->pid,
				      profile->title ? profile->title : profile->target_name);

	for (size_t i = 0; i < profile->threads.n && !err; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		err = put_name(chrome, "thread_name", thread->pid, thread->tid, thread->name);
	}
	return err;
}

/* Of the traced function's own call: which execution it is, and what led to it. */
static struct pv_err *put_execution_args(struct chrome *chrome, const struct pv_execution *of)
{
	struct pv_json *json = &chrome->json;
	struct pv_err *err;

	pv_json_int(json, "execution", (int64_t)of->number);
	if (of->partial)
		pv_json_bool(json, "partial", true);
	if (of->lost)
		pv_json_int(json, "lost", (int64_t)of->lost);
	pv_str_clear(&chrome->text);
	err = pv_trace_stack(chrome->profile, of->node, &chrome->text);
	if (!err)
		put_text(chrome, "stack");
	return err;
}

static struct pv_err *put_args(struct chrome *chrome, uint32_t index)
{
	const struct pv_call *call = pv_vec_at(&chrome->trace->calls, index);
	struct pv_json *json = &chrome->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, "args", '{');
	if (call->parent == PV_CALL_NONE)
		err = put_execution_args(chrome,
					 pv_vec_at(&chrome->trace->executions, call->execution));
	pv_json_thousandths(json, "self_us", chrome->self[index]);
	if (call->off_cpu_ns)
		pv_json_thousandths(json, "off_cpu_us", call->off_cpu_ns);
	if (!err && call->arguments)
		err = put_value(chrome, "arguments", call->arguments);
	if (!err && call->result)
		err = put_value(chrome, "result", call->result);
	pv_str_clear(&chrome->text);
	if (!err)
		err = pv_call_marks(call->flags, &chrome->text);
	put_text(chrome, "marks");
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *put_call(void *ctx, uint32_t index)
{
	struct chrome *chrome = ctx;
	const struct pv_call *call = pv_vec_at(&chrome->trace->calls, index);
	const struct pv_execution *execution =
		pv_vec_at(&chrome->trace->executions, call->execution);
	const struct pv_profile_thread *thread =
		pv_vec_at(&chrome->profile->threads, execution->thread);
	const struct pv_loc *loc = pv_vec_at(&chrome->profile->locs, call->function);
	struct pv_json *json = &chrome->json;
	struct pv_err *err;

	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "ph", "X");
	pv_str_clear(&chrome->text);
	err = pv_frame_text(chrome->profile->strings, loc, PV_ESCAPE_TEXT, &chrome->text);
	put_text(chrome, "name");
	pv_json_string(json, "cat", pv_frame_kind(loc->kind));
	pv_json_int(json, "pid", thread->pid);
	pv_json_int(json, "tid", thread->tid);
	pv_json_thousandths(json, "ts", call->start_ns);
	pv_json_thousandths(json, "dur", pv_call_ns(call));
	if (!err)
		err = put_args(chrome, index);
	pv_json_end(json, '}');
	fputc('\n', json->file);
	return err;
}

static struct pv_err *put_nothing(void *ctx, uint32_t index)
{
	(void)ctx;
	(void)index;
	return NULL;
}

/* What chrome://tracing shows as metadata. */
static struct pv_err *put_other(struct chrome *chrome)
{
	PV_CLEANUP(pv_callees_deinit) struct pv_callees callees = { .n = 0 };
	PV_CLEANUP(pv_trace_doubts_deinit) struct pv_vec doubts = PV_VEC(struct pv_str);
	struct pv_json *json = &chrome->json;
	struct pv_err *err = pv_callees_init(&callees, chrome->trace);

	if (!err)
		err = pv_trace_doubts(chrome->trace, &callees, &doubts);
	pv_json_begin(json, "otherData", '{');
	pv_json_string(json, "pitviper", PV_VERSION);
	if (!err)
		err = put_string(chrome, "interpreter", chrome->profile->interpreter);
	pv_json_int(json, "start_unix_ns", (int64_t)chrome->profile->start_unix_ns);
	pv_json_begin(json, "doubts", '[');
	for (size_t i = 0; i < doubts.n; i++)
		pv_json_string(json, NULL, pv_str_text(pv_vec_at(&doubts, i)));
	pv_json_end(json, ']');
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *chrome_write(const struct pv_trace *trace, FILE *file)
{
	struct chrome chrome PV_CLEANUP(chrome_deinit) = { .trace = trace,
							   .profile = trace->profile,
							   .json = { .file = file } };
	const struct pv_trace_visitor visitor = { &chrome, put_call, put_nothing };
	struct pv_json *json = &chrome.json;
	struct pv_err *err = pv_trace_self(trace, &chrome.self);

	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "displayTimeUnit", "ns");
	if (!err)
		err = put_other(&chrome);
	pv_json_begin(json, "traceEvents", '[');
	if (!err)
		err = put_names(&chrome);
	for (size_t i = 0; i < trace->executions.n && !err; i++)
		err = pv_trace_visit(trace, i, &visitor);
	pv_json_end(json, ']');
	pv_json_end(json, '}');
	fputc('\n', file);
	return err;
}

static const char *const chrome_suffixes[] = { ".json", NULL };

const struct pv_format pv_trace_format_chrome = {
	.name = "chrome",
	.suffixes = chrome_suffixes,
	.help = "trace events, for chrome://tracing, Perfetto and speedscope",
	.write_trace = chrome_write,
};
