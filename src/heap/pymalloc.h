/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of CPython's own allocator for objects up to 512 bytes: which of their blocks are in
 * use.  Input: the bytes of what may be a pool (untrusted).  Output: its blocks.
 *
 * A pool tells itself apart: the offset of its last block agrees with its size class, and what
 * was handed out ever with what is free and what is counted (Objects/obmalloc.c, Include/
 * internal/pycore_obmalloc.h from 3.12 on).  So no symbol and no list of arenas is needed, and
 * those of subinterpreters, which have arenas of their own from 3.12 on, are found like all.
 */
#ifndef PV_HEAP_PYMALLOC_H
#define PV_HEAP_PYMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PV_POOL_HEAD_BYTES = 48,
	PV_POOL_BYTES_MAX = 16384,
	PV_POOL_BLOCKS_MAX = 1024,
	PV_BLOCK_BYTES_MAX = 512,
};

struct pv_pool {
	uint64_t address;
	uint32_t pool_bytes;
	uint32_t block_bytes;
	uint32_t arena;    /* its number, as the pool has it */
	uint32_t n_carved; /* blocks that were ever handed out; the rest of the pool is new */
	uint32_t n_used;   /* of them, by the list of free blocks; all if it is torn */
	bool torn;         /* the list of free blocks is not as the count has it */
	/* a bit for each block that is in use */
	uint64_t used[PV_POOL_BLOCKS_MAX / 64];
};

/* Bytes of a pool, and its alignment: 3.10 made it 16 KiB. */
uint32_t pv_pool_bytes(uint32_t version_hex);

/* Is this the head of a pool that has blocks in use?  head: PV_POOL_HEAD_BYTES. */
bool pv_pool_check(const void *head, uint64_t address, uint32_t pool_bytes);

/* bytes: all pool_bytes of it.  False: it is none. */
bool pv_pool_read(const void *bytes, uint64_t address, uint32_t pool_bytes, struct pv_pool *ret);

static inline bool pv_pool_is_used(const struct pv_pool *pool, uint32_t block)
{
	return pool->used[block / 64] >> (block % 64) & 1;
}

/* Where a block begins, from the start of the pool. */
static inline uint32_t pv_pool_offset(const struct pv_pool *pool, uint32_t block)
{
	return PV_POOL_HEAD_BYTES + block * pool->block_bytes;
}

#endif
