/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash map from u64 to u64: open addressing, linear probing, at most 3/4
 * full; removal shifts the cluster back, so there are no tombstones.
 * Input: keys and values by copy.  Output: values by copy.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum { MAP_FIRST_CAPACITY = 16 };

/* The 64-bit finaliser of MurmurHash3: every input bit reaches every output bit. */
uint64_t pv_hash(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	x ^= x >> 33;
	return x;
}

uint64_t pv_hash_bytes(const void *data, size_t n)
{
	const unsigned char *bytes = data;
	uint64_t hash = pv_hash(n + 1), word;

	for (; n >= sizeof(word); n -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = pv_hash(hash ^ word) + 1;
	}
	if (n) {
		word = 0;
		memcpy(&word, bytes, n);
		hash = pv_hash(hash ^ word);
	}
	return hash;
}

void pv_map_deinit(struct pv_map *map)
{
	free(map->slots);
	free(map->used);
	*map = (struct pv_map){ 0 };
}

/* The slot of key, or the free one where it belongs; there is always a free one. */
static size_t map_slot(const struct pv_map *map, uint64_t key)
{
	size_t mask = map->capacity - 1, i = pv_hash(key) & mask;

	while (map->used[i] && map->slots[i].key != key)
		i = (i + 1) & mask;
	return i;
}

bool pv_map_get(const struct pv_map *map, uint64_t key, uint64_t *ret)
{
	size_t i;

	if (!map->n)
		return false;
	i = map_slot(map, key);
	if (!map->used[i])
		return false;
	*ret = map->slots[i].value;
	return true;
}

static struct pv_err *map_grow(struct pv_map *map)
{
	struct pv_map grown = { .n = map->n };

	if (!map->capacity)
		grown.capacity = MAP_FIRST_CAPACITY;
	else if (__builtin_mul_overflow(map->capacity, 2, &grown.capacity))
		return &pv_enomem;
	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	grown.used = calloc(grown.capacity, sizeof(*grown.used));
	if (!grown.slots || !grown.used) {
		pv_map_deinit(&grown);
		return &pv_enomem;
	}
	for (size_t i = 0; i < map->capacity; i++) {
		size_t to;

		if (!map->used[i])
			continue;
		to = map_slot(&grown, map->slots[i].key);
		grown.slots[to] = map->slots[i];
		grown.used[to] = 1;
	}
	pv_map_deinit(map);
	*map = grown;
	return NULL;
}

struct pv_err *pv_map_set(struct pv_map *map, uint64_t key, uint64_t value)
{
	struct pv_err *err;
	size_t i;

	if (map->n >= map->capacity / 4 * 3) {
		err = map_grow(map);
		if (err)
			return err;
	}
	i = map_slot(map, key);
	if (!map->used[i]) {
		map->used[i] = 1;
		map->n++;
	}
	map->slots[i] = (struct pv_map_slot){ .key = key, .value = value };
	return NULL;
}

void pv_map_remove(struct pv_map *map, uint64_t key)
{
	size_t mask = map->capacity - 1, hole, i;

	if (!map->n)
		return;
	hole = map_slot(map, key);
	if (!map->used[hole])
		return;
	/* Pull back each later slot of the cluster whose home is not after the hole. */
	for (i = (hole + 1) & mask; map->used[i]; i = (i + 1) & mask) {
		size_t home = pv_hash(map->slots[i].key) & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		map->slots[hole] = map->slots[i];
		hole = i;
	}
	map->used[hole] = 0;
	map->n--;
}
