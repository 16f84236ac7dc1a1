/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where CPython's allocator will put the next objects of a size.  Input: a process's memory, pools
 * (heap/pymalloc.h).  Output: pools, and blocks that are handed out next.
 *
 * Pools of a size that have room are in a ring, whose head is no pool (Objects/obmalloc.c,
 * usedpools); the first of them gives the next block: the first of its list of free ones, then
 * what was never handed out.  A block that is freed is the first of its pool's list, and a full
 * pool that gets one back the first of the ring: last in, first out.
 */
#ifndef PV_HEAP_POOLS_H
#define PV_HEAP_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "heap/pymalloc.h"

struct pv_maps;
struct pv_mem;

/* Calls fn for every pool of the process that has blocks in use; an error stops it. */
struct pv_err *pv_pools_each(struct pv_mem *mem, const struct pv_maps *maps, pid_t pid,
			     uint32_t pool_bytes,
			     struct pv_err *(*fn)(void *ctx, const struct pv_pool *pool,
						  const unsigned char *bytes),
			     void *ctx);

/* The pool that an address is in; false: it is in none. */
bool pv_pool_of(struct pv_mem *mem, uint64_t address, uint32_t pool_bytes, struct pv_pool *ret);

/* Of that pool the size of its blocks alone, by its head; 0: it is in none. */
uint32_t pv_pool_size_at(struct pv_mem *mem, uint64_t address, uint32_t pool_bytes);

/* The head of the ring that a pool is in; 0: it is in none, since it is full. */
uint64_t pv_pools_ring(struct pv_mem *mem, const struct pv_pool *pool);

/* Blocks that come next, at most max, as it is now; how many were told is the result. */
size_t pv_pools_coming(struct pv_mem *mem, uint64_t ring, uint32_t pool_bytes, uint32_t block_bytes,
		       uint64_t *ret, size_t max);

#endif
