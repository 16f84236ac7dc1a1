/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit of a container.
 * Input: an object.  Output: numbers.
 *
 * Sources: CPython Modules/_functoolsmodule.c (lru_cache_object), Modules/_collectionsmodule.c
 * (dequeobject), Include/cpython/dictobject.h; 3.8 to 3.15.
 */
#include "heap/bounded.h"

#include <string.h>

#include "heap/graph.h"
#include "heap/object.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	OLDEST = 0x0308,
	NEWEST = 0x030f,
	WRAPPER_BYTES_MAX = 512,
	/* lru_cache_object: cache, hits, func, maxsize */
	FUNC = 16,
	MAXSIZE = 24,
	/* dequeobject behind its size: leftblock, rightblock, leftindex, rightindex, state, maxlen
	 */
	MAXLEN = 40,
};
#define LIMIT_MAX (1LL << 40) /* what is more is an address, or no limit */

uint64_t pv_bounded_cache(struct pv_heap *heap, uint64_t object, const struct pv_heap_type *type)
{
	uint64_t from = pv_heap_layout(heap)->object_size, to = type->basicsize, word;

	if (to > WRAPPER_BYTES_MAX)
		to = WRAPPER_BYTES_MAX;
	/* the first one: its __dict__ is behind it */
	for (uint64_t at = from; at + 8 <= to; at += 8) {
		const struct pv_heap_type *of;

		if ((int64_t)at == type->dictoffset ||
		    pv_mem_read_u64(pv_heap_mem(heap), object + at, &word))
			continue;
		of = pv_graph_type(heap, word);
		if (of && of->kind == PV_HEAP_DICT)
			return at;
	}
	return 0;
}

static bool read_cache(struct pv_heap *heap, uint64_t object, const struct pv_heap_type *type,
		       uint64_t *used_ret, int64_t *limit_ret)
{
	uint64_t at = pv_bounded_cache(heap, object, type), cache, func, limit;
	struct pv_mem *mem = pv_heap_mem(heap);

	if (!at || pv_mem_read_u64(mem, object + at, &cache) ||
	    pv_mem_read_u64(mem, object + at + FUNC, &func) || !pv_graph_type(heap, func) ||
	    pv_mem_read_u64(mem, object + at + MAXSIZE, &limit))
		return false;
	*limit_ret = (int64_t)limit;
	/* PyDictObject: ma_used */
	return !pv_mem_read_u64(mem, cache + pv_heap_layout(heap)->object_size, used_ret);
}

static bool read_deque(struct pv_heap *heap, uint64_t object, uint64_t *used_ret,
		       int64_t *limit_ret)
{
	uint64_t size = object + pv_heap_python(heap)->proc.py.var_size, limit;

	if (pv_mem_read_u64(pv_heap_mem(heap), size, used_ret) ||
	    pv_mem_read_u64(pv_heap_mem(heap), size + 8 + MAXLEN, &limit))
		return false;
	*limit_ret = (int64_t)limit;
	return true;
}

bool pv_bounded_read(struct pv_heap *heap, uint64_t object, const struct pv_heap_type *type,
		     uint64_t *used_ret, uint64_t *limit_ret)
{
	uint32_t version = pv_heap_python(heap)->proc.py.version_hex >> 16;
	int64_t limit = 0;

	if (type->kind != PV_HEAP_OTHER || version < OLDEST || version > NEWEST)
		return false;
	if (!strcmp(type->name, "functools._lru_cache_wrapper")) {
		if (!read_cache(heap, object, type, used_ret, &limit))
			return false;
	} else if (strcmp(type->name, "collections.deque") != 0 ||
		   !read_deque(heap, object, used_ret, &limit)) {
		return false;
	}
	*limit_ret = (uint64_t)limit;
	return limit > 0 && limit < LIMIT_MAX && *used_ret <= *limit_ret;
}
