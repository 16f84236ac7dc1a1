/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first rung of a hunt: what of a process's memory grows, by mapping and over time, and
 * the stacks of page faults, brk() and mmap().  Nothing is placed in the process; it may run
 * Python or not.  Input: /proc, the kernel's side (collect/faults.h).  Output: points and
 * events of a pv_memory.
 */
#ifndef PV_SESSION_TREND_H
#define PV_SESSION_TREND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_memory;
struct pv_probed;
struct pv_trend;

struct pv_trend_options {
	/* neither is owned; both must outlive it; the image of probed is renewed */
	struct pv_probed *probed;
	struct pv_memory *memory;
	uint64_t start_ns; /* CLOCK_MONOTONIC: the hunt's start */
	bool stacks;       /* of faults, brk(), mmap(); without, /proc alone is looked at */
};

/* Takes the first point; the kernel's side counts from here on. */
struct pv_err *pv_trend_create(const struct pv_trend_options *options, struct pv_trend **ret);
void pv_trend_destroy(struct pv_trend *trend);

/*
 * Where a census found pools (struct pv_census_range, in order; not owned, it must outlive the next
 * call): what is left of anonymous mappings are not Python's arenas.  The first call counts the
 * points before it anew (session/early.h).
 */
struct pv_err *pv_trend_pools(struct pv_trend *trend, const struct pv_vec *pools);

/* Readable: there is much to take in by pv_trend_step(); -1: nothing ever is. */
int pv_trend_fd(const struct pv_trend *trend);

/* Takes in what there is, and a point if it is time for one. */
struct pv_err *pv_trend_step(struct pv_trend *trend);

/* How long until it is, ms. */
int pv_trend_patience(const struct pv_trend *trend);

/*
 * Once: a last point, unless the process is gone, and what became of the rung.  Nothing is
 * counted any more.
 */
struct pv_err *pv_trend_stop(struct pv_trend *trend);

#endif
