/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of the next objects.  Input: heap/pools.h.  Output: see birthplaces.h.
 */
#include "session/birthplaces.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
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
	LIST_MAX = COMING_MAX + KEPT_MAX + ALIVE_MAX + 4,
	RIGHT_MAX = 4, /* addresses where some were born */
	NEAR = 4,
	/* the whole heap is read for what types keep: that rests for so many times as long */
	KEPT_REST = 20,
};
#define KEPT_REST_NS  500000000ULL
#define TIRED_REST_NS 3000000000ULL

struct pv_birthplaces {
	struct pv_probed *probed;
	uint64_t ring;            /* of pools; 0: it is to be found */
	uint64_t type;            /* of the objects */
	uint64_t like;            /* one that was */
	struct pv_pool like_pool; /* its pool, as of the last look */
	uint64_t n_looks;
	uint32_t before, block_bytes, pool_bytes;
	struct pv_kept keeper;
	uint64_t kept[KEPT_MAX];
	size_t n_kept;
	uint64_t kept_due_ns;
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

struct pv_err *pv_birthplaces_create(struct pv_probed *probed, uint64_t like,
				     const struct pv_heap_type *type, struct pv_birthplaces **ret,
				     const char **why_ret)
{
	uint32_t pool_bytes = pv_pool_bytes(probed->image.python.proc.py.version_hex);
	struct pv_birthplaces *places;
	struct pv_pool pool;
	struct pv_err *err;

	*why_ret = NULL;
	if (!pv_pool_of(probed->mem, like - type->before, pool_bytes, &pool)) {
		*why_ret = "it is in no pool of Python's own allocator, which is for up to 512 "
			   "bytes, and what malloc() gives next is not foretold";
		return NULL;
	}
	places = calloc(1, sizeof(*places));
	if (!places)
		return &pv_enomem;
	places->probed = probed;
	places->type = type->address;
	places->like = like;
	places->before = type->before;
	places->block_bytes = pool.block_bytes;
	places->pool_bytes = pool_bytes;
	places->keeper = (struct pv_kept){
		.mem = probed->mem,
		.pid = probed->pid,
		.py = &probed->image.python.proc.py,
		.type = places->type,
		.before = places->before,
		.block_bytes = places->block_bytes,
	};
	places->ring = pv_pools_ring(probed->mem, &pool);
	err = places->ring ? NULL : find_ring(places);
	if (!err && !places->ring)
		*why_ret = "no pool of its size has room, so that it does not show where the next "
			   "one will be";
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
	if (now_ns < places->kept_due_ns && !places->keeper.array)
		return NULL;
	err = pv_maps_read(probed->pid, &maps);
	if (!err)
		err = pv_kept_read(&places->keeper, &maps, places->kept, KEPT_MAX, &places->n_kept);
	places->kept_due_ns = now_ns + KEPT_REST_NS + KEPT_REST * (pv_now_ns() - start_ns);
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

struct pv_err *pv_birthplaces_look(struct pv_birthplaces *places, uint64_t now_ns)
{
	uint64_t coming[COMING_MAX];
	size_t n = pv_pools_coming(places->probed->mem, places->ring, places->pool_bytes,
				   places->block_bytes, coming, COMING_MAX);
	uint64_t alive[ALIVE_MAX];
	size_t n_alive = find_alive(places, alive);
	struct pv_err *err = look_at_kept(places, now_ns);

	places->n_list = 0;
	for (size_t i = 0; i < places->n_right; i++)
		add(places, places->right[i]);
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
