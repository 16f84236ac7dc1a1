/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Garbage that waits for the cyclic garbage collector: what of growth is none.  Pure: looks of a
 * pv_memory in, plain data out.
 *
 * Cycles that nobody has any more are freed by a collection alone.  One of all objects may be
 * minutes away, and until then they rise as steadily as a leak.
 */
#ifndef PV_ANALYSE_COLLECTIONS_H
#define PV_ANALYSE_COLLECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyse/slope.h"
#include "model/memory.h"

struct pv_vec;

/* Of a hunt: who frees garbage, and when. */
struct pv_collections {
	bool known;            /* a look tells garbage apart */
	bool freed;            /* somebody will free it */
	bool disabled;         /* not the collector by itself */
	bool counted;          /* how many full collections there were is known */
	uint64_t seen;         /* of them, from the first look to the last */
	uint64_t freed_before; /* objects, by all full collections there ever were */
	uint64_t garbage;      /* objects, at the last look that tells it */
	uint64_t old;          /* objects that have outlived a full collection; 0: not known */
	/*
	 * s, from the last look on: until the next full one, or, where the program has to ask for
	 * it, until there is more garbage than was ever freed.  0: not known.
	 */
	double next_s;
};

/* looks: uint32_t, indices of censuses, in time. */
struct pv_collections pv_collections_of(const struct pv_memory *memory, const struct pv_vec *looks);

/* What a type's number does without garbage. */
enum pv_waits {
	PV_WAITS_NOT,   /* as with it */
	PV_WAITS,       /* it does not grow */
	PV_WAITS_MAYBE, /* most of what it gained is garbage; whether the rest grows cannot be told
			 */
	PV_WAITS_LEAKS, /* it grows, beside garbage or hidden by it: *live_ret */
	PV_WAITS_TURNS, /* it does not grow, and what there is more of it is garbage: freed at
			   times, and there again */
};

/* slope: of all of the type's objects.  least: what must be gained to count as growth. */
enum pv_waits pv_waits_of(const struct pv_memory *memory, const struct pv_collections *collections,
			  const struct pv_vec *looks, uint32_t type, const struct pv_slope *slope,
			  double least, struct pv_slope *live_ret);

#endif
