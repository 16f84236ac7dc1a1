/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks of glibc's malloc(), by their size fields: the main arena ([heap] and what it maps
 * where brk() does not give more), the heaps of threads' arenas, and chunks with a mapping of
 * their own.  Input: memory (untrusted) by a window.  Output: each chunk, by a callback.
 *
 * A chunk that waits in a thread's cache (tcache) or a fast bin looks like one in use;
 * pv_glibc_caches() finds those.  Sources: glibc malloc/malloc.c and malloc/arena.c of 2.26
 * to 2.42.
 */
#ifndef PV_HEAP_GLIBC_H
#define PV_HEAP_GLIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_maps;
struct pv_mem;
struct pv_window;

enum {
	PV_CHUNK_HEAD_BYTES = 16, /* prev_size and size; prev_size belongs to the chunk before */
	PV_CHUNK_BYTES_MIN = 32,
};
#define PV_GLIBC_HEAP_MAX (64ULL << 20) /* HEAP_MAX_SIZE, and the alignment of heaps */

/* What a walk of chunks found, and what it did not understand. */
struct pv_glibc_walk {
	uint64_t n_used, used_bytes; /* with heads */
	uint64_t n_free, free_bytes; /* of them, but for the caches */
	uint64_t top;                /* address of the last top chunk, 0: none was met */
	uint64_t top_bytes;
	uint64_t n_breaks;     /* where a size was impossible or two fields disagreed */
	uint64_t broken_bytes; /* passed over until chunks began again */
};

struct pv_glibc_handlers {
	void *ctx;
	/*
	 * A chunk in use: its memory begins at `memory` and has `bytes` for its owner; content:
	 * its first n_content bytes.
	 */
	struct pv_err *(*used)(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content);
};

/*
 * Chunks from `start` to `end`, where the top chunk ends.  arena: they are of a thread's arena.
 * What was found is added to *walk.  At what cannot be a chunk it looks for the next one.
 */
struct pv_err *pv_glibc_chunks(struct pv_window *window, uint64_t start, uint64_t end, bool arena,
			       const struct pv_glibc_handlers *handlers,
			       struct pv_glibc_walk *walk);

/* The same up to what cannot be a chunk, which is *stop_ret, or end. */
struct pv_err *pv_glibc_extent(struct pv_window *window, uint64_t start, uint64_t end,
			       const struct pv_glibc_handlers *handlers, struct pv_glibc_walk *walk,
			       uint64_t *stop_ret);

/* Does a chain of chunks begin at start?  It is followed for some steps, or to its end. */
bool pv_glibc_is_chain(struct pv_window *window, uint64_t start, uint64_t end, bool arena);

/* A heap of a thread's arena: struct heap_info, from an address that is a multiple of its size. */
struct pv_glibc_heap {
	uint64_t start, end; /* as far as it is used, and mapped */
	uint64_t first;      /* its first chunk */
	uint64_t state;      /* the arena's malloc_state */
};
bool pv_glibc_heap(struct pv_window *window, uint64_t address, uint64_t end,
		   struct pv_glibc_heap *ret);

/*
 * Is there a chunk with a mapping of its own at address, a multiple of the page size?  Its
 * bytes, with its head; 0: none.
 */
uint64_t pv_glibc_mapped(const void *head, uint64_t address, uint64_t end);

/* The size of a chunk by its head, for its owner, whose memory begins there; 0: there is none. */
uint64_t pv_glibc_owner_bytes(struct pv_mem *mem, uint64_t memory);

/* A chunk that is free though its head does not say so. */
struct pv_glibc_cached {
	uint64_t memory; /* its address */
	uint64_t bytes;  /* for its owner */
};

/*
 * May this be a thread's cache?  By the bytes of a chunk in use; all such are to be handed to
 * pv_glibc_caches().
 */
bool pv_glibc_is_cache_size(uint64_t bytes);

/*
 * Appends the chunks in the caches at `caches` (u64, memory of chunks) and in the fast bins of
 * the arenas whose malloc_state is at `states` (u64).  ret: struct pv_glibc_cached.
 */
struct pv_err *pv_glibc_caches(struct pv_mem *mem, const struct pv_vec *caches,
			       const struct pv_vec *states, struct pv_vec *ret);

/*
 * &main_arena, in the C library's data: its top chunk is within [start, end), and its bins point
 * to one another; 0: not found.
 */
uint64_t pv_glibc_main_arena(struct pv_mem *mem, const struct pv_maps *maps, uint64_t start,
			     uint64_t end);

#endif
