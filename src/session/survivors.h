/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that were seen to be allocated, looked at again later: which are still there?
 * Input: addresses, the process's memory.  Output: for each block whether it is the same.
 *
 * A block is the same if its allocator has it in use and its content is what it was at the first
 * look, right behind its allocation.  All of the content counts: what else is put into memory that
 * was freed is seldom the same.  But objects change while they live, and these words may:
 * - the reference count, the two words of the garbage collector's lists;
 * - hashes that are worked out at their first use (str, bytes, frozenset, 3.14+ tuple), a str's
 *   state (interned later);
 * - of a dict's keys and the like, which are no objects, the first 32 bytes: a reference count,
 *   counts of what is used, a version that is given at first use.
 * A container that is written to after its first look (a list that grows, an instance that gets
 * an attribute) looks like another object of its type in the same place.  So it is in doubt:
 * neither counted as surviving nor given up; its new content is what the next look compares.
 * What changed its type, or is of a type whose objects never change, is gone.
 * Where its like come and go all the time, the next one in its place may be another's, and one that
 * stays would be counted for the place that took the first: that it once changed is kept.
 */
#ifndef PV_SESSION_SURVIVORS_H
#define PV_SESSION_SURVIVORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_heap;
struct pv_probed;
struct pv_survivors;

enum pv_block_state {
	PV_BLOCK_SAME,
	PV_BLOCK_DOUBT, /* in use, changed: the same or another, see above */
	PV_BLOCK_GONE,  /* freed, another's, or its memory is no more */
};

struct pv_block {
	uint64_t address, size; /* of its size class, or as asked for */
	uint64_t all;           /* bytes that the allocator took for it; 0: not known */
	uint64_t type;          /* of the object in it; 0: none that can be recognised */
	uint64_t head, body;    /* hashes of the content */
	uint32_t site;          /* the caller's */
	uint32_t group;         /* the caller's */
	uint8_t domain;         /* enum pv_alloc_domain */
	uint8_t state;          /* enum pv_block_state */
	bool cut;               /* too large: only its beginning and its end are compared */
	bool changed;           /* at a look, see above */
};

/* heap: NULL: no objects are recognised.  None of the arguments is owned. */
struct pv_err *pv_survivors_create(const struct pv_probed *probed, uint32_t pool_bytes, bool glibc,
				   struct pv_heap *heap, struct pv_survivors **ret);
void pv_survivors_destroy(struct pv_survivors *survivors);

/*
 * Where malloc() keeps free chunks beside (uint64_t, struct pv_census): they look used, and are not
 * from here on.  Neither is owned, both are read at each look.
 */
void pv_survivors_caches(struct pv_survivors *survivors, const struct pv_vec *caches,
			 const struct pv_vec *states);

/*
 * Adds blocks (struct pv_block, which are sorted), whose address, size, domain, site and group are
 * set, with a first look at them.  One that is not in use any more is not added.
 */
struct pv_err *pv_survivors_add(struct pv_survivors *survivors, struct pv_vec *blocks);

/* Takes out those that fn says no to. */
void pv_survivors_filter(struct pv_survivors *survivors,
			 bool (*fn)(void *ctx, const struct pv_block *block), void *ctx);

struct pv_survivors_look {
	uint64_t same, doubts, gone; /* blocks */
	uint64_t unread;             /* of the gone: their memory could not be read */
};

/* Looks at all of them; those that are gone are not looked at again.  */
struct pv_err *pv_survivors_look(struct pv_survivors *survivors, struct pv_survivors_look *ret);

/* struct pv_block: those that are not gone. */
const struct pv_vec *pv_survivors_blocks(const struct pv_survivors *survivors);

#endif
