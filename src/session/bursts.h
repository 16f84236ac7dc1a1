/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rungs that see each allocation: bursts of some milliseconds, again and again, or all of one
 * window.  Input: a process.  Output: a survey (session/survey.h), which the caller drives.
 */
#ifndef PV_SESSION_BURSTS_H
#define PV_SESSION_BURSTS_H

#include <stdint.h>

#include "base/err.h"

struct pv_heap;
struct pv_memory;
struct pv_probed;
struct pv_survey;
struct pv_vec;

struct pv_bursts_options {
	/* none is owned; all must outlive the survey */
	struct pv_probed *probed;
	struct pv_memory *memory;
	struct pv_heap *heap;                 /* NULL: objects are not recognised */
	const struct pv_vec *caches, *states; /* session/survey.h */
	uint64_t start_ns;                    /* CLOCK_MONOTONIC: the hunt's start */
	uint64_t start_cpu_ns;                /* the target's CPU time then */
	double share;           /* of its time that they may cost; 0: 8 %; for tests */
	uint32_t survivors_max; /* session/survey.h; for tests */
};

/*
 * 5,000 allocations or 20 ms of its CPU time each (up to 200 ms of it where it took long to place
 * the probes, up to 400 ms by the clock), but no more than it has earned before: what hits and
 * places may cost (session/allowance.h) is 8 % of the target's time since the hunt began, in each
 * hunt.  While a burst is open most of its time may go into that.
 */
struct pv_err *pv_bursts_create(const struct pv_bursts_options *options, struct pv_survey **ret);

/* Every allocation from the first step on, until it costs more CPUs than the budget. */
struct pv_err *pv_bursts_create_all(const struct pv_bursts_options *options, double budget,
				    struct pv_survey **ret);

#endif
