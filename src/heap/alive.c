/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that are none any more.
 * Input: an object as it looks, the collector's lists.  Output: yes or no.
 *
 * Sources: CPython Include/internal/pycore_gc.h, Objects/obmalloc.c (a free block's first
 * word); glibc malloc/malloc.c (PROTECT_PTR).
 */
#include "heap/alive.h"

#include <time.h>

#include "heap/object.h"
#include "heap/pymalloc.h"
#include "python/detect.h"
#include "target/mem.h"

enum { LOOKS = 16 };
#define WAIT_NS      1000000L
#define LINK         (~3ULL)      /* of a link of the collector's; the lowest bits are flags */
#define REFCOUNT_MAX (1ULL << 24) /* more than that are no references but something else */

/* Part of PyObject_HEAD for which the block says otherwise: it is free. */
bool pv_object_is_freed(const struct pv_heap_object *object)
{
	uint64_t start = object->start;

	if (object->address != start)
		return false;
	/* pymalloc: the next free block of the pool; tcache, fastbins: mangled by their place */
	return object->refcount >> 14 == start >> 14 || object->refcount == start >> 12 ||
	       object->refcount > REFCOUNT_MAX;
}

/*
 * Is this memory really that object, and not something else that left an old ob_type and has a
 * small number where its count was?  An object of the collector's is in one of its lists, or
 * marked as in none; the lists change, so it is asked again.
 */
static bool is_linked(struct pv_heap *heap, const struct pv_heap_object *object)
{
	uint64_t head = object->address - pv_heap_layout(heap)->gc_head, links[2], back[2];
	struct timespec moment = { .tv_nsec = WAIT_NS };
	struct pv_mem *mem = pv_heap_mem(heap);

	if (!object->type->is_gc || object->start == object->address)
		return true;
	for (int i = 0; i < LOOKS; i++) {
		if (i)
			nanosleep(&moment, NULL);
		if (pv_mem_read(mem, links, sizeof(links), head))
			return false;
		if (!object->tracked)
			return pv_heap_python(heap)->proc.py.version_hex < 0x03080000 ||
			       !(links[0] | (links[1] & LINK));
		if (!pv_mem_read_u64(mem, (links[0] & LINK) + 8, &back[0]) &&
		    !pv_mem_read_u64(mem, links[1] & LINK, &back[1]) && (back[0] & LINK) == head &&
		    (back[1] & LINK) == head)
			return true;
	}
	return false;
}

/*
 * Does a block in use begin where it does?  A tuple of one item that is a type looks, from its
 * ob_size on, like an object of that type with a count of 1.
 */
static bool is_block(struct pv_heap *heap, const struct pv_heap_object *object)
{
	uint32_t n = pv_pool_bytes(pv_heap_python(heap)->proc.py.version_hex), block;
	uint64_t at = object->start - object->start % n, offset = object->start % n, chunk;
	char bytes[PV_POOL_BYTES_MAX];
	struct pv_pool pool;

	if (!pv_mem_read(pv_heap_mem(heap), bytes, PV_POOL_HEAD_BYTES, at) &&
	    pv_pool_check(bytes, at, n) && !pv_mem_read(pv_heap_mem(heap), bytes, n, at) &&
	    pv_pool_read(bytes, at, n, &pool)) {
		if (offset < PV_POOL_HEAD_BYTES || (offset - PV_POOL_HEAD_BYTES) % pool.block_bytes)
			return false;
		block = (uint32_t)(offset - PV_POOL_HEAD_BYTES) / pool.block_bytes;
		return block < pool.n_carved && pv_pool_is_used(&pool, block) &&
		       object->size <= pool.block_bytes;
	}
	/* of malloc(): the size of its chunk with three flags; others' blocks are not known */
	return object->start % 16 == 0 &&
	       !pv_mem_read_u64(pv_heap_mem(heap), object->start - sizeof(chunk), &chunk) &&
	       (chunk & ~7ULL) >= object->size && (chunk & ~7ULL) / 2 <= object->size + n;
}

bool pv_object_is_alive(struct pv_heap *heap, const struct pv_heap_object *object)
{
	if (pv_object_is_freed(object))
		return false;
	/* that it is in the collector's lists proves it, whatever allocator it is from */
	return object->type->is_gc && object->tracked
		       ? is_linked(heap, object)
		       : is_linked(heap, object) && is_block(heap, object);
}
