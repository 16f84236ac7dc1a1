/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process's heap holds at one look.
 * Input: its mappings and memory.  Output: objects and bytes by type.
 */
#include "heap/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "heap/copy.h"
#include "heap/glibc.h"
#include "heap/mimalloc.h"
#include "heap/pymalloc.h"
#include "heap/tally.h"
#include "heap/window.h"
#include "python/detect.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	/*
	 * A copy in whose midst we had to wait for a CPU is made again: one takes 2 ms and 1 ns a
	 * byte at most where we need not.
	 */
	PRELOADS = 4,
	PRELOAD_NS = 2000000,
	PRELOAD_AGAIN_BYTES = 64 << 20, /* what is larger takes its time */
};

/* What is copied before the walk begins; the rest is read as it goes. */
static const uint64_t preload_bytes_max = 256ULL << 20;
/*
 * What is kept of memory while the collector's lists are followed, and what is read at most:
 * they lead to and fro.  In a larger heap they are followed only where blocks are not seen.
 */
static const uint64_t copy_bytes_max = 256ULL << 20, lists_bytes_max = 1ULL << 30;

struct taker {
	struct pv_heap *heap;
	const struct pv_census_options *options;
	struct pv_window window;
	struct pv_tally tally;
	struct pv_glibc_walk chunks;
	struct pv_glibc_handlers handlers;
	struct pv_mimalloc_walk segments;
	struct pv_mimalloc_handlers segment_handlers;
	uint64_t segment_end; /* of the last one */
	bool free_threaded;
	struct pv_vec caches, states; /* u64: see pv_glibc_caches() */
	struct pv_map arenas;         /* numbers of arenas */
	bool glibc;
	uint64_t brk_start, brk_end; /* [heap], if it is malloc()'s */
	uint32_t pool_bytes;
	size_t list_range; /* where the last object of a list was looked for */
	struct pv_census *census;
	uint64_t resident_bytes; /* of all that is walked */
	const struct pv_mem *copy;
};

/* One that was asked for is there. */
static void note_asked(struct taker *t, uint64_t memory)
{
	uint64_t value;

	/* it is there: to replace it takes no memory */
	if (t->options->asked && pv_map_get(t->options->asked, memory, &value))
		pv_err_destroy(pv_map_set(t->options->asked, memory, PV_CENSUS_CHUNK));
}

static struct pv_err *on_chunk(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content)
{
	struct taker *t = ctx;
	struct pv_err *err = NULL;

	note_asked(t, memory);
	if (pv_glibc_is_cache_size(bytes))
		err = pv_vec_append(&t->caches, &memory, 1, NULL);
	return err ? err
		   : pv_tally_block(&t->tally, PV_TALLY_MALLOC, memory, bytes, sizeof(uint64_t),
				    content, n_content);
}

static struct pv_err *add_range(struct taker *t, uint64_t start, uint64_t end)
{
	uint64_t range[2] = { start, end };

	return pv_vec_append(&t->tally.ranges, range, 2, NULL);
}

/* The main arena's part that brk() gave; another allocator may have taken it. */
static struct pv_err *take_brk(struct taker *t, const struct pv_map_entry *map)
{
	struct pv_err *err;

	pv_window_limit(&t->window, map->end);
	if (t->census->others[0] && !pv_glibc_is_chain(&t->window, map->start, map->end, false)) {
		t->census->skipped_bytes += map->end - map->start;
		return NULL;
	}
	err = add_range(t, map->start, map->end);
	if (!err)
		err = pv_glibc_chunks(&t->window, map->start, map->end, false, &t->handlers,
				      &t->chunks);
	t->brk_start = map->start;
	/* it may have grown meanwhile */
	t->brk_end = map->end + PV_GLIBC_HEAP_MAX;
	return err;
}

static struct pv_err *take_pool(struct taker *t, const char *bytes, const struct pv_pool *pool)
{
	struct pv_tally_pool place = { pool->address, pool->pool_bytes, pool->block_bytes,
				       PV_POOL_HEAD_BYTES };
	struct pv_census *census = t->census;
	struct pv_err *err = pv_vec_append(&t->tally.pools, &place, 1, NULL);

	if (!err)
		err = pv_map_set(&t->arenas, pool->arena, 1);
	census->n_pools++;
	census->pool_bytes += pool->pool_bytes;
	census->n_torn_pools += pool->torn;
	census->pool_free_bytes +=
		pool->pool_bytes - PV_POOL_HEAD_BYTES - (uint64_t)pool->n_used * pool->block_bytes;
	for (uint32_t i = 0; !err && i < pool->n_carved; i++) {
		uint32_t offset = pv_pool_offset(pool, i);

		if (pv_pool_is_used(pool, i))
			err = pv_tally_block(&t->tally, PV_TALLY_PYMALLOC, pool->address + offset,
					     pool->block_bytes, 0, bytes + offset,
					     pool->block_bytes);
	}
	return err;
}

/* A pool at address?  *next_ret: where to go on; untouched: there is none. */
static struct pv_err *try_pool(struct taker *t, uint64_t address, uint64_t end, uint64_t *next_ret)
{
	enum { LOOKS = 3 };
	struct pv_pool pool;
	const void *bytes;

	if (address % t->pool_bytes || end - address < t->pool_bytes)
		return NULL;
	for (int i = 0; i < LOOKS; i++) {
		bytes = pv_window_at(&t->window, address, PV_POOL_HEAD_BYTES);
		if (!bytes || !pv_pool_check(bytes, address, t->pool_bytes))
			return NULL;
		bytes = pv_window_at(&t->window, address, t->pool_bytes);
		if (!bytes || !pv_pool_read(bytes, address, t->pool_bytes, &pool))
			return NULL;
		/* read in the midst of a change: once more */
		if (!pool.torn)
			break;
		pv_window_forget(&t->window);
	}
	bytes = pv_window_at(&t->window, address, t->pool_bytes);
	if (!bytes)
		return NULL;
	*next_ret = address + t->pool_bytes;
	return take_pool(t, bytes, &pool);
}

/* A chunk that has a mapping of its own. */
static struct pv_err *take_mapped(struct taker *t, uint64_t address, uint64_t bytes)
{
	uint64_t usable = bytes - PV_CHUNK_HEAD_BYTES;
	const void *content = pv_window_at(&t->window, address + PV_CHUNK_HEAD_BYTES, 512);
	struct pv_err *err = add_range(t, address, address + bytes);

	note_asked(t, address + PV_CHUNK_HEAD_BYTES);
	t->census->n_mapped++;
	t->census->mapped_bytes += bytes;
	/* its head is one word larger than that of others, which prev_size is no part of */
	return err ? err
		   : pv_tally_block(&t->tally, PV_TALLY_MALLOC, address + PV_CHUNK_HEAD_BYTES,
				    usable, PV_CHUNK_HEAD_BYTES, content, content ? 512 : 0);
}

/* A heap of a thread's arena at address? */
static struct pv_err *try_thread_heap(struct taker *t, uint64_t address, uint64_t end,
				      uint64_t *next_ret)
{
	struct pv_glibc_heap heap;
	struct pv_err *err;

	if (!pv_glibc_heap(&t->window, address, end, &heap))
		return NULL;
	t->census->n_thread_heaps++;
	err = add_range(t, heap.first, heap.end);
	if (!err && heap.state >= heap.start && heap.state < heap.end)
		err = pv_vec_append(&t->states, &heap.state, 1, NULL);
	if (!err)
		err = pv_glibc_chunks(&t->window, heap.first, heap.end, true, &t->handlers,
				      &t->chunks);
	*next_ret = heap.end;
	return err;
}

/* What the main arena maps where brk() does not give more: chunks from the first page on. */
static struct pv_err *try_extent(struct taker *t, uint64_t address, uint64_t end,
				 uint64_t *next_ret)
{
	uint64_t words[2], stop;
	const void *head = pv_window_at(&t->window, address, sizeof(words));
	struct pv_err *err;

	if (!head)
		return NULL;
	memcpy(words, head, sizeof(words));
	if (words[0] || (words[1] & 7) != 1 || !pv_glibc_is_chain(&t->window, address, end, false))
		return NULL;
	err = pv_glibc_extent(&t->window, address, end, &t->handlers, &t->chunks, &stop);
	if (!err)
		err = add_range(t, address, stop);
	*next_ret = stop + (-stop % PV_PAGE_BYTES);
	return err;
}

static struct pv_err *on_page(void *ctx, uint64_t start, uint64_t end, uint64_t block_bytes)
{
	struct taker *t = ctx;
	struct pv_tally_pool place = { start, end - start, block_bytes, 0 };

	return start < end ? pv_vec_append(&t->tally.pools, &place, 1, NULL) : NULL;
}

static struct pv_err *on_block(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content)
{
	struct taker *t = ctx;

	return pv_tally_block(&t->tally, PV_TALLY_PYMALLOC, memory, bytes, 0, content, n_content);
}

/* A segment of a free-threaded build's allocator, which goes on over mappings. */
static struct pv_err *try_segment(struct taker *t, uint64_t address, uint64_t end,
				  uint64_t *next_ret)
{
	uint64_t bytes;
	struct pv_err *err;

	if (address < t->segment_end) {
		*next_ret = t->segment_end < end ? t->segment_end : end;
		return NULL;
	}
	if (address % PV_SEGMENT_BYTES)
		return NULL;
	pv_window_limit(&t->window, UINT64_MAX);
	err = pv_mimalloc_segment(&t->window, address, &t->segment_handlers, &t->segments, &bytes);
	pv_window_limit(&t->window, end);
	if (err || !bytes)
		return err;
	t->segment_end = address + bytes;
	*next_ret = t->segment_end < end ? t->segment_end : end;
	return NULL;
}

/* Whatever begins at a page; nothing: *next_ret is the next page. */
static struct pv_err *take_page(struct taker *t, uint64_t address, uint64_t end, uint64_t *next_ret)
{
	uint64_t bytes, next = 0;
	const void *head = pv_window_at(&t->window, address, PV_POOL_HEAD_BYTES);
	struct pv_err *err;

	*next_ret = address + PV_PAGE_BYTES;
	if (!head)
		return NULL;
	if (t->free_threaded) {
		err = try_segment(t, address, end, &next);
		if (err || next) {
			*next_ret = next;
			return err;
		}
	}
	if (t->glibc) {
		bytes = pv_glibc_mapped(head, address, end);
		if (bytes) {
			*next_ret = address + bytes;
			return take_mapped(t, address, bytes);
		}
		if (address % PV_GLIBC_HEAP_MAX == 0) {
			err = try_thread_heap(t, address, end, &next);
			if (err || next) {
				*next_ret = next;
				return err;
			}
		}
	}
	err = t->free_threaded ? NULL : try_pool(t, address, end, &next);
	if (!err && !next && t->glibc)
		err = try_extent(t, address, end, &next);
	if (next)
		*next_ret = next;
	else
		t->census->other_bytes += PV_PAGE_BYTES;
	return err;
}

static struct pv_err *take_anonymous(struct taker *t, const struct pv_map_entry *map)
{
	uint64_t at = map->start, start, end;
	struct pv_err *err = NULL;

	pv_window_limit(&t->window, map->end);
	while (!err && pv_window_run(&t->window, at, map->end, &start, &end)) {
		for (at = start; !err && at < end;)
			err = take_page(t, at, map->end, &at);
	}
	return err;
}

static bool is_heap(const struct pv_map_entry *map)
{
	return strcmp(map->path, "[heap]") == 0;
}

/* Private memory of no file: what malloc() and mmap() give. */
static bool is_anonymous(const struct pv_map_entry *map)
{
	return map->readable && map->writable && !map->inode &&
	       (!map->path[0] || strncmp(map->path, "[anon", 5) == 0);
}

static bool has_name(const struct pv_map_entry *map, const char *part)
{
	const char *name = strrchr(map->path, '/');

	return name && strstr(name, part);
}

/* Debian has it as libc.so, Alpine as its loader; glibc's own libc.so is a text. */
static bool is_musl(const struct pv_map_entry *map)
{
	const char *name = strrchr(map->path, '/');

	return name && (strstr(name, "ld-musl") || strcmp(name, "/libc.so") == 0);
}

static bool has_glibc(const struct pv_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++) {
		if (has_name(&maps->entries[i], "libc.so.6") ||
		    has_name(&maps->entries[i], "libc-2."))
			return true;
	}
	return false;
}

bool pv_census_allocator(const struct pv_maps *maps, char *name_ret, size_t size)
{
	static const char *const list[] = { "jemalloc", "tcmalloc", "mimalloc", "hoard",
					    "snmalloc", "rpmalloc", "musl" };
	size_t n = 0;

	for (size_t k = 0; k < sizeof(list) / sizeof(*list); k++) {
		for (size_t i = 0; i < maps->n && n < size; i++) {
			const struct pv_map_entry *map = &maps->entries[i];

			if (!map->executable ||
			    !(strcmp(list[k], "musl") == 0 ? is_musl(map) : has_name(map, list[k])))
				continue;
			n += (size_t)snprintf(name_ret + n, size - n, "%s%s", n ? ", " : "",
					      list[k]);
			break;
		}
	}
	if (!n)
		snprintf(name_ret, size, has_glibc(maps) ? "glibc" : "one that is not known");
	return n || !has_glibc(maps);
}

static void find_libraries(struct taker *t)
{
	const struct pv_maps *maps = t->options->maps;
	char *others = t->census->others;

	t->glibc = has_glibc(maps);
	if (!pv_census_allocator(maps, others, sizeof(t->census->others)))
		others[0] = '\0';
}

/*
 * Copies what is to be walked, as much as there is room for: the copy takes a tenth of the time
 * of the walk, and what comes and goes meanwhile is as much less.
 */
static struct pv_err *preload(struct taker *t)
{
	const struct pv_maps *maps = t->options->maps;
	struct pv_err *err = NULL;
	uint64_t bytes = 0;

	for (size_t i = 0; i < maps->n; i++) {
		if (is_heap(&maps->entries[i]) || is_anonymous(&maps->entries[i]))
			bytes += pv_window_resident(&t->window, maps->entries[i].start,
						    maps->entries[i].end);
	}
	t->resident_bytes = bytes;
	if (bytes > preload_bytes_max)
		bytes = preload_bytes_max;
	if (!t->options->pid || !bytes)
		return NULL;
	err = pv_window_reserve(&t->window, bytes);
	if (err) {
		/* then part by part */
		pv_err_destroy(err);
		return NULL;
	}
	for (int look = 0; !err && look < PRELOADS; look++) {
		uint64_t start_ns = pv_now_ns();

		pv_window_unload(&t->window);
		for (size_t i = 0; !err && i < maps->n; i++) {
			if (is_heap(&maps->entries[i]) || is_anonymous(&maps->entries[i]))
				err = pv_window_preload(&t->window, maps->entries[i].start,
							maps->entries[i].end);
		}
		if (bytes > PRELOAD_AGAIN_BYTES || pv_now_ns() - start_ns < PRELOAD_NS + bytes)
			break;
	}
	return err;
}

static struct pv_err *take_blocks(struct taker *t)
{
	const struct pv_maps *maps = t->options->maps;
	struct pv_err *err = preload(t);

	for (size_t i = 0; !err && i < maps->n; i++) {
		if (is_heap(&maps->entries[i]) && t->glibc)
			err = take_brk(t, &maps->entries[i]);
		else if (is_heap(&maps->entries[i]))
			t->census->skipped_bytes += maps->entries[i].end - maps->entries[i].start;
		else if (is_anonymous(&maps->entries[i]))
			err = take_anonymous(t, &maps->entries[i]);
	}
	return err;
}

/* Is there a block that was walked at address? */
static bool was_walked(struct taker *t, uint64_t address)
{
	const struct pv_tally_pool *pools = t->tally.pools.data;
	const uint64_t *ranges = t->tally.ranges.data;
	size_t low = 0, high = t->tally.pools.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pools[middle].address + pools[middle].pool_bytes <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < t->tally.pools.n && address >= pools[low].address)
		return true;
	for (low = 0, high = t->tally.ranges.n / 2; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (ranges[2 * middle + 1] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->tally.ranges.n / 2 && address >= ranges[2 * low];
}

/* The others are none, where all chunks were met. */
static void tell_asked(struct taker *t)
{
	struct pv_map *asked = t->options->asked;

	for (size_t i = 0; asked && !t->chunks.n_breaks && i < asked->capacity; i++) {
		if (asked->used[i] && asked->slots[i].value == PV_CENSUS_ASKED &&
		    was_walked(t, asked->slots[i].key))
			asked->slots[i].value = PV_CENSUS_NO_CHUNK;
	}
}

/* Chunks that looked used and are not. */
static struct pv_err *take_caches(struct taker *t)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec cached = PV_VEC(struct pv_glibc_cached);
	struct pv_mem *mem = pv_heap_mem(t->heap);
	uint64_t state = pv_glibc_main_arena(mem, t->options->maps, t->brk_start, t->brk_end);
	struct pv_err *err = NULL;

	t->census->fast_bins_unknown = !state && t->brk_end;
	if (state)
		err = pv_vec_append(&t->states, &state, 1, NULL);
	if (!err)
		err = pv_glibc_caches(mem, &t->caches, &t->states, &cached);
	for (size_t i = 0; !err && i < cached.n; i++) {
		const struct pv_glibc_cached *one = pv_vec_at(&cached, i);

		if (!was_walked(t, one->memory))
			continue;
		pv_tally_unused(&t->tally, one->bytes, sizeof(uint64_t));
		t->census->n_cached++;
		t->census->cached_bytes += one->bytes + sizeof(uint64_t);
	}
	return err;
}

/* In a pool that was made after its pages were looked at: it is of another moment. */
static bool is_young(const struct taker *t, uint64_t address)
{
	char head[PV_POOL_HEAD_BYTES];
	uint64_t pool = address - address % t->pool_bytes;

	return !pv_mem_read(pv_heap_mem(t->heap), head, sizeof(head), pool) &&
	       pv_pool_check(head, pool, t->pool_bytes);
}

static struct pv_err *on_listed(void *ctx, unsigned int list, uint64_t object)
{
	struct taker *t = ctx;
	struct pv_heap_object found;

	(void)list;
	if (pv_copy_bytes_read(t->copy) > lists_bytes_max)
		return pv_err_create(PV_ERR_NOPROC, "the garbage collector's lists are too long");
	if (was_walked(t, object) || !pv_heap_object(t->heap, object, &found) ||
	    is_young(t, object))
		return NULL;
	t->census->n_stray++;
	return pv_tally_stray(&t->tally, found.type, found.size, true);
}

static struct pv_err *take_lists(struct taker *t)
{
	struct pv_mem *live = pv_heap_mem(t->heap), *copy = NULL;
	struct pv_err *err = pv_copy_create(live, copy_bytes_max, &copy);

	if (err)
		return err;
	t->copy = copy;
	pv_heap_set_mem(t->heap, copy);
	err = pv_gclist_walk(t->heap, copy, on_listed, t, &t->census->lists);
	pv_heap_set_mem(t->heap, live);
	t->census->read_bytes += pv_copy_bytes_read(copy);
	t->census->lists_followed = !err;
	pv_mem_destroy(copy);
	return err;
}

static int compare_types(const void *a, const void *b)
{
	const struct pv_census_type *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

static struct pv_err *give_types(struct taker *t)
{
	struct pv_census *census = t->census;
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < t->tally.types.n; i++) {
		const struct pv_tally_type *sum = pv_vec_at(&t->tally.types, i);
		const struct pv_heap_type *type = pv_heap_type_at(t->heap, i);
		struct pv_census_type line = {
			.type = type->address,
			.n = sum->n,
			.bytes = sum->bytes,
			.part_bytes = sum->part_bytes,
			.n_tracked = sum->n_tracked,
		};

		if (!sum->n)
			continue;
		pv_heap_type_names(t->heap, type, line.module, line.name);
		err = pv_vec_append(&census->types, &line, 1, NULL);
	}
	if (census->types.n)
		qsort(census->types.data, census->types.n, sizeof(struct pv_census_type),
		      compare_types);
	for (unsigned int s = 0; s < PV_TALLY_SOURCES; s++) {
		for (unsigned int i = 0; !err && i < PV_TALLY_CLASSES; i++) {
			const struct pv_tally_raw *raw = &t->tally.raw[s][i];
			struct pv_census_raw line = { pv_tally_class_bytes(i),
						      s == PV_TALLY_PYMALLOC, raw->n, raw->bytes };

			if (!raw->n)
				continue;
			census->n_raw += raw->n;
			census->raw_bytes += raw->bytes;
			err = pv_vec_append(&census->raw, &line, 1, NULL);
		}
	}
	return err;
}

static struct pv_err *give_size(struct taker *t, uint32_t number, uint32_t size, uint64_t n)
{
	const struct pv_census_size line = {
		.type = pv_heap_type_at(t->heap, number)->address,
		.bytes_max = pv_tally_class_bytes(size % PV_TALLY_CLASSES),
		.pymalloc = size / PV_TALLY_CLASSES == PV_TALLY_PYMALLOC,
		.n = n,
	};

	return pv_vec_append(&t->census->sizes, &line, 1, NULL);
}

static struct pv_err *give_sizes(struct taker *t)
{
	const struct pv_map *sizes = &t->tally.sizes;
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < t->tally.types.n; i++) {
		const struct pv_tally_type *sum = pv_vec_at(&t->tally.types, i);

		if (sum->n_first)
			err = give_size(t, i, sum->first_size, sum->n_first);
	}
	for (size_t i = 0; !err && i < sizes->capacity; i++) {
		if (sizes->used[i])
			err = give_size(t, (uint32_t)sizes->slots[i].key,
					(uint32_t)(sizes->slots[i].key >> 32),
					sizes->slots[i].value);
	}
	return err;
}

/* They were met by their address; neighbours become one. */
static struct pv_err *give_pools(struct taker *t)
{
	struct pv_census_range *last = NULL;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < t->tally.pools.n; i++) {
		const struct pv_tally_pool *pool = pv_vec_at(&t->tally.pools, i);
		struct pv_census_range one = { pool->address, pool->address + pool->pool_bytes };

		if (last && last->end == one.start)
			last->end = one.end;
		else
			err = pv_vec_append(&t->census->pools, &one, 1, (void **)&last);
	}
	return err;
}

static void give_sums(struct taker *t)
{
	struct pv_census *census = t->census;

	census->n_objects = t->tally.n_objects;
	census->object_bytes = t->tally.object_bytes;
	census->n_kept = t->tally.n_kept;
	census->kept_bytes = t->tally.kept_bytes;
	census->n_arenas = t->arenas.n;
	census->chunk_bytes = t->chunks.used_bytes;
	census->chunk_free_bytes = t->chunks.free_bytes;
	census->chunk_top_bytes = t->chunks.top_bytes;
	census->n_breaks = t->chunks.n_breaks;
	census->broken_bytes = t->chunks.broken_bytes;
	census->read_bytes += t->window.bytes_read;
	census->n_segments = t->segments.n_segments;
	census->n_pools += t->segments.n_pages;
	census->pool_bytes += t->segments.page_bytes;
	census->pool_free_bytes += t->segments.free_bytes;
	census->n_torn_pools += t->segments.n_torn;
}

static struct pv_err *take_all(struct taker *t)
{
	struct pv_err *err = take_blocks(t);

	if (!err && t->free_threaded && !t->segments.n_pages)
		return pv_err_create(PV_ERR_NOPROC,
				     "no census of the CPython %s: its allocator (mimalloc) is not "
				     "where or not as it is known",
				     pv_heap_python(t->heap)->version);
	if (!err && t->glibc)
		err = take_caches(t);
	if (!err)
		tell_asked(t);
	if (!err)
		err = pv_tally_settle(&t->tally, &t->window);
	if (!err && !t->options->no_lists && !t->free_threaded &&
	    (t->census->others[0] || t->resident_bytes <= copy_bytes_max)) {
		err = take_lists(t);
		/* what blocks hold is known all the same */
		if (err && err->kind == PV_ERR_NOPROC && t->tally.n_objects) {
			pv_err_destroy(err);
			err = NULL;
		}
	}
	if (!err)
		err = give_types(t);
	if (!err)
		err = give_sizes(t);
	if (!err)
		err = give_pools(t);
	give_sums(t);
	t->census->caches = t->caches;
	t->census->states = t->states;
	t->caches = t->states = (struct pv_vec)PV_VEC(uint64_t);
	return err;
}

static void taker_deinit(struct taker *t)
{
	pv_window_deinit(&t->window);
	pv_tally_deinit(&t->tally);
	pv_vec_deinit(&t->caches);
	pv_vec_deinit(&t->states);
	pv_map_deinit(&t->arenas);
}

/* What always is there is not any more: half a heap must not pass for one that shrank. */
static bool is_gone(struct pv_heap *heap)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	uint64_t word;

	return pv_mem_read_u64(pv_heap_mem(heap), proc->code_type + proc->py.ob_type, &word);
}

struct pv_err *pv_census_take(struct pv_heap *heap, const struct pv_census_options *options,
			      struct pv_census *ret)
{
	const struct pv_python *python = pv_heap_python(heap);
	struct pv_census census = {
		.start_ns = pv_clock_ns(CLOCK_MONOTONIC),
		.types = PV_VEC(struct pv_census_type),
		.raw = PV_VEC(struct pv_census_raw),
		.sizes = PV_VEC(struct pv_census_size),
		.pools = PV_VEC(struct pv_census_range),
	};
	struct taker t = {
		.heap = heap,
		.options = options,
		.caches = PV_VEC(uint64_t),
		.states = PV_VEC(uint64_t),
		.window = { .pagemap = -1 },
		.free_threaded = python->proc.py.free_threaded,
		.pool_bytes = pv_pool_bytes(python->proc.py.version_hex),
		.census = &census,
	};
	struct pv_err *err;

	t.handlers = (struct pv_glibc_handlers){ &t, on_chunk };
	t.segment_handlers = (struct pv_mimalloc_handlers){ &t, on_block, on_page };
	pv_heap_forget(heap, pv_heap_mem(heap));
	find_libraries(&t);
	err = pv_tally_init(&t.tally, heap, options->maps);
	if (!err)
		err = pv_window_init(&t.window, pv_heap_mem(heap), options->pid);
	if (!err)
		err = take_all(&t);
	if ((!err || err->kind == PV_ERR_NOPROC) && is_gone(heap)) {
		pv_err_destroy(err);
		err = pv_err_create(PV_ERR_NOPROC,
				    "the process ended while its heap was looked at");
	}
	taker_deinit(&t);
	census.end_ns = pv_clock_ns(CLOCK_MONOTONIC);
	if (err) {
		pv_census_deinit(&census);
		return err;
	}
	*ret = census;
	return NULL;
}

void pv_census_deinit(struct pv_census *census)
{
	pv_vec_deinit(&census->types);
	pv_vec_deinit(&census->raw);
	pv_vec_deinit(&census->sizes);
	pv_vec_deinit(&census->caches);
	pv_vec_deinit(&census->states);
	pv_vec_deinit(&census->pools);
	*census = (struct pv_census){ 0 };
}
