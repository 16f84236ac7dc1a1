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

/* Bytes of the mapping that are in arenas. */
static uint64_t arena_bytes(const struct pv_smap *map, const struct pv_mappings_hints *hints)
{
	uint64_t size = map->end - map->start, sum = 0;

	if (!hints->arenas)
		return hints->arena_bytes && map->writable && size % hints->arena_bytes == 0 ? size
											     : 0;
	for (size_t i = 0; i < hints->arenas->n; i++) {
		const struct pv_arena_range *arena = pv_vec_at(hints->arenas, i);
		uint64_t start = arena->start > map->start ? arena->start : map->start;
		uint64_t end = arena->end < map->end ? arena->end : map->end;

		sum += start < end ? end - start : 0;
	}
	return sum < size ? sum : size;
}

static void add(struct pv_memory_point *point, enum pv_memory_class what, uint64_t resident,
		uint64_t mapped)
{
	point->resident[what] += resident;
	point->mapped[what] += mapped;
}

/* What is resident of a mapping that is partly arenas is shared out by size. */
static void add_anonymous(const struct pv_smap *map, const struct pv_mappings_hints *hints,
			  enum pv_memory_class otherwise, struct pv_memory_point *point)
{
	uint64_t size = map->end - map->start, arenas = arena_bytes(map, hints);
	uint64_t resident = map->resident_bytes + map->swapped_bytes;
	uint64_t of_arenas = (uint64_t)((double)resident * (double)arenas / (double)size);

	add(point, PV_MEMORY_ARENAS, of_arenas, arenas);
	add(point, otherwise, resident - of_arenas, size - arenas);
}

void pv_mappings_count(const struct pv_vec *smaps, const struct pv_mappings_hints *hints,
		       struct pv_memory_point *point)
{
	for (size_t i = 0; i < smaps->n; i++) {
		const struct pv_smap *map = pv_vec_at(smaps, i);
		const struct pv_smap *next = i + 1 < smaps->n ? pv_vec_at(smaps, i + 1) : NULL;
		uint64_t resident = map->resident_bytes + map->swapped_bytes;

		/* reserved address space, guards: nothing that anybody has */
		if (!map->accessible || map->kind == PV_SMAP_OTHER)
			continue;
		if (map->kind == PV_SMAP_FILE)
			add(point, PV_MEMORY_FILES, resident, map->end - map->start);
		else if (map->kind == PV_SMAP_STACK || has_stack(map, hints->stacks))
			add(point, PV_MEMORY_STACKS, resident, map->end - map->start);
		else if (map->kind == PV_SMAP_HEAP || is_thread_heap(map, next))
			/* up to 2.7 and without mmap arenas are blocks of the heap */
			add_anonymous(map, &(struct pv_mappings_hints){ .arenas = hints->arenas },
				      PV_MEMORY_HEAP, point);
		else
			add_anonymous(map, hints, PV_MEMORY_ANON, point);
	}
}
