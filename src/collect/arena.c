/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unwind tables for the walkers.  Input: objects.  Output: `cells` and
 * `segments` of bpf/maps.bpf.h.
 */
#include "collect/arena.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/unwind.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/array.h"
#include "snap/objects.h"

enum {
	SEGMENT_CELLS = 1 << 18, /* 2 MiB, unless one object needs more */
};

struct segment {
	int fd;
	uint64_t *cells; /* mapped while objects are added */
	uint32_t n, capacity;
};

/* Where an object's table stands. */
struct place {
	uint32_t segment, cell;
};

struct pv_arena {
	int segments_fd;
	uint32_t segments_max;
	struct pv_vec segments; /* struct segment */
	struct pv_map places;   /* object id -> segment << 32 | cell */
};

static void segment_unmap(struct segment *segment)
{
	pv_array_unmap(segment->cells, segment->capacity, sizeof(*segment->cells));
	segment->cells = NULL;
}

void pv_arena_destroy(struct pv_arena *arena)
{
	size_t i;

	if (!arena)
		return;
	for (i = 0; i < arena->segments.n; i++) {
		struct segment *segment = pv_vec_at(&arena->segments, i);

		segment_unmap(segment);
		close(segment->fd);
	}
	pv_vec_deinit(&arena->segments);
	pv_map_deinit(&arena->places);
	free(arena);
}

/* Takes fd, also on failure. */
static struct pv_err *append_segment(struct pv_arena *arena, int fd, uint32_t capacity)
{
	struct segment segment = { .fd = fd, .capacity = capacity };
	struct pv_err *err;

	segment.cells = pv_array_map(fd, capacity, sizeof(*segment.cells));
	if (segment.cells)
		err = pv_vec_append(&arena->segments, &segment, 1, NULL);
	else
		err = pv_err_errno(errno, "cannot map %u unwind rows", capacity);
	if (err) {
		segment_unmap(&segment);
		close(fd);
	}
	return err;
}

/* Segment 0 is a map of its own that is there from the start. */
static struct pv_err *add_first_segment(struct pv_arena *arena, struct bpf_object *object)
{
	uint32_t capacity;
	/* a descriptor of our own, as the other segments have */
	int fd = fcntl(pv_array_find(object, "cells", &capacity), F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return pv_err_errno(errno, "cannot use the map of unwind rows");
	return append_segment(arena, fd, capacity);
}

/* A new segment for at least need cells, known to the BPF side. */
static struct pv_err *add_segment(struct pv_arena *arena, uint32_t need)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	uint32_t index = arena->segments.n, capacity = need > SEGMENT_CELLS ? need : SEGMENT_CELLS;
	struct pv_err *err;
	int fd;

	if (index >= arena->segments_max)
		return pv_err_create(PV_ERR_FAILED, "the unwind tables do not fit into %u segments",
				     index);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pv_segment", 4, 8, capacity, &opts);
	if (fd < 0)
		return pv_err_errno(errno, "cannot make a map for %u unwind rows", capacity);
	/* no mapping tells the walkers of it yet */
	if (!bpf_map_update_elem(arena->segments_fd, &index, &fd, BPF_ANY))
		return append_segment(arena, fd, capacity);
	err = pv_err_errno(errno, "cannot hand an unwind table to the kernel");
	close(fd);
	return err;
}

struct pv_err *pv_arena_create(struct bpf_object *object, struct pv_arena **ret)
{
	struct pv_arena *arena = calloc(1, sizeof(*arena));
	struct pv_err *err;

	if (!arena)
		return &pv_enomem;
	arena->segments = (struct pv_vec)PV_VEC(struct segment);
	arena->segments_fd = pv_array_find(object, "segments", &arena->segments_max);
	err = add_first_segment(arena, object);
	if (err) {
		pv_arena_destroy(arena);
		return err;
	}
	*ret = arena;
	return NULL;
}

/* Cells that the objects of these mappings still need in the arena. */
static uint64_t cells_needed(const struct pv_arena *arena, const struct pv_objects *objects,
			     const struct pv_mapping *mappings, size_t n)
{
	uint64_t need = 0, place;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct pv_object *object = pv_objects_get(objects, mappings[i].object);

		if (object && object->unwind.npages &&
		    !pv_map_get(&arena->places, object->id, &place))
			need += (uint64_t)object->unwind.npages + object->unwind.nrows;
	}
	return need;
}

static struct pv_err *place_object(struct pv_arena *arena, const struct pv_object *object,
				   uint64_t more, struct place *ret)
{
	uint64_t need = (uint64_t)object->unwind.npages + object->unwind.nrows, value;
	struct segment *segment = NULL;
	struct pv_err *err;

	if (pv_map_get(&arena->places, object->id, &value)) {
		*ret = (struct place){ .segment = value >> 32, .cell = (uint32_t)value };
		return NULL;
	}
	if (need > UINT32_MAX)
		return pv_err_create(PV_ERR_FAILED, "the unwind table of %s is too large",
				     object->path);
	if (arena->segments.n)
		segment = pv_vec_at(&arena->segments, arena->segments.n - 1);
	if (!segment || segment->capacity - segment->n < need) {
		if (segment)
			segment_unmap(segment);
		/* one segment for all that this image brings: each costs an RCU grace period */
		err = add_segment(arena, more > need && more < UINT32_MAX ? more : need);
		if (err)
			return err;
		segment = pv_vec_at(&arena->segments, arena->segments.n - 1);
	}
	memcpy(segment->cells + segment->n, object->unwind.cells, 8 * need);
	ret->segment = arena->segments.n - 1;
	ret->cell = segment->n;
	segment->n += need;
	return pv_map_set(&arena->places, object->id, (uint64_t)ret->segment << 32 | ret->cell);
}

struct pv_err *pv_arena_place(struct pv_arena *arena, const struct pv_objects *objects,
			      struct pv_mapping *mappings, size_t n)
{
	uint64_t more = cells_needed(arena, objects, mappings, n);
	size_t i;

	for (i = 0; i < n; i++) {
		const struct pv_object *object = pv_objects_get(objects, mappings[i].object);
		struct place place;
		struct pv_err *err;

		if (!object || !mappings[i].npages)
			continue;
		err = place_object(arena, object, more, &place);
		if (err)
			return err;
		mappings[i].segment = place.segment;
		mappings[i].cell = place.cell;
	}
	return NULL;
}

uint64_t pv_arena_bytes(const struct pv_arena *arena)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 1; i < arena->segments.n; i++) /* segment 0 is counted as a map */
		bytes += 8ULL * ((struct segment *)pv_vec_at(&arena->segments, i))->capacity;
	return bytes;
}
