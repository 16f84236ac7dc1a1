/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of mappings.  Input: /proc/PID/smaps as data.  Output: sums.
 */
#include "session/mappings.h"

#include "target/smaps.h"

/* glibc malloc/arena.c: HEAP_MAX_SIZE, to which heaps of threads' arenas are aligned. */
#define THREAD_HEAP (64ULL << 20)

/* A heap of a thread's arena: what is in use of it, then what is only reserved. */
static bool is_thread_heap(const struct pv_smap *map, const struct pv_smap *next)
{
	uint64_t heap = map->start & ~(THREAD_HEAP - 1);

	if (map->start != heap || map->end - map->start > THREAD_HEAP)
		return false;
	return map->end == heap + THREAD_HEAP ||
	       (next && next->start == map->end && !next->accessible &&
		next->end >= heap + THREAD_HEAP);
}

static bool has_stack(const struct pv_smap *map, const struct pv_vec *stacks)
{
	for (size_t i = 0; stacks && i < stacks->n; i++) {
		uint64_t at = *(const uint64_t *)pv_vec_at(stacks, i);

		if (map->start <= at && at < map->end)
			return true;
	}
	return false;
}

/* By its size alone: the kernel joins neighbours to one mapping, which is then not told. */
static bool is_arenas(const struct pv_smap *map, uint64_t arena_bytes)
{
	return arena_bytes && map->writable && (map->end - map->start) % arena_bytes == 0;
}

static void add(struct pv_memory_point *point, enum pv_memory_class what, const struct pv_smap *map)
{
	point->resident[what] += map->resident_bytes + map->swapped_bytes;
	point->mapped[what] += map->end - map->start;
}

void pv_mappings_count(const struct pv_vec *smaps, const struct pv_mappings_hints *hints,
		       struct pv_memory_point *point)
{
	for (size_t i = 0; i < smaps->n; i++) {
		const struct pv_smap *map = pv_vec_at(smaps, i);
		const struct pv_smap *next = i + 1 < smaps->n ? pv_vec_at(smaps, i + 1) : NULL;

		/* reserved address space, guards: nothing that anybody has */
		if (!map->accessible || map->kind == PV_SMAP_OTHER)
			continue;
		if (map->kind == PV_SMAP_FILE)
			add(point, PV_MEMORY_FILES, map);
		else if (map->kind == PV_SMAP_STACK || has_stack(map, hints->stacks))
			add(point, PV_MEMORY_STACKS, map);
		else if (map->kind == PV_SMAP_HEAP || is_thread_heap(map, next))
			add(point, PV_MEMORY_HEAP, map);
		else
			add(point,
			    is_arenas(map, hints->arena_bytes) ? PV_MEMORY_ARENAS : PV_MEMORY_ANON,
			    map);
	}
}
