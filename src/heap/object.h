/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Python objects in the memory of a process, told from all else that lies there.
 * Input: a struct pv_mem (untrusted: the process, a copy of a part of it, a fixture) and
 * the interpreter that was detected in it.  Output: types and objects as plain data.
 *
 * What a type is: something whose own type is a subclass of `type`, which is the one
 * object that is its own type and that of PyCode_Type; that is ready; and whose sizes,
 * flags and name are possible.  What an object is: something whose ob_type is such a
 * type, with a possible reference count.
 */
#ifndef PV_HEAP_OBJECT_H
#define PV_HEAP_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "python/layout.h"

struct pv_heap;
struct pv_mem;
struct pv_python;

/* Which builtin type it is or comes from: that decides how its objects are laid out. */
enum pv_heap_kind {
	PV_HEAP_OTHER,
	PV_HEAP_TYPE,
	PV_HEAP_INT, /* 2.7: long; also bool, but of 2.7 */
	PV_HEAP_STR, /* 2.7: unicode */
	PV_HEAP_BYTES,
	PV_HEAP_BYTEARRAY,
	PV_HEAP_TUPLE,
	PV_HEAP_LIST,
	PV_HEAP_DICT,
	PV_HEAP_SET, /* and frozenset */
	PV_HEAP_FRAME,
	PV_HEAP_GENERATOR, /* and coroutine, async_generator */
};

enum { PV_HEAP_NAME_BYTES = 128 }; /* of a type's name, with the NUL; longer ones are cut */

/* PyTypeObject.tp_flags (Include/object.h); the same in all versions that have them. */
enum {
	PV_TPFLAGS_INLINE_VALUES = 1 << 2,   /* 3.13+ */
	PV_TPFLAGS_MANAGED_WEAKREF = 1 << 3, /* 3.12+ */
	PV_TPFLAGS_MANAGED_DICT = 1 << 4,    /* 3.11+ */
	PV_TPFLAGS_HEAPTYPE = 1 << 9,
	PV_TPFLAGS_READY = 1 << 12,
	PV_TPFLAGS_HAVE_GC = 1 << 14,
};
#define PV_TPFLAGS_TYPE_SUBCLASS (1UL << 31)

struct pv_heap_type {
	uint64_t address;
	uint64_t type;                 /* its own: `type` or a metaclass */
	uint64_t base;                 /* tp_base; 0: it is `object` */
	uint64_t basicsize, itemsize;  /* bytes */
	uint64_t flags;                /* tp_flags */
	uint64_t dealloc;              /* tp_dealloc */
	uint64_t dict;                 /* tp_dict, an object; 0: kept elsewhere */
	int64_t dictoffset;            /* tp_dictoffset */
	uint32_t number;               /* from 0, in the order in which they were met */
	uint16_t before;               /* bytes in front of its objects: see pv_heap_object */
	uint8_t kind;                  /* enum pv_heap_kind */
	bool is_gc;                    /* its objects have a PyGC_Head */
	char name[PV_HEAP_NAME_BYTES]; /* tp_name: UTF-8 or not, without control characters */
};

/* An object as it is at one moment; what it points to may be gone at the next. */
struct pv_heap_object {
	const struct pv_heap_type *type;
	uint64_t address;
	/*
	 * Where its memory begins: PyGC_Head (not in free-threaded builds) and, from 3.11 on
	 * with a managed dict or from 3.12 on weak references, two words more stand before it.
	 * Objects that are no part of the heap (static types) have none of them.
	 */
	uint64_t start;
	uint64_t refcount; /* meaningless of an immortal one */
	bool immortal;     /* 3.12+: it is not counted */
	bool tracked;      /* by the garbage collector; false where it cannot be told */
	/* Bytes from start on; without what it has elsewhere: a list's items, a dict's keys */
	uint64_t size;
};

/*
 * mem and python must outlive it; python->found and initialized.  What cannot be read is
 * PV_ERR_NOPROC with the reason.
 */
struct pv_err *pv_heap_create(struct pv_mem *mem, const struct pv_python *python,
			      struct pv_heap **ret);
void pv_heap_destroy(struct pv_heap *heap);

/*
 * Forgets all types: they may be others at the next look.  Pointers to them end here.
 * mem: where to read from now on.
 */
void pv_heap_forget(struct pv_heap *heap, struct pv_mem *mem);

/* Where to read from now on, until it is set back: a copy of the same process's memory. */
void pv_heap_set_mem(struct pv_heap *heap, struct pv_mem *mem);

const struct pv_python *pv_heap_python(const struct pv_heap *heap);
struct pv_mem *pv_heap_mem(const struct pv_heap *heap);

/*
 * Offsets of this build.  gc_head, which before 3.8 is not known from the version alone, was
 * found in the process; it is 0 in free-threaded builds.
 */
const struct pv_heaplayout *pv_heap_layout(const struct pv_heap *heap);

/* The type at address, or NULL: there is none, or memory is short.  Valid until forget. */
const struct pv_heap_type *pv_heap_type(struct pv_heap *heap, uint64_t address);

/*
 * Does a user mean this type by that name?  tp_name of a static type has its module in it
 * ("numpy.ndarray"), that of a class statement has not; the user may say either.
 */
bool pv_heap_is_called(const struct pv_heap_type *type, const char *name);

/* The same of those that were met so far: reads nothing. */
const struct pv_heap_type *pv_heap_known_type(const struct pv_heap *heap, uint64_t address);

/*
 * The module that the type's dict says it is of, if that is of ASCII characters and has room in
 * size bytes; static types of 3.12 and later, and types of no module, have none there.
 */
bool pv_heap_type_module(struct pv_heap *heap, const struct pv_heap_type *type, char *ret,
			 size_t size);

/*
 * As a census has them: its module, "" for builtins, and its name without that; both have
 * PV_HEAP_NAME_BYTES and are empty before.
 */
void pv_heap_type_names(struct pv_heap *heap, const struct pv_heap_type *type, char *module_ret,
			char *name_ret);

/* Those that were met so far, by number. */
size_t pv_heap_n_types(const struct pv_heap *heap);
const struct pv_heap_type *pv_heap_type_at(const struct pv_heap *heap, uint32_t number);

/* Is there an object at address (that of ob_refcnt)?  Then *ret is it. */
bool pv_heap_object(struct pv_heap *heap, uint64_t address, struct pv_heap_object *ret);

/*
 * Bytes from its start on of an object of that type which is, or was, at address; 0: that cannot be
 * told, or is impossible.
 */
uint64_t pv_heap_size_of(struct pv_heap *heap, const struct pv_heap_type *type, uint64_t address);

/*
 * For those who have its first words already: is this an ob_refcnt (free-threaded: are these
 * the first 24 bytes) of an object that is alive?
 */
bool pv_heap_refcount(const struct pv_heap *heap, const void *object, uint64_t *ret,
		      bool *immortal_ret);

#endif
