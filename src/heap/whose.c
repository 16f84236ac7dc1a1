/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose memory it is.
 * Input: struct pv_heap_search, pools, objects.  Output: text.
 */
#include "heap/whose.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi/registers.h"
#include "base/cleanup.h"
#include "heap/modules.h"
#include "heap/object.h"
#include "heap/pymalloc.h"
#include "heap/search.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	HEADS = 4,
	BACK_BYTES = 1 << 14, /* how far before a word an object's beginning is looked for */
};

struct pv_whose {
	struct pv_heap *heap;
	struct pv_heap_search *search;
	struct pv_module_ranges modules;
	char bytes[PV_POOL_BYTES_MAX];
};

void pv_whose_destroy(struct pv_whose *whose)
{
	if (!whose)
		return;
	pv_module_ranges_deinit(&whose->modules);
	free(whose);
}

struct pv_err *pv_whose_create(struct pv_heap *heap, struct pv_heap_search *search,
			       struct pv_whose **ret)
{
	struct pv_whose *whose = calloc(1, sizeof(*whose));
	struct pv_err *err;

	if (!whose)
		return &pv_enomem;
	whose->heap = heap;
	whose->search = search;
	err = pv_module_ranges_read(pv_heap_mem(heap), &search->maps, &whose->modules);
	if (err) {
		pv_whose_destroy(whose);
		return err;
	}
	*ret = whose;
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The object that begins a block, if one does. */
static bool object_of(struct pv_whose *whose, uint64_t block, struct pv_heap_object *ret)
{
	uint64_t gc = pv_heap_layout(whose->heap)->gc_head;
	uint64_t heads[HEADS] = { 0, gc, 16, gc + 16 };

	for (int i = 0; i < HEADS; i++) {
		if (pv_heap_object(whose->heap, block + heads[i], ret) && ret->start == block)
			return true;
	}
	return false;
}

/* The items of a tuple are one holder. */
static struct pv_err *say_object(const struct pv_heap_object *object, uint64_t at, bool exact,
				 enum pv_holder_kind *kind_ret, uint64_t *type_ret,
				 struct pv_str *str)
{
	*kind_ret = PV_HOLDER_BLOCK;
	*type_ret = object->type->address;
	if (!exact && (object->type->itemsize || object->size > 1024))
		return pv_str_appendf(str, "%s", object->type->name);
	if (at < object->address)
		return pv_str_appendf(str, "%s -%" PRIu64, object->type->name,
				      object->address - at);
	return pv_str_appendf(str, "%s +%" PRIu64, object->type->name, at - object->address);
}

/* In a pool of CPython's allocator?  False: no. */
static bool in_pool(struct pv_whose *whose, uint64_t at, struct pv_heap_object *object_ret,
		    bool *is_object_ret, uint32_t *size_ret, uint32_t *offset_ret)
{
	uint32_t n = pv_pool_bytes(pv_heap_python(whose->heap)->proc.py.version_hex), block;
	uint64_t start = at - at % n;
	struct pv_pool pool;

	if (at - start < PV_POOL_HEAD_BYTES ||
	    pv_mem_read(pv_heap_mem(whose->heap), whose->bytes, n, start) ||
	    !pv_pool_read(whose->bytes, start, n, &pool))
		return false;
	block = (uint32_t)(at - start - PV_POOL_HEAD_BYTES) / pool.block_bytes;
	if (block >= pool.n_carved)
		return false;
	start += pv_pool_offset(&pool, block);
	*is_object_ret = object_of(whose, start, object_ret);
	*size_ret = pool.block_bytes;
	*offset_ret = (uint32_t)(at - start);
	return true;
}

/* The object that at is in, by going back from there; large ones of malloc(). */
static bool behind(struct pv_whose *whose, uint64_t at, uint64_t lowest, struct pv_heap_object *ret)
{
	for (uint64_t back = at & ~7ULL; back >= lowest && at - back < BACK_BYTES; back -= 8) {
		if (!pv_heap_object(whose->heap, back, ret))
			continue;
		/* the nearest one: what is further away would have to hold it in it */
		return at >= ret->start && at < ret->start + ret->size;
	}
	return false;
}

static pid_t stack_of(const struct pv_whose *whose, const struct pv_map_entry *entry)
{
	const struct pv_vec *registers = &whose->search->registers;

	for (size_t i = 0; i < registers->n; i++) {
		const struct pv_registers *thread = pv_vec_at(registers, i);

		if (thread->sp >= entry->start && thread->sp < entry->end)
			return (pid_t)thread->tid;
	}
	return 0;
}

static struct pv_err *say_heap(struct pv_whose *whose, const struct pv_map_entry *entry,
			       uint64_t at, bool exact, enum pv_holder_kind *kind_ret,
			       uint64_t *type_ret, struct pv_str *str)
{
	struct pv_heap_object object;
	uint32_t size, offset;
	bool is_object;

	if (in_pool(whose, at, &object, &is_object, &size, &offset)) {
		if (is_object)
			return say_object(&object, at, exact, kind_ret, type_ret, str);
		*kind_ret = PV_HOLDER_BLOCK;
		return exact ? pv_str_appendf(str, "block of %u bytes +%u", size, offset)
			     : pv_str_appendf(str, "block of %u bytes", size);
	}
	if (behind(whose, at, entry->start, &object))
		return say_object(&object, at, exact, kind_ret, type_ret, str);
	*kind_ret = PV_HOLDER_MAPPING;
	if (!exact)
		return pv_str_appendf(str, "%s",
				      entry->path[0] ? base_name(entry->path) : "anonymous memory");
	if (entry->path[0])
		return pv_str_appendf(str, "%s+0x%" PRIx64, base_name(entry->path),
				      at - entry->start);
	return pv_str_appendf(str, "anonymous memory at 0x%" PRIx64, at);
}

struct pv_err *pv_whose_memory(struct pv_whose *whose, uint64_t at, bool exact,
			       enum pv_holder_kind *kind_ret, uint64_t *type_ret,
			       struct pv_str *str)
{
	const struct pv_map_entry *entry = pv_maps_find(&whose->search->maps, at);
	const struct pv_module_range *module;
	pid_t tid;

	if (pv_heap_search_register(at, &tid)) {
		*kind_ret = PV_HOLDER_STACK;
		return pv_str_appendf(str, "register of thread %d", (int)tid);
	}
	module = pv_module_range_find(&whose->modules, at);
	if (module) {
		*kind_ret = PV_HOLDER_MAPPING;
		return pv_str_appendf(str, "%s+0x%" PRIx64, base_name(module->path),
				      at - module->start);
	}
	if (!entry) {
		*kind_ret = PV_HOLDER_MAPPING;
		return pv_str_appendf(str, "memory that is gone");
	}
	tid = stack_of(whose, entry);
	if (tid) {
		*kind_ret = PV_HOLDER_STACK;
		return pv_str_appendf(str, "stack of thread %d", (int)tid);
	}
	return say_heap(whose, entry, at, exact, kind_ret, type_ret, str);
}
