/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which words of a process lie in memory that nobody uses now: free blocks, objects that
 * are dead and kept for reuse, stacks beyond their end.  Old pointers stay there for long,
 * and would hide that the last reference to an object is lost.
 *
 * Whatever is not known to be unused counts as used.  The process runs: what was in use when
 * a search came by may be free now, so one look alone proves nothing.
 */
#ifndef PV_HEAP_UNUSED_H
#define PV_HEAP_UNUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_heap;
struct pv_heap_search;

/*
 * For each of n addresses, sorted, that the last pass of search found something at: ret[i].
 * Registers are in use.
 */
struct pv_err *pv_unused_find(struct pv_heap *heap, struct pv_heap_search *search,
			      const uint64_t *addresses, size_t n, bool *ret);

#endif
