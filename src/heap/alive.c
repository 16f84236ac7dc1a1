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

bool pv_object_is_alive(struct pv_heap *heap, const struct pv_heap_object *object)
{
	return !pv_object_is_freed(object) && is_linked(heap, object);
}
