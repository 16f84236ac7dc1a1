/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds an object.  Input: a choice, heap/.  Output: struct pv_chosen.
 */
#include "session/chosen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "heap/chunks.h"
#include "heap/gclist.h"
#include "heap/glibc.h"
#include "heap/holders.h"
#include "heap/names.h"
#include "heap/object.h"
#include "heap/pools.h"
#include "heap/pymalloc.h"
#include "session/holding.h"
#include "session/nextalloc.h"
#include "session/probed.h"
#include "target/maps.h"
#include "target/mem.h"

void pv_chosen_deinit(struct pv_chosen *chosen)
{
	pv_chosen_settle(chosen);
	free(chosen->type_name);
	free(chosen->note);
}

void pv_chosen_settle(struct pv_chosen *chosen)
{
	pv_next_destroy(chosen->next);
	chosen->next = NULL;
}

static struct pv_err *describe(const struct pv_heap_object *object, struct pv_chosen *ret)
{
	ret->address = object->address;
	ret->type = object->type->address;
	ret->count = (int64_t)object->refcount;
	ret->type_name = strdup(object->type->name);
	if (!ret->note)
		ret->note = strdup("");
	return ret->type_name && ret->note ? NULL : &pv_enomem;
}

static struct pv_err *no_object(struct pv_mem *mem, uint64_t address)
{
	uint64_t word;

	if (pv_mem_read_u64(mem, address, &word))
		return pv_err_create(PV_ERR_USAGE, "there is no memory at 0x%llx of the process",
				     (unsigned long long)address);
	return pv_err_create(PV_ERR_USAGE,
			     "there is no Python object at 0x%llx of the process, or there is none "
			     "any more: id() of a living one is such an address",
			     (unsigned long long)address);
}

static struct pv_err *check(const struct pv_heap_object *object)
{
	if (!object->immortal)
		return NULL;
	return pv_err_create(
		PV_ERR_USAGE,
		"the `%s` at 0x%llx is immortal: since Python 3.12 such objects (None, "
		"small ints, interned strings, static types) are not counted, so that "
		"nothing changes it",
		object->type->name, (unsigned long long)object->address);
}

static struct pv_err *choose_address(struct pv_heap *heap, uint64_t address,
				     struct pv_heap_object *ret)
{
	if (address % 8)
		return pv_err_create(PV_ERR_USAGE,
				     "0x%llx is no object's address: these are multiples of 8",
				     (unsigned long long)address);
	return pv_heap_object(heap, address, ret) ? NULL : no_object(pv_heap_mem(heap), address);
}

/* ---- by type */

enum {
	LISTED_MAX = 8, /* addresses in a message */
	CANDIDATES_MAX = 1 << 22,
};

/* What a search for objects of one type has found; young to old. */
struct candidates {
	struct pv_heap *heap;
	const char *name;
	struct pv_map types;              /* address -> is it of that name? */
	struct pv_vec young[PV_GC_LISTS]; /* uint64_t, each list as it is linked: old to young */
	struct pv_vec others; /* uint64_t: the collector does not know them, nor does their age */
	struct pv_map known;  /* addresses of all of them */
	uint64_t n_types;     /* of that name */
};

static struct pv_err *is_wanted(struct candidates *candidates, uint64_t type, bool *ret)
{
	const struct pv_heap_type *known;
	uint64_t value;

	if (pv_map_get(&candidates->types, type, &value)) {
		*ret = value;
		return NULL;
	}
	known = pv_heap_type(candidates->heap, type);
	*ret = known && (!candidates->name || pv_heap_is_called(known, candidates->name));
	candidates->n_types += *ret;
	return pv_map_set(&candidates->types, type, *ret);
}

static struct pv_err *add_candidate(struct candidates *candidates, struct pv_vec *list,
				    uint64_t address)
{
	struct pv_err *err;
	uint64_t value;

	if (pv_map_get(&candidates->known, address, &value) ||
	    candidates->known.n >= CANDIDATES_MAX)
		return NULL;
	err = pv_map_set(&candidates->known, address, 1);
	return err ? err : pv_vec_append(list, &address, 1, NULL);
}

static struct pv_err *on_listed(void *ctx, unsigned int list, uint64_t object)
{
	struct candidates *candidates = ctx;
	struct pv_heap_object found;
	bool wanted;
	struct pv_err *err;

	if (list >= PV_GC_LISTS || !pv_heap_object(candidates->heap, object, &found))
		return NULL;
	err = is_wanted(candidates, found.type->address, &wanted);
	if (err || !wanted)
		return err;
	return add_candidate(candidates, &candidates->young[list], object);
}

/*
 * All that the collector can follow it knows, but for tuples and dicts without anything to follow:
 * another one is what a freed object has left.
 */
static bool is_leftover(const struct pv_heap_object *object)
{
	return object->type->is_gc && object->type->kind != PV_HEAP_TUPLE &&
	       object->type->kind != PV_HEAP_DICT;
}

/* The blocks of one pool: what the collector does not know is there, too. */
static struct pv_err *look_into_pool(void *ctx, const struct pv_pool *pool,
				     const unsigned char *bytes)
{
	/* in front of an object: nothing, the collector's head, and from 3.11 on two words more */
	static const uint32_t before[] = { 0, 16, 32 };
	struct candidates *candidates = ctx;
	uint32_t type_at = pv_heap_python(candidates->heap)->proc.py.ob_type;
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < pool->n_carved; i++) {
		uint32_t at = pv_pool_offset(pool, i);

		for (size_t k = 0; !err && pv_pool_is_used(pool, i) && k < 3; k++) {
			struct pv_heap_object found;
			uint64_t type;
			bool wanted;

			if (before[k] + type_at + 8 > pool->block_bytes)
				break;
			memcpy(&type, bytes + at + before[k] + type_at, 8);
			if (!type || type % 8)
				continue;
			err = is_wanted(candidates, type, &wanted);
			if (err || !wanted ||
			    !pv_heap_object(candidates->heap, pool->address + at + before[k],
					    &found) ||
			    found.start != pool->address + at || is_leftover(&found))
				continue;
			err = add_candidate(candidates, &candidates->others, found.address);
		}
	}
	return err;
}

static size_t count(const struct candidates *candidates)
{
	size_t n = candidates->others.n;

	for (int i = 0; i < PV_GC_LISTS; i++)
		n += candidates->young[i].n;
	return n;
}

/* The nth of all, the youngest first; those whose age is not known come last. */
static uint64_t nth_of(const struct candidates *candidates, size_t n)
{
	for (int i = 0; i < PV_GC_LISTS; i++) {
		const struct pv_vec *list = &candidates->young[i];

		if (n < list->n)
			return *(uint64_t *)pv_vec_at(list, list->n - 1 - n);
		n -= list->n;
	}
	return *(uint64_t *)pv_vec_at(&candidates->others, n);
}

static struct pv_err *several(const struct candidates *candidates)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str list = { 0 };
	size_t n = count(candidates);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n && i < LISTED_MAX; i++)
		err = pv_str_appendf(&list, "%s0x%llx", i ? ", " : "",
				     (unsigned long long)nth_of(candidates, i));
	if (err)
		return err;
	return pv_err_create(PV_ERR_USAGE,
			     "there are %zu objects of the type `%s`: --newest, --nth K (1 is the "
			     "newest), or an address of these, the newest first: %s%s",
			     n, candidates->name, pv_str_text(&list),
			     n > LISTED_MAX ? ", ..." : "");
}

static struct pv_err *pick(const struct candidates *candidates, const struct pv_choice *choice,
			   struct pv_heap_object *ret)
{
	size_t n = count(candidates), nth = choice->nth ? choice->nth : 1;

	if (!n && candidates->n_types)
		return pv_err_create(PV_ERR_USAGE, "there is no object of the type `%s` now",
				     candidates->name);
	if (!n)
		return pv_err_create(PV_ERR_USAGE,
				     "no type `%s` was found that has objects: its name is as in "
				     "type(object).__name__",
				     candidates->name);
	if (n > 1 && !choice->newest && !choice->nth)
		return several(candidates);
	if (nth > n)
		return pv_err_create(PV_ERR_USAGE, "there are only %zu objects of the type `%s`", n,
				     candidates->name);
	/* another may have been born there meanwhile */
	if (pv_heap_object(candidates->heap, nth_of(candidates, nth - 1), ret) &&
	    pv_heap_is_called(ret->type, candidates->name))
		return NULL;
	return pv_err_create(PV_ERR_FAILED,
			     "the `%s` that was chosen is gone already: objects of this type come "
			     "and go; try again, or --nth with a larger number",
			     candidates->name);
}

static void candidates_deinit(struct candidates *candidates)
{
	for (int i = 0; i < PV_GC_LISTS; i++)
		pv_vec_deinit(&candidates->young[i]);
	pv_vec_deinit(&candidates->others);
	pv_map_deinit(&candidates->types);
	pv_map_deinit(&candidates->known);
}

/* name NULL: of all types. */
static struct pv_err *find_candidates(struct pv_probed *probed, struct candidates *candidates)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_gclist_counts counts;
	struct pv_err *err;

	if (probed->image.python.proc.py.free_threaded)
		return pv_err_create(PV_ERR_USAGE,
				     "a build without the GIL has no lists of objects, and another "
				     "allocator: give an address, as id() says it, or --name");
	for (int i = 0; i < PV_GC_LISTS; i++)
		candidates->young[i] = (struct pv_vec)PV_VEC(uint64_t);
	candidates->others = (struct pv_vec)PV_VEC(uint64_t);
	err = pv_gclist_walk(candidates->heap, pv_heap_mem(candidates->heap), on_listed, candidates,
			     &counts);
	/* of now: the youngest are in arenas that came since the process was opened */
	if (!err)
		err = pv_maps_read(probed->pid, &maps);
	return err ? err
		   : pv_pools_each(pv_heap_mem(candidates->heap), &maps, probed->pid,
				   pv_pool_bytes(probed->image.python.proc.py.version_hex),
				   look_into_pool, candidates);
}

static struct pv_err *choose_type(struct pv_probed *probed, struct pv_heap *heap,
				  const struct pv_choice *choice, struct pv_heap_object *ret)
{
	PV_CLEANUP(candidates_deinit)
	struct candidates candidates = { .heap = heap, .name = choice->type };
	struct pv_err *err = find_candidates(probed, &candidates);

	return err ? err : pick(&candidates, choice, ret);
}

/* ---- of each size one */

enum {
	LIKE_LOOKS = 200000, /* objects, the youngest */
	LIKE_TRIES = 10,
	LIKE_WAIT_NS = 20000000,
	GROWTH_MIN = 8,
	BLOCK_SLACK = 16, /* sizes of blocks are multiples of that, or of less */
	CHUNK_SLACK = 32, /* what is left of a chunk that was cut may be too small for another */
	HEADS_BYTES = 48, /* up to the end of ob_type, with all that may stand before an object */
	SIZES_MAX = 256,
	SIZES_THERE = 4, /* that are chosen for the objects that are there */
};

struct size {
	uint64_t bytes; /* of the block */
	uint64_t object, type, n;
	uint64_t gone; /* of malloc()'s: that wait in a thread's cache for the next one */
	int64_t growth;
};

/* NULL: there are too many. */
static struct size *size_of(struct size sizes[SIZES_MAX], uint64_t bytes)
{
	for (size_t i = 0; i < SIZES_MAX; i++) {
		if (!sizes[i].bytes || sizes[i].bytes == bytes)
			return &sizes[i];
	}
	return NULL;
}

static void add_size(struct size sizes[SIZES_MAX], uint64_t bytes, uint64_t object, uint64_t type,
		     bool gone)
{
	struct size *size = size_of(sizes, bytes);

	if (!size)
		return;
	size->bytes = bytes;
	size->object = object;
	size->type = type;
	size->n += !gone;
	size->gone += gone;
}

static int by_growth(const void *a, const void *b)
{
	const struct size *x = a, *y = b;

	if (x->growth != y->growth)
		return x->growth > y->growth ? -1 : 1;
	return x->n > y->n ? -1 : x->n < y->n;
}

static int by_gone(const void *a, const void *b)
{
	const struct size *x = a, *y = b;

	return x->gone > y->gone ? -1 : x->gone < y->gone;
}

/* What is left of objects that were freed: the block's first word alone is another's. */
struct traces {
	struct candidates *candidates;
	struct size *sizes;
};

/* What a block of that many bytes is, or was: its memory begins at `at`. */
static struct pv_err *look_for_trace(struct traces *traces, uint64_t at, const unsigned char *bytes,
				     uint64_t block_bytes, bool is_chunk)
{
	static const uint32_t before[] = { 0, 16, 32 };
	struct pv_heap *heap = traces->candidates->heap;
	uint32_t type_at = pv_heap_python(heap)->proc.py.ob_type;
	struct pv_err *err = NULL;

	for (size_t k = 0; !err && k < 3; k++) {
		const struct pv_heap_type *known;
		uint64_t object = at + before[k], type, bytes_of;
		bool wanted = false, immortal;
		uint64_t count;

		if (before[k] + type_at + 8 > block_bytes)
			break;
		memcpy(&type, bytes + before[k] + type_at, 8);
		if (!type || type % 8)
			continue;
		err = is_wanted(traces->candidates, type, &wanted);
		known = wanted ? pv_heap_type(heap, type) : NULL;
		if (!known || known->before != before[k])
			continue;
		/* where a tuple has its first item such an object would have its type */
		bytes_of = pv_heap_size_of(heap, known, object);
		if (bytes_of <= block_bytes &&
		    bytes_of + (is_chunk ? CHUNK_SLACK : BLOCK_SLACK) > block_bytes)
			add_size(traces->sizes, block_bytes, object, type,
				 is_chunk && !pv_heap_refcount(heap, bytes + before[k], &count,
							       &immortal));
	}
	return err;
}

static struct pv_err *look_for_traces(void *ctx, const struct pv_pool *pool,
				      const unsigned char *bytes)
{
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < pool->n_carved; i++) {
		uint32_t at = pv_pool_offset(pool, i);

		err = look_for_trace(ctx, pool->address + at, bytes + at, pool->block_bytes, false);
	}
	return err;
}

/* What malloc() has: whether it is in use or waits in a thread's cache, such are born there. */
static struct pv_err *look_into_chunk(void *ctx, uint64_t memory, uint64_t bytes,
				      const void *content, size_t n_content)
{
	return n_content < HEADS_BYTES ? NULL : look_for_trace(ctx, memory, content, bytes, true);
}

/* How many of the type there are in blocks of each size, and one of them, the youngest. */
static struct pv_err *count_sizes(struct pv_probed *probed, struct pv_heap *heap, const char *type,
				  struct size sizes[SIZES_MAX])
{
	uint32_t pool_bytes = pv_pool_bytes(probed->image.python.proc.py.version_hex);
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct candidates candidates = { .heap = heap, .name = type };
	struct traces traces = { .candidates = &candidates, .sizes = sizes };
	const struct pv_glibc_handlers chunks = { .ctx = &traces, .used = look_into_chunk };
	struct pv_err *err = find_candidates(probed, &candidates);
	size_t n = err ? 0 : count(&candidates);
	struct pv_heap_object object;

	for (size_t i = n < LIKE_LOOKS ? n : LIKE_LOOKS; i; i--) {
		uint32_t bytes = 0;

		/* another may have been born there meanwhile */
		if (pv_heap_object(heap, nth_of(&candidates, i - 1), &object) &&
		    pv_heap_is_called(object.type, type))
			bytes = pv_pool_size_at(probed->mem, object.start, pool_bytes);
		if (bytes)
			add_size(sizes, bytes, object.address, object.type->address, false);
	}
	if (!err)
		err = pv_maps_read(probed->pid, &maps);
	/* of what is short-lived there may be none at any look */
	if (!err && !n)
		err = pv_pools_each(probed->mem, &maps, probed->pid, pool_bytes, look_for_traces,
				    &traces);
	if (!err)
		err = pv_chunks_each(probed->mem, &maps, probed->pid, &chunks);
	candidates_deinit(&candidates);
	return err;
}

static size_t n_sizes(const struct size sizes[SIZES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < SIZES_MAX; i++)
		n += sizes[i].bytes != 0;
	return n;
}

/* Amid a collection the collector's lists are torn; of what is short-lived there may be none. */
static struct pv_err *look_at_sizes(struct pv_probed *probed, struct pv_heap *heap,
				    const char *type, struct size sizes[SIZES_MAX])
{
	const struct timespec moment = { .tv_nsec = LIKE_WAIT_NS };
	struct pv_err *err = NULL;

	for (int i = 0; i < LIKE_TRIES; i++) {
		memset(sizes, 0, SIZES_MAX * sizeof(*sizes));
		pv_err_destroy(err);
		err = count_sizes(probed, heap, type, sizes);
		if (err == &pv_enomem || (!err && n_sizes(sizes)))
			break;
		nanosleep(&moment, NULL);
	}
	return err;
}

/* Of one type: *type_ret, 0 at first. */
static void take_size(struct pv_chosen *chosen, const struct size *size, uint64_t *type_ret)
{
	if (!*type_ret)
		*type_ret = size->type;
	for (size_t i = 0; i < chosen->n_like; i++) {
		if (chosen->like[i] == size->object)
			return;
	}
	if (size->type == *type_ret && chosen->n_like < PV_CHOSEN_SIZES)
		chosen->like[chosen->n_like++] = size->object;
}

/* Those first of which there are more and more: what leaks is among them. */
static struct pv_err *choose_like(struct pv_probed *probed, struct pv_heap *heap,
				  const struct pv_choice *choice, struct pv_heap_object *ret,
				  struct pv_chosen *chosen)
{
	const struct timespec between = { .tv_sec = 1 };
	struct size before[SIZES_MAX], sizes[SIZES_MAX];
	struct pv_err *err = look_at_sizes(probed, heap, choice->type, sizes);
	uint64_t type = 0;
	int64_t most = 0;

	if (!err && n_sizes(sizes) > 1) {
		memcpy(before, sizes, sizeof(before));
		nanosleep(&between, NULL);
		err = look_at_sizes(probed, heap, choice->type, sizes);
		for (size_t i = 0; !err && i < SIZES_MAX && sizes[i].bytes; i++) {
			const struct size *was = size_of(before, sizes[i].bytes);

			sizes[i].growth = (int64_t)(sizes[i].n - (was ? was->n : 0));
		}
	}
	if (err)
		return err;
	qsort(sizes, SIZES_MAX, sizeof(*sizes), by_growth);
	most = sizes[0].growth;
	for (size_t i = 0; chosen->n_like < SIZES_THERE && i < SIZES_MAX; i++) {
		/* what comes and goes is some more or less */
		if (sizes[i].n && (most < GROWTH_MIN || sizes[i].growth * 4 >= most))
			take_size(chosen, &sizes[i], &type);
	}
	/* where none grows it may be one of which there never are many */
	qsort(sizes, SIZES_MAX, sizeof(*sizes), by_gone);
	for (size_t i = 0; most < GROWTH_MIN && i < SIZES_MAX && sizes[i].gone; i++)
		take_size(chosen, &sizes[i], &type);
	if (!chosen->n_like)
		return pv_err_create(
			PV_ERR_FAILED,
			"there is no object of the type `%s` in a block of Python's own allocator "
			"or of glibc's malloc(), nor was there one, as far as that shows",
			choice->type);
	/* it may be gone again: its size is what counts */
	*ret = (struct pv_heap_object){
		.type = pv_heap_type(heap, type),
		.address = chosen->like[0],
		.refcount = 1,
	};
	return ret->type
		       ? NULL
		       : pv_err_create(PV_ERR_FAILED, "the type `%s` is gone again", choice->type);
}

/* ---- the others */

static struct pv_err *choose_name(struct pv_heap *heap, pid_t pid, const struct pv_choice *choice,
				  struct pv_heap_object *ret)
{
	uint64_t object;
	struct pv_err *err = pv_names_resolve(heap, pid, choice->text, &object);

	return err ? err : choose_address(heap, object, ret);
}

/*
 * A count that is the address of something: a block that was an object, of which another user has
 * written the first word alone, looks like one with millions of references.
 */
static bool is_pointer(const struct pv_probed *probed, uint64_t count)
{
	for (size_t i = 0; i < probed->maps.n; i++) {
		const struct pv_map_entry *entry = &probed->maps.entries[i];

		if (count >= entry->start && count < entry->end)
			return true;
	}
	return false;
}

/* Of all objects whose counts say more than anyone holds the one of which most are missing. */
static struct pv_err *pick_lost(const struct pv_probed *probed, const struct pv_holders *found,
				const char *type, struct pv_heap *heap, struct pv_heap_object *ret,
				char **note_ret)
{
	const struct pv_held *best = NULL;
	size_t n = 0;
	int length;

	for (size_t i = 0; i < found->n_objects; i++) {
		const struct pv_held *one = &found->objects[i];

		if (!one->lost || is_pointer(probed, one->refcount))
			continue;
		n++;
		if (!best || one->lost > best->lost)
			best = one;
	}
	if (!best)
		return pv_err_create(
			PV_ERR_FAILED, "none of %zu objects%s%s has a reference too many%s",
			found->n_objects, type ? " of the type " : "", type ? type : "",
			found->partial ? ", as far as memory could be read" : "");
	if (!pv_heap_object(heap, best->address, ret))
		return pv_err_create(PV_ERR_FAILED, "the object that was found is gone already");
	length = asprintf(
		note_ret,
		"%zu of %zu objects have references that nobody holds; this one has %llu "
		"of them%s",
		n, found->n_objects, (unsigned long long)best->lost,
		best->found ? ""
			    : ", and nobody holds it any more, so that nothing may change it: "
			      "--alloc follows the next one from its beginning");
	if (length < 0)
		*note_ret = NULL;
	return length < 0 ? &pv_enomem : NULL;
}

static struct pv_err *append_all(const struct candidates *candidates, struct pv_vec *ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0, n = count(candidates); !err && i < n; i++) {
		uint64_t address = nth_of(candidates, i);

		err = pv_vec_append(ret, &address, 1, NULL);
	}
	return err;
}

static struct pv_err *choose_lost(struct pv_probed *probed, struct pv_heap *heap,
				  const struct pv_choice *choice, struct pv_heap_object *ret,
				  char **note_ret)
{
	PV_CLEANUP(candidates_deinit)
	struct candidates candidates = { .heap = heap, .name = choice->type };
	PV_CLEANUP(pv_vec_deinit) struct pv_vec addresses = PV_VEC(uint64_t);
	const struct pv_holders_options options = { .lost = true };
	struct pv_holders found = { 0 };
	struct pv_holding *holding = NULL;
	struct pv_err *err = find_candidates(probed, &candidates);

	if (!err)
		err = append_all(&candidates, &addresses);
	if (!err && !addresses.n)
		err = pv_err_create(PV_ERR_USAGE, "there is no object of the type `%s`",
				    choice->type);
	if (!err && addresses.n > PV_HOLDERS_OBJECTS_MAX)
		err = pv_err_create(PV_ERR_USAGE,
				    "%zu objects are too many to look for the holders of: say of "
				    "which --type, as `pitviper memory` names it",
				    addresses.n);
	if (!err)
		err = pv_holding_open(probed->pid, &holding);
	if (!err) {
		pv_holding_stop(holding, choice->stop_fd);
		err = pv_holding_find(holding, addresses.data, addresses.n, &options, &found);
	}
	if (!err && pv_holding_is_stopped(holding))
		err = pv_err_create(PV_ERR_FAILED, "stopped before all of memory was searched for "
						   "references");
	if (!err)
		err = pick_lost(probed, &found, choice->type, heap, ret, note_ret);
	pv_holders_deinit(&found);
	pv_holding_close(holding);
	return err;
}

static struct pv_err *choose_next(struct pv_probed *probed, struct pv_heap *heap,
				  const struct pv_choice *choice, struct pv_heap_object *ret,
				  struct pv_chosen *chosen)
{
	const struct pv_next_options options = {
		.probed = probed,
		.pattern = choice->text,
		.type = choice->type,
		.wait_ns = choice->wait_ns,
		.stop_fd = choice->stop_fd,
		.budget = choice->budget,
	};
	struct pv_err *err = pv_next_create(&options, &chosen->next);
	uint64_t start_ns = pv_now_ns();

	if (!err)
		err = pv_next_wait(chosen->next, heap, ret);
	chosen->waited_ns = pv_now_ns() - start_ns;
	return err;
}

static struct pv_err *choose(struct pv_probed *probed, struct pv_heap *heap,
			     const struct pv_choice *choice, struct pv_heap_object *ret,
			     struct pv_chosen *chosen)
{
	switch (choice->kind) {
	case PV_CHOICE_TYPE:
		return choose_type(probed, heap, choice, ret);
	case PV_CHOICE_NAME:
		return choose_name(heap, probed->pid, choice, ret);
	case PV_CHOICE_LOST:
		return choose_lost(probed, heap, choice, ret, &chosen->note);
	case PV_CHOICE_LIKE:
		return choose_like(probed, heap, choice, ret, chosen);
	case PV_CHOICE_NEXT:
		return choose_next(probed, heap, choice, ret, chosen);
	default:
		return choose_address(heap, choice->address, ret);
	}
}

struct pv_err *pv_choose(struct pv_probed *probed, const struct pv_choice *choice, bool any,
			 struct pv_chosen *ret)
{
	struct pv_heap_object object;
	struct pv_heap *heap;
	struct pv_err *err = pv_heap_create(probed->mem, &probed->image.python, &heap);

	if (err)
		return err;
	err = choose(probed, heap, choice, &object, ret);
	if (!err && !any)
		err = check(&object);
	if (!err)
		err = describe(&object, ret);
	pv_heap_destroy(heap);
	return err;
}

static struct pv_err *check_name(struct pv_probed *probed, const struct pv_choice *choice,
				 const struct pv_chosen *chosen)
{
	uint64_t object = 0;
	struct pv_heap *heap;
	struct pv_err *err = pv_heap_create(probed->mem, &probed->image.python, &heap);

	if (err)
		return err;
	err = pv_names_resolve(heap, probed->pid, choice->text, &object);
	pv_heap_destroy(heap);
	if (err || object == chosen->address)
		return err;
	return pv_err_create(PV_ERR_FAILED,
			     "`%s` is another object already than the one that was to be watched: "
			     "it comes and goes, so that there is not one to follow; --alloc "
			     "follows such from their births",
			     choice->text);
}

struct pv_err *pv_chosen_check(struct pv_probed *probed, const struct pv_choice *choice,
			       const struct pv_chosen *chosen)
{
	bool there = true;
	struct pv_err *err = NULL;

	if (choice->kind == PV_CHOICE_NAME)
		return check_name(probed, choice, chosen);
	if (chosen->next)
		err = pv_next_is_there(chosen->next, &there);
	if (err || there)
		return err;
	return pv_err_create(PV_ERR_FAILED,
			     "the object that was allocated at `%s` was freed before it could be "
			     "watched; try again",
			     choice->text);
}
