/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rung of growth sites: what takes new pools for objects, by stack, and which of these pools
 * stay.  Input: a process.  Output: a survey (session/survey.h), which the caller drives.
 *
 * The stack that takes a pool is of whatever allocates next, guilty or not: what is found here
 * says whether and how fast the pools grow; bursts say who.
 */
#ifndef PV_SESSION_GROWTH_H
#define PV_SESSION_GROWTH_H

#include <stdint.h>

#include "base/err.h"

struct pv_heap;
struct pv_memory;
struct pv_probed;
struct pv_survey;

struct pv_growth_options {
	/* none is owned; all must outlive the survey */
	struct pv_probed *probed;
	struct pv_memory *memory;
	struct pv_heap *heap;  /* NULL: objects are not recognised */
	uint64_t start_ns;     /* CLOCK_MONOTONIC: the hunt's start */
	uint64_t start_cpu_ns; /* the target's CPU time then */
};

/*
 * 1,000 pools or 500 ms of its CPU time each (up to 5 s of it where it took long to place the
 * probe, up to 10 s by the clock), but no more than it has earned before: what hits and places may
 * cost (session/allowance.h) is 2 % of the target's time since the hunt began, in each hunt.  A
 * process without pools: PV_ERR_NOPROC.
 */
struct pv_err *pv_growth_create(const struct pv_growth_options *options, struct pv_survey **ret);

#endif
