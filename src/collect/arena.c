/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fills the walkers' maps.  Input: images, unwind tables.  Output: segments,
 * mappings and procs of bpf/maps.bpf.h.
 */
#include "collect/arena.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/process.h"
#include "abi/unwind.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "snap/image.h"
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

/* The entries of the mappings array that a process uses. */
struct extent {
	pid_t pid;
	uint32_t first, n;
};

struct pv_arena {
	int segments_fd, mappings_fd, procs_fd;
	uint32_t segments_max;
	struct pv_vec segments;      /* struct segment */
	struct pv_map places;        /* object id -> segment << 32 | cell */
	struct pv_mapping *mappings; /* the mapped array */
	size_t mappings_capacity;
	struct pv_vec extents; /* struct extent, sorted by first */
};

static size_t mapped_size(size_t n, size_t element)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n * element + page - 1) / page * page;
}

static int map_fd(struct bpf_object *object, const char *name, uint32_t *max_ret)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	*max_ret = bpf_map__max_entries(map);
	return bpf_map__fd(map);
}

static void segment_unmap(struct segment *segment)
{
	if (segment->cells)
		munmap(segment->cells, mapped_size(segment->capacity, 8));
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
	if (arena->mappings)
		munmap(arena->mappings,
		       mapped_size(arena->mappings_capacity, sizeof(*arena->mappings)));
	pv_vec_deinit(&arena->segments);
	pv_vec_deinit(&arena->extents);
	pv_map_deinit(&arena->places);
	free(arena);
}

static struct pv_err *map_segment(struct segment *segment)
{
	void *cells = mmap(NULL, mapped_size(segment->capacity, 8), PROT_READ | PROT_WRITE,
			   MAP_SHARED, segment->fd, 0);

	if (cells == MAP_FAILED)
		return pv_err_errno(errno, "cannot map %u unwind rows", segment->capacity);
	segment->cells = cells;
	return NULL;
}

/* Segment 0 is a map of its own that is there from the start. */
static struct pv_err *add_first_segment(struct pv_arena *arena, struct bpf_object *object)
{
	struct segment segment = { .cells = NULL };
	struct pv_err *err;

	/* a descriptor of our own, as the other segments have */
	segment.fd = fcntl(map_fd(object, "cells", &segment.capacity), F_DUPFD_CLOEXEC, 3);
	if (segment.fd < 0)
		return pv_err_errno(errno, "cannot use the map of unwind rows");
	err = map_segment(&segment);
	if (!err)
		err = pv_vec_append(&arena->segments, &segment, 1, NULL);
	if (err) {
		segment_unmap(&segment);
		close(segment.fd);
	}
	return err;
}

/* A new segment for at least need cells, known to the BPF side. */
static struct pv_err *add_segment(struct pv_arena *arena, uint32_t need)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	struct segment segment = { .cells = NULL };
	uint32_t index = arena->segments.n;
	struct pv_err *err;

	if (index >= arena->segments_max)
		return pv_err_create(PV_ERR_FAILED, "the unwind tables do not fit into %u segments",
				     index);
	segment.capacity = need > SEGMENT_CELLS ? need : SEGMENT_CELLS;
	segment.fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "pv_segment", 4, 8, segment.capacity, &opts);
	if (segment.fd < 0)
		return pv_err_errno(errno, "cannot make a map for %u unwind rows",
				    segment.capacity);
	err = map_segment(&segment);
	if (!err && bpf_map_update_elem(arena->segments_fd, &index, &segment.fd, BPF_ANY))
		err = pv_err_errno(errno, "cannot hand an unwind table to the kernel");
	if (!err)
		err = pv_vec_append(&arena->segments, &segment, 1, NULL);
	if (err) {
		segment_unmap(&segment);
		close(segment.fd);
	}
	return err;
}

struct pv_err *pv_arena_create(struct bpf_object *object, struct pv_arena **ret)
{
	struct pv_arena *arena = calloc(1, sizeof(*arena));
	struct pv_err *err;
	uint32_t max;
	size_t n;

	if (!arena)
		return &pv_enomem;
	arena->segments = (struct pv_vec)PV_VEC(struct segment);
	arena->extents = (struct pv_vec)PV_VEC(struct extent);
	arena->segments_fd = map_fd(object, "segments", &arena->segments_max);
	arena->procs_fd = map_fd(object, "procs", &max);
	arena->mappings_fd = map_fd(object, "mappings", &max);
	arena->mappings_capacity = max;
	n = mapped_size(max, sizeof(*arena->mappings));
	arena->mappings = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, arena->mappings_fd, 0);
	if (arena->mappings == MAP_FAILED) {
		err = pv_err_errno(errno, "cannot map the mappings of the walkers");
		arena->mappings = NULL;
		pv_arena_destroy(arena);
		return err;
	}
	err = add_first_segment(arena, object);
	if (err) {
		pv_arena_destroy(arena);
		return err;
	}
	*ret = arena;
	return NULL;
}

/* Cells that the objects of an image still need in the arena. */
static uint64_t cells_needed(const struct pv_arena *arena, const struct pv_image *image,
			     const struct pv_objects *objects)
{
	uint64_t need = 0, place;
	size_t i;

	for (i = 0; i < image->n_mappings; i++) {
		const struct pv_object *object = pv_objects_get(objects, image->mappings[i].object);

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

/* Finds room for n entries between the extents in use. */
static struct pv_err *reserve_extent(struct pv_arena *arena, pid_t pid, uint32_t n,
				     struct extent *ret)
{
	struct extent extent = { .pid = pid, .n = n };
	struct extent *all;
	struct pv_err *err;
	size_t i;

	all = arena->extents.data;
	for (i = 0; i < arena->extents.n; i++) {
		if (all[i].first - extent.first >= n)
			break;
		extent.first = all[i].first + all[i].n;
	}
	if (n > arena->mappings_capacity || extent.first > arena->mappings_capacity - n)
		return pv_err_create(PV_ERR_FAILED,
				     "the processes have more than %zu executable mappings",
				     arena->mappings_capacity);
	err = pv_vec_append(&arena->extents, &extent, 1, NULL);
	if (err)
		return err;
	all = arena->extents.data;
	memmove(all + i + 1, all + i, (arena->extents.n - 1 - i) * sizeof(*all));
	all[i] = extent;
	*ret = extent;
	return NULL;
}

/* Gives back a process's extents but for the one that starts at keep. */
static void release_extents(struct pv_arena *arena, pid_t pid, uint32_t keep)
{
	struct extent *all = arena->extents.data;
	size_t i, n = 0;

	for (i = 0; i < arena->extents.n; i++) {
		if (all[i].pid != pid || all[i].first == keep)
			all[n++] = all[i];
	}
	arena->extents.n = n;
}

static struct pv_err *put_proc(struct pv_arena *arena, const struct pv_image *image,
			       const struct extent *extent, uint32_t generation)
{
	struct pv_proc proc = image->python.proc, old;
	uint32_t pid = image->pid;

	proc.generation = generation;
	proc.maps_first = extent->first;
	proc.maps_n = extent->n;
	proc.has_python = image->python.found;
	if (!bpf_map_lookup_elem(arena->procs_fd, &pid, &old) && old.generation == generation &&
	    old.runtime == proc.runtime) {
		proc.reanchor_cfa = old.reanchor_cfa;
		proc.reanchor_rbp = old.reanchor_rbp;
		proc.reanchor_pc = old.reanchor_pc;
		proc.reanchor_cframe = old.reanchor_cframe;
		proc.eval_row = old.eval_row;
	}
	if (bpf_map_update_elem(arena->procs_fd, &pid, &proc, BPF_ANY))
		return pv_err_errno(errno, "cannot hand process %u to the kernel", pid);
	return NULL;
}

struct pv_err *pv_arena_put(struct pv_arena *arena, const struct pv_image *image,
			    const struct pv_objects *objects, uint32_t generation)
{
	uint64_t more = cells_needed(arena, image, objects);
	struct extent extent;
	struct pv_err *err;
	size_t i;

	err = reserve_extent(arena, image->pid, image->n_mappings, &extent);
	for (i = 0; !err && i < image->n_mappings; i++) {
		struct pv_mapping mapping = image->mappings[i];
		const struct pv_object *object = pv_objects_get(objects, mapping.object);

		if (object && mapping.npages) {
			struct place place;

			err = place_object(arena, object, more, &place);
			if (err)
				break;
			mapping.segment = place.segment;
			mapping.cell = place.cell;
		}
		arena->mappings[extent.first + i] = mapping;
	}
	if (!err)
		err = put_proc(arena, image, &extent, generation);
	if (!err)
		release_extents(arena, image->pid, extent.first);
	return err;
}

uint64_t pv_arena_bytes(const struct pv_arena *arena)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 1; i < arena->segments.n; i++) /* segment 0 is counted as a map */
		bytes += 8ULL * ((struct segment *)pv_vec_at(&arena->segments, i))->capacity;
	return bytes;
}
