/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of `trace` is attached when: while it waits for the first execution, what tells of it
 * alone, so that the process pays next to nothing; then all else.  Input: the places to be
 * probed.  Output: probes.
 */
#ifndef PV_SESSION_ARMING_H
#define PV_SESSION_ARMING_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/trace.h"
#include "base/err.h"
#include "base/str.h"

struct pv_inside;
struct pv_native_set;
struct pv_probed;
struct pv_probes;
struct pv_python_function;

struct pv_arming {
	/* to be filled by the caller; nothing is owned */
	struct pv_probed *probed;
	struct pv_inside *inside;
	struct pv_probes *probes;
	const struct pv_python_function *function; /* NULL: a native one, the set's first */
	struct pv_native_set *set;                 /* NULL: no native function is probed */
	bool python;                               /* Python functions are */
	bool now;                                  /* all at once */
	/* filled by pv_arming_begin() and pv_arming_step() */
	enum pv_trace_wait wait; /* what tells of the first execution */
	bool waits;              /* it has not come yet */
	uint64_t attached_ns;    /* when all was, CLOCK_MONOTONIC */
	struct pv_str unwatched; /* why it is not a watchpoint, where it could be; else empty */
};

/* Attaches what must be there before executions begin. */
struct pv_err *pv_arming_begin(struct pv_arming *arming);

/* May a watchpoint tell of the function's executions? */
bool pv_arming_may_watch(const struct pv_arming *arming);

/* Attaches all else, if it has not been and the first execution has begun. */
struct pv_err *pv_arming_step(struct pv_arming *arming, bool triggered);

void pv_arming_deinit(struct pv_arming *arming);

#endif
