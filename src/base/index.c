/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An index of a vector: open addressing, linear probing, at most 3/4 full.  A
 * slot keeps half of the hash, so that neither looking past a slot nor growing
 * needs the element.
 * Input: hashes and places.  Output: places.
 */
#include <stdlib.h>

#include "base/index.h"

enum { INDEX_FIRST_CAPACITY = 16 };

void pv_index_deinit(struct pv_index *index)
{
	free(index->slots);
	*index = (struct pv_index){ 0 };
}

static void put(struct pv_index *index, uint64_t slot)
{
	size_t mask = index->capacity - 1, i = slot >> 32 & mask;

	while (index->slots[i])
		i = (i + 1) & mask;
	index->slots[i] = slot;
}

static struct pv_err *grow(struct pv_index *index)
{
	struct pv_index grown = { .n = index->n, .capacity = INDEX_FIRST_CAPACITY };

	if (index->capacity && __builtin_mul_overflow(index->capacity, 2, &grown.capacity))
		return &pv_enomem;
	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return &pv_enomem;
	for (size_t i = 0; i < index->capacity; i++) {
		if (index->slots[i])
			put(&grown, index->slots[i]);
	}
	free(index->slots);
	*index = grown;
	return NULL;
}

struct pv_err *pv_index_add(struct pv_index *index, uint64_t hash, uint32_t place)
{
	struct pv_err *err = NULL;

	if (index->n >= index->capacity / 4 * 3)
		err = grow(index);
	if (err)
		return err;
	put(index, (hash >> 32) << 32 | (place + 1));
	index->n++;
	return NULL;
}
