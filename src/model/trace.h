/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_trace: what happened inside some executions of one function: every call
 * that was seen, with its beginning and its end, as plain data.  Written by session/,
 * read by analyse/, out/ and cmd/.
 *
 * Times are in ns of CLOCK_MONOTONIC since profile->start_unix_ns's moment (the start
 * of the trace).  An execution's calls stand together, in the order of their
 * beginnings, so each after its parent; the first is of the function itself.  A call
 * lies within the time of its parent, those below it stand right behind it, and the next
 * one beside it begins when it has ended, or later: writers rely on it.
 */
#ifndef PV_MODEL_TRACE_H
#define PV_MODEL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_profile;

enum { PV_CALL_NONE = UINT32_MAX };

enum pv_call_flag {
	PV_CALL_RESUMED = 1,        /* a generator or coroutine that went on: no new call */
	PV_CALL_YIELDED = 2,        /* it left, and may go on: yield, await */
	PV_CALL_RAISED = 4,         /* it left by an exception */
	PV_CALL_END_GUESSED = 8,    /* its end was not seen: its caller was seen to go on then */
	PV_CALL_BEGIN_GUESSED = 16, /* its beginning was not seen: it was called since then */
	PV_CALL_CUT = 32,           /* it had not ended when the record of the execution did */
};

struct pv_call {
	uint32_t function;  /* index into profile->locs; the line is the definition's */
	uint32_t parent;    /* index into calls; PV_CALL_NONE: an execution's first */
	uint32_t execution; /* index into executions */
	uint32_t depth;     /* the execution's first 0 */
	uint32_t flags;     /* enum pv_call_flag */
	/*
	 * string ids, escaped as session/values.h does: "path='/srv/a', n=3", "" if they were not
	 * asked for or not seen, "<lost>" if they did not reach us
	 */
	uint32_t arguments, result;
	uint64_t start_ns, end_ns;
	uint64_t off_cpu_ns; /* of that time, not on a CPU */
};

struct pv_execution {
	uint32_t thread; /* index into profile->threads */
	uint32_t node;   /* the merged stack that led to it: a leaf of profile->nodes; 0: unknown */
	size_t first, n; /* its calls */
	uint64_t number; /* 1, counts all executions that were seen to begin */
	bool partial;    /* not all places were probed yet when it began */
	bool late;       /* of these: all but what tells of it was not; it is not counted by -n */
	uint64_t lost;   /* events of it that did not reach us: calls are missing */
};

/* Why a trace ended. */
enum pv_trace_end {
	PV_TRACE_STOPPED = 0, /* by the user or by --duration */
	PV_TRACE_COUNT,       /* so many executions as were asked for */
	PV_TRACE_TARGET_ENDED,
	PV_TRACE_REPLACED, /* the target ran another program (exec) */
	PV_TRACE_BUDGET,   /* hits cost more than the budget */
	PV_TRACE_ROOM,     /* as many calls as are kept */
	PV_TRACE_MEMORY,   /* the target's control group has none for more breakpoints */
};

/* How the first execution was waited for. */
enum pv_trace_wait_kind {
	PV_TRACE_ARMED = 0, /* all was probed from the start */
	PV_TRACE_WATCHED,   /* a watchpoint told of it */
	PV_TRACE_ENTERED,   /* the places where functions are entered did */
	PV_TRACE_UNLOADED,  /* its library never came */
};

struct pv_trace {
	/* names, stacks and the target; owned; it has no samples */
	struct pv_profile *profile;
	struct pv_vec calls;      /* struct pv_call */
	struct pv_vec executions; /* struct pv_execution */
	uint32_t function;        /* index into profile->locs: what was asked for */
	enum pv_trace_end end;
	uint64_t n_seen;       /* executions that began */
	uint64_t n_short;      /* of these not kept: faster than --duration-over */
	uint64_t n_unmet;      /* of these not kept: --if did not hold */
	uint64_t n_undecided;  /* of these not kept: whether --if holds could not be decided */
	uint64_t n_skipped;    /* of these not kept: other executions were being recorded */
	uint64_t hits[2];      /* of probes, at emulated and at single-stepped places */
	uint64_t prices_ns[2]; /* of a hit, measured on ourselves */
	uint64_t n_elsewhere;  /* native calls on other stacks of a thread, left out */
	uint64_t n_gone;   /* of these not kept: late ones that had ended before all was probed */
	uint64_t n_unsent; /* of these not kept: all that they sent was lost */
	size_t n_late;     /* of those kept */
	enum pv_trace_wait_kind wait;
	uint32_t unwatched; /* string id: why no watchpoint, where it could have been; 0: "" */
	uint64_t watch_hits, watch_price_ns;
	uint64_t strangers; /* hits in forked children, until they were freed */
	double cost_cpus;   /* hits times prices in the time that was measured */
	size_t n_sites, n_stepped;
	double attach_ms;
};

struct pv_err *pv_trace_create(struct pv_trace **ret);
void pv_trace_destroy(struct pv_trace *trace);

/* Opens an execution; the calls that are added from here on are its own. */
struct pv_err *pv_trace_begin(struct pv_trace *trace, const struct pv_execution *execution);

/* Appends to the last execution; parent, execution and depth are set: parent is the
 * call that is its parent, PV_CALL_NONE for the first.  The index is *ret. */
struct pv_err *pv_trace_add(struct pv_trace *trace, const struct pv_call *call, uint32_t parent,
			    uint32_t *ret);

/* Once, when all are there: executions in the order of their beginnings, their calls likewise. */
struct pv_err *pv_trace_sort(struct pv_trace *trace);

/* How long a call took. */
static inline uint64_t pv_call_ns(const struct pv_call *call)
{
	return call->end_ns > call->start_ns ? call->end_ns - call->start_ns : 0;
}

/* Time of each call without the calls in it.  ret: calls.n entries, owned by the caller (free). */
struct pv_err *pv_trace_self(const struct pv_trace *trace, uint64_t **ret);

#endif
