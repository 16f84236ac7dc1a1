/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was called inside the executions of a trace, by function, and how far that
 * can be trusted.
 */
#ifndef PV_ANALYSE_CALLEES_H
#define PV_ANALYSE_CALLEES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_trace;

/*
 * One function.  A stay is the time from a call, or from where a generator went on, to
 * where it left; so a generator has more stays than calls.  min to max are of the stays
 * whose beginning and end were both seen.
 */
struct pv_callee {
	uint32_t function; /* index into profile->locs */
	uint64_t calls, resumed;
	uint64_t raised, yielded;
	uint64_t guessed;    /* stays with a guessed end or beginning */
	uint64_t cut;        /* stays that had not ended */
	uint64_t total_ns;   /* of stays inside another one of the same function nothing */
	uint64_t self_ns;    /* without the calls in it */
	uint64_t off_cpu_ns; /* of total_ns */
	uint64_t measured;   /* stays that min to max are of; if 0 those are 0 */
	uint64_t min_ns, p50_ns, p99_ns, max_ns;
	bool recursive; /* some stay was inside another one */
};

struct pv_callees {
	struct pv_callee *list; /* by self, then by total, the larger first */
	size_t n;
	/* of all */
	uint64_t calls, resumed, guessed_begins, guessed_ends, cut;
	uint64_t duration_ns; /* of the executions; what self_ns adds up to */
	uint64_t lost;        /* events */
	size_t n_lossy;       /* executions that have lost some */
	size_t n_partial;     /* executions */
	bool recursive;       /* some function was */
};

struct pv_err *pv_callees_init(struct pv_callees *callees, const struct pv_trace *trace);
void pv_callees_deinit(struct pv_callees *callees);

/*
 * Reasons not to take the trace for all that happened.  ret: struct pv_str, each a
 * sentence without its full stop; none: all is well.
 */
struct pv_err *pv_trace_doubts(const struct pv_trace *trace, const struct pv_callees *callees,
			       struct pv_vec *ret);
void pv_trace_doubts_deinit(struct pv_vec *doubts);

#endif
