/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which blocks are still there.  Input: addresses, memory of the process, untrusted and changing
 * meanwhile.  Output: states of blocks.
 */
#include "session/survivors.h"

#include <stdlib.h>
#include <string.h>

#include "abi/allocs.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "heap/glibc.h"
#include "heap/object.h"
#include "heap/pymalloc.h"
#include "python/detect.h"
#include "session/probed.h"
#include "target/mem.h"

enum {
	CONTENT_BYTES = 1 << 16, /* of a block that are compared; half of it at each end */
	HEAD_BYTES = 32,
	PREV_INUSE = 1,
	IS_MMAPPED = 2, /* glibc malloc/malloc.c */
	CHUNK_BITS = 7,
	CHUNK_HEADER = 16,
	BEFORE_MAX = 48, /* bytes in front of an object: PyGC_Head, managed dict */
};

struct pv_survivors {
	struct pv_mem *mem;
	struct pv_heap *heap;
	uint32_t version_hex, pool_bytes;
	bool glibc;
	struct pv_vec blocks; /* struct pv_block */
	/* the pool that was read last */
	uint64_t pool_at; /* 1: none */
	bool pool_read, is_pool;
	struct pv_pool pool;
	uint8_t *pool_content, *content;
	const struct pv_vec *caches, *states; /* NULL: not known */
	struct pv_map cached;                 /* addresses, at this look */
};

struct pv_err *pv_survivors_create(const struct pv_probed *probed, uint32_t pool_bytes, bool glibc,
				   struct pv_heap *heap, struct pv_survivors **ret)
{
	struct pv_survivors *survivors = calloc(1, sizeof(*survivors));

	if (!survivors)
		return &pv_enomem;
	survivors->mem = probed->mem;
	survivors->heap = heap;
	survivors->version_hex = probed->image.python.proc.py.version_hex;
	survivors->pool_bytes = pool_bytes && pool_bytes <= PV_POOL_BYTES_MAX ? pool_bytes : 4096;
	survivors->glibc = glibc;
	survivors->blocks = (struct pv_vec)PV_VEC(struct pv_block);
	survivors->pool_at = 1;
	survivors->pool_content = malloc(survivors->pool_bytes);
	survivors->content = malloc(CONTENT_BYTES);
	if (!survivors->pool_content || !survivors->content) {
		pv_survivors_destroy(survivors);
		return &pv_enomem;
	}
	*ret = survivors;
	return NULL;
}

void pv_survivors_destroy(struct pv_survivors *survivors)
{
	if (!survivors)
		return;
	pv_vec_deinit(&survivors->blocks);
	pv_map_deinit(&survivors->cached);
	free(survivors->pool_content);
	free(survivors->content);
	free(survivors);
}

void pv_survivors_caches(struct pv_survivors *survivors, const struct pv_vec *caches,
			 const struct pv_vec *states)
{
	survivors->caches = caches;
	survivors->states = states;
}

/* ---- is it in use? */

/* What malloc() keeps now. */
static struct pv_err *read_caches(struct pv_survivors *survivors)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec cached = PV_VEC(struct pv_glibc_cached);
	struct pv_err *err = NULL;

	pv_map_deinit(&survivors->cached);
	survivors->cached = (struct pv_map){ 0 };
	if (survivors->glibc && survivors->caches)
		err = pv_glibc_caches(survivors->mem, survivors->caches, survivors->states,
				      &cached);
	for (size_t i = 0; !err && i < cached.n; i++)
		err = pv_map_set(&survivors->cached,
				 ((const struct pv_glibc_cached *)pv_vec_at(&cached, i))->memory,
				 1);
	return err;
}

/* The pool of a block, as it is now, or was a moment ago; false: there is no such memory. */
static bool read_pool(struct pv_survivors *survivors, uint64_t address)
{
	uint64_t at = address & ~((uint64_t)survivors->pool_bytes - 1);

	if (survivors->pool_at == at)
		return survivors->pool_read;
	survivors->pool_at = at;
	survivors->pool_read =
		!pv_mem_read(survivors->mem, survivors->pool_content, survivors->pool_bytes, at);
	survivors->is_pool =
		survivors->pool_read &&
		pv_pool_read(survivors->pool_content, at, survivors->pool_bytes, &survivors->pool);
	return survivors->pool_read;
}

/* *unread_ret: its memory is gone, and not only the block. */
static bool is_pool_block(struct pv_survivors *survivors, const struct pv_block *block,
			  bool *unread_ret)
{
	uint64_t offset = block->address & (survivors->pool_bytes - 1), index;

	*unread_ret = !read_pool(survivors, block->address);
	if (*unread_ret || !survivors->is_pool || survivors->pool.block_bytes != block->size ||
	    offset < PV_POOL_HEAD_BYTES)
		return false;
	index = (offset - PV_POOL_HEAD_BYTES) / block->size;
	return index < PV_POOL_BLOCKS_MAX && offset + block->size <= survivors->pool_bytes &&
	       pv_pool_offset(&survivors->pool, (uint32_t)index) == offset &&
	       pv_pool_is_used(&survivors->pool, (uint32_t)index);
}

/* A chunk that the next one says is in use; what malloc() keeps beside looks so, too. */
static bool is_chunk(struct pv_survivors *survivors, const struct pv_block *block, bool *unread_ret)
{
	uint64_t size, next;

	*unread_ret = false;
	if (pv_map_get(&survivors->cached, block->address, &size))
		return false;
	*unread_ret = pv_mem_read_u64(survivors->mem, block->address - 8, &size) != 0;
	if (*unread_ret)
		return false;
	next = size & ~(uint64_t)CHUNK_BITS;
	if (next < CHUNK_HEADER || next - 8 < block->size)
		return false;
	if (size & IS_MMAPPED)
		return true;
	return !pv_mem_read_u64(survivors->mem, block->address - 8 + next, &size) &&
	       size & PREV_INUSE;
}

static bool is_used(struct pv_survivors *survivors, const struct pv_block *block, bool *unread_ret)
{
	uint8_t byte;

	*unread_ret = false;
	switch (block->domain) {
	case PV_ALLOC_OBJECT:
		return is_pool_block(survivors, block, unread_ret);
	case PV_ALLOC_POOL:
		*unread_ret = !read_pool(survivors, block->address);
		return survivors->is_pool && survivors->pool.n_used;
	case PV_ALLOC_C:
		return !survivors->glibc || is_chunk(survivors, block, unread_ret);
	default:
		*unread_ret = pv_mem_read(survivors->mem, &byte, 1, block->address) != 0;
		return !*unread_ret;
	}
}

/* ---- its content */

/* The content, in memory of the survivors; *n_ret: bytes.  NULL: it cannot be read. */
static uint8_t *read_content(struct pv_survivors *survivors, const struct pv_block *block,
			     size_t *n_ret)
{
	uint64_t half = CONTENT_BYTES / 2;

	if (block->domain == PV_ALLOC_OBJECT) {
		*n_ret = block->size;
		memcpy(survivors->content,
		       survivors->pool_content + (block->address - survivors->pool_at),
		       block->size);
		return survivors->content;
	}
	if (block->size <= CONTENT_BYTES) {
		*n_ret = block->size;
		return pv_mem_read(survivors->mem, survivors->content, block->size, block->address)
			       ? NULL
			       : survivors->content;
	}
	*n_ret = CONTENT_BYTES;
	return pv_mem_read(survivors->mem, survivors->content, half, block->address) ||
			       pv_mem_read(survivors->mem, survivors->content + half, half,
					   block->address + block->size - half)
		       ? NULL
		       : survivors->content;
}

/* An object behind what stands before objects of its type; NULL: there is none. */
static const struct pv_heap_type *type_of(struct pv_survivors *survivors, const uint8_t *content,
					  size_t n)
{
	for (size_t before = 0; survivors->heap && before <= BEFORE_MAX; before += 8) {
		const struct pv_heap_type *type;
		uint64_t address;

		if (n < before + 16)
			break;
		memcpy(&address, content + before + 8, sizeof(address));
		if (address < 4096 || address % 8)
			continue;
		type = pv_heap_type(survivors->heap, address);
		if (type && type->before == before)
			return type;
	}
	return NULL;
}

static void blank(uint8_t *content, size_t n, size_t from, size_t to)
{
	if (from < n)
		memset(content + from, 0, (to < n ? to : n) - from);
}

/* Takes out what changes while an object lives: see the header. */
static void mask_object(const struct pv_survivors *survivors, const struct pv_heap_type *type,
			uint8_t *content, size_t n)
{
	size_t at = type->before;

	blank(content, n, 0, at + 8);
	switch (type->kind) {
	case PV_HEAP_STR:
		/* hash and state stand behind the length */
		blank(content, n, at + 24, at + 40);
		break;
	case PV_HEAP_BYTES:
		blank(content, n, at + 24, at + 32);
		break;
	case PV_HEAP_TUPLE:
		if (survivors->version_hex >= 0x030e0000)
			blank(content, n, at + 24, at + 32);
		break;
	}
}

static bool never_changes(const struct pv_heap_type *type)
{
	return type->kind == PV_HEAP_INT || type->kind == PV_HEAP_STR ||
	       type->kind == PV_HEAP_BYTES || type->kind == PV_HEAP_TUPLE;
}

/* What of a block is compared, as it is now. */
static void hash_content(struct pv_survivors *survivors, const struct pv_heap_type *type,
			 uint8_t *content, size_t n, struct pv_block *ret)
{
	size_t head = n < HEAD_BYTES ? n : HEAD_BYTES;

	ret->type = type ? type->address : 0;
	if (type) {
		mask_object(survivors, type, content, n);
		head = 0;
	} else if (ret->domain != PV_ALLOC_OBJECT || n <= HEAD_BYTES) {
		head = 0;
	}
	ret->head = pv_hash_bytes(content, head);
	ret->body = pv_hash_bytes(content + head, n - head);
}

/* ---- looks */

/* What a block is now; its hashes are renewed. */
static enum pv_block_state look_at(struct pv_survivors *survivors, struct pv_block *block,
				   bool *unread_ret)
{
	struct pv_block now = *block;
	const struct pv_heap_type *type;
	uint8_t *content;
	size_t n;

	if (!is_used(survivors, block, unread_ret))
		return PV_BLOCK_GONE;
	if (block->domain == PV_ALLOC_POOL || block->domain == PV_ALLOC_MAPPING)
		return PV_BLOCK_SAME;
	content = read_content(survivors, block, &n);
	if (!content) {
		*unread_ret = true;
		return PV_BLOCK_GONE;
	}
	type = type_of(survivors, content, n);
	hash_content(survivors, type, content, n, &now);
	if (now.type != block->type)
		return PV_BLOCK_GONE;
	if (now.head == block->head && now.body == block->body)
		return PV_BLOCK_SAME;
	if (!type && now.domain == PV_ALLOC_OBJECT && n > HEAD_BYTES && now.body == block->body)
		return PV_BLOCK_SAME;
	block->head = now.head;
	block->body = now.body;
	block->changed = true;
	return type && never_changes(type) ? PV_BLOCK_GONE : PV_BLOCK_DOUBT;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct pv_block *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* A pool's blocks one after the other: it is read once, but not before now. */
static void sort(struct pv_survivors *survivors, struct pv_vec *blocks)
{
	if (blocks->n)
		qsort(blocks->data, blocks->n, sizeof(struct pv_block), compare_blocks);
	survivors->pool_at = 1;
}

/* A mapping that CPython has made to have pools in it: who needed it is not who leaks. */
static bool is_arena(struct pv_survivors *survivors, const struct pv_block *block)
{
	uint64_t at = (block->address + survivors->pool_bytes - 1) &
		      ~((uint64_t)survivors->pool_bytes - 1);

	return read_pool(survivors, at) && survivors->is_pool;
}

/* What the allocator took for a block that is in use: of a pool, for each of its blocks. */
static uint64_t all_bytes(struct pv_survivors *survivors, const struct pv_block *block)
{
	uint64_t size;

	switch (block->domain) {
	case PV_ALLOC_OBJECT:
		return block->size;
	case PV_ALLOC_POOL:
		return survivors->is_pool ? survivors->pool.block_bytes : 0;
	case PV_ALLOC_C:
		if (!survivors->glibc ||
		    pv_mem_read_u64(survivors->mem, block->address - 8, &size) != 0)
			return 0;
		return size & ~(uint64_t)CHUNK_BITS;
	default:
		return 0;
	}
}

/* False: it is not there any more, or nobody's. */
static bool see_first(struct pv_survivors *survivors, struct pv_block *block)
{
	uint8_t *content;
	bool unread;
	size_t n;

	block->cut = block->size > CONTENT_BYTES;
	if (!is_used(survivors, block, &unread))
		return false;
	block->all = all_bytes(survivors, block);
	if (block->domain == PV_ALLOC_MAPPING)
		return !is_arena(survivors, block);
	if (block->domain == PV_ALLOC_POOL)
		return true;
	content = read_content(survivors, block, &n);
	if (content)
		hash_content(survivors, type_of(survivors, content, n), content, n, block);
	return content != NULL;
}

struct pv_err *pv_survivors_add(struct pv_survivors *survivors, struct pv_vec *blocks)
{
	struct pv_err *err = read_caches(survivors);

	sort(survivors, blocks);
	for (size_t i = 0; !err && i < blocks->n; i++) {
		struct pv_block *block = pv_vec_at(blocks, i);

		if (see_first(survivors, block))
			err = pv_vec_append(&survivors->blocks, block, 1, NULL);
	}
	return err;
}

void pv_survivors_filter(struct pv_survivors *survivors,
			 bool (*fn)(void *ctx, const struct pv_block *block), void *ctx)
{
	struct pv_block *blocks = survivors->blocks.data;
	size_t used = 0;

	for (size_t i = 0; i < survivors->blocks.n; i++) {
		if (fn(ctx, &blocks[i]))
			blocks[used++] = blocks[i];
	}
	survivors->blocks.n = used;
}

struct pv_err *pv_survivors_look(struct pv_survivors *survivors, struct pv_survivors_look *ret)
{
	struct pv_survivors_look look = { 0 };
	struct pv_block *blocks = survivors->blocks.data;
	struct pv_err *err = read_caches(survivors);
	size_t used = 0;

	if (err)
		return err;
	/* types may have been freed and others made in their place */
	if (survivors->heap)
		pv_heap_forget(survivors->heap, survivors->mem);
	sort(survivors, &survivors->blocks);
	for (size_t i = 0; i < survivors->blocks.n; i++) {
		bool unread = false;

		blocks[i].state = (uint8_t)look_at(survivors, &blocks[i], &unread);
		look.unread += unread;
		look.gone += blocks[i].state == PV_BLOCK_GONE;
		look.same += blocks[i].state == PV_BLOCK_SAME;
		look.doubts += blocks[i].state == PV_BLOCK_DOUBT;
		if (blocks[i].state != PV_BLOCK_GONE)
			blocks[used++] = blocks[i];
	}
	survivors->blocks.n = used;
	*ret = look;
	return NULL;
}

const struct pv_vec *pv_survivors_blocks(const struct pv_survivors *survivors)
{
	return &survivors->blocks;
}
