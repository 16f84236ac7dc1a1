/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks of calls that took long, each as often as it occurred.  Input: what the kernel's
 * side of `latency` sends.  Output: nodes of a profile, counted.
 */
#ifndef PV_SESSION_SLOW_H
#define PV_SESSION_SLOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_calls;
struct pv_probed;
struct pv_profile;
struct pv_slow;
struct pv_wanted_set;

/* Calls of one function that ended on the same stack. */
struct pv_slow_stack {
	uint32_t function; /* index */
	uint32_t node;     /* of the profile; the leaf is the function itself */
	uint64_t calls, sum_ns, max_ns;
};

/* None of the arguments is owned; all must outlive it. */
struct pv_err *pv_slow_create(struct pv_probed *probed, const struct pv_wanted_set *wanted,
			      struct pv_calls *calls, struct pv_slow **ret);
void pv_slow_destroy(struct pv_slow *slow);

/* Takes in what there is. */
struct pv_err *pv_slow_drain(struct pv_slow *slow);

/* struct pv_slow_stack, by function, those that occurred most often first; until the next drain. */
const struct pv_vec *pv_slow_stacks(struct pv_slow *slow);
const struct pv_profile *pv_slow_profile(const struct pv_slow *slow);

/* Once, at the end: its samples are the microseconds that the calls of each stack took. */
struct pv_err *pv_slow_fill(struct pv_slow *slow);

#endif
