/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash map from u64 to u64 (open addressing).  Zero-initialised is empty. */
#ifndef PV_BASE_MAP_H
#define PV_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_map_slot {
	uint64_t key, value;
};

struct pv_map {
	struct pv_map_slot *slots;
	uint8_t *used;
	size_t n;
	size_t capacity; /* power of two, or 0 */
};

void pv_map_deinit(struct pv_map *map);

/* False if absent; ret is then untouched. */
bool pv_map_get(const struct pv_map *map, uint64_t key, uint64_t *ret);

/* Inserts or replaces. */
struct pv_err *pv_map_set(struct pv_map *map, uint64_t key, uint64_t value);

/* Removes if present. */
void pv_map_remove(struct pv_map *map, uint64_t key);

/* A good 64-bit mixer, for composed keys: pv_hash(pv_hash(a) ^ b). */
uint64_t pv_hash(uint64_t x);

/* Hash of bytes. */
uint64_t pv_hash_bytes(const void *data, size_t n);

#endif
