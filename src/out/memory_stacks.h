/* SPDX-License-Identifier: BSD-2-Clause */
/* What was allocated and what of it stays, by stack, for formats that know stacks alone. */
#ifndef PV_OUT_MEMORY_STACKS_H
#define PV_OUT_MEMORY_STACKS_H

#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "model/memory.h"

struct pv_profile;

/* Of one stack, times the share that was seen. */
struct pv_memory_stack {
	uint32_t node;
	uint64_t seen_count, seen_bytes, left_count, left_bytes;
};

/* struct pv_memory_stack of the sites that tell most (pv_suspects_source()), by node. */
struct pv_err *pv_memory_stacks(const struct pv_memory *memory, struct pv_vec *ret);

/*
 * A profile with these stacks, the caller's: a sample each, in their order, that counts bytes
 * that are left; strings, locations and nodes have the ids that they have in the memory.
 */
struct pv_err *pv_memory_profile(const struct pv_memory *memory, const struct pv_vec *stacks,
				 struct pv_profile **ret);

#endif
