/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of the next objects.  Input: heap/pools.h, heap/chunks.h.  Output: see birthplaces.h.
 */
#include "session/birthplaces.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "heap/chunks.h"
#include "heap/glibc.h"
#include "heap/kept.h"
#include "heap/object.h"
#include "heap/pools.h"
#include "python/layout.h"
#include "session/probed.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	COMING_MAX = 32, /* blocks of pools that are looked at */
	KEPT_MAX = 8,    /* of freelists */
	ALIVE_MAX = 16,
	ENDS_MAX = 4,
	AHEAD_MAX = 64, /* objects that may be cut while it is looked for where */
	LIST_MAX = 128,
	RIGHT_MAX = 4, /* addresses where some were born */
	NEAR = 4,
	/* the whole heap is read: that rests for so many times as long */
	HEAP_REST = 20,
	/* larger chunks have mappings of their own (M_MMAP_THRESHOLD), which come and go */
	CHUNK_BYTES_MAX = 128 << 10,
};
#define HEAP_REST_NS  500000000ULL
#define TIRED_REST_NS 3000000000ULL

/* An object of malloc()'s behind which memory is free: for so many more. */
struct end {
	uint64_t object, room;
};

struct pv_birthplaces {
	struct pv_probed *probed;
	bool is_large;            /* its blocks are malloc()'s */
	uint64_t ring;            /* of pools; 0: it is to be found */
	uint64_t type;            /* of the objects */
	uint64_t like;            /* one that was */
	struct pv_pool like_pool; /* its pool, as of the last look */
	uint64_t n_looks;
	uint32_t before, block_bytes, pool_bytes;
	struct pv_kept keeper;
	uint64_t kept[KEPT_MAX];
	size_t n_kept;
	uint64_t heap_due_ns; /* when all of it is read again */
	/* is_large: */
	struct pv_vec caches;     /* uint64_t: threads' caches, see heap/glibc.h */
	struct pv_map met;        /* objects that were seen */
	uint64_t came[ALIVE_MAX]; /* of these: since the last time */
	size_t n_came, n_chunks;
	struct end ends[ENDS_MAX];
	size_t n_ends;
	uint64_t last; /* the chunk before, if it has such an object, else 0 */
	uint64_t right[RIGHT_MAX];
	size_t n_right;
	uint64_t list[LIST_MAX]; /* objects */
	size_t n_list;
	struct pv_map tired; /* object -> until when */
};

static struct pv_err *on_pool(void *ctx, const struct pv_pool *pool, const unsigned char *bytes)
{
	struct pv_birthplaces *places = ctx;

	(void)bytes;
	if (!places->ring && pool->block_bytes == places->block_bytes)
		places->ring = pv_pools_ring(places->probed->mem, pool);
	return NULL;
}

/* One of a pool that has room leads to it. */
static struct pv_err *find_ring(struct pv_birthplaces *places)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_err *err = pv_maps_read(places->probed->pid, &maps);

	return err ? err
		   : pv_pools_each(places->probed->mem, &maps, places->probed->pid,
				   places->pool_bytes, on_pool, places);
}

/* Bytes from one to the next that is cut off behind it. */
static uint64_t stride(const struct pv_birthplaces *places)
{
	return places->block_bytes + sizeof(uint64_t);
}

/* Of those ends the highest: there is most room. */
static void add_end(struct pv_birthplaces *places, uint64_t until)
{
	uint64_t end = places->last + stride(places), room;

	if (!places->last)
		return;
	room = until > end ? (until - end) / stride(places) : 0;
	if (!room)
		return;
	if (places->n_ends == ENDS_MAX)
		memmove(places->ends, places->ends + 1, --places->n_ends * sizeof(*places->ends));
	places->ends[places->n_ends++] = (struct end){ places->last + places->before, room };
}

/* Chunks of one heap come in ascending order. */
static struct pv_err *on_chunk(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content)
{
	struct pv_birthplaces *places = ctx;
	uint32_t type_at = places->before + places->probed->image.python.proc.py.ob_type;
	uint64_t object = memory + places->before, type = 0;

	places->n_chunks++;
	add_end(places, memory);
	places->last = 0;
	if (pv_glibc_is_cache_size(bytes))
		return pv_vec_append(&places->caches, &memory, 1, NULL);
	if (bytes == places->block_bytes && type_at + sizeof(type) <= n_content)
		memcpy(&type, (const char *)content + type_at, sizeof(type));
	if (type != places->type)
		return NULL;
	places->last = memory;
	if (pv_map_get(&places->met, object, &type))
		return NULL;
	if (places->n_looks && places->n_came < ALIVE_MAX)
		places->came[places->n_came++] = object;
	return pv_map_set(&places->met, object, 1);
}

static struct pv_err *read_chunks(struct pv_birthplaces *places, const struct pv_maps *maps)
{
	const struct pv_glibc_handlers handlers = { .ctx = places, .used = on_chunk };
	struct pv_err *err;

	places->caches.n = places->n_came = places->n_chunks = places->n_ends = 0;
	places->last = 0;
	err = pv_chunks_each(places->probed->mem, maps, places->probed->pid, &handlers);
	/* the last one: what is behind it is the heap's own end */
	add_end(places, UINT64_MAX);
	places->n_looks++;
	return err;
}

static struct pv_err *find_chunks(struct pv_birthplaces *places, const char **why_ret)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	uint64_t bytes = pv_glibc_owner_bytes(places->probed->mem, places->like - places->before);
	struct pv_err *err = pv_maps_read(places->probed->pid, &maps);

	places->is_large = true;
	places->block_bytes = bytes <= CHUNK_BYTES_MAX ? (uint32_t)bytes : 0;
	if (!err && places->block_bytes)
		err = read_chunks(places, &maps);
	if (!places->n_chunks)
		*why_ret = "it is in no pool of Python's own allocator, which is for up to 512 "
			   "bytes, and what malloc() gives next is foretold of glibc's alone, for "
			   "up to 128 KiB";
	return err;
}

static struct pv_err *find_pools(struct pv_birthplaces *places, const struct pv_pool *pool,
				 const char **why_ret)
{
	struct pv_probed *probed = places->probed;
	struct pv_err *err;

	places->block_bytes = pool->block_bytes;
	places->keeper = (struct pv_kept){
		.mem = probed->mem,
		.pid = probed->pid,
		.py = &probed->image.python.proc.py,
		.type = places->type,
		.before = places->before,
		.block_bytes = places->block_bytes,
	};
	places->ring = pv_pools_ring(probed->mem, pool);
	err = places->ring ? NULL : find_ring(places);
	if (!err && !places->ring)
		*why_ret = "no pool of its size has room, so that it does not show where the next "
			   "one will be";
	return err;
}

struct pv_err *pv_birthplaces_create(struct pv_probed *probed, uint64_t like,
				     const struct pv_heap_type *type, struct pv_birthplaces **ret,
				     const char **why_ret)
{
	struct pv_birthplaces *places = calloc(1, sizeof(*places));
	struct pv_pool pool;
	struct pv_err *err;

	*why_ret = NULL;
	if (!places)
		return &pv_enomem;
	places->probed = probed;
	places->type = type->address;
	places->like = like;
	places->before = type->before;
	places->pool_bytes = pv_pool_bytes(probed->image.python.proc.py.version_hex);
	places->caches = (struct pv_vec)PV_VEC(uint64_t);
	err = pv_pool_of(probed->mem, like - type->before, places->pool_bytes, &pool)
		      ? find_pools(places, &pool, why_ret)
		      : find_chunks(places, why_ret);
	if (err || *why_ret) {
		pv_birthplaces_destroy(places);
		return err;
	}
	/* one that is there at any look shares its block with others that no look finds free */
	pv_birthplaces_was_right(places, like);
	*ret = places;
	return NULL;
}

void pv_birthplaces_destroy(struct pv_birthplaces *places)
{
	if (!places)
		return;
	pv_map_deinit(&places->tired);
	pv_map_deinit(&places->met);
	pv_vec_deinit(&places->caches);
	free(places);
}

uint32_t pv_birthplaces_block_bytes(const struct pv_birthplaces *places)
{
	return places->block_bytes;
}

static void add(struct pv_birthplaces *places, uint64_t object)
{
	for (size_t i = 0; i < places->n_list; i++) {
		if (places->list[i] == object)
			return;
	}
	if (places->n_list < LIST_MAX)
		places->list[places->n_list++] = object;
}

static struct pv_err *look_at_kept(struct pv_birthplaces *places, uint64_t now_ns)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_probed *probed = places->probed;
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err;

	/* an array that is known costs nothing */
	if (now_ns < places->heap_due_ns && !places->keeper.array)
		return NULL;
	err = pv_maps_read(probed->pid, &maps);
	if (!err)
		err = pv_kept_read(&places->keeper, &maps, places->kept, KEPT_MAX, &places->n_kept);
	places->heap_due_ns = now_ns + HEAP_REST_NS + HEAP_REST * (pv_now_ns() - start_ns);
	return err;
}

/*
 * Objects of the type that came since the last look, beside one that was: what is there at most
 * times shares its block with others, and is never found free.
 */
static size_t find_alive(struct pv_birthplaces *places, uint64_t ret[ALIVE_MAX])
{
	const struct pv_pylayout *py = &places->probed->image.python.proc.py;
	struct pv_mem *mem = places->probed->mem;
	struct pv_pool pool;
	uint64_t type;
	size_t n = 0;

	if (!pv_pool_of(mem, places->like - places->before, places->pool_bytes, &pool))
		return 0;
	for (uint32_t i = 0; i < pool.n_carved && n < ALIVE_MAX; i++) {
		uint64_t object = pool.address + pv_pool_offset(&pool, i) + places->before;

		if (!pv_pool_is_used(&pool, i))
			continue;
		if (places->like_pool.address == pool.address &&
		    pv_pool_is_used(&places->like_pool, i) && places->n_looks % 8)
			continue;
		if (!pv_mem_read_u64(mem, object + py->ob_type, &type) && type == places->type)
			ret[n++] = object;
	}
	places->like_pool = pool;
	places->n_looks++;
	return n;
}

static struct pv_err *look_at_pools(struct pv_birthplaces *places, uint64_t now_ns)
{
	uint64_t coming[COMING_MAX];
	size_t n = pv_pools_coming(places->probed->mem, places->ring, places->pool_bytes,
				   places->block_bytes, coming, COMING_MAX);
	uint64_t alive[ALIVE_MAX];
	size_t n_alive = find_alive(places, alive);
	struct pv_err *err = look_at_kept(places, now_ns);

	/* a type takes what it keeps first; where nothing is kept a pool gives more */
	for (size_t i = 0; i < places->n_kept; i++)
		add(places, places->kept[i]);
	for (size_t i = 0; i < n || i < n_alive; i++) {
		if (i < n)
			add(places, coming[i] + places->before);
		if (i < n_alive)
			add(places, alive[i]);
	}
	return err;
}

/*
 * A thread's cache gives out first what it got back last, too.  What is larger than it has room for
 * is cut from what is free, one behind the other: where one was a moment ago, or behind the last.
 */
static struct pv_err *look_at_chunks(struct pv_birthplaces *places, uint64_t now_ns)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec cached = PV_VEC(struct pv_glibc_cached);
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	const struct pv_vec no_states = PV_VEC(uint64_t);
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = NULL;

	if (now_ns >= places->heap_due_ns) {
		err = pv_maps_read(places->probed->pid, &maps);
		if (!err)
			err = read_chunks(places, &maps);
		places->heap_due_ns = now_ns + HEAP_REST_NS + HEAP_REST * (pv_now_ns() - start_ns);
	}
	if (!err)
		err = pv_glibc_caches(places->probed->mem, &places->caches, &no_states, &cached);
	for (size_t i = 0; !err && i < cached.n; i++) {
		const struct pv_glibc_cached *one = pv_vec_at(&cached, i);

		if (one->bytes == places->block_bytes)
			add(places, one->memory + places->before);
	}
	/* by the time it is watched the next one may be there already */
	for (uint64_t ahead = 1; ahead <= AHEAD_MAX; ahead *= 2) {
		for (size_t i = places->n_ends; i; i--) {
			const struct end *end = &places->ends[i - 1];

			if (ahead <= end->room)
				add(places, end->object + ahead * stride(places));
		}
	}
	for (size_t i = 0; i < places->n_came; i++)
		add(places, places->came[i]);
	return err;
}

struct pv_err *pv_birthplaces_look(struct pv_birthplaces *places, uint64_t now_ns)
{
	places->n_list = 0;
	for (size_t i = 0; i < places->n_right; i++)
		add(places, places->right[i]);
	return places->is_large ? look_at_chunks(places, now_ns) : look_at_pools(places, now_ns);
}

bool pv_birthplaces_is_near(const struct pv_birthplaces *places, uint64_t object)
{
	for (size_t i = 0; i < NEAR && i < places->n_list; i++) {
		if (places->list[i] == object)
			return true;
	}
	return false;
}

static bool is_among(const uint64_t *others, size_t n, uint64_t object)
{
	for (size_t i = 0; i < n; i++) {
		if (others[i] == object)
			return true;
	}
	return false;
}

uint64_t pv_birthplaces_choose(struct pv_birthplaces *places, const uint64_t *others, size_t n,
			       uint64_t now_ns)
{
	uint64_t first = 0, until;

	for (size_t i = 0; i < places->n_list; i++) {
		uint64_t object = places->list[i];

		if (is_among(others, n, object))
			continue;
		if (!pv_map_get(&places->tired, object, &until) || until < now_ns)
			return object;
		first = first ? first : object;
	}
	/* all were tried: begin again */
	pv_map_deinit(&places->tired);
	places->tired = (struct pv_map){ 0 };
	return first;
}

struct pv_err *pv_birthplaces_give_up(struct pv_birthplaces *places, uint64_t object,
				      uint64_t now_ns)
{
	for (size_t i = 0; i < places->n_right; i++) {
		if (places->right[i] == object)
			places->right[i] = places->right[--places->n_right];
	}
	return pv_map_set(&places->tired, object, now_ns + TIRED_REST_NS);
}

void pv_birthplaces_was_right(struct pv_birthplaces *places, uint64_t object)
{
	if (is_among(places->right, places->n_right, object))
		return;
	if (places->n_right == RIGHT_MAX)
		memmove(places->right, places->right + 1,
			--places->n_right * sizeof(*places->right));
	places->right[places->n_right++] = object;
}
