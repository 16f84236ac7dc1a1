/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks of glibc's malloc().
 * Input: memory of the process, by a window.  Output: each chunk.
 *
 * Source: glibc malloc/malloc.c (struct malloc_chunk, sysmalloc_mmap()), malloc/arena.c
 * (struct heap_info).
 */
#include "heap/glibc.h"

#include <string.h>

#include "heap/window.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	PREV_INUSE = 1,
	IS_MMAPPED = 2,
	NON_MAIN_ARENA = 4,
	FLAGS = 7,
	ALIGNMENT = 16,
	/* A chain is believed after so many chunks, or at its end. */
	CHAIN_STEPS = 24,
	/* Looks at a place that changes while it is read. */
	LOOKS = 3,
	CONTENT_BYTES = 1024,
	/* Behind the head of a heap stands the arena's own state, of some 2,200 bytes. */
	FIRST_CHUNK_MAX = 4096,
	HEAP_INFO_BYTES = 32,
	FENCE_BYTES = 2 * PV_CHUNK_HEAD_BYTES,
	/* What is read at most to find where chunks begin again. */
	RESUME_BYTES_MAX = 256 << 20,
};

struct chunk {
	uint64_t previous_bytes, bytes;
	unsigned int flags;
};

static bool chunk_at(struct pv_window *window, uint64_t address, struct chunk *ret)
{
	const void *bytes = pv_window_at(window, address, PV_CHUNK_HEAD_BYTES);
	uint64_t words[2];

	if (!bytes)
		return false;
	memcpy(words, bytes, sizeof(words));
	*ret = (struct chunk){ words[0], words[1] & ~(uint64_t)FLAGS, words[1] & FLAGS };
	return true;
}

/*
 * Where a region ends that is not the arena's last, sysmalloc() puts fence posts: chunks of
 * one head, the last of them of 0 bytes in heaps of threads' arenas.
 */
static bool is_fence(const struct chunk *chunk, uint64_t address, uint64_t end)
{
	return end - address <= FENCE_BYTES && chunk->bytes <= PV_CHUNK_HEAD_BYTES &&
	       chunk->flags & PREV_INUSE;
}

static bool is_possible(const struct chunk *chunk, uint64_t address, uint64_t end, bool arena)
{
	if (is_fence(chunk, address, end))
		return true;
	return chunk->bytes >= PV_CHUNK_BYTES_MIN && chunk->bytes % ALIGNMENT == 0 &&
	       chunk->bytes <= end - address && !(chunk->flags & IS_MMAPPED) &&
	       (arena || !(chunk->flags & NON_MAIN_ARENA));
}

/*
 * The chunk at address and whether it is in use, which the next one tells.  False: no such
 * chunk can be, or what the two say of each other differs.
 */
static bool step(struct pv_window *window, uint64_t address, uint64_t end, bool arena,
		 struct chunk *ret, bool *used_ret)
{
	struct chunk next;

	if (!chunk_at(window, address, ret) || !is_possible(ret, address, end, arena))
		return false;
	*used_ret = false;
	if (address + ret->bytes == end || is_fence(ret, address, end))
		return true; /* the top chunk */
	if (end - address - ret->bytes < PV_CHUNK_HEAD_BYTES)
		return false;
	if (!chunk_at(window, address + ret->bytes, &next) ||
	    !is_possible(&next, address + ret->bytes, end, arena))
		return false;
	*used_ret = next.flags & PREV_INUSE;
	return *used_ret || next.previous_bytes == ret->bytes;
}

bool pv_glibc_is_chain(struct pv_window *window, uint64_t start, uint64_t end, bool arena)
{
	struct chunk chunk;
	bool used;

	for (int i = 0; i < CHAIN_STEPS && start < end; i++) {
		if (!step(window, start, end, arena, &chunk, &used))
			return false;
		if (is_fence(&chunk, start, end))
			break;
		start += chunk.bytes;
	}
	return true;
}

/* Where chunks begin again behind a place that is not understood; end: nowhere. */
static uint64_t resume(struct pv_window *window, uint64_t address, uint64_t end, bool arena)
{
	uint64_t budget = window->bytes_read + RESUME_BYTES_MAX;

	for (address += ALIGNMENT; end - address > PV_CHUNK_HEAD_BYTES; address += ALIGNMENT) {
		struct chunk chunk;

		if (window->bytes_read > budget)
			break;
		if (!chunk_at(window, address, &chunk)) {
			/* to where there may be something again */
			address = (address | (PV_PAGE_BYTES - 1)) + 1 - ALIGNMENT;
			if (end - address <= PV_PAGE_BYTES)
				break;
			continue;
		}
		if (is_possible(&chunk, address, end, arena) &&
		    pv_glibc_is_chain(window, address, end, arena))
			return address;
	}
	return end;
}

static bool step_again(struct pv_window *window, uint64_t address, uint64_t end, bool arena,
		       struct chunk *ret, bool *used_ret)
{
	for (int i = 0; i < LOOKS; i++) {
		if (step(window, address, end, arena, ret, used_ret))
			return true;
		pv_window_forget(window);
	}
	return false;
}

/* The top chunk of a region that has grown since it was known where it ends. */
static bool is_grown_top(struct pv_window *window, uint64_t address, uint64_t end)
{
	struct chunk chunk;

	return chunk_at(window, address, &chunk) && chunk.flags & PREV_INUSE &&
	       !(chunk.flags & IS_MMAPPED) && chunk.bytes % ALIGNMENT == 0 &&
	       chunk.bytes > end - address && chunk.bytes - (end - address) < PV_GLIBC_HEAP_MAX &&
	       (address + chunk.bytes) % PV_PAGE_BYTES == 0;
}

/* The chunk before that one, which step() does not understand. */
static bool is_before_grown_top(struct pv_window *window, uint64_t address, uint64_t end,
				bool arena, struct chunk *ret, bool *used_ret)
{
	if (!chunk_at(window, address, ret) || !is_possible(ret, address, end, arena) ||
	    !is_grown_top(window, address + ret->bytes, end))
		return false;
	/* what is free before it would be part of it */
	*used_ret = true;
	return ret->bytes < end - address;
}

/* A chunk that step() has understood. */
static struct pv_err *take(struct pv_window *window, uint64_t address, const struct chunk *chunk,
			   bool used, const struct pv_glibc_handlers *handlers,
			   struct pv_glibc_walk *walk)
{
	/* its memory goes on into the next one's prev_size */
	uint64_t bytes = chunk->bytes - sizeof(uint64_t);
	uint64_t memory = address + PV_CHUNK_HEAD_BYTES;
	size_t n = bytes > CONTENT_BYTES ? CONTENT_BYTES : bytes;
	const void *content;

	if (!used) {
		walk->n_free++;
		walk->free_bytes += chunk->bytes;
		return NULL;
	}
	walk->n_used++;
	walk->used_bytes += chunk->bytes;
	content = pv_window_at(window, memory, n);
	return handlers->used(handlers->ctx, memory, bytes, content, content ? n : 0);
}

struct pv_err *pv_glibc_chunks(struct pv_window *window, uint64_t start, uint64_t end, bool arena,
			       const struct pv_glibc_handlers *handlers, struct pv_glibc_walk *walk)
{
	struct pv_err *err = NULL;
	struct chunk chunk;
	bool used;

	while (!err && start < end && end - start >= PV_CHUNK_HEAD_BYTES) {
		if (!step_again(window, start, end, arena, &chunk, &used) &&
		    !is_before_grown_top(window, start, end, arena, &chunk, &used)) {
			uint64_t next;

			if (is_grown_top(window, start, end)) {
				walk->top = start;
				walk->top_bytes += end - start;
				break;
			}
			next = resume(window, start, end, arena);
			walk->n_breaks++;
			walk->broken_bytes += next - start;
			start = next;
			continue;
		}
		if (is_fence(&chunk, start, end))
			break;
		if (start + chunk.bytes == end) {
			walk->top = start;
			walk->top_bytes += chunk.bytes;
			break;
		}
		err = take(window, start, &chunk, used, handlers, walk);
		start += chunk.bytes;
	}
	return err;
}

struct pv_err *pv_glibc_extent(struct pv_window *window, uint64_t start, uint64_t end,
			       const struct pv_glibc_handlers *handlers, struct pv_glibc_walk *walk,
			       uint64_t *stop_ret)
{
	struct pv_err *err = NULL;
	struct chunk chunk;
	bool used;

	while (!err && start < end && end - start >= PV_CHUNK_HEAD_BYTES &&
	       step_again(window, start, end, false, &chunk, &used) &&
	       !is_fence(&chunk, start, end)) {
		if (start + chunk.bytes == end)
			walk->top_bytes += chunk.bytes;
		else
			err = take(window, start, &chunk, used, handlers, walk);
		start += chunk.bytes;
	}
	*stop_ret = start;
	return err;
}

/*
 * struct heap_info: ar_ptr, prev, size, mprotect_size (2.35 and later pagesize, and padding).
 * In the first heap of an arena its malloc_state follows.
 */
bool pv_glibc_heap(struct pv_window *window, uint64_t address, uint64_t end,
		   struct pv_glibc_heap *ret)
{
	const void *bytes = pv_window_at(window, address, HEAP_INFO_BYTES);
	uint64_t info[4], at, limit;

	if (address % PV_GLIBC_HEAP_MAX || !bytes)
		return false;
	memcpy(info, bytes, sizeof(info));
	if (!info[0] || info[0] % 8 || info[1] % PV_GLIBC_HEAP_MAX || info[2] % PV_PAGE_BYTES ||
	    info[2] < PV_PAGE_BYTES || info[2] > PV_GLIBC_HEAP_MAX || info[3] < info[2] ||
	    info[3] > PV_GLIBC_HEAP_MAX)
		return false;
	/* it may have grown since its mapping was read: it is none for that */
	limit = address + info[2];
	for (at = address + HEAP_INFO_BYTES; at < address + FIRST_CHUNK_MAX && at < limit;
	     at += ALIGNMENT) {
		struct chunk chunk;

		/* a free one does not say that it is of no main arena */
		if (chunk_at(window, at, &chunk) && chunk.bytes >= PV_CHUNK_BYTES_MIN &&
		    (chunk.flags | NON_MAIN_ARENA) == (PREV_INUSE | NON_MAIN_ARENA) &&
		    pv_glibc_is_chain(window, at, limit, true)) {
			*ret = (struct pv_glibc_heap){ address, limit < end ? limit : end, at,
						       info[0] };
			return true;
		}
	}
	return false;
}

/*
 * sysmalloc_mmap(): a head at the start of the page, and no flag but IS_MMAPPED.  From 2.43 on
 * (seen in Debian's) its size is without the head.
 */
uint64_t pv_glibc_mapped(const void *head, uint64_t address, uint64_t end)
{
	uint64_t words[2], bytes;

	memcpy(words, head, sizeof(words));
	bytes = words[1] & ~(uint64_t)FLAGS;
	if (bytes % PV_PAGE_BYTES == PV_PAGE_BYTES - PV_CHUNK_HEAD_BYTES)
		bytes += PV_CHUNK_HEAD_BYTES;
	if (words[0] || (words[1] & FLAGS) != IS_MMAPPED || !bytes || bytes % PV_PAGE_BYTES ||
	    bytes > end - address)
		return 0;
	return bytes;
}
