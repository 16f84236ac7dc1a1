/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The objects of a type that there are now, wherever they are: each has the address of its type
 * in it, and that is what is searched for.  Input: heap/search.h.  Output: addresses.
 */
#ifndef PV_HEAP_INSTANCES_H
#define PV_HEAP_INSTANCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_heap;
struct pv_heap_search;

/*
 * Appends up to max addresses (uint64_t, ascending) to ret: if there are more, about so many out
 * of all of them, *of_ret; the same ones at another time, as far as they are still there.  type:
 * its address; of its subclasses none.
 */
struct pv_err *pv_instances_find(struct pv_heap *heap, struct pv_heap_search *search, uint64_t type,
				 size_t max, struct pv_vec *ret, uint64_t *of_ret);

#endif
