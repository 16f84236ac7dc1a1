/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second rung of a hunt: a census of the heap, again and again.  Input: a process's memory,
 * from outside; it is not stopped.  Output: looks of a pv_memory.
 */
#ifndef PV_SESSION_LOOKS_H
#define PV_SESSION_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_aim_sizes;
struct pv_heap;
struct pv_looks;
struct pv_map;
struct pv_memory;
struct pv_probed;
struct pv_vec;

/*
 * None of the arguments is owned; all must outlive it.  start_ns: the hunt's start.  A process
 * whose objects cannot be told is PV_ERR_NOPROC, with the reason.
 */
struct pv_err *pv_looks_create(struct pv_probed *probed, struct pv_memory *memory,
			       uint64_t start_ns, struct pv_looks **ret);
void pv_looks_destroy(struct pv_looks *looks);

/* Its types and objects, for the other rungs. */
struct pv_heap *pv_looks_heap(struct pv_looks *looks);

/* The sizes of its objects' blocks. */
const struct pv_aim_sizes *pv_looks_sizes(const struct pv_looks *looks);

/*
 * One more census, which takes about a second for a million objects; *took_ns_ret: how long. asked:
 * struct pv_census_options; NULL.
 */
struct pv_err *pv_looks_take(struct pv_looks *looks, struct pv_map *asked, uint64_t *took_ns_ret);

/*
 * Is it worth to ask what is garbage, though nothing is known to rise?  If there are few objects,
 * or the collector looks after more than at the first look.
 */
bool pv_looks_may_wait(const struct pv_looks *looks);

/*
 * What of the last look is garbage that waits for the collector, which takes some times as long; it
 * is not known where it cannot be told.
 */
struct pv_err *pv_looks_garbage(struct pv_looks *looks);

/* Where Python's own allocator has its memory, by the last look: struct pv_census_range, in order.
 */
const struct pv_vec *pv_looks_pools(const struct pv_looks *looks);

/* Where malloc() keeps free chunks beside, by the last look: see struct pv_census. */
void pv_looks_caches(const struct pv_looks *looks, const struct pv_vec **caches_ret,
		     const struct pv_vec **states_ret);

/* What became of the rung; if its state says that a look failed, it is climbed in part. */
struct pv_err *pv_looks_tell(struct pv_looks *looks);

#endif
