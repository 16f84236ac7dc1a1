/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools and what they hand out next.
 * Input: bytes of the process (untrusted).  Output: addresses.
 */
#include "heap/pools.h"

#include <string.h>

#include "base/cleanup.h"
#include "heap/window.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	RING_STEPS = 1 << 16, /* pools of one size that have room */
	/* struct pool_header */
	FREEBLOCK_AT = 8,
	NEXT_AT = 16,
	NEXT_OFFSET_AT = 40,
	LAST_OFFSET_AT = 44,
};

struct pv_err *pv_pools_each(struct pv_mem *mem, const struct pv_maps *maps, pid_t pid,
			     uint32_t pool_bytes,
			     struct pv_err *(*fn)(void *ctx, const struct pv_pool *pool,
						  const unsigned char *bytes),
			     void *ctx)
{
	PV_CLEANUP(pv_window_deinit) struct pv_window window = { 0 };
	struct pv_err *err = pv_window_init(&window, mem, pid);
	uint64_t at, start, end;

	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (!entry->writable || entry->inode)
			continue;
		pv_window_limit(&window, entry->end);
		for (at = entry->start;
		     !err && pv_window_run(&window, at, entry->end, &start, &end); at = end) {
			start = (start + pool_bytes - 1) & ~(uint64_t)(pool_bytes - 1);
			for (; !err && start < end && entry->end - start >= pool_bytes;
			     start += pool_bytes) {
				const void *bytes = pv_window_at(&window, start, pool_bytes);
				struct pv_pool pool;

				if (bytes && pv_pool_check(bytes, start, pool_bytes) &&
				    pv_pool_read(bytes, start, pool_bytes, &pool))
					err = fn(ctx, &pool, bytes);
			}
		}
	}
	return err;
}

bool pv_pool_of(struct pv_mem *mem, uint64_t address, uint32_t pool_bytes, struct pv_pool *ret)
{
	uint64_t start = address & ~(uint64_t)(pool_bytes - 1);
	unsigned char bytes[PV_POOL_BYTES_MAX];

	return pool_bytes <= sizeof(bytes) && !pv_mem_read(mem, bytes, pool_bytes, start) &&
	       pv_pool_check(bytes, start, pool_bytes) &&
	       pv_pool_read(bytes, start, pool_bytes, ret) &&
	       (address - start - PV_POOL_HEAD_BYTES) % ret->block_bytes == 0;
}

uint32_t pv_pool_size_at(struct pv_mem *mem, uint64_t address, uint32_t pool_bytes)
{
	uint64_t start = address & ~(uint64_t)(pool_bytes - 1);
	unsigned char head[PV_POOL_HEAD_BYTES];
	uint32_t last;

	if (pv_mem_read(mem, head, sizeof(head), start) || !pv_pool_check(head, start, pool_bytes))
		return 0;
	memcpy(&last, head + LAST_OFFSET_AT, sizeof(last));
	return pool_bytes - last;
}

static bool is_pool(struct pv_mem *mem, uint64_t address, uint32_t pool_bytes, uint32_t block_bytes,
		    unsigned char head[PV_POOL_HEAD_BYTES])
{
	struct pv_pool pool;

	return !(address % pool_bytes) && !pv_mem_read(mem, head, PV_POOL_HEAD_BYTES, address) &&
	       pv_pool_check(head, address, pool_bytes) &&
	       pv_pool_of(mem, address + PV_POOL_HEAD_BYTES, pool_bytes, &pool) &&
	       pool.block_bytes == block_bytes;
}

static uint64_t word_at(const unsigned char *head, size_t at)
{
	uint64_t word;

	memcpy(&word, head + at, sizeof(word));
	return word;
}

uint64_t pv_pools_ring(struct pv_mem *mem, const struct pv_pool *pool)
{
	uint64_t at = pool->address, first;
	unsigned char head[PV_POOL_HEAD_BYTES];

	/* what is full is in no ring: its links are of another time */
	if (pv_mem_read(mem, head, sizeof(head), at) || !word_at(head, FREEBLOCK_AT))
		return 0;
	for (int i = 0; i < RING_STEPS; i++) {
		at = word_at(head, NEXT_AT);
		if (is_pool(mem, at, pool->pool_bytes, pool->block_bytes, head))
			continue;
		/* that must be the ring's head: it leads to a pool */
		if (at % 8 || pv_mem_read_u64(mem, at + NEXT_AT, &first) ||
		    !is_pool(mem, first, pool->pool_bytes, pool->block_bytes, head))
			return 0;
		return at;
	}
	return 0;
}

/* Of one pool: its free blocks as they are linked, then those that were never used. */
static size_t take_pool(struct pv_mem *mem, uint64_t pool, const unsigned char *head,
			uint32_t pool_bytes, uint32_t block_bytes, uint64_t *ret, size_t max)
{
	uint64_t at = word_at(head, FREEBLOCK_AT);
	uint32_t next;
	size_t n = 0;

	while (n < max && at >= pool + PV_POOL_HEAD_BYTES && at < pool + pool_bytes &&
	       !((at - pool - PV_POOL_HEAD_BYTES) % block_bytes)) {
		for (size_t i = 0; i < n; i++) {
			if (ret[i] == at)
				return n; /* a cycle: it changed as it was read */
		}
		ret[n++] = at;
		if (pv_mem_read_u64(mem, at, &at))
			return n;
	}
	memcpy(&next, head + NEXT_OFFSET_AT, sizeof(next));
	for (; n < max && next + block_bytes <= pool_bytes; next += block_bytes)
		ret[n++] = pool + next;
	return n;
}

size_t pv_pools_coming(struct pv_mem *mem, uint64_t ring, uint32_t pool_bytes, uint32_t block_bytes,
		       uint64_t *ret, size_t max)
{
	unsigned char head[PV_POOL_HEAD_BYTES];
	uint64_t at;
	size_t n = 0;

	if (!ring || pv_mem_read_u64(mem, ring + NEXT_AT, &at))
		return 0;
	for (int i = 0; n < max && i < RING_STEPS; i++) {
		if (!is_pool(mem, at, pool_bytes, block_bytes, head))
			break;
		n += take_pool(mem, at, head, pool_bytes, block_bytes, ret + n, max - n);
		at = word_at(head, NEXT_AT);
	}
	return n;
}
