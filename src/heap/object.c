/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Python objects in the memory of a process.
 * Input: struct pv_mem, the detected interpreter, its offsets.  Output: types and objects.
 *
 * Sources: CPython Include/object.h, Include/cpython/object.h, Objects/typeobject.c and
 * Include/internal/pycore_object.h (_PyType_PreHeaderSize) of 2.7 to 3.15; Objects/longobject.c
 * and Objects/unicodeobject.c (sizeof).
 */
#include "heap/object.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	TYPE_BYTES_MAX = 512,    /* sizeof(PyTypeObject) */
	BASICSIZE_MAX = 1 << 24, /* bytes; no C struct is that large */
	ITEMSIZE_MAX = 1 << 20,
	BASES_MAX = 64,      /* bases of bases, types of types */
	TYPES_MAX = 1 << 20, /* in one look */
	HEAD_VOTES = 64,
	ADDRESS_MIN = 65536, /* vm.mmap_min_addr, and what has no mapping for sure */
	ADDRESS_BITS = 56,   /* of user space with five levels of page tables */
};

/* Of references to one object there are never more than words in an address space. */
static const uint64_t refcount_max = 1ULL << 40;

struct pv_heap {
	struct pv_mem *mem;
	const struct pv_python *python;
	struct pv_heaplayout layout;
	uint64_t type_type;    /* &PyType_Type */
	bool is_old;           /* 2.7 */
	struct pv_vec types;   /* struct pv_heap_type *, owned */
	struct pv_map numbers; /* address -> number */
};

static uint64_t word_at(const void *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)bytes + offset, sizeof(word));
	return word;
}

static uint32_t half_at(const void *bytes, size_t offset)
{
	uint32_t half;

	memcpy(&half, (const char *)bytes + offset, sizeof(half));
	return half;
}

/* A C string: read by and by, since its page may be the last one. */
static bool read_name(struct pv_heap *heap, uint64_t address, char *ret)
{
	size_t n = 0;

	while (n < PV_HEAP_NAME_BYTES - 1) {
		size_t part = 32 - (address + n) % 32;

		if (part > PV_HEAP_NAME_BYTES - 1 - n)
			part = PV_HEAP_NAME_BYTES - 1 - n;
		if (pv_mem_read(heap->mem, ret + n, part, address + n))
			return false;
		if (memchr(ret + n, '\0', part))
			break;
		n += part;
		ret[n] = '\0';
	}
	for (const unsigned char *c = (const unsigned char *)ret; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			return false;
	}
	return ret[0];
}

/* Bytes in front of an object of a type with these flags. */
static uint16_t bytes_before(const struct pv_heap *heap, uint64_t flags)
{
	uint32_t version = heap->python->proc.py.version_hex;
	uint64_t words = 0;
	uint16_t before = flags & PV_TPFLAGS_HAVE_GC ? heap->layout.gc_head : 0;

	if (version >= 0x030c0000)
		words = PV_TPFLAGS_MANAGED_DICT | PV_TPFLAGS_MANAGED_WEAKREF;
	else if (version >= 0x030b0000)
		words = PV_TPFLAGS_MANAGED_DICT;
	return flags & words ? before + 2 * sizeof(uint64_t) : before;
}

static enum pv_heap_kind kind_by_name(const struct pv_heap *heap, const struct pv_heap_type *type)
{
	static const struct {
		const char *name, *old_name; /* 2.7 */
		enum pv_heap_kind kind;
	} list[] = {
		{ "type", "type", PV_HEAP_TYPE },
		{ "int", "long", PV_HEAP_INT },
		{ "str", "unicode", PV_HEAP_STR },
		{ "bytes", "str", PV_HEAP_BYTES },
		{ "bytearray", "bytearray", PV_HEAP_BYTEARRAY },
		{ "tuple", "tuple", PV_HEAP_TUPLE },
		{ "list", "list", PV_HEAP_LIST },
		{ "dict", "dict", PV_HEAP_DICT },
		{ "set", "set", PV_HEAP_SET },
		{ "frozenset", "frozenset", PV_HEAP_SET },
		{ "frame", "frame", PV_HEAP_FRAME },
		{ "generator", "generator", PV_HEAP_GENERATOR },
		{ "coroutine", "coroutine", PV_HEAP_GENERATOR },
		{ "async_generator", "async_generator", PV_HEAP_GENERATOR },
	};

	/* static ones alone: everybody may call his own what he likes */
	if (type->flags & PV_TPFLAGS_HEAPTYPE)
		return PV_HEAP_OTHER;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (strcmp(type->name, heap->is_old ? list[i].old_name : list[i].name) == 0)
			return list[i].kind;
	}
	return PV_HEAP_OTHER;
}

static const struct pv_heap_type *known_type(const struct pv_heap *heap, uint64_t address)
{
	uint64_t number;

	if (!pv_map_get(&heap->numbers, address, &number))
		return NULL;
	return *(struct pv_heap_type **)pv_vec_at(&heap->types, number);
}

static bool add_type(struct pv_heap *heap, const struct pv_heap_type *type)
{
	struct pv_heap_type *copy;
	struct pv_err *err;

	if (heap->types.n >= TYPES_MAX)
		return false;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return false;
	*copy = *type;
	copy->number = (uint32_t)heap->types.n;
	err = pv_map_set(&heap->numbers, type->address, copy->number);
	if (!err)
		err = pv_vec_append(&heap->types, &copy, 1, NULL);
	if (!err)
		return true;
	pv_map_remove(&heap->numbers, type->address);
	pv_err_destroy(err);
	free(copy);
	return false;
}

static const struct pv_heap_type *type_at_depth(struct pv_heap *heap, uint64_t address,
						unsigned int depth);

/* Is its own type `type`, or a subclass of it? */
static bool is_metaclass(struct pv_heap *heap, uint64_t address, unsigned int depth)
{
	const struct pv_heap_type *meta;

	if (address == heap->type_type)
		return true;
	meta = type_at_depth(heap, address, depth + 1);
	return meta && meta->flags & PV_TPFLAGS_TYPE_SUBCLASS;
}

static const struct pv_heap_type *type_at_depth(struct pv_heap *heap, uint64_t address,
						unsigned int depth)
{
	const struct pv_heaplayout *at = &heap->layout;
	const struct pv_heap_type *known, *base = NULL;
	struct pv_heap_type type = { .address = address };
	char bytes[TYPE_BYTES_MAX];
	uint64_t meta, name;

	if (address < ADDRESS_MIN || address >> ADDRESS_BITS || address % sizeof(uint64_t) ||
	    depth > BASES_MAX)
		return NULL;
	known = known_type(heap, address);
	if (known)
		return known;
	/* most of what is asked for is none, and its own type says so */
	if (pv_mem_read_u64(heap->mem, address + heap->python->proc.py.ob_type, &meta) || !meta ||
	    meta % sizeof(uint64_t))
		return NULL;
	known = meta == heap->type_type ? NULL : known_type(heap, meta);
	if (known && !(known->flags & PV_TPFLAGS_TYPE_SUBCLASS))
		return NULL;
	if (pv_mem_read(heap->mem, bytes, at->type_size, address))
		return NULL;
	type.type = meta;
	type.basicsize = word_at(bytes, at->type_basicsize);
	type.itemsize = word_at(bytes, at->type_itemsize);
	type.flags = word_at(bytes, at->type_flags);
	type.dealloc = word_at(bytes, at->type_dealloc);
	type.base = word_at(bytes, at->type_base);
	type.dict = word_at(bytes, at->type_dict);
	type.dictoffset = (int64_t)word_at(bytes, at->type_dictoffset);
	type.is_gc = type.flags & PV_TPFLAGS_HAVE_GC;
	type.before = bytes_before(heap, type.flags);
	name = word_at(bytes, at->type_name);
	if (!(type.flags & PV_TPFLAGS_READY) || type.basicsize > BASICSIZE_MAX ||
	    type.itemsize > ITEMSIZE_MAX || type.basicsize < at->object_size || !name ||
	    type.base % sizeof(uint64_t) || type.base == address ||
	    !is_metaclass(heap, meta, depth) || !read_name(heap, name, type.name))
		return NULL;
	if (type.base) {
		base = type_at_depth(heap, type.base, depth + 1);
		if (!base)
			return NULL;
	}
	type.kind = kind_by_name(heap, &type);
	if (type.kind == PV_HEAP_OTHER && base)
		type.kind = base->kind;
	return add_type(heap, &type) ? known_type(heap, address) : NULL;
}

const struct pv_heap_type *pv_heap_type(struct pv_heap *heap, uint64_t address)
{
	return type_at_depth(heap, address, 0);
}

bool pv_heap_is_called(const struct pv_heap_type *type, const char *name)
{
	const char *own = strrchr(type->name, '.'), *asked = strrchr(name, '.');

	if (!strcmp(type->name, name))
		return true;
	/* two modules that are named are not the same one */
	if (own && asked)
		return false;
	return !strcmp(own ? own + 1 : type->name, asked ? asked + 1 : name);
}

/* 3.14 Include/refcount.h: the lower half counts, the upper one holds flags. */
static bool split_refcount(uint64_t word, uint64_t *ret, bool *immortal_ret)
{
	uint32_t count = (uint32_t)word;

	*immortal_ret = count >> 31;
	*ret = count;
	return count && !(word >> 32 & 0xffff);
}

bool pv_heap_refcount(const struct pv_heap *heap, const void *object, uint64_t *ret,
		      bool *immortal_ret)
{
	const struct pv_pylayout *py = &heap->python->proc.py;
	uint64_t word, count;

	if (py->free_threaded) {
		/* 3.13 Include/object.h: shared is shifted by 2 and may be below 0 */
		uint32_t local = half_at(object, py->ob_ref_local);
		int64_t shared = (int64_t)word_at(object, py->ob_ref_shared) >> 2;

		*immortal_ret = local == UINT32_MAX;
		count = (uint64_t)((int64_t)local + shared);
		*ret = count;
		return *immortal_ret || (count && count < refcount_max);
	}
	word = word_at(object, 0);
	if (py->version_hex >= 0x030e0000)
		return split_refcount(word, ret, immortal_ret);
	*immortal_ret = py->version_hex >= 0x030c0000 && (uint32_t)word >> 31;
	*ret = word;
	return word && word < refcount_max;
}

/* Bytes of a str's characters with the NUL, from the end of its struct on; false: none such. */
static bool str_size(struct pv_heap *heap, uint64_t address, uint64_t *ret)
{
	const struct pv_pylayout *py = &heap->python->proc.py;
	uint64_t length;
	uint32_t state, kind;

	if (pv_mem_read_u64(heap->mem, address + py->str_length, &length) ||
	    pv_mem_read_u32(heap->mem, address + py->str_state, &state) || length >> 48)
		return false;
	/* interned, kind, then compact and ascii: Include/cpython/unicodeobject.h */
	kind = state >> py->str_kind_shift & 7;
	if (!(state >> (py->str_kind_shift + 3) & 1))
		*ret = heap->layout.unicode_data + sizeof(uint64_t);
	else if (state >> (py->str_kind_shift + 4) & 1)
		*ret = py->str_ascii_data + length + 1;
	else
		*ret = py->str_compact_data + (length + 1) * kind;
	return true;
}

/* How many items a variable-sized object has; ob_size but of ints from 3.12 on. */
static bool read_items(struct pv_heap *heap, const struct pv_heap_type *type, uint64_t address,
		       uint64_t *ret)
{
	const struct pv_pylayout *py = &heap->python->proc.py;
	bool tagged = type->kind == PV_HEAP_INT && py->long_tag != PV_OFF_NONE;
	uint64_t word;

	if (pv_mem_read_u64(heap->mem, address + (tagged ? py->long_tag : py->var_size), &word))
		return false;
	if (tagged)
		word >>= 3;
	else if ((int64_t)word < 0)
		word = -word; /* a negative int */
	/* Objects/longobject.c: even 0 has room for a digit */
	if (type->kind == PV_HEAP_INT && !word)
		word = 1;
	*ret = word;
	return word < refcount_max;
}

/* 3.13 Include/internal/pycore_dict.h: struct _dictvalues stands behind the object. */
static uint64_t inline_values(struct pv_heap *heap, const struct pv_heap_type *type,
			      uint64_t address)
{
	uint8_t capacity;

	if (heap->python->proc.py.version_hex < 0x030d0000 ||
	    !(type->flags & PV_TPFLAGS_INLINE_VALUES) ||
	    pv_mem_read(heap->mem, &capacity, 1, address + type->basicsize))
		return 0;
	/* its head, the values, and the order of insertion: a byte each */
	return 8 + 8 * (uint64_t)capacity + ((uint64_t)capacity + 7) / 8 * 8;
}

/*
 * 3.11 Objects/frameobject.c, genobject.c: frames and generators are allocated as variable-sized,
 * but f_back or gi_code lies where ob_size does; what they have behind them is not known from them.
 */
static bool has_no_size(const struct pv_heap *heap, const struct pv_heap_type *type)
{
	return (type->kind == PV_HEAP_FRAME || type->kind == PV_HEAP_GENERATOR) &&
	       heap->python->proc.py.version_hex >= 0x030b0000;
}

static bool object_size(struct pv_heap *heap, const struct pv_heap_type *type, uint64_t address,
			uint64_t *ret)
{
	uint64_t items, size = type->basicsize;

	if (type->kind == PV_HEAP_TYPE) {
		/* a static one has no PyHeapTypeObject around it */
		const struct pv_heap_type *self = pv_heap_type(heap, address);

		if (self && !(self->flags & PV_TPFLAGS_HEAPTYPE))
			size = heap->layout.type_size;
		else if (read_items(heap, type, address, &items))
			size += items * type->itemsize;
	} else if (type->kind == PV_HEAP_STR && !heap->is_old) {
		if (!str_size(heap, address, &size))
			return false;
		/* a subclass's objects are not compact, and have more behind them */
		if (size < type->basicsize && type->flags & PV_TPFLAGS_HEAPTYPE)
			size = type->basicsize;
	} else if (type->itemsize && !has_no_size(heap, type)) {
		if (!read_items(heap, type, address, &items))
			return false;
		size += items * type->itemsize;
	}
	*ret = size + inline_values(heap, type, address);
	return true;
}

uint64_t pv_heap_size_of(struct pv_heap *heap, const struct pv_heap_type *type, uint64_t address)
{
	uint64_t size;

	return object_size(heap, type, address, &size) ? size + type->before : 0;
}

/* Include/internal/pycore_gc.h; up to 3.7 Include/objimpl.h: -2 is _PyGC_REFS_UNTRACKED. */
static bool is_tracked(struct pv_heap *heap, uint64_t address)
{
	const struct pv_pylayout *py = &heap->python->proc.py;
	uint64_t word;
	uint8_t bits;

	if (py->free_threaded)
		/* uint8_t ob_gc_bits stands before ob_ref_local: 3.13 Include/object.h */
		return !pv_mem_read(heap->mem, &bits, 1, address + py->ob_ref_local - 1) &&
		       bits & 1;
	if (py->version_hex >= 0x03080000)
		return !pv_mem_read_u64(heap->mem, address - heap->layout.gc_head, &word) && word;
	if (pv_mem_read_u64(heap->mem, address - heap->layout.gc_head + 16, &word))
		return false;
	return heap->is_old ? (int64_t)word != -2 : (int64_t)word >> 1 != -2;
}

bool pv_heap_object(struct pv_heap *heap, uint64_t address, struct pv_heap_object *ret)
{
	const struct pv_pylayout *py = &heap->python->proc.py;
	struct pv_heap_object object = { .address = address, .start = address };
	const struct pv_heap_type *type, *self;
	char head[32];

	if (!address || address % sizeof(uint64_t) ||
	    pv_mem_read(heap->mem, head, py->ob_type + sizeof(uint64_t), address) ||
	    !pv_heap_refcount(heap, head, &object.refcount, &object.immortal))
		return false;
	type = pv_heap_type(heap, word_at(head, py->ob_type));
	if (!type || !object_size(heap, type, address, &object.size))
		return false;
	object.type = type;
	/* Objects/typeobject.c: type_is_gc() */
	self = type->kind == PV_HEAP_TYPE ? pv_heap_type(heap, address) : NULL;
	if (!self || self->flags & PV_TPFLAGS_HEAPTYPE) {
		object.start -= type->before;
		object.size += type->before;
		object.tracked = type->is_gc && is_tracked(heap, address);
	}
	*ret = object;
	return true;
}

void pv_heap_set_mem(struct pv_heap *heap, struct pv_mem *mem)
{
	heap->mem = mem;
}

const struct pv_python *pv_heap_python(const struct pv_heap *heap)
{
	return heap->python;
}

const struct pv_heap_type *pv_heap_known_type(const struct pv_heap *heap, uint64_t address)
{
	return known_type(heap, address);
}

struct pv_mem *pv_heap_mem(const struct pv_heap *heap)
{
	return heap->mem;
}

const struct pv_heaplayout *pv_heap_layout(const struct pv_heap *heap)
{
	return &heap->layout;
}

size_t pv_heap_n_types(const struct pv_heap *heap)
{
	return heap->types.n;
}

const struct pv_heap_type *pv_heap_type_at(const struct pv_heap *heap, uint32_t number)
{
	return *(struct pv_heap_type **)pv_vec_at(&heap->types, number);
}

static void free_types(struct pv_heap *heap)
{
	for (size_t i = 0; i < heap->types.n; i++)
		free(*(struct pv_heap_type **)pv_vec_at(&heap->types, i));
	pv_vec_deinit(&heap->types);
	pv_map_deinit(&heap->numbers);
}

void pv_heap_forget(struct pv_heap *heap, struct pv_mem *mem)
{
	free_types(heap);
	heap->types = (struct pv_vec)PV_VEC(struct pv_heap_type *);
	heap->numbers = (struct pv_map){ 0 };
	heap->mem = mem;
}

/* `type`: the type of PyCode_Type, and its own. */
static struct pv_err *find_type_type(struct pv_heap *heap)
{
	uint16_t ob_type = heap->python->proc.py.ob_type;
	uint64_t type, own;

	if (pv_mem_read_u64(heap->mem, heap->python->proc.code_type + ob_type, &type) || !type ||
	    pv_mem_read_u64(heap->mem, type + ob_type, &own) || own != type)
		return pv_err_create(PV_ERR_NOPROC,
				     "cannot read the objects of the CPython %s in %s: the type of "
				     "its types is not where it must be (is it initialised?)",
				     heap->python->version, heap->python->module_path);
	heap->type_type = type;
	return NULL;
}

/* &generations[0] of versions without a head size of their own; 0: not to be found. */
static uint64_t first_generation(struct pv_heap *heap)
{
	const struct pv_proc *proc = &heap->python->proc;
	uint64_t at = heap->python->gc_generation0, first;

	if (!at && proc->py.rt_gc && heap->layout.gc_generation0 != PV_OFF_NONE)
		at = proc->runtime + proc->py.rt_gc + heap->layout.gc_generation0;
	return at && !pv_mem_read_u64(heap->mem, at, &first) ? first : 0;
}

/*
 * Before 3.8 PyGC_Head is of 24 or 32 bytes: up to 3.6.x and 3.7.3 it was aligned as a double,
 * later as a long double.  The objects behind the first heads of the lists tell.
 */
static void find_gc_head(struct pv_heap *heap)
{
	uint64_t head = first_generation(heap), at = head, type;
	int votes[2] = { 0 };

	heap->layout.gc_head = 32;
	for (int i = 0; head && i < HEAD_VOTES; i++) {
		if (pv_mem_read_u64(heap->mem, at, &at) || at == head || !at)
			break;
		for (int k = 0; k < 2; k++) {
			if (!pv_mem_read_u64(heap->mem,
					     at + 24 + 8 * (uint64_t)k +
						     heap->python->proc.py.ob_type,
					     &type) &&
			    pv_heap_type(heap, type))
				votes[k]++;
		}
	}
	if (votes[0] > votes[1])
		heap->layout.gc_head = 24;
	heap->layout.gc_stride =
		heap->is_old || votes[0] > votes[1] ? heap->layout.gc_head + 8 : 48;
	/* what was met has a wrong size before its objects */
	pv_heap_forget(heap, heap->mem);
}

struct pv_err *pv_heap_create(struct pv_mem *mem, const struct pv_python *python,
			      struct pv_heap **ret)
{
	struct pv_heap *heap;
	struct pv_err *err;

	if (!python->found)
		return pv_err_create(PV_ERR_NOPROC, "there is no CPython whose objects to read");
	heap = malloc(sizeof(*heap));
	if (!heap)
		return &pv_enomem;
	*heap = (struct pv_heap){
		.mem = mem,
		.python = python,
		.types = PV_VEC(struct pv_heap_type *),
		.is_old = python->proc.py.version_hex < 0x03000000,
	};
	pv_heaplayout_find(&python->proc.py, &heap->layout);
	err = heap->layout.type_size > TYPE_BYTES_MAX
		      ? pv_err_create(PV_ERR_NOPROC, "PyTypeObject is larger than expected")
		      : find_type_type(heap);
	if (err) {
		pv_heap_destroy(heap);
		return err;
	}
	if (python->proc.py.free_threaded)
		heap->layout.gc_head = 0;
	else if (python->proc.py.version_hex < 0x03080000)
		find_gc_head(heap);
	*ret = heap;
	return NULL;
}

void pv_heap_destroy(struct pv_heap *heap)
{
	if (!heap)
		return;
	free_types(heap);
	free(heap);
}
