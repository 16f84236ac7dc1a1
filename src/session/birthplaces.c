/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of the next objects.  Input: heap/pools.h.  Output: see aims.h.
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
	struct pv_birthplaces *aims = ctx;

	(void)bytes;
	if (!aims->ring && pool->block_bytes == aims->block_bytes)
		aims->ring = pv_pools_ring(aims->probed->mem, pool);
	return NULL;
}

/* One of a pool that has room leads to it. */
static struct pv_err *find_ring(struct pv_birthplaces *aims)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_err *err = pv_maps_read(aims->probed->pid, &maps);

	return err ? err
		   : pv_pools_each(aims->probed->mem, &maps, aims->probed->pid, aims->pool_bytes,
				   on_pool, aims);
}

struct pv_err *pv_birthplaces_create(struct pv_probed *probed, uint64_t like,
				     const struct pv_heap_type *type, struct pv_birthplaces **ret,
				     const char **why_ret)
{
	uint32_t pool_bytes = pv_pool_bytes(probed->image.python.proc.py.version_hex);
	struct pv_birthplaces *aims;
	struct pv_pool pool;
	struct pv_err *err;

	*why_ret = NULL;
	if (!pv_pool_of(probed->mem, like - type->before, pool_bytes, &pool)) {
		*why_ret = "it is in no pool of Python's own allocator, which is for up to 512 "
			   "bytes, and what malloc() gives next is not foretold";
		return NULL;
	}
	aims = calloc(1, sizeof(*aims));
	if (!aims)
		return &pv_enomem;
	aims->probed = probed;
	aims->type = type->address;
	aims->like = like;
	aims->before = type->before;
	aims->block_bytes = pool.block_bytes;
	aims->pool_bytes = pool_bytes;
	aims->keeper = (struct pv_kept){
		.mem = probed->mem,
		.pid = probed->pid,
		.py = &probed->image.python.proc.py,
		.type = aims->type,
		.before = aims->before,
		.block_bytes = aims->block_bytes,
	};
	aims->ring = pv_pools_ring(probed->mem, &pool);
	err = aims->ring ? NULL : find_ring(aims);
	if (!err && !aims->ring)
		*why_ret = "no pool of its size has room, so that it does not show where the next "
			   "one will be";
	if (err || *why_ret) {
		pv_birthplaces_destroy(aims);
		return err;
	}
	/* one that is there at any look shares its block with others that no look finds free */
	pv_birthplaces_was_right(aims, like);
	*ret = aims;
	return NULL;
}

void pv_birthplaces_destroy(struct pv_birthplaces *aims)
{
	if (!aims)
		return;
	pv_map_deinit(&aims->tired);
	free(aims);
}

uint32_t pv_birthplaces_block_bytes(const struct pv_birthplaces *aims)
{
	return aims->block_bytes;
}

static void add(struct pv_birthplaces *aims, uint64_t object)
{
	for (size_t i = 0; i < aims->n_list; i++) {
		if (aims->list[i] == object)
			return;
	}
	if (aims->n_list < LIST_MAX)
		aims->list[aims->n_list++] = object;
}

static struct pv_err *look_at_kept(struct pv_birthplaces *aims, uint64_t now_ns)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_probed *probed = aims->probed;
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err;

	/* an array that is known costs nothing */
	if (now_ns < aims->kept_due_ns && !aims->keeper.array)
		return NULL;
	err = pv_maps_read(probed->pid, &maps);
	if (!err)
		err = pv_kept_read(&aims->keeper, &maps, aims->kept, KEPT_MAX, &aims->n_kept);
	aims->kept_due_ns = now_ns + KEPT_REST_NS + KEPT_REST * (pv_now_ns() - start_ns);
	return err;
}

/*
 * Objects of the type that came since the last look, beside one that was: what is there at most
 * times shares its block with others, and is never found free.
 */
static size_t find_alive(struct pv_birthplaces *aims, uint64_t ret[ALIVE_MAX])
{
	const struct pv_pylayout *py = &aims->probed->image.python.proc.py;
	struct pv_mem *mem = aims->probed->mem;
	struct pv_pool pool;
	uint64_t type;
	size_t n = 0;

	if (!pv_pool_of(mem, aims->like - aims->before, aims->pool_bytes, &pool))
		return 0;
	for (uint32_t i = 0; i < pool.n_carved && n < ALIVE_MAX; i++) {
		uint64_t object = pool.address + pv_pool_offset(&pool, i) + aims->before;

		if (!pv_pool_is_used(&pool, i))
			continue;
		if (aims->like_pool.address == pool.address &&
		    pv_pool_is_used(&aims->like_pool, i) && aims->n_looks % 8)
			continue;
		if (!pv_mem_read_u64(mem, object + py->ob_type, &type) && type == aims->type)
			ret[n++] = object;
	}
	aims->like_pool = pool;
	aims->n_looks++;
	return n;
}

struct pv_err *pv_birthplaces_look(struct pv_birthplaces *aims, uint64_t now_ns)
{
	uint64_t coming[COMING_MAX];
	size_t n = pv_pools_coming(aims->probed->mem, aims->ring, aims->pool_bytes,
				   aims->block_bytes, coming, COMING_MAX);
	uint64_t alive[ALIVE_MAX];
	size_t n_alive = find_alive(aims, alive);
	struct pv_err *err = look_at_kept(aims, now_ns);

	aims->n_list = 0;
	for (size_t i = 0; i < aims->n_right; i++)
		add(aims, aims->right[i]);
	/* a type takes what it keeps first; where nothing is kept a pool gives more */
	for (size_t i = 0; i < aims->n_kept; i++)
		add(aims, aims->kept[i]);
	for (size_t i = 0; i < n || i < n_alive; i++) {
		if (i < n)
			add(aims, coming[i] + aims->before);
		if (i < n_alive)
			add(aims, alive[i]);
	}
	return err;
}

bool pv_birthplaces_is_near(const struct pv_birthplaces *aims, uint64_t object)
{
	for (size_t i = 0; i < NEAR && i < aims->n_list; i++) {
		if (aims->list[i] == object)
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

uint64_t pv_birthplaces_choose(struct pv_birthplaces *aims, const uint64_t *others, size_t n,
			       uint64_t now_ns)
{
	uint64_t first = 0, until;

	for (size_t i = 0; i < aims->n_list; i++) {
		uint64_t object = aims->list[i];

		if (is_among(others, n, object))
			continue;
		if (!pv_map_get(&aims->tired, object, &until) || until < now_ns)
			return object;
		first = first ? first : object;
	}
	/* all were tried: begin again */
	pv_map_deinit(&aims->tired);
	aims->tired = (struct pv_map){ 0 };
	return first;
}

struct pv_err *pv_birthplaces_give_up(struct pv_birthplaces *aims, uint64_t object, uint64_t now_ns)
{
	for (size_t i = 0; i < aims->n_right; i++) {
		if (aims->right[i] == object)
			aims->right[i] = aims->right[--aims->n_right];
	}
	return pv_map_set(&aims->tired, object, now_ns + TIRED_REST_NS);
}

void pv_birthplaces_was_right(struct pv_birthplaces *aims, uint64_t object)
{
	if (is_among(aims->right, aims->n_right, object))
		return;
	if (aims->n_right == RIGHT_MAX)
		memmove(aims->right, aims->right + 1, --aims->n_right * sizeof(*aims->right));
	aims->right[aims->n_right++] = object;
}
