/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens inside executions of one function of one process, on one
 * page.  Input: a PID, the name of a function.  Output: a struct pv_trace.
 */
#ifndef PV_SESSION_TRACER_H
#define PV_SESSION_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"
#include "model/trace.h"

struct pv_tracer;

struct pv_tracer_options {
	pid_t pid;
	const char *function; /* not owned */
	size_t count;         /* executions that are kept */
	uint64_t longer_ns;   /* keep those only that took as long; 0: all */
	uint32_t depth;       /* levels of calls below the function; 0: all */
	/* const char *, patterns of fnmatch(3): of calls by these names or files only; but for
	 * those */
	const struct pv_vec *only, *skip;
	double budget;         /* CPUs that probes may take of the target's time */
	bool arguments;        /* arguments and results of all calls */
	const char *condition; /* on the function's arguments (session/condition.h); NULL: none */
	/* const char *: libraries, or patterns of native functions, whose calls are recorded, too
	 */
	const struct pv_vec *natives;
	bool usual_natives; /* those of the function's library and the interpreter's C API, too */
	bool now;           /* all is probed from the start, not from the first execution on */
};

/* What the start found. */
struct pv_tracer_facts {
	const char *interpreter; /* "CPython 3.11.2" */
	const char *name;        /* of the process */
	const char *function;    /* "handle (app.py:41)", escaped */
	bool suspends;           /* a generator or coroutine, which can be left and entered again */
	size_t n_sites, n_stepped;
	double attach_ms;
	enum pv_trace_wait_kind wait;
	const char *unwatched; /* why it waits by entries, where a watchpoint could be; else "" */
	bool unloaded; /* its library is not loaded yet: function is what the user has called it */
};

/* Finds the function, measures what a probe costs, attaches. */
struct pv_err *pv_tracer_create(const struct pv_tracer_options *options, struct pv_tracer **ret);
void pv_tracer_destroy(struct pv_tracer *tracer);

struct pv_tracer_facts pv_tracer_facts(const struct pv_tracer *tracer);

/* What the user should know at the start, NULL: nothing. */
const char *pv_tracer_note(const struct pv_tracer *tracer);

/*
 * Waits up to timeout_ms, or until fd is readable; does what must be done at once.
 * ended_ret: it is over, and why stands in the trace.
 */
struct pv_err *pv_tracer_step(struct pv_tracer *tracer, int timeout_ms, int fd, bool *ended_ret);

/* No probe is left from here on; the trace is the tracer's. */
struct pv_err *pv_tracer_finish(struct pv_tracer *tracer, const struct pv_trace **ret);

#endif
