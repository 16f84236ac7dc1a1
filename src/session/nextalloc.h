/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The next object that is allocated at a place and is there a moment later.  Input: a process, a
 * pattern of stacks.  Output: the object.
 *
 * Allocations are watched for short times (collect/allocs.h), with their stacks; between, what was
 * allocated is looked at.  Its first changes are over by then.
 */
#ifndef PV_SESSION_NEXTALLOC_H
#define PV_SESSION_NEXTALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "heap/object.h"

struct pv_probed;
struct pv_profile;

struct pv_next_options {
	struct pv_probed *probed; /* its image is renewed */
	/*
	 * A part of a stack as folded output has it, root first ("handle (app.py:41)",
	 * "app.py:41", "f (a.py:1);g (b.so)"), or a pattern of fnmatch(3) of all of it.
	 */
	const char *pattern;
	const char *type; /* of that type alone; NULL: any */
	uint64_t wait_ns;
	double budget; /* CPUs, and share of the target's CPU, that it takes on the mean */
	int stop_fd;   /* readable: it is given up; -1: none */
};

struct pv_next;

/* Loads the programs; texts and probed must outlive it. */
struct pv_err *pv_next_create(const struct pv_next_options *options, struct pv_next **ret);

/* Takes its probes out of the process, which waits for a grace period. */
void pv_next_destroy(struct pv_next *next);

/*
 * heap: to know objects by.  None within the time is PV_ERR_FAILED that says what was seen, as is
 * a cost above the budget in spite of the gaps: no probe is left then.  The object is still watched
 * when this returns, so as to lose no time.
 */
struct pv_err *pv_next_wait(struct pv_next *next, struct pv_heap *heap, struct pv_heap_object *ret);

/* Is the block of the object that pv_next_wait() found still the same, not freed since? */
struct pv_err *pv_next_is_there(struct pv_next *next, bool *ret);

/*
 * When the next time of watching may begin at the earliest, by a clock or a CPU's time: from_ns as
 * the last one began, which took spent_ns of the target's.
 */
uint64_t pv_next_due(uint64_t from_ns, uint64_t spent_ns, double budget);

/* Does a folded stack have the pattern in it? */
bool pv_next_matches(const char *stack, const char *pattern);

/* The same of a stack of a profile; inner_ret: from its innermost Python frame on. */
struct pv_err *pv_next_matches_node(const struct pv_profile *profile, uint32_t node,
				    const char *pattern, bool *ret, bool *inner_ret);

#endif
