/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executions of a function under way.  Input: events of calls.  Output: a trace.
 *
 * The calls of one execution are on one stack, since each is known by the frame
 * that called it.  So where the end of one did not come, its caller going on tells
 * that it is over.  Of native ones the kernel's side says when they are (abi/within.h): until then
 * what begins is within the innermost.
 */
#include "session/executions.h"

#include <stdlib.h>
#include <string.h>

#include "abi/trace.h"
#include "base/str.h"
#include "abi/within.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "session/callvalues.h"

/* A call, its times as the kernel has them. */
struct call {
	struct pv_call call; /* parent: index into the execution's calls */
	uint64_t frame, key, address;
	uint64_t off_ns;          /* of its thread at the beginning */
	size_t arguments, result; /* where in the execution's text, plus one; 0: none */
	bool native; /* frame: address of its return address; address: the function's index */
};

struct execution {
	struct pv_execution head;
	uint32_t run;      /* of the kernel's side */
	uint32_t sequence; /* that comes next */
	bool ended;
	bool gone; /* at some time, unseen */
	bool met;  /* something of it was seen beside its beginning */
	uint64_t
		around; /* the first call is a native one: the Python frame that it was called by */
	uint64_t last_ns, last_off_ns; /* of the last event */
	struct pv_vec calls;           /* struct call */
	struct pv_vec open;            /* uint32_t: those that have not ended, outermost first */
	struct pv_str text;            /* of arguments and results, each with a NUL */
};

struct pv_executions {
	struct pv_executions_options options;
	struct pv_vec list; /* struct execution *, owned */
	size_t n_calls;     /* of those under way */
};

struct pv_err *pv_executions_create(const struct pv_executions_options *options,
				    struct pv_executions **ret)
{
	struct pv_executions *executions = calloc(1, sizeof(*executions));

	if (!executions)
		return &pv_enomem;
	executions->options = *options;
	executions->list = (struct pv_vec)PV_VEC(struct execution *);
	*ret = executions;
	return NULL;
}

static void execution_destroy(struct execution *execution)
{
	pv_vec_deinit(&execution->calls);
	pv_vec_deinit(&execution->open);
	pv_str_deinit(&execution->text);
	free(execution);
}

void pv_executions_destroy(struct pv_executions *executions)
{
	if (!executions)
		return;
	for (size_t i = 0; i < executions->list.n; i++)
		execution_destroy(*(struct execution **)pv_vec_at(&executions->list, i));
	pv_vec_deinit(&executions->list);
	free(executions);
}

static struct call *call_at(const struct execution *execution, size_t i)
{
	return pv_vec_at(&execution->calls, i);
}

/* The innermost call that has not ended; NULL: none. */
static struct call *innermost(const struct execution *execution)
{
	if (!execution->open.n)
		return NULL;
	return call_at(execution, *(uint32_t *)pv_vec_at(&execution->open, execution->open.n - 1));
}

static bool is_open(const struct execution *execution, uint64_t frame)
{
	for (size_t i = execution->open.n; i > 0; i--) {
		if (call_at(execution, *(uint32_t *)pv_vec_at(&execution->open, i - 1))->frame ==
		    frame)
			return true;
	}
	return false;
}

static void end_innermost(struct execution *execution, uint64_t time_ns, uint64_t off_ns,
			  uint32_t flags)
{
	struct call *call = innermost(execution);

	call->call.end_ns = time_ns;
	call->call.flags |= flags;
	/* of a thread that was never seen to wait it is 0 */
	call->call.off_cpu_ns = off_ns > call->off_ns ? off_ns - call->off_ns : 0;
	if (call->call.off_cpu_ns > pv_call_ns(&call->call))
		call->call.off_cpu_ns = pv_call_ns(&call->call);
	execution->open.n--;
}

static void guess_innermost(struct execution *execution, const struct pv_event_call *event)
{
	end_innermost(execution, event->time_ns, event->off_ns, PV_CALL_END_GUESSED);
}

/* All that is open within a frame is over: the frame goes on. */
static void end_within(struct execution *execution, uint64_t frame,
		       const struct pv_event_call *event)
{
	while (innermost(execution) && innermost(execution)->frame != frame)
		guess_innermost(execution, event);
}

/* The same where something begins: a native call that is open within it has led to it. */
static void end_beside(struct execution *execution, const struct pv_event_call *event)
{
	const struct call *last;

	if (!is_open(execution, event->caller) && event->caller != execution->around)
		return;
	while ((last = innermost(execution)) && last->frame != event->caller && !last->native)
		guess_innermost(execution, event);
}

static struct pv_err *add_call(struct pv_executions *executions, struct execution *execution,
			       const struct pv_event_call *event, uint32_t flags, size_t text)
{
	uint32_t index = (uint32_t)execution->calls.n;
	struct call call = {
		.call = {
			.parent = PV_CALL_NONE,
			.flags = flags,
			.start_ns = event->time_ns,
		},
		.frame = event->frame,
		.key = event->key,
		.address = event->address,
		.off_ns = event->off_ns,
		.arguments = text,
		.native = event->flags & PV_CALL_EVENT_NATIVE,
	};
	struct pv_err *err;

	if (execution->open.n)
		call.call.parent = *(uint32_t *)pv_vec_at(&execution->open, execution->open.n - 1);
	err = pv_vec_append(&execution->calls, &call, 1, NULL);
	if (!err)
		err = pv_vec_append(&execution->open, &index, 1, NULL);
	if (!err)
		executions->n_calls++;
	return err;
}

static struct pv_err *begin(struct pv_executions *executions, const struct pv_event_call *event,
			    struct execution **ret)
{
	struct execution *execution = calloc(1, sizeof(*execution));
	struct pv_event_call first = *event;
	struct pv_err *err;

	if (!execution)
		return &pv_enomem;
	execution->head.number = event->number;
	execution->run = event->run;
	execution->calls = (struct pv_vec)PV_VEC(struct call);
	execution->open = (struct pv_vec)PV_VEC(uint32_t);
	execution->head.late = event->flags & PV_CALL_EVENT_LATE;
	execution->head.partial = execution->head.late;
	if (event->flags & PV_CALL_EVENT_NATIVE && event->flags & PV_CALL_EVENT_ROOT)
		execution->around = event->caller;
	err = executions->options.begin(executions->options.ctx, event, &execution->head.thread,
					&execution->head.node);
	/* the event of the first call is lost: it is the function's own, and it has begun */
	if (!err && !(event->flags & PV_CALL_EVENT_ROOT)) {
		first.frame = first.key = first.address = 0;
		first.flags = 0;
		err = add_call(executions, execution, &first, PV_CALL_BEGIN_GUESSED, 0);
	}
	if (!err)
		err = pv_vec_append(&executions->list, &execution, 1, NULL);
	if (err) {
		execution_destroy(execution);
		return err;
	}
	*ret = execution;
	return NULL;
}

static struct execution *find(const struct pv_executions *executions, uint32_t number)
{
	for (size_t i = 0; i < executions->list.n; i++) {
		struct execution *one = *(struct execution **)pv_vec_at(&executions->list, i);

		if (one->head.number == number)
			return one;
	}
	return NULL;
}

static uint32_t flags_of(const struct pv_event_call *event)
{
	return (event->flags & PV_CALL_EVENT_RESUMED ? PV_CALL_RESUMED : 0) |
	       (event->flags & PV_CALL_EVENT_YIELDED ? PV_CALL_YIELDED : 0) |
	       (event->flags & PV_CALL_EVENT_RAISED ? PV_CALL_RAISED : 0);
}

/* What is open ends with the record. */
static void cut(struct execution *execution, uint64_t time_ns, uint64_t off_ns)
{
	while (execution->open.n)
		end_innermost(execution, time_ns, off_ns, PV_CALL_CUT);
	execution->ended = true;
}

static struct pv_err *take_begin(struct pv_executions *executions, struct execution *execution,
				 const struct pv_event_call *event, size_t text)
{
	uint32_t flags = flags_of(event);

	if (event->flags & PV_CALL_EVENT_UNBEGUN)
		flags |= PV_CALL_BEGIN_GUESSED;
	/* what comes then may be shown within one that is over already */
	if (event->flags & PV_CALL_EVENT_EARLY)
		execution->head.partial = true;
	end_beside(execution, event);
	return add_call(executions, execution, event, flags, text);
}

/* The outermost native call that an end is of; NULL: its beginning is not there. */
static struct call *ending_native(const struct execution *execution,
				  const struct pv_event_call *event)
{
	for (size_t i = 0; i < execution->open.n; i++) {
		struct call *call = call_at(execution, *(uint32_t *)pv_vec_at(&execution->open, i));

		if (call->native && call->frame == event->frame)
			return call;
	}
	return NULL;
}

/* All that stand behind its return address end. */
static void take_native_end(struct execution *execution, const struct pv_event_call *event,
			    size_t text)
{
	struct call *call = ending_native(execution, event);
	bool over = event->flags & PV_CALL_EVENT_OVER;

	if (call)
		call->result = text;
	while (is_open(execution, event->frame)) {
		end_within(execution, event->frame, event);
		end_innermost(execution, event->time_ns, event->off_ns,
			      over ? PV_CALL_END_GUESSED : 0);
	}
}

/* A native function's own end, or its record's where that was not seen. */
static void take_native_root(struct execution *execution, const struct pv_event_call *event,
			     uint64_t last_ns, uint64_t last_off_ns, size_t text)
{
	if (event->flags & PV_CALL_EVENT_OVER || !(event->flags & PV_CALL_EVENT_NATIVE)) {
		cut(execution, last_ns, last_off_ns);
		return;
	}
	take_native_end(execution, event, text);
	cut(execution, event->time_ns, event->off_ns);
}

static void take_end(struct execution *execution, const struct pv_event_call *event, size_t text)
{
	if (event->flags & PV_CALL_EVENT_CUT) {
		cut(execution, event->time_ns, event->off_ns);
	} else if (event->flags & PV_CALL_EVENT_ROOT) {
		while (execution->open.n > 1)
			end_innermost(execution, event->time_ns, event->off_ns,
				      PV_CALL_END_GUESSED);
		execution->ended = true;
	} else if (is_open(execution, event->frame)) {
		end_within(execution, event->frame, event);
	} else {
		return; /* its beginning was lost, and is counted */
	}
	if (!innermost(execution))
		return;
	innermost(execution)->result = text;
	end_innermost(execution, event->time_ns, event->off_ns, flags_of(event));
}

static const struct pv_signature *signature_of(const struct pv_executions *executions,
					       const struct execution *execution,
					       const struct pv_event_call *event)
{
	const struct pv_executions_options *options = &executions->options;
	uint64_t function = event->address;

	if (!(event->flags & PV_CALL_EVENT_NATIVE) || !options->signature)
		return NULL;
	if (event->flags & PV_CALL_EVENT_END) {
		const struct call *call = ending_native(execution, event);

		if (!call)
			return NULL;
		function = call->address;
	}
	return options->signature(options->ctx, (uint32_t)function);
}

/* The text of the arguments or the result that an event has: where it begins, plus one. */
static struct pv_err *take_text(const struct pv_executions *executions, struct execution *execution,
				const struct pv_event_call *event, size_t *ret)
{
	size_t start = execution->text.n;
	struct pv_err *err;

	*ret = 0;
	if (!executions->options.values)
		return NULL;
	err = pv_call_values_append(executions->options.values, event,
				    signature_of(executions, execution, event), &execution->text);
	if (err || execution->text.n == start)
		return err;
	*ret = start + 1;
	return pv_str_append(&execution->text, "", 1);
}

struct pv_err *pv_executions_take(struct pv_executions *executions,
				  const struct pv_event_call *event)
{
	struct execution *execution = find(executions, event->number);
	uint64_t last_ns, last_off_ns;
	struct pv_err *err = NULL;
	size_t text;

	if (!execution)
		err = begin(executions, event, &execution);
	else
		execution->met = true;
	if (err || execution->ended)
		return err;
	execution->gone = event->flags & PV_CALL_EVENT_GONE;
	if (event->sequence > execution->sequence)
		execution->head.lost += event->sequence - execution->sequence;
	execution->sequence = event->sequence + 1;
	last_ns = execution->last_ns;
	last_off_ns = execution->last_off_ns;
	execution->last_ns = event->time_ns;
	execution->last_off_ns = event->off_ns;
	err = take_text(executions, execution, event, &text);
	if (err)
		return err;
	if (!(event->flags & PV_CALL_EVENT_END))
		return take_begin(executions, execution, event, text);
	if (event->flags & PV_CALL_EVENT_ROOT && execution->around)
		take_native_root(execution, event, last_ns, last_off_ns, text);
	else if (event->flags & PV_CALL_EVENT_NATIVE)
		take_native_end(execution, event, text);
	else
		take_end(execution, event, text);
	return NULL;
}

static struct pv_err *keep_text(struct pv_executions *executions, const struct execution *execution,
				size_t at, uint32_t *ret)
{
	struct pv_profile *profile = executions->options.trace->profile;
	const char *text;

	*ret = 0;
	if (!at)
		return NULL;
	text = pv_str_text(&execution->text) + at - 1;
	return pv_strings_add(profile->strings, text, strlen(text), ret);
}

/* Those of its calls that are shown go into the trace, each below the nearest that is. */
static struct pv_err *keep_calls(struct pv_executions *executions, struct execution *execution)
{
	const struct pv_executions_options *options = &executions->options;
	uint32_t *places = calloc(execution->calls.n + 1, sizeof(*places));
	struct pv_err *err = places ? NULL : &pv_enomem;

	for (size_t i = 0; !err && i < execution->calls.n; i++) {
		struct call *call = call_at(execution, i);
		uint32_t parent = call->call.parent;
		bool wanted = true;

		parent = parent == PV_CALL_NONE ? parent : places[parent];
		if (!i)
			call->call.function = options->trace->function;
		else if (call->native)
			err = options->name_native(options->ctx, (uint32_t)call->address,
						   &call->call.function, &wanted);
		else
			err = options->name(options->ctx, call->key, call->address,
					    &call->call.function, &wanted);
		if (err)
			break;
		places[i] = parent;
		call->call.start_ns -= options->start_ns;
		call->call.end_ns -= options->start_ns;
		if (wanted)
			err = keep_text(executions, execution, call->arguments,
					&call->call.arguments);
		if (!err && wanted)
			err = keep_text(executions, execution, call->result, &call->call.result);
		if (!err && wanted)
			err = pv_trace_add(options->trace, &call->call, parent, &places[i]);
	}
	free(places);
	return err;
}

static struct pv_err *keep(struct pv_executions *executions, struct execution *execution)
{
	const struct pv_executions_options *options = &executions->options;
	struct pv_err *err;

	if (execution->gone || (execution->head.late && !execution->met)) {
		options->trace->n_gone++;
		return NULL;
	}
	if (!execution->calls.n || pv_executions_enough(executions))
		return NULL;
	if (options->longer_ns && pv_call_ns(&call_at(execution, 0)->call) < options->longer_ns) {
		options->trace->n_short++;
		return NULL;
	}
	options->trace->n_late += execution->head.late;
	err = pv_trace_begin(options->trace, &execution->head);
	return err ? err : keep_calls(executions, execution);
}

/* Takes those out that have ended. */
static struct pv_err *settle_ended(struct pv_executions *executions)
{
	struct execution **list = executions->list.data;
	struct pv_err *err = NULL;
	size_t n = 0;

	for (size_t i = 0; i < executions->list.n; i++) {
		if (err || !list[i]->ended) {
			list[n++] = list[i];
			continue;
		}
		err = keep(executions, list[i]);
		executions->n_calls -= list[i]->calls.n;
		execution_destroy(list[i]);
	}
	executions->list.n = n;
	return err;
}

struct pv_err *pv_executions_settle(struct pv_executions *executions,
				    const struct pv_trace_state *state)
{
	for (size_t i = 0; i < executions->list.n; i++) {
		struct execution *one = *(struct execution **)pv_vec_at(&executions->list, i);
		const struct pv_trace_run *run = &state->runs[one->run % PV_TRACE_RUNS_MAX];

		/* begun since then, it has a number that the kernel's side had not given yet */
		if (one->ended || run->number == one->head.number ||
		    one->head.number > state->begun)
			continue;
		if (run->last != one->head.number) {
			cut(one, one->last_ns, one->last_off_ns);
			one->head.lost++;
			continue;
		}
		one->head.lost += run->sequence - one->sequence;
		cut(one, run->ended_ns, one->last_off_ns);
	}
	return settle_ended(executions);
}

struct pv_err *pv_executions_finish(struct pv_executions *executions, uint64_t now_ns)
{
	struct pv_trace *trace = executions->options.trace;
	struct pv_err *err;

	for (size_t i = 0; i < executions->list.n; i++) {
		struct execution *one = *(struct execution **)pv_vec_at(&executions->list, i);

		cut(one, now_ns, one->last_off_ns);
	}
	err = settle_ended(executions);
	return err ? err : pv_trace_sort(trace);
}

bool pv_executions_enough(const struct pv_executions *executions)
{
	return executions->options.count &&
	       executions->options.trace->executions.n >=
		       executions->options.count + executions->options.trace->n_late;
}

bool pv_executions_full(const struct pv_executions *executions)
{
	return executions->n_calls + executions->options.trace->calls.n >=
	       executions->options.calls_max;
}
