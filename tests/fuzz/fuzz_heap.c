/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for heap/pymalloc.h, glibc.h, mimalloc.h: pools, chunks and segments of any
 * bytes.  No read outside them, no endless loop, no block that is not within.
 * Input: byte 0: what it is (0, 1: a pool of 16, 4 KiB; 2: the main arena; 3: a thread's; 4: a
 * segment), then the bytes, zeroes behind them.
 * Output: a crash where that does not hold.  Corpus: tests/fuzz/corpus/heap, by
 * make_heap_corpus.py.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heap/glibc.h"
#include "heap/mimalloc.h"
#include "heap/pymalloc.h"
#include "heap/window.h"
#include "target/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { REGION_BYTES = 128 << 10 };
#define START 0x7f4000000000ULL

struct region {
	struct pv_mem mem;
	char *bytes;
	uint64_t blocks;
};

static int region_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	const struct region *region = (const struct region *)mem;

	if (addr < START || addr - START > REGION_BYTES || REGION_BYTES - (addr - START) < n)
		return -EFAULT;
	memcpy(dst, region->bytes + (addr - START), n);
	return 0;
}

static struct pv_err *on_block(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content)
{
	struct region *region = ctx;
	static volatile char sink;

	/* a segment's blocks may lie beyond what is there; then there is no content */
	if (memory < START || n_content > bytes || (n_content && !content))
		abort();
	for (size_t i = 0; i < n_content; i++)
		sink = ((const char *)content)[i];
	(void)sink;
	region->blocks++;
	return NULL;
}

static struct pv_err *on_page(void *ctx, uint64_t start, uint64_t end, uint64_t block_bytes)
{
	(void)ctx;
	if (start < START || end < start || !block_bytes)
		abort();
	return NULL;
}

static void try_pool(const struct region *region, uint32_t pool_bytes)
{
	struct pv_pool pool;

	if (!pv_pool_read(region->bytes, START, pool_bytes, &pool))
		return;
	if (pool.n_used > pool.n_carved || pool.n_carved > PV_POOL_BLOCKS_MAX ||
	    pv_pool_offset(&pool, pool.n_carved) > pool_bytes)
		abort();
}

static void try_walk(struct region *region, unsigned int kind)
{
	struct pv_glibc_handlers handlers = { region, on_block };
	struct pv_mimalloc_handlers segments = { region, on_block, on_page };
	struct pv_glibc_walk walk = { 0 };
	struct pv_mimalloc_walk pages = { 0 };
	struct pv_glibc_heap heap;
	struct pv_window window;
	uint64_t bytes;

	if (pv_window_init(&window, &region->mem, 0))
		return;
	pv_window_limit(&window, START + REGION_BYTES);
	if (kind == 2)
		pv_err_destroy(pv_glibc_chunks(&window, START, START + REGION_BYTES, false,
					       &handlers, &walk));
	else if (kind == 3 && pv_glibc_heap(&window, START, START + REGION_BYTES, &heap))
		pv_err_destroy(
			pv_glibc_chunks(&window, heap.first, heap.end, true, &handlers, &walk));
	else if (kind == 4)
		pv_err_destroy(pv_mimalloc_segment(&window, START, &segments, &pages, &bytes));
	if (walk.broken_bytes > REGION_BYTES || walk.used_bytes > REGION_BYTES ||
	    walk.free_bytes > REGION_BYTES)
		abort();
	pv_window_deinit(&window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct region region = { .mem.read = region_read };

	if (n < 1 || n - 1 > REGION_BYTES)
		return 0;
	region.bytes = calloc(1, REGION_BYTES);
	if (!region.bytes)
		return 0;
	memcpy(region.bytes, data + 1, n - 1);
	if (data[0] % 5 < 2)
		try_pool(&region, data[0] % 5 ? 4096 : 16384);
	else
		try_walk(&region, data[0] % 5);
	free(region.bytes);
	return 0;
}
