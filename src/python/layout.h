/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of CPython builds.  3.13+: from the process's own _Py_DebugOffsets,
 * completed from the generated table; older: the generated table, keyed by
 * version.
 */
#ifndef PV_PYTHON_LAYOUT_H
#define PV_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/asyncio.h"
#include "abi/layout.h"
#include "base/err.h"

/*
 * What only src/heap needs: offsets and sizes, from the generated table alone; PV_OFF_NONE: this
 * version has no such field.  tp_*, dk_* and so on are CPython's own names.
 */
struct pv_heaplayout {
	/*
	 * PyGC_Head, which stands before an object; struct gc_generation, which begins with one.
	 * Not free-threaded; before 3.8 the size depends on the micro release and the compiler.
	 */
	uint16_t gc_head, gc_stride;
	uint16_t gc_generation0; /* 3.7 to 3.13: pointer to the first generation */
	uint16_t gc_generations; /* 3.14+: the first generation itself */
	uint16_t gc_permanent;   /* 3.7+: what gc.freeze() put aside */
	/*
	 * Of the oldest generation: up to 3.14 how many collections there were, and behind it how
	 * many objects these freed.  From 3.15 on its entries in what gc_stats points to, of which
	 * the int8_t at gc_stats_index behind the first is the last one.
	 */
	uint16_t gc_full, gc_stats, gc_stats_index;
	uint16_t gc_long_lived; /* long_lived_total, then long_lived_pending; not 3.14 */
	uint16_t object_size;   /* PyObject */
	uint16_t type_size, type_name, type_basicsize, type_itemsize, type_dealloc, type_flags;
	uint16_t type_base, type_dict, type_dictoffset;
	uint16_t heaptype_keys; /* PyHeapTypeObject.ht_cached_keys */
	uint16_t list_items, list_allocated;
	uint16_t bytearray_alloc, bytearray_bytes;
	uint16_t unicode_data; /* of a str that is not compact, of a unicode of 2.7 */
	uint16_t dict_used;
	uint16_t dict_keys, dict_values;                 /* 3.x */
	uint16_t dict_mask, dict_table, dict_smalltable; /* 2.7 */
	/* PyDictKeysObject: size up to 3.10, the log2 ones from 3.11 on */
	uint16_t keys_size, keys_log2_size, keys_log2_index, keys_kind, keys_n, keys_indices;
	uint16_t set_mask, set_table, set_smalltable;
	uint16_t module_dict;
};

/* For a layout that pv_pylayout_find() gave. */
void pv_heaplayout_find(const struct pv_pylayout *layout, struct pv_heaplayout *ret);

/*
 * The layout for a PY_VERSION_HEX of a release.  debug_offsets: the first bytes of
 * _PyRuntime (NULL, 0 before 3.13), which also tell a free-threaded build.  Unknown or
 * not validating: PV_ERR_NOPROC with the reason.  source gets a short text ("table 3.11",
 * "_Py_DebugOffsets"), with "unverified layout" where no such interpreter was ever read.
 * tasks_ret: what asyncio's tasks need beside; or NULL.
 */
struct pv_err *pv_pylayout_find(uint32_t version_hex, const void *debug_offsets, size_t n,
				struct pv_pylayout *ret, struct pv_tasklayout *tasks_ret,
				char *source, size_t source_size);

/* Was no interpreter of this kind ever read?  Then its layout is from headers alone. */
bool pv_pylayout_is_unverified(const struct pv_pylayout *layout);

/* Do the layouts of this minor version (with the GIL) differ between its micro releases? */
bool pv_pylayout_needs_micro(uint32_t version_hex);

/* Where _PyRuntime.initialized (int: Py_Initialize is done) is; of a version with a _PyRuntime. */
uint32_t pv_pylayout_initialized_offset(uint32_t version_hex, bool free_threaded);

#endif
