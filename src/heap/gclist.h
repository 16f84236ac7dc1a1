/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lists of the garbage collector, of every interpreter of a process.
 * Input: a struct pv_heap, memory (untrusted).  Output: each object in them, by a callback.
 *
 * A list may change while it is read.  Where it leads nowhere it is followed from its other
 * end, as far as the place where the first way ended; what is lost then is not known, only
 * that it is.  Free-threaded builds have no lists.
 */
#ifndef PV_HEAP_GCLIST_H
#define PV_HEAP_GCLIST_H

#include <stdint.h>

#include "base/err.h"

struct pv_heap;
struct pv_mem;

enum {
	PV_GC_GENERATIONS = 3, /* young to old; 3.14.0 to 3.14.4: young and two halves of old */
	PV_GC_PERMANENT = 3,   /* what gc.freeze() put aside, 3.7+ */
	PV_GC_LISTS = 4,
};

struct pv_gclist_counts {
	uint64_t n[PV_GC_LISTS]; /* objects, of all interpreters */
	uint32_t n_interpreters;
	uint32_t n_broken;     /* lists that were not followed to their end */
	uint32_t n_collecting; /* interpreters that were collecting: their lists are in pieces */
};

/* list: PV_GC_*; object: its address, behind its PyGC_Head. */
typedef struct pv_err *pv_gclist_each(void *ctx, unsigned int list, uint64_t object);

/*
 * mem: where to follow the lists, a copy best (heap/copy.h).  each may be NULL.  An
 * interpreter whose state is not as it must be is PV_ERR_NOPROC.
 */
struct pv_err *pv_gclist_walk(struct pv_heap *heap, struct pv_mem *mem, pv_gclist_each *each,
			      void *ctx, struct pv_gclist_counts *ret);

#endif
