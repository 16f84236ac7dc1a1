/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of mappings.  Input: /proc/PID/smaps as data.  Output: sums.
 */
#include "session/mappings.h"

#include "base/err.h"
#include "heap/census.h"
#include "heap/glibc.h"
#include "heap/window.h"
#include "target/smaps.h"

/* What is mapped one by one, and joined, may be as large, too, once it has filled a hole. */
static bool begins_heap(const struct pv_mappings_hints *hints, const struct pv_smap *map)
{
	struct pv_window window;
	struct pv_glibc_heap heap;
	struct pv_err *err;
	bool is;

	if (!hints->mem)
		return true;
	err = pv_window_init(&window, hints->mem, hints->pid);
	if (err) {
		pv_err_destroy(err);
		return false;
	}
	is = pv_glibc_heap(&window, map->start, map->end, &heap);
	pv_window_deinit(&window);
	return is;
}

/* A heap of a thread's arena: what is in use of it, then what is only reserved. */
static bool is_thread_heap(const struct pv_mappings_hints *hints, const struct pv_smap *map,
			   const struct pv_smap *next)
{
	uint64_t end = map->start + PV_GLIBC_HEAP_MAX;

	if (map->start % PV_GLIBC_HEAP_MAX || map->end > end)
		return false;
	if (map->end == end)
		return begins_heap(hints, map);
	return next && next->start == map->end && !next->accessible && next->end >= end;
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

/* Bytes of pools in a mapping; what of it ends before is not looked at again: *i goes on. */
static uint64_t pool_bytes(const struct pv_smap *map, const struct pv_vec *pools, size_t *i)
{
	uint64_t sum = 0;

	for (; *i < pools->n; ++*i) {
		const struct pv_census_range *pool = pv_vec_at(pools, *i);
		uint64_t start = pool->start > map->start ? pool->start : map->start;
		uint64_t end = pool->end < map->end ? pool->end : map->end;

		if (pool->start >= map->end)
			break;
		if (start < end)
			sum += end - start;
		/* it goes on in the next one */
		if (pool->end > map->end)
			break;
	}
	return sum;
}

/*
 * Arenas stand in one mapping with what else was mapped beside them.  Their pools were touched, so
 * they are in memory; the rest of an arena is reserve.
 */
static void add_parts(struct pv_memory_point *point, const struct pv_smap *map, uint64_t pools)
{
	uint64_t there = map->resident_bytes + map->swapped_bytes;

	point->resident[PV_MEMORY_ARENAS] += pools < there ? pools : there;
	point->resident[PV_MEMORY_ANON] += pools < there ? there - pools : 0;
	point->mapped[PV_MEMORY_ARENAS] += pools;
	point->mapped[PV_MEMORY_ANON] += map->end - map->start - pools;
}

static void add(struct pv_memory_point *point, enum pv_memory_class what, const struct pv_smap *map)
{
	point->resident[what] += map->resident_bytes + map->swapped_bytes;
	point->mapped[what] += map->end - map->start;
}

void pv_mappings_count(const struct pv_vec *smaps, const struct pv_mappings_hints *hints,
		       struct pv_memory_point *point)
{
	size_t pool = 0;

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
		else if (map->kind == PV_SMAP_HEAP || is_thread_heap(hints, map, next))
			add(point, PV_MEMORY_HEAP, map);
		else if (hints->pools)
			add_parts(point, map, pool_bytes(map, hints->pools, &pool));
		else
			add(point,
			    is_arenas(map, hints->arena_bytes) ? PV_MEMORY_ARENAS : PV_MEMORY_ANON,
			    map);
	}
}
