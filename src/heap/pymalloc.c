/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of CPython's own allocator.
 * Input: bytes of the process.  Output: which blocks are in use.
 *
 * Sources: CPython Objects/obmalloc.c of 2.7 and 3.6 to 3.11, Include/internal/
 * pycore_obmalloc.h of 3.12 to 3.15: struct pool_header is the same in all of them.
 */
#include "heap/pymalloc.h"

#include <string.h>

enum {
	ALIGNMENT_OLD = 8, /* up to 3.7.3 (2.7: all), 64 size classes; then 16, and 32 */
	ALIGNMENT = 16,
	ARENAS_MAX = 1 << 26,
};

struct pool_head {
	uint64_t count; /* a union of a u32 and a pointer */
	uint64_t freeblock;
	uint64_t next, previous;
	uint32_t arena, size_class;
	uint32_t next_offset, max_next_offset;
};
_Static_assert(sizeof(struct pool_head) == PV_POOL_HEAD_BYTES, "struct pool_header");

uint32_t pv_pool_bytes(uint32_t version_hex)
{
	return version_hex >= 0x030a0000 ? 16384 : 4096;
}

/* Size of its blocks, 0: it is no pool.  What is full is in no list: its pointers are stale. */
static uint32_t check_head(const struct pool_head *head, uint64_t address, uint32_t pool_bytes)
{
	uint32_t size, carved;

	if (head->max_next_offset >= pool_bytes || head->size_class >= 64 ||
	    head->arena >= ARENAS_MAX)
		return 0;
	size = pool_bytes - head->max_next_offset;
	if (size != (head->size_class + 1) * ALIGNMENT &&
	    size != (head->size_class + 1) * ALIGNMENT_OLD)
		return 0;
	if (size > PV_BLOCK_BYTES_MAX || head->next_offset < PV_POOL_HEAD_BYTES + size ||
	    head->next_offset > pool_bytes || (head->next_offset - PV_POOL_HEAD_BYTES) % size)
		return 0;
	carved = (head->next_offset - PV_POOL_HEAD_BYTES) / size;
	/* the upper half of the union is what was there before */
	if ((uint32_t)head->count > carved || !head->previous || (!head->next && head->count))
		return 0;
	if (head->freeblock && (head->freeblock < address + PV_POOL_HEAD_BYTES ||
				head->freeblock >= address + pool_bytes ||
				(head->freeblock - address - PV_POOL_HEAD_BYTES) % size))
		return 0;
	return size;
}

bool pv_pool_check(const void *head, uint64_t address, uint32_t pool_bytes)
{
	struct pool_head copy;

	memcpy(&copy, head, sizeof(copy));
	return check_head(&copy, address, pool_bytes);
}

/*
 * A free block begins with the address of the next one, 0: it is the last.  What lies beyond
 * next_offset is in no list yet (init_pool(), pymalloc_pool_extend()).
 */
static void read_free(const char *bytes, const struct pool_head *head, struct pv_pool *pool)
{
	uint64_t at = head->freeblock, first = pool->address + PV_POOL_HEAD_BYTES;
	uint32_t n_free = 0, block;

	while (at) {
		if (at < first || (at - first) % pool->block_bytes)
			break;
		if ((at - first) / pool->block_bytes >= pool->n_carved)
			break;
		block = (uint32_t)((at - first) / pool->block_bytes);
		if (!pv_pool_is_used(pool, block))
			break; /* a cycle */
		pool->used[block / 64] &= ~(1ULL << (block % 64));
		n_free++;
		memcpy(&at, bytes + pv_pool_offset(pool, block), sizeof(at));
	}
	pool->n_used = pool->n_carved - n_free;
	pool->torn = at != 0 || pool->n_used != (uint32_t)head->count;
}

bool pv_pool_read(const void *bytes, uint64_t address, uint32_t pool_bytes, struct pv_pool *ret)
{
	struct pv_pool pool = { .address = address, .pool_bytes = pool_bytes };
	struct pool_head head;

	memcpy(&head, bytes, sizeof(head));
	pool.block_bytes = check_head(&head, address, pool_bytes);
	if (!pool.block_bytes)
		return false;
	pool.arena = head.arena;
	pool.n_carved = (head.next_offset - PV_POOL_HEAD_BYTES) / pool.block_bytes;
	if (pool.n_carved > PV_POOL_BLOCKS_MAX)
		return false;
	/* given back to its arena: nothing in it is in use */
	if (!(uint32_t)head.count) {
		*ret = pool;
		return true;
	}
	for (uint32_t i = 0; i < pool.n_carved; i++)
		pool.used[i / 64] |= 1ULL << (i % 64);
	read_free(bytes, &head, &pool);
	*ret = pool;
	return true;
}
