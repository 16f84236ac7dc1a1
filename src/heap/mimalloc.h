/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of mimalloc, the allocator of free-threaded CPythons, which is a part of them.
 * Input: memory (untrusted) by a window.  Output: each block in use, by a callback.
 *
 * Segments of 32 MiB at multiples of their size begin with a table of their slices (64 KiB);
 * a run of slices is a page of blocks of one size.  A table is believed if its numbers agree:
 * how many blocks a page says that it has with its size and theirs.  So no symbol is needed.
 * Source: CPython Include/internal/mimalloc/mimalloc/types.h and Objects/mimalloc/segment.c of
 * 3.13 (mimalloc 2.1.2); offsets from the DWARF of 3.13.5.
 */
#ifndef PV_HEAP_MIMALLOC_H
#define PV_HEAP_MIMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_window;

#define PV_SEGMENT_BYTES (32ULL << 20)

struct pv_mimalloc_walk {
	uint64_t n_segments, n_pages;
	uint64_t page_bytes, free_bytes; /* of pages in use, and what of them is no block in use */
	uint64_t n_torn; /* pages whose lists of free blocks are not as their counts have it */
};

struct pv_mimalloc_handlers {
	void *ctx;
	/* A block in use; content: its first n_content bytes. */
	struct pv_err *(*used)(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content);
	/* Before the blocks of a page: where it is, up to where it has had any, how large they are.
	 */
	struct pv_err *(*page)(void *ctx, uint64_t start, uint64_t end, uint64_t block_bytes);
};

/*
 * Is there a segment at address, a multiple of its size?  Then its pages are walked, and
 * *bytes_ret is how long it is; 0: there is none.
 */
struct pv_err *pv_mimalloc_segment(struct pv_window *window, uint64_t address,
				   const struct pv_mimalloc_handlers *handlers,
				   struct pv_mimalloc_walk *walk, uint64_t *bytes_ret);

#endif
