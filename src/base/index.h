/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From contents to the place in a vector, for large vectors: 8 bytes a slot.
 * The caller has the elements, their hashes and what makes two of them equal.
 * Zero-initialised is empty.
 */
#ifndef PV_BASE_INDEX_H
#define PV_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_index {
	uint64_t *slots; /* upper half of the hash, place + 1; 0 = free */
	size_t n, capacity;
};

void pv_index_deinit(struct pv_index *index);

/*
 * Where to look for hash; then each place at which an equal element may stand,
 * until false.
 */
static inline size_t pv_index_start(const struct pv_index *index, uint64_t hash)
{
	return index->capacity ? hash >> 32 & (index->capacity - 1) : 0;
}

static inline bool pv_index_next(const struct pv_index *index, uint64_t hash, size_t *at,
				 uint32_t *ret)
{
	uint64_t slot;

	if (!index->capacity)
		return false;
	while ((slot = index->slots[*at])) {
		*at = (*at + 1) & (index->capacity - 1);
		if (slot >> 32 == hash >> 32) {
			*ret = (uint32_t)slot - 1;
			return true;
		}
	}
	return false;
}

/* Adds an element that is not there; place < UINT32_MAX. */
struct pv_err *pv_index_add(struct pv_index *index, uint64_t hash, uint32_t place);

#endif
