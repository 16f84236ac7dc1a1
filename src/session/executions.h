/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the events of calls to executions.  Input: struct pv_event_call in the order
 * of each thread, some of which may be missing.  Output: a struct pv_trace, each
 * execution as soon as it has ended.
 */
#ifndef PV_SESSION_EXECUTIONS_H
#define PV_SESSION_EXECUTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_call_values;
struct pv_event_call;
struct pv_executions;
struct pv_signature;
struct pv_trace;
struct pv_trace_state;

struct pv_executions_options {
	struct pv_trace *trace; /* not owned; function and profile are filled by the caller */
	uint64_t start_ns;      /* CLOCK_MONOTONIC: the trace's time 0 */
	uint64_t longer_ns;     /* shorter executions are only counted */
	size_t count;           /* so many are kept; 0: all */
	size_t calls_max;       /* in all that are kept or under way */
	struct pv_call_values *values; /* arguments and results; NULL: none are there */
	void *ctx;
	/* What a code object is called; wanted_ret: calls of it are shown. */
	struct pv_err *(*name)(void *ctx, uint64_t key, uint64_t address, uint32_t *loc_ret,
			       bool *wanted_ret);
	/* The same of a native function; may be NULL if there are none. */
	struct pv_err *(*name_native)(void *ctx, uint32_t function, uint32_t *loc_ret,
				      bool *wanted_ret);
	/* What its registers hold; NULL: it has no letters.  May be NULL if there are no values. */
	const struct pv_signature *(*signature)(void *ctx, uint32_t function);
	/* At the beginning of an execution: its thread, and the stack that led to it. */
	struct pv_err *(*begin)(void *ctx, const struct pv_event_call *first, uint32_t *thread_ret,
				uint32_t *node_ret);
};

struct pv_err *pv_executions_create(const struct pv_executions_options *options,
				    struct pv_executions **ret);
void pv_executions_destroy(struct pv_executions *executions);

struct pv_err *pv_executions_take(struct pv_executions *executions,
				  const struct pv_event_call *event);

/*
 * After all events up to some time were taken: those that have ended go into the trace.
 * state: the kernel's, as it was before; what is not under way there any more and has no
 * end has lost it.
 */
struct pv_err *pv_executions_settle(struct pv_executions *executions,
				    const struct pv_trace_state *state);

/*
 * There are no more events.  What is under way is kept as far as it came, if there are not
 * as many as were wanted; all are brought into the order of their beginnings.
 */
struct pv_err *pv_executions_finish(struct pv_executions *executions, uint64_t now_ns);

/* As many as were wanted are in the trace. */
bool pv_executions_enough(const struct pv_executions *executions);

/* There are as many calls as are kept. */
bool pv_executions_full(const struct pv_executions *executions);

#endif
