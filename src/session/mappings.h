/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process's mappings are for.  Input: mappings with what is behind them, where Python's
 * arenas and threads' stacks are.  Output: bytes by class.
 */
#ifndef PV_SESSION_MAPPINGS_H
#define PV_SESSION_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"
#include "model/memory.h"

struct pv_mem;

struct pv_mappings_hints {
	/* struct pv_census_range: where a census found pools, in order; NULL: there was none yet */
	const struct pv_vec *pools;
	/* without it anonymous mappings of whole multiples of this are taken for Python's arenas;
	 * 0: there are none */
	uint64_t arena_bytes;
	const struct pv_vec *stacks; /* uint64_t: addresses in stacks of threads */
	/* of the process, to see whether a whole heap of a thread's arena is one; NULL: it is */
	struct pv_mem *mem;
	pid_t pid;
};

/* smaps: struct pv_smap.  Adds to resident and mapped of the point, by class. */
void pv_mappings_count(const struct pv_vec *smaps, const struct pv_mappings_hints *hints,
		       struct pv_memory_point *point);

#endif
