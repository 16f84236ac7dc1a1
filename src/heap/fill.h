/* SPDX-License-Identifier: BSD-2-Clause */
/* A census as a look of a hunt.  Input: struct pv_census.  Output: struct pv_memory. */
#ifndef PV_HEAP_FILL_H
#define PV_HEAP_FILL_H

#include <stdint.h>

#include "base/err.h"

struct pv_census;
struct pv_memory;

/*
 * Adds a look with all types and sizes that the census has.  at_ns: when it began, as
 * model/memory.h counts; ret: the look's index.
 */
struct pv_err *pv_census_fill(const struct pv_census *census, uint64_t at_ns,
			      struct pv_memory *memory, uint32_t *ret);

#endif
