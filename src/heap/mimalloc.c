/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of mimalloc.
 * Input: memory of a free-threaded CPython.  Output: blocks in use.
 */
#include "heap/mimalloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "heap/window.h"

enum {
	SLICE_BYTES = 64 << 10,
	SLICES_MAX = 513, /* with the one that ends the table */
	/* mi_segment_t */
	SEGMENT_SIZE = 32,
	SEGMENT_SLICES = 224,
	SEGMENT_INFO_SLICES = 232,
	SEGMENT_KIND = 240,
	SEGMENT_ENTRIES = 248,
	SEGMENT_TABLE = 264,
	/* mi_page_t, which is also mi_slice_t */
	PAGE_ENTRY_BYTES = 96,
	TABLE_BYTES = SEGMENT_TABLE + SLICES_MAX * PAGE_ENTRY_BYTES,
	KIND_HUGE = 1, /* one page, of one block */
	BLOCKS_MAX = 1 << 16,
	CONTENT_BYTES = 1024,
	THREAD_FREE_FLAGS = 3,
};

struct page {
	uint32_t slice_count, slice_offset;
	uint16_t flags, capacity, reserved, more_flags;
	uint64_t free;
	uint32_t used, block_bytes;
	uint64_t local_free, thread_free;
};
_Static_assert(offsetof(struct page, free) == 16 && sizeof(struct page) == 48, "mi_page_t");

static uint64_t word_at(const void *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)bytes + offset, sizeof(word));
	return word;
}

/* segment.c: _mi_segment_page_start_from_slice(): small blocks do not begin where the page does. */
static uint64_t start_offset(uint64_t block_bytes)
{
	if (block_bytes < sizeof(uint64_t))
		return 0;
	if (block_bytes <= 64)
		return 3 * block_bytes;
	return block_bytes <= 512 ? block_bytes : 0;
}

/* A page of the table whose numbers agree; *bytes_ret: of one block. */
static bool is_page(const struct page *page, uint64_t index, uint64_t n_slices, bool huge,
		    uint64_t *bytes_ret)
{
	uint64_t bytes = (uint64_t)page->slice_count * SLICE_BYTES, block = page->block_bytes;

	if (!page->slice_count || page->slice_offset || page->slice_count > n_slices - index ||
	    block < sizeof(uint64_t))
		return false;
	if (huge)
		block = bytes;
	if (block % sizeof(uint64_t) || page->capacity > page->reserved || !page->reserved ||
	    page->reserved > (bytes - start_offset(block)) / block)
		return false;
	*bytes_ret = block;
	return true;
}

/* Where the blocks of a page lie, and which of them are in use. */
struct blocks {
	uint64_t start, bytes;
	uint32_t n;
	uint64_t *used; /* a bit each */
};

/* Takes the blocks of a list out; false: it leads nowhere, or in a circle. */
static bool take_list(struct pv_window *window, struct blocks *blocks, uint64_t at, uint32_t *n)
{
	while (at) {
		const void *bytes;
		uint64_t index;

		if (at < blocks->start || (at - blocks->start) % blocks->bytes)
			return false;
		index = (at - blocks->start) / blocks->bytes;
		if (index >= blocks->n || !(blocks->used[index / 64] >> (index % 64) & 1))
			return false;
		blocks->used[index / 64] &= ~(1ULL << (index % 64));
		++*n;
		bytes = pv_window_at(window, at, sizeof(at));
		if (!bytes)
			return false;
		at = word_at(bytes, 0);
	}
	return true;
}

static struct pv_err *walk_page(struct pv_window *window, const struct page *page, uint64_t start,
				uint64_t block_bytes, const struct pv_mimalloc_handlers *handlers,
				struct pv_mimalloc_walk *walk)
{
	struct blocks blocks = { start + start_offset(block_bytes), block_bytes, page->capacity,
				 NULL };
	_pv_free_ uint64_t *used = calloc(BLOCKS_MAX / 64, sizeof(*used));
	uint32_t n_free = 0, n_thread = 0;
	struct pv_err *err;

	if (!used)
		return &pv_enomem;
	blocks.used = used;
	for (uint32_t i = 0; i < blocks.n; i++)
		used[i / 64] |= 1ULL << (i % 64);
	/* used counts what other threads have freed */
	if (!take_list(window, &blocks, page->free, &n_free) ||
	    !take_list(window, &blocks, page->local_free, &n_free) ||
	    !take_list(window, &blocks, page->thread_free & ~(uint64_t)THREAD_FREE_FLAGS,
		       &n_thread) ||
	    page->used + n_free != page->capacity)
		walk->n_torn++;
	walk->n_pages++;
	walk->page_bytes += (uint64_t)page->slice_count * SLICE_BYTES;
	walk->free_bytes += (uint64_t)page->slice_count * SLICE_BYTES -
			    (uint64_t)(blocks.n - n_free - n_thread) * block_bytes;
	err = handlers->page(handlers->ctx, blocks.start,
			     blocks.start + (uint64_t)blocks.n * block_bytes, block_bytes);
	for (uint32_t i = 0; !err && i < blocks.n; i++) {
		uint64_t memory = blocks.start + (uint64_t)i * block_bytes;
		size_t n = block_bytes > CONTENT_BYTES ? CONTENT_BYTES : block_bytes;
		const void *content;

		if (!(used[i / 64] >> (i % 64) & 1))
			continue;
		content = pv_window_at(window, memory, n);
		err = handlers->used(handlers->ctx, memory, block_bytes, content, content ? n : 0);
	}
	return err;
}

static bool is_segment(const char *table, bool *huge_ret, uint64_t *n_slices_ret)
{
	uint64_t size = word_at(table, SEGMENT_SIZE), slices = word_at(table, SEGMENT_SLICES);
	uint64_t info = word_at(table, SEGMENT_INFO_SLICES);
	uint64_t entries = word_at(table, SEGMENT_ENTRIES);
	uint32_t kind = (uint32_t)word_at(table, SEGMENT_KIND);

	if (!slices || slices > 1ULL << 32 || size != slices * SLICE_BYTES || info != 1 ||
	    kind > KIND_HUGE || entries > SLICES_MAX - 1 ||
	    (kind != KIND_HUGE && (slices != SLICES_MAX - 1 || entries != slices)))
		return false;
	*huge_ret = kind == KIND_HUGE;
	*n_slices_ret = slices;
	return true;
}

struct pv_err *pv_mimalloc_segment(struct pv_window *window, uint64_t address,
				   const struct pv_mimalloc_handlers *handlers,
				   struct pv_mimalloc_walk *walk, uint64_t *bytes_ret)
{
	_pv_free_ char *table = NULL;
	const void *bytes;
	uint64_t n_slices, index;
	struct pv_err *err = NULL;
	bool huge;

	*bytes_ret = 0;
	if (address % PV_SEGMENT_BYTES)
		return NULL;
	bytes = pv_window_at(window, address, TABLE_BYTES);
	if (!bytes || !is_segment(bytes, &huge, &n_slices))
		return NULL;
	/* the window goes on meanwhile */
	table = malloc(TABLE_BYTES);
	if (!table)
		return &pv_enomem;
	memcpy(table, bytes, TABLE_BYTES);
	walk->n_segments++;
	*bytes_ret = n_slices * SLICE_BYTES;
	for (index = 1; !err && index < SLICES_MAX - 1 && index < n_slices;) {
		uint64_t block_bytes;
		struct page page;

		memcpy(&page, table + SEGMENT_TABLE + index * PAGE_ENTRY_BYTES, sizeof(page));
		if (is_page(&page, index, n_slices, huge, &block_bytes))
			err = walk_page(window, &page, address + index * SLICE_BYTES, block_bytes,
					handlers, walk);
		index += page.slice_count && page.slice_count <= n_slices ? page.slice_count : 1;
	}
	return err;
}
