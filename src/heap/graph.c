/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References from one object to others.
 * Input: the memory of a process, types.  Output: edges.
 *
 * Sources: CPython Include/internal/pycore_dict.h, Objects/dictobject.c, Objects/setobject.c,
 * Include/cpython/funcobject.h, Modules/_collectionsmodule.c, Objects/typeobject.c
 * (_PyObject_GetDictPtr, 3.11 to 3.13 managed dicts); numpy ndarraytypes.h.
 */
#include "heap/graph.h"

#include <string.h>

#include "base/clock.h"
#include "heap/bounded.h"
#include "heap/object.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	WORDS = 512, /* that are read at once */
	PAGE_BYTES = 4096,
	SET_PART = 256, /* entries of a set from one look at the clock to the next */
	FIELDS_BYTES_MAX = 1 << 16,
	DICT_ENTRIES_MAX = 1 << 26,
	DEQUE_BLOCK = 64,
	DEQUE_BLOCKS_MAX = 1 << 20,
	NPY_OBJECT = 17,
	KEYS_HEAD = 64,
	SPLIT = 2,               /* dk_kind: DICT_KEYS_SPLIT */
	TP_WEAKLISTOFFSET = 208, /* of all versions with a GIL */
};

struct walk {
	struct pv_heap *heap;
	struct pv_mem *mem;
	const struct pv_pylayout *py;
	const struct pv_heaplayout *at;
	uint32_t version;
	pv_edge_each *each;
	void *ctx;
	uint64_t until_ns; /* 0: any time */
	uint64_t weak; /* where the list of its weak references begins: not counted; 0: is told */
};

static struct walk walk_of(struct pv_heap *heap, uint64_t until_ns, pv_edge_each *each, void *ctx)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;

	return (struct walk){
		.heap = heap,
		.mem = pv_heap_mem(heap),
		.py = py,
		.at = pv_heap_layout(heap),
		.version = py->version_hex >> 16,
		.each = each,
		.ctx = ctx,
		.until_ns = until_ns,
	};
}

const struct pv_heap_type *pv_graph_type(struct pv_heap *heap, uint64_t object)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	uint64_t refcount, type;
	bool immortal;
	char head[32];

	if (object < 4096 || object % 8 || object >> 47 ||
	    pv_mem_read(pv_heap_mem(heap), head, py->ob_type + sizeof(type), object) ||
	    !pv_heap_refcount(heap, head, &refcount, &immortal))
		return NULL;
	memcpy(&type, head + py->ob_type, sizeof(type));
	return pv_heap_type(heap, type);
}

bool pv_graph_is_leaf(const struct pv_heap_type *type)
{
	/* subclasses of these may have attributes */
	if (type->flags & PV_TPFLAGS_HEAPTYPE)
		return false;
	switch (type->kind) {
	case PV_HEAP_INT:
	case PV_HEAP_STR:
	case PV_HEAP_BYTES:
	case PV_HEAP_BYTEARRAY:
		return true;
	case PV_HEAP_OTHER:
		return !strcmp(type->name, "float") || !strcmp(type->name, "complex") ||
		       !strcmp(type->name, "code") || !strcmp(type->name, "NoneType");
	default:
		return false;
	}
}

static struct pv_err *tell(const struct walk *w, enum pv_edge_kind kind, uint64_t at,
			   uint64_t target, uint64_t label, bool namespace)
{
	struct pv_edge edge = { at, target, label, (uint8_t)kind, namespace };

	return target ? w->each(w->ctx, &edge) : NULL;
}

/* The object that a word of the process is the address of. */
static struct pv_err *tell_at(const struct walk *w, enum pv_edge_kind kind, uint64_t at,
			      uint64_t label, bool namespace)
{
	uint64_t target;

	return pv_mem_read_u64(w->mem, at, &target) ? NULL
						    : tell(w, kind, at, target, label, namespace);
}

static struct pv_err *tell_text(const struct walk *w, uint64_t at, const char *text)
{
	return tell_at(w, PV_EDGE_TEXT, at, (uintptr_t)text, false);
}

static bool is_late(const struct walk *w)
{
	return w->until_ns && pv_now_ns() > w->until_ns;
}

/*
 * n addresses, one behind the other; a page at a time, as the next one may not be there.  holes:
 * what follows a page that is not there counts as well.
 */
static struct pv_err *tell_array(const struct walk *w, enum pv_edge_kind kind, uint64_t at,
				 uint64_t n, uint64_t label, bool holes)
{
	uint64_t words[WORDS];
	struct pv_err *err = NULL;

	for (uint64_t i = 0, part; !err && i < n && !is_late(w); i += part) {
		part = (PAGE_BYTES - (at + 8 * i) % PAGE_BYTES) / 8;
		part = !part ? 1 : part > n - i ? n - i : part;
		if (pv_mem_read(w->mem, words, part * sizeof(*words), at + 8 * i)) {
			if (holes)
				continue;
			break;
		}
		for (uint64_t k = 0; !err && k < part; k++)
			err = tell(w, kind, at + 8 * (i + k), words[k], label + i + k, false);
	}
	return err;
}

/* The entries of a table of keys; values: where the values are, 0: in the entries. */
struct table {
	uint64_t entries, n, values;
	uint32_t size; /* of an entry, which ends with key and value; 2.7, too */
};

static bool read_table(const struct walk *w, uint64_t keys, struct table *ret)
{
	const struct pv_heaplayout *at = w->at;
	unsigned char head[KEYS_HEAD] = { 0 };
	uint64_t indices, n;
	uint8_t kind = 0;

	if (at->keys_indices > sizeof(head) || pv_mem_read(w->mem, head, at->keys_indices, keys))
		return false;
	memcpy(&n, head + at->keys_n, sizeof(n));
	if (at->keys_log2_index != PV_OFF_NONE) {
		if (head[at->keys_log2_index] > 40)
			return false;
		indices = 1ULL << head[at->keys_log2_index];
		kind = head[at->keys_kind];
	} else {
		uint64_t size;

		memcpy(&size, head + at->keys_size, sizeof(size));
		if (size > DICT_ENTRIES_MAX)
			return false;
		indices = size <= 0xff ? size : size <= 0xffff ? 2 * size : 4 * size;
	}
	if (n > DICT_ENTRIES_MAX || kind > SPLIT)
		return false;
	*ret = (struct table){ .entries = keys + at->keys_indices + indices,
			       .n = n,
			       .size = kind ? 16 : 24 };
	return true;
}

static struct pv_err *tell_entry(const struct walk *w, const struct table *table, uint64_t i,
				 const uint64_t *pair, bool namespace)
{
	uint64_t at = table->entries + i * table->size + table->size - 16;
	const struct pv_heap_type *type;
	uint64_t value = pair[1];
	struct pv_err *err;

	if (!pair[0])
		return NULL;
	if (table->values) {
		at = table->values + 8 * i - 8;
		if (pv_mem_read_u64(w->mem, at + 8, &value))
			return NULL;
	}
	err = tell(w, namespace ? PV_EDGE_NAME : PV_EDGE_KEY, at + 8, value, pair[0], false);
	if (err || namespace || table->values)
		return err;
	type = pv_graph_type(w->heap, pair[0]);
	return type ? tell(w, PV_EDGE_IS_KEY, at, pair[0], 0, false) : NULL;
}

static struct pv_err *tell_table(const struct walk *w, const struct table *table, bool namespace)
{
	unsigned char bytes[24 * 128];
	struct pv_err *err = NULL;

	for (uint64_t i = 0; !err && i < table->n && !is_late(w); i += 128) {
		uint64_t part = table->n - i < 128 ? table->n - i : 128;

		if (pv_mem_read(w->mem, bytes, part * table->size,
				table->entries + i * table->size))
			break;
		for (uint64_t k = 0; !err && k < part; k++) {
			uint64_t pair[2];

			memcpy(pair, bytes + k * table->size + table->size - 16, sizeof(pair));
			err = tell_entry(w, table, i + k, pair, namespace);
		}
	}
	return err;
}

/* Bytes before the first of a split dict's values: 3.13+ have a head. */
static uint64_t values_head(const struct walk *w)
{
	return w->version >= 0x030d ? 8 : 0;
}

static struct pv_err *dict_edges(const struct walk *w, uint64_t dict, bool namespace)
{
	uint64_t keys, values = 0, mask;
	struct table table = { .size = 24 };

	if (w->version < 0x0300) {
		if (pv_mem_read_u64(w->mem, dict + w->at->dict_table, &table.entries) ||
		    pv_mem_read_u64(w->mem, dict + w->at->dict_mask, &mask) ||
		    mask > DICT_ENTRIES_MAX)
			return NULL;
		table.n = mask + 1;
		return tell_table(w, &table, namespace);
	}
	if (pv_mem_read_u64(w->mem, dict + w->at->dict_keys, &keys) ||
	    pv_mem_read_u64(w->mem, dict + w->at->dict_values, &values) ||
	    !read_table(w, keys, &table))
		return NULL;
	table.values = values ? values + values_head(w) : 0;
	return tell_table(w, &table, namespace);
}

static struct pv_err *set_edges(const struct walk *w, uint64_t set)
{
	uint64_t table, mask, entry[2];
	struct pv_err *err = NULL;
	int key = w->version < 0x0300; /* {hash, key}; 3.x: {key, hash} */

	if (pv_mem_read_u64(w->mem, set + w->at->set_table, &table) ||
	    pv_mem_read_u64(w->mem, set + w->at->set_mask, &mask) || mask > DICT_ENTRIES_MAX)
		return NULL;
	for (uint64_t i = 0; !err && i <= mask; i++) {
		uint64_t at = table + 16 * i;

		if ((i % SET_PART == 0 && is_late(w)) ||
		    pv_mem_read(w->mem, entry, sizeof(entry), at))
			break;
		err = tell(w, PV_EDGE_ITEM, at + 8 * key, entry[key], 0, false);
	}
	return err;
}

/* Objects with ob_size: a list's are elsewhere. */
static struct pv_err *sequence_edges(const struct walk *w, uint64_t object, bool list)
{
	uint64_t n, allocated, items = object + w->py->tuple_items;

	if (pv_mem_read_u64(w->mem, object + w->py->var_size, &n) || n > 1ULL << 32 ||
	    (list && (pv_mem_read_u64(w->mem, object + w->at->list_items, &items) ||
		      pv_mem_read_u64(w->mem, object + w->at->list_items + 8, &allocated))))
		return NULL;
	/* PyListObject: ob_item, allocated */
	if (list && n > allocated)
		n = allocated;
	return tell_array(w, PV_EDGE_INDEX, items, n, 0, false);
}

/* 3.x: PyVarObject, leftblock, rightblock, leftindex; a block: leftlink, data, rightlink. */
static struct pv_err *deque_edges(const struct walk *w, uint64_t deque)
{
	uint64_t at = deque + w->py->var_size + 8, n, block, left, done = 0;
	struct pv_err *err = NULL;

	if (w->version < 0x0300 || pv_mem_read_u64(w->mem, deque + w->py->var_size, &n) ||
	    pv_mem_read_u64(w->mem, at, &block) || pv_mem_read_u64(w->mem, at + 16, &left))
		return NULL;
	for (int i = 0; !err && done < n && block && left < DEQUE_BLOCK && i < DEQUE_BLOCKS_MAX;
	     i++) {
		uint64_t part = DEQUE_BLOCK - left < n - done ? DEQUE_BLOCK - left : n - done;

		err = tell_array(w, PV_EDGE_INDEX, block + 8 + 8 * left, part, done, false);
		done += part;
		left = 0;
		if (pv_mem_read_u64(w->mem, block + 8 + 8 * DEQUE_BLOCK, &block))
			break;
	}
	return err;
}

/* PyArrayObject: data, nd, dimensions, strides, base, descr; descr: type_num. */
static struct pv_err *array_edges(const struct walk *w, uint64_t array)
{
	uint64_t head[6], dimensions[32], n = 1, base = array + w->at->object_size;
	int32_t number;
	int nd;

	if (pv_mem_read(w->mem, head, sizeof(head), base))
		return NULL;
	nd = (int)head[1];
	/* PyArray_Descr: PyObject, typeobj, kind, type, byteorder, flags (1.x), type_num */
	if (nd < 0 || nd > 32 ||
	    pv_mem_read(w->mem, &number, sizeof(number), head[5] + w->at->object_size + 12) ||
	    number != NPY_OBJECT || pv_mem_read(w->mem, dimensions, 8 * (size_t)nd, head[2]))
		return tell_text(w, base + 32, "base");
	for (int i = 0; i < nd; i++) {
		if (dimensions[i] > 1ULL << 32)
			return NULL;
		n *= dimensions[i];
	}
	/* of calloc(): rows that nothing was put into yet are not there */
	return tell_array(w, PV_EDGE_INDEX, head[0], n < 1ULL << 32 ? n : 0, 0, true);
}

/* Words from `from` to `to` that are addresses of objects. */
static struct pv_err *field_edges(const struct walk *w, uint64_t object, uint64_t from, uint64_t to)
{
	struct pv_err *err = NULL;
	uint64_t words[WORDS];

	if (to - from > FIELDS_BYTES_MAX)
		to = from + FIELDS_BYTES_MAX;
	for (uint64_t i = from; !err && i + 8 <= to && from < to; i += sizeof(words)) {
		uint64_t n = (to - i) / 8 < WORDS ? (to - i) / 8 : WORDS;

		if (pv_mem_read(w->mem, words, 8 * n, object + i))
			break;
		for (uint64_t k = 0; !err && k < n; k++) {
			if (words[k] > 4096 && object + i + 8 * k != w->weak &&
			    pv_graph_type(w->heap, words[k]))
				err = tell(w, PV_EDGE_FIELD, object + i + 8 * k, words[k],
					   i + 8 * k, false);
		}
	}
	return err;
}

/* The values of an object that has no dict yet: names are its type's. */
static struct pv_err *value_edges(const struct walk *w, const struct pv_heap_type *type,
				  uint64_t values)
{
	struct table table;
	uint64_t keys;

	if (w->at->heaptype_keys == PV_OFF_NONE ||
	    pv_mem_read_u64(w->mem, type->address + w->at->heaptype_keys, &keys) || !keys ||
	    !read_table(w, keys, &table))
		return NULL;
	table.values = values + values_head(w);
	return tell_table(w, &table, true);
}

static struct pv_err *managed_edges(const struct walk *w, uint64_t object,
				    const struct pv_heap_type *type)
{
	/* free-threaded: no PyGC_Head between */
	uint64_t at = object - (w->py->free_threaded ? 8 : 24), word, values;

	if (pv_mem_read_u64(w->mem, at, &word))
		return NULL;
	if (w->version == 0x030b) {
		if (!pv_mem_read_u64(w->mem, object - 32, &values) && values)
			return value_edges(w, type, values);
	} else if (w->version == 0x030c && word & 1) {
		return value_edges(w, type, word + 1);
	} else if (w->version >= 0x030d && !word && type->flags & PV_TPFLAGS_INLINE_VALUES) {
		return value_edges(w, type, object + type->basicsize);
	}
	return tell(w, PV_EDGE_PART, at, word, 0, true);
}

static struct pv_err *attribute_edges(const struct walk *w, uint64_t object,
				      const struct pv_heap_type *type)
{
	int64_t offset = type->dictoffset, n = 0;

	if (w->version >= 0x030b && type->flags & PV_TPFLAGS_MANAGED_DICT)
		return managed_edges(w, object, type);
	if (!offset)
		return NULL;
	if (offset < 0) {
		/* from the end of an object of variable size */
		if (pv_mem_read(w->mem, &n, sizeof(n), object + w->py->var_size))
			return NULL;
		n = n < 0 ? -n : n;
		offset += (int64_t)((type->basicsize + (uint64_t)n * type->itemsize + 7) & ~7ULL);
	}
	if (offset < w->at->object_size || offset > 1 << 26)
		return NULL;
	return tell_at(w, PV_EDGE_PART, object + (uint64_t)offset, 0, true);
}

/* PyFunctionObject; 3.10 put globals first. */
static struct pv_err *function_edges(const struct walk *w, uint64_t function)
{
	uint64_t base = function + w->at->object_size, closure, code, names, n = 0, cell, name;
	bool old = w->version < 0x030a;
	bool two = w->version < 0x0300;
	struct pv_err *err;

	err = tell_at(w, PV_EDGE_PART, base + (two ? 48 : old ? 56 : 72), 0, true);
	if (!err)
		err = tell_text(w, base + (old ? 16 : 40), "__defaults__");
	if (!err && !two)
		err = tell_text(w, base + (old ? 24 : 48), "__kwdefaults__");
	if (!err)
		err = tell_at(w, PV_EDGE_TEXT, base + (old ? 8 : 0), (uintptr_t) "__globals__",
			      true);
	if (err ||
	    pv_mem_read_u64(w->mem,
			    base + (two   ? 24
				    : old ? 32
					  : 56),
			    &closure) ||
	    !closure || pv_mem_read_u64(w->mem, base + (old ? 0 : 32), &code) ||
	    pv_mem_read_u64(w->mem, closure + w->py->var_size, &n) || n > 4096)
		return err;
	err = tell_text(w, base + (two ? 24 : old ? 32 : 56), "__closure__");
	/* co_freevars; from 3.11 on they are the last of co_localsplusnames */
	if (pv_mem_read_u64(w->mem,
			    code + (w->py->co_cellvars != PV_OFF_NONE ? w->py->co_cellvars - 8
								      : w->py->co_varnames),
			    &names) ||
	    pv_mem_read_u64(w->mem, names + w->py->var_size, &name) || name < n || name > 65536)
		return err;
	names += w->py->tuple_items + 8 * (name - n);
	for (uint64_t i = 0; !err && i < n; i++) {
		if (pv_mem_read_u64(w->mem, closure + w->py->tuple_items + 8 * i, &cell) ||
		    pv_mem_read_u64(w->mem, names + 8 * i, &name))
			break;
		err = tell_at(w, PV_EDGE_CLOSURE, cell + w->py->cell_value, name, false);
	}
	return err;
}

static struct pv_err *type_edges(const struct walk *w, uint64_t type)
{
	struct pv_err *err = tell_at(w, PV_EDGE_PART, type + w->at->type_dict, 0, true);

	if (!err)
		err = tell_text(w, type + w->at->type_base, "__base__");
	return err;
}

/* The first of its bases that is not made by a class statement. */
static const struct pv_heap_type *static_base(struct pv_heap *heap, const struct pv_heap_type *type)
{
	for (int i = 0; i < 64 && type && type->flags & PV_TPFLAGS_HEAPTYPE && type->base; i++)
		type = pv_heap_type(heap, type->base);
	return type;
}

/*
 * Is it that type of C, or made from it?  Heap types of C have their module in tp_name, with a
 * dot, as no class of Python code has.
 */
static bool comes_from(struct pv_heap *heap, const struct pv_heap_type *type, const char *name)
{
	for (int i = 0; i < 64 && type; i++) {
		if (!strcmp(type->name, name))
			return true;
		type = type->base ? pv_heap_type(heap, type->base) : NULL;
	}
	return false;
}

static bool is_weak(const struct pv_heap_type *base)
{
	return !strncmp(base->name, "weakref", 7) || !strncmp(base->name, "weakproxy", 9) ||
	       !strncmp(base->name, "weakcallableproxy", 17);
}

/* lru_list_elem: prev, next, hash, key, result; its neighbours are no references. */
static struct pv_err *lru_item_edges(const struct walk *w, uint64_t item)
{
	struct pv_err *err = tell_text(w, item + w->at->object_size + 24, "key");

	return err ? err : tell_text(w, item + w->at->object_size + 32, "result");
}

/*
 * lru_cache_object: what is before its cache is the beginning of a ring of its items, if it has a
 * limit.  Up to 3.9 their type is not made ready, and none that is known.
 */
static struct pv_err *lru_edges(const struct walk *w, uint64_t object,
				const struct pv_heap_type *type)
{
	uint64_t cache = pv_bounded_cache(w->heap, object, type), n, limit;
	struct pv_err *err = NULL;

	if (pv_bounded_read(w->heap, object, type, &n, &limit)) {
		uint64_t item = object;

		for (uint64_t i = 0; !err && i < n && !is_late(w); i++) {
			if (pv_mem_read_u64(w->mem, item + w->at->object_size + 8, &item) ||
			    item == object)
				break;
			err = lru_item_edges(w, item);
		}
	}
	if (!err && cache)
		err = tell_text(w, object + cache, "cache");
	return err ? err
		   : field_edges(w, object, cache ? cache + 8 : w->at->object_size,
				 type->basicsize);
}

/* 2.7 and 3.x up to 3.10: PyFrameObject, all of which is fields. */
static struct pv_err *old_frame_edges(const struct walk *w, uint64_t frame, uint64_t size)
{
	struct pv_err *err = field_edges(w, frame, w->at->object_size + 8, w->py->fr_locals);

	return err ? err : pv_graph_frame(w->heap, frame, frame + size, w->each, w->ctx);
}

static struct pv_err *other_edges(const struct walk *w, uint64_t object,
				  const struct pv_heap_type *type, const struct pv_heap_type *base)
{
	const struct pv_python *python = pv_heap_python(w->heap);
	struct pv_heap_object whole;

	if (!strcmp(type->name, "function"))
		return function_edges(w, object);
	if (!strcmp(type->name, "cell"))
		return tell_text(w, object + w->py->cell_value, "cell_contents");
	if (!strcmp(base->name, "module"))
		return tell_at(w, PV_EDGE_PART, object + w->at->module_dict, 0, true);
	if (is_weak(base))
		return tell_text(w, object + w->at->object_size + 8, "__callback__");
	if (comes_from(w->heap, type, "collections.deque"))
		return deque_edges(w, object);
	if (comes_from(w->heap, type, "numpy.ndarray"))
		return array_edges(w, object);
	if (!strcmp(type->name, "functools._lru_cache_wrapper"))
		return lru_edges(w, object, type);
	if (!strcmp(type->name, "functools._lru_list_elem"))
		return lru_item_edges(w, object);
	if (type->kind == PV_HEAP_GENERATOR && w->version >= 0x030b)
		return pv_graph_frame(w->heap, object + python->tasks.coro_frame, 0, w->each,
				      w->ctx);
	if (!pv_heap_object(w->heap, object, &whole))
		return NULL;
	return field_edges(w, object, w->at->object_size,
			   whole.size - (whole.address - whole.start));
}

static struct pv_err *content_edges(const struct walk *w, uint64_t object,
				    const struct pv_heap_type *type,
				    const struct pv_heap_type *base, bool namespace)
{
	struct pv_heap_object whole;

	switch (type->kind) {
	case PV_HEAP_DICT:
		return dict_edges(w, object, namespace);
	case PV_HEAP_SET:
		return set_edges(w, object);
	case PV_HEAP_LIST:
		return sequence_edges(w, object, true);
	case PV_HEAP_TUPLE:
		return sequence_edges(w, object, false);
	case PV_HEAP_TYPE:
		return type_edges(w, object);
	case PV_HEAP_INT:
	case PV_HEAP_STR:
	case PV_HEAP_BYTES:
	case PV_HEAP_BYTEARRAY:
		return NULL;
	case PV_HEAP_FRAME:
		if (w->version >= 0x030b || !pv_heap_object(w->heap, object, &whole))
			return NULL;
		return old_frame_edges(w, object, whole.size - (whole.address - whole.start));
	default:
		return other_edges(w, object, type, base);
	}
}

struct pv_err *pv_graph_edges(struct pv_heap *heap, uint64_t object,
			      const struct pv_heap_type *type, bool namespace, uint64_t until_ns,
			      pv_edge_each *each, void *ctx)
{
	struct walk w = walk_of(heap, until_ns, each, ctx);
	const struct pv_heap_type *base = static_base(heap, type);
	struct pv_err *err;

	if (!base)
		return NULL;
	/* first: what is found twice, as an attribute and as a word of the object, is called so */
	err = type->kind == PV_HEAP_TYPE ? NULL : attribute_edges(&w, object, type);
	if (!err)
		err = content_edges(&w, object, type, base, namespace);
	/* __slots__ of a subclass of what is known */
	if (!err && type != base && type->kind != PV_HEAP_TYPE && !type->itemsize)
		err = field_edges(&w, object, base->basicsize, type->basicsize);
	return err;
}

/* From 3.11 on: a frame that a generator or a frame object has in it, with its values. */
static struct pv_err *inner_frame_references(const struct walk *w, uint64_t frame)
{
	const struct pv_tasklayout *tasks = &pv_heap_python(w->heap)->tasks;
	uint64_t values = frame + w->py->fr_locals, end = 0;
	int32_t n;

	/* stackpointer; up to 3.13 int stacktop, how many values there are */
	if (w->version >= 0x030e)
		(void)pv_mem_read_u64(w->mem, frame + tasks->frame_stackpointer, &end);
	else if (!pv_mem_read(w->mem, &n, sizeof(n), values - 8) && n > 0)
		end = values + 8 * (uint64_t)n;
	return pv_graph_frame(w->heap, frame, end, w->each, w->ctx);
}

/*
 * Up to 3.10: f_back to f_locals, then f_valuestack; up to 3.9 f_stacktop, NULL while it runs and
 * when it has ended, and f_trace (up to 3.6 f_exc_type, f_exc_value, f_exc_traceback); 3.10 f_trace
 * and int f_stackdepth.  What lies beyond the top of the stack are values of before, f_gen is not
 * counted.
 */
static struct pv_err *old_frame_references(const struct walk *w, uint64_t frame)
{
	uint64_t stack = w->at->object_size + 48, at = frame + stack, end = 0, top;
	uint64_t trace = w->version == 0x030a ? stack + 8 : stack + 16;
	struct pv_err *err = field_edges(w, frame, w->at->object_size + 8, stack);
	int32_t depth;

	if (!err)
		err = field_edges(w, frame, trace, trace + (w->version <= 0x0306 ? 32 : 8));
	if (err || pv_mem_read_u64(w->mem, at, &end))
		return err;
	if (w->version == 0x030a) {
		if (!pv_mem_read(w->mem, &depth, sizeof(depth), at + 16) && depth > 0)
			end += 8 * (uint64_t)depth;
	} else if (!pv_mem_read_u64(w->mem, at + 8, &top) && top) {
		end = top;
	}
	return pv_graph_frame(w->heap, frame, end, w->each, w->ctx);
}

static struct pv_err *frame_references(const struct walk *w, uint64_t object,
				       const struct pv_heap_type *type)
{
	/* PyFrame_Type.tp_basicsize is as far as the values: f_back, f_frame ... _f_frame_data */
	uint64_t data = object + type->basicsize - w->py->fr_locals, frame = 0;
	struct pv_err *err = field_edges(w, object, w->at->object_size, data - object);

	/* that of a call which still runs is not the object's */
	if (err || pv_mem_read_u64(w->mem, object + w->at->object_size + 8, &frame) ||
	    frame != data)
		return err;
	err = field_edges(w, object, data - object, data - object + w->py->fr_locals);
	return err ? err : inner_frame_references(w, frame);
}

static struct pv_err *generator_references(const struct walk *w, uint64_t object)
{
	uint64_t frame = pv_heap_python(w->heap)->tasks.coro_frame;
	struct pv_err *err = field_edges(w, object, w->at->object_size, frame + w->py->fr_locals);

	return err ? err : inner_frame_references(w, object + frame);
}

/* All words of an object, but for what lies behind it: values, which its attributes tell. */
static struct pv_err *word_references(const struct walk *w, uint64_t object,
				      const struct pv_heap_type *type)
{
	uint64_t size = pv_heap_size_of(w->heap, type, object);

	if (type->kind == PV_HEAP_FRAME)
		return w->version < 0x030b ? old_frame_references(w, object)
					   : frame_references(w, object, type);
	if (w->version >= 0x030b && type->kind == PV_HEAP_GENERATOR)
		return generator_references(w, object);
	if (w->version >= 0x030d && type->flags & PV_TPFLAGS_INLINE_VALUES)
		size = type->basicsize + type->before;
	return size > type->before ? field_edges(w, object, w->at->object_size, size - type->before)
				   : NULL;
}

/* Of what has references elsewhere, or words that are none. */
static bool is_special(const struct walk *w, const struct pv_heap_type *type,
		       const struct pv_heap_type *base)
{
	switch (type->kind) {
	case PV_HEAP_OTHER:
		return is_weak(base) || comes_from(w->heap, type, "collections.deque") ||
		       comes_from(w->heap, type, "numpy.ndarray");
	case PV_HEAP_TYPE:
	case PV_HEAP_FRAME:
	case PV_HEAP_GENERATOR:
		return false;
	default:
		return true;
	}
}

struct pv_err *pv_graph_references(struct pv_heap *heap, uint64_t object,
				   const struct pv_heap_type *type, uint64_t until_ns,
				   pv_edge_each *each, void *ctx)
{
	struct walk w = walk_of(heap, until_ns, each, ctx);
	const struct pv_heap_type *base = static_base(heap, type);
	bool managed = w.version >= 0x030b && type->flags & PV_TPFLAGS_MANAGED_DICT;
	struct pv_err *err = NULL;
	int64_t weak;

	if (!base)
		return NULL;
	if (!pv_mem_read(w.mem, &weak, sizeof(weak), type->address + TP_WEAKLISTOFFSET) && weak > 0)
		w.weak = object + (uint64_t)weak;
	if (!is_special(&w, type, base)) {
		err = word_references(&w, object, type);
	} else {
		err = content_edges(&w, object, type, base, false);
		if (!err && type != base && !type->itemsize)
			err = field_edges(&w, object, base->basicsize, type->basicsize);
	}
	/* any other __dict__ is one of the words */
	return !err && (managed || type->dictoffset < 0) ? attribute_edges(&w, object, type) : err;
}
