/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Containers that take no more than so many: functools.lru_cache(maxsize=N), and
 * collections.deque(maxlen=N).  Input: an object (untrusted memory).  Output: how many it has, and
 * its limit.
 */
#ifndef PV_HEAP_BOUNDED_H
#define PV_HEAP_BOUNDED_H

#include <stdbool.h>
#include <stdint.h>

struct pv_heap;
struct pv_heap_type;

/* False: it is none, it has no limit, or how this version's objects are laid out is not known. */
bool pv_bounded_read(struct pv_heap *heap, uint64_t object, const struct pv_heap_type *type,
		     uint64_t *used_ret, uint64_t *limit_ret);

/* The offset of the dict in which an object of functools._lru_cache_wrapper has all; 0: none. */
uint64_t pv_bounded_cache(struct pv_heap *heap, uint64_t object, const struct pv_heap_type *type);

#endif
