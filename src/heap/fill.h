/* SPDX-License-Identifier: BSD-2-Clause */
/* A census as a look of a hunt.  Input: struct pv_census, struct pv_garbage.  Output: struct
 * pv_memory. */
#ifndef PV_HEAP_FILL_H
#define PV_HEAP_FILL_H

#include <stdint.h>

#include "base/err.h"

struct pv_census;
struct pv_garbage;
struct pv_heap;
struct pv_memory;
struct pv_vec;

/*
 * Adds a look with all types and sizes that the census has.  at_ns: when it began, as
 * model/memory.h counts; ret: the look's index.
 */
struct pv_err *pv_census_fill(const struct pv_census *census, uint64_t at_ns,
			      struct pv_memory *memory, uint32_t *ret);

/*
 * Says of a look what is garbage.  types: struct pv_census_type, of its census, which was shortly
 * before: what the program uses comes and goes meanwhile, so what it had then and does not use is
 * what counts.
 */
struct pv_err *pv_garbage_fill(const struct pv_garbage *garbage, struct pv_heap *heap,
			       const struct pv_vec *types, struct pv_memory *memory, uint32_t look);

#endif
