/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process's mappings are for.  Input: mappings with what is behind them, where Python's
 * arenas and threads' stacks are.  Output: bytes by class.
 */
#ifndef PV_SESSION_MAPPINGS_H
#define PV_SESSION_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "model/memory.h"

/* Memory of one of Python's arenas, end exclusive. */
struct pv_arena_range {
	uint64_t start, end;
};

struct pv_mappings_hints {
	/*
	 * struct pv_arena_range by start, none overlaps; NULL: not known, and then anonymous
	 * mappings of whole multiples of arena_bytes are taken for them; 0: there are none
	 */
	const struct pv_vec *arenas;
	uint64_t arena_bytes;
	const struct pv_vec *stacks; /* uint64_t: addresses in stacks of threads */
};

/* smaps: struct pv_smap.  Adds to resident and mapped of the point, by class. */
void pv_mappings_count(const struct pv_vec *smaps, const struct pv_mappings_hints *hints,
		       struct pv_memory_point *point);

#endif
