/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of supported CPython versions.
 * Input: a version, from 3.13 the process's own _Py_DebugOffsets (untrusted),
 * and the generated offsets in layouts.inc.  Output: struct pv_pylayout.
 */
#include "python/layout.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What layouts.inc holds of one minor version. */
struct pv_pyoffsets {
	struct pv_pylayout py; /* the offsets only */
	struct pv_tasklayout tasks;
	struct pv_heaplayout heap;
	uint32_t rt_initialized; /* int _PyRuntime.initialized */
	uint32_t co_size;        /* sizeof(PyCodeObject) */
};

/*
 * One u64 of _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h), in
 * order.  The first of each struct is its size, which bounds those after it.
 */
struct debug_field {
	enum { STRUCT_SIZE, OFFSET, NO_OFFSET } what;
	uint8_t bytes;   /* of the field in the struct */
	uint8_t width;   /* of our member: 2, 4; 0 = we do not use it */
	uint16_t member; /* its offset in struct pv_pyoffsets */
};

#define SIZE                                                                                       \
	{                                                                                          \
		STRUCT_SIZE, 0, 0, 0                                                               \
	}
/* no offset, or one in another struct */
#define UNCHECKED                                                                                  \
	{                                                                                          \
		NO_OFFSET, 0, 0, 0                                                                 \
	}
#define SKIP(bytes)                                                                                \
	{                                                                                          \
		OFFSET, bytes, 0, 0                                                                \
	}
#define USE(bytes, name)                                                                           \
	{                                                                                          \
		OFFSET, bytes, sizeof(((struct pv_pyoffsets *)NULL)->name),                        \
			offsetof(struct pv_pyoffsets, name)                                        \
	}

#include "python/layouts.inc"

/* A supported minor version: one line, and its offsets in layouts.inc. */
struct pv_pyversion {
	uint16_t version; /* 0x030d = 3.13 */
	uint8_t micro;    /* the first one; a later line of the same version goes on from it */
	uint8_t frame_kind, anchor_kind, instr_kind, linetable_kind;
	uint8_t code_tag_mask, owner_boundary, owner_generator;
	uint8_t own_kind;
	bool free_threaded;
	bool unverified; /* from headers alone: no such interpreter was at hand */
	const struct pv_pyoffsets *offsets;
	const struct debug_field *debug; /* NULL: has no _Py_DebugOffsets */
	uint16_t n_debug;
};

#define DEBUG(list) (list), sizeof(list) / sizeof((list)[0])
#define NO_DEBUG    NULL, 0
#define LOCKED      false, false

/* clang-format off */
static const struct pv_pyversion versions[] = {
	{ 0x0207, 0, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB_UNSIGNED,
	  0, 0xff, 0xff, PV_OWN_LIST, LOCKED, &offsets_2_7, NO_DEBUG },
	{ 0x0306, 0, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB,
	  0, 0xff, 0xff, PV_OWN_KEY, LOCKED, &offsets_3_6, NO_DEBUG },
	{ 0x0307, 0, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB,
	  0, 0xff, 0xff, PV_OWN_TSS, LOCKED, &offsets_3_7, NO_DEBUG },
	{ 0x0307, 4, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB,
	  0, 0xff, 0xff, PV_OWN_TSS, LOCKED, &offsets_3_7_4, NO_DEBUG },
	{ 0x0308, 0, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB,
	  0, 0xff, 0xff, PV_OWN_TSS, LOCKED, &offsets_3_8, NO_DEBUG },
	{ 0x0309, 0, PV_FRAME_OBJECT, PV_ANCHOR_NONE, PV_INSTR_LASTI_BYTES, PV_LINES_LNOTAB,
	  0, 0xff, 0xff, PV_OWN_TSS, LOCKED, &offsets_3_9, NO_DEBUG },
	{ 0x030a, 0, PV_FRAME_OBJECT, PV_ANCHOR_CFRAME, PV_INSTR_LASTI_UNITS, PV_LINES_PEP626,
	  0, 0xff, 0xff, PV_OWN_TSS, LOCKED, &offsets_3_10, NO_DEBUG },
	{ 0x030b, 0, PV_FRAME_INTERP, PV_ANCHOR_ENTRY, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  0, 0xff, 1, PV_OWN_TSS, LOCKED, &offsets_3_11, NO_DEBUG },
	{ 0x030c, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  0, 3, 1, PV_OWN_TSS, LOCKED, &offsets_3_12, NO_DEBUG },
	{ 0x030d, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  0, 3, 1, PV_OWN_TSS, LOCKED, &offsets_3_13, DEBUG(debug_3_13) },
	{ 0x030e, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  3, 3, 1, PV_OWN_TSS, LOCKED, &offsets_3_14, DEBUG(debug_3_14) },
	{ 0x030f, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  3, 3, 1, PV_OWN_TLS, LOCKED, &offsets_3_15, DEBUG(debug_3_15) },
	{ 0x030d, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  0, 3, 1, PV_OWN_TSS, true, false, &offsets_3_13t, DEBUG(debug_3_13) },
	{ 0x030e, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  3, 3, 1, PV_OWN_TSS, true, true, &offsets_3_14t, DEBUG(debug_3_14) },
	{ 0x030f, 0, PV_FRAME_INTERP, PV_ANCHOR_SHIM, PV_INSTR_POINTER, PV_LINES_LOCATIONS,
	  3, 3, 1, PV_OWN_TLS, true, true, &offsets_3_15t, DEBUG(debug_3_15) },
};
/* clang-format on */

/* The head of _Py_DebugOffsets, the same in every version. */
struct debug_head {
	char cookie[8];
	uint64_t version;
	uint64_t free_threaded;
};

static const struct pv_pyversion *version_find(uint32_t version_hex, bool free_threaded)
{
	const struct pv_pyversion *found = NULL;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i].version == version_hex >> 16 &&
		    versions[i].free_threaded == free_threaded &&
		    versions[i].micro <= ((version_hex >> 8) & 0xff))
			found = &versions[i];
	}
	return found;
}

bool pv_pylayout_needs_micro(uint32_t version_hex)
{
	size_t lines = 0;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		lines += versions[i].version == version_hex >> 16 && !versions[i].free_threaded;
	return lines > 1;
}

bool pv_pylayout_is_unverified(const struct pv_pylayout *layout)
{
	const struct pv_pyversion *version =
		version_find(layout->version_hex, layout->free_threaded);

	return version && version->unverified;
}

void pv_heaplayout_find(const struct pv_pylayout *layout, struct pv_heaplayout *ret)
{
	*ret = version_find(layout->version_hex, layout->free_threaded)->offsets->heap;
	if (layout->version_hex >= 0x03080000)
		return;
	/* of some micros only headers were at hand, which do not have these; they never moved */
	ret->module_dict = ret->object_size;
	if (layout->version_hex >= 0x03060000) {
		ret->keys_size = offsets_3_8.heap.keys_size;
		ret->keys_n = offsets_3_8.heap.keys_n;
		ret->keys_indices = offsets_3_8.heap.keys_indices;
	}
}

/* "3.13" */
static void minor_name(uint32_t version_hex, char *ret, size_t size)
{
	snprintf(ret, size, "%u.%u", version_hex >> 24, (version_hex >> 16) & 0xff);
}

static struct pv_err *refuse_version(uint32_t version_hex)
{
	const struct pv_pyversion *last = &versions[sizeof(versions) / sizeof(versions[0]) - 1];
	char version[16], to[16];

	minor_name(version_hex, version, sizeof(version));
	minor_name((uint32_t)last->version << 16, to, sizeof(to));
	return pv_err_create(PV_ERR_NOPROC,
			     "CPython %s is not supported: its layout is not known here "
			     "(supported: 2.7 and 3.6 to %s)",
			     version, to);
}

static void member_set(struct pv_pyoffsets *layout, const struct debug_field *field, uint64_t value)
{
	char *member = (char *)layout + field->member;

	if (field->width == sizeof(uint16_t))
		*(uint16_t *)member = (uint16_t)value;
	else
		*(uint32_t *)member = (uint32_t)value;
}

/*
 * Reads the offsets of one version's list into ret, each checked against the
 * size of its struct, as CPython's own reader does (Modules/_remote_debugging).
 */
static struct pv_err *debug_read(const struct pv_pyversion *version, const void *debug_offsets,
				 size_t n, struct pv_pyoffsets *ret, uint64_t *code_size_ret)
{
	const uint8_t *at = (const uint8_t *)debug_offsets + sizeof(struct debug_head);
	uint64_t size = 0;

	if (n < sizeof(struct debug_head) + version->n_debug * sizeof(uint64_t))
		return pv_err_create(PV_ERR_NOPROC, "_Py_DebugOffsets is cut off after %zu bytes",
				     n);
	for (unsigned int i = 0; i < version->n_debug; i++, at += sizeof(uint64_t)) {
		const struct debug_field *field = &version->debug[i];
		uint64_t limit = field->width == sizeof(uint16_t) ? PV_OFF_NONE : UINT32_MAX;
		uint64_t value;

		memcpy(&value, at, sizeof(value));
		if (field->what == NO_OFFSET)
			continue;
		if (field->what == STRUCT_SIZE) {
			if (value == 0 || value >= 1 << 24)
				return pv_err_create(PV_ERR_NOPROC,
						     "_Py_DebugOffsets: size %llu of struct at "
						     "entry %u is impossible",
						     (unsigned long long)value, i);
			size = value;
			continue;
		}
		if (value > size || size - value < field->bytes || (field->width && value >= limit))
			return pv_err_create(PV_ERR_NOPROC,
					     "_Py_DebugOffsets: entry %u, offset %llu, is outside "
					     "its struct of %llu bytes",
					     i, (unsigned long long)value,
					     (unsigned long long)size);
		if (field->width)
			member_set(ret, field, value);
		if (field->width && field->member == offsetof(struct pv_pyoffsets, py.co_filename))
			*code_size_ret = size;
	}
	return NULL;
}

/*
 * What the list does not tell of a free-threaded build stands where the table has it only if
 * what it does tell stands there too.
 */
static struct pv_err *check_free_threaded(const struct pv_pylayout *table,
					  struct pv_pylayout *layout)
{
	if (!layout->free_threaded) {
		/* entries of 0: these builds have no such fields */
		layout->co_tlbc = layout->fr_tlbc_index = PV_OFF_NONE;
		return NULL;
	}
	if (layout->ts_status != table->ts_status || layout->ts_frame != table->ts_frame)
		layout->ts_state = PV_OFF_NONE;
	return NULL;
}

/*
 * What code objects, frames, strings and bytes are has never changed within a minor version,
 * in any micro release, distribution or debug build (tools/gen-layouts checks that): a process
 * that says otherwise is none, or lies, and what it says could not be told from the truth, as
 * when two pointers to strings have changed places.
 */
static struct pv_err *check_frozen(const struct pv_pyoffsets *known, const struct pv_pyoffsets *got)
{
	static const struct {
		size_t member;
		const char *name;
	} frozen[] = {
#define FROZEN(member) { offsetof(struct pv_pyoffsets, py.member), #member }
#define FROZEN_TASK(member)                                                                        \
	{                                                                                          \
		offsetof(struct pv_pyoffsets, tasks.member), #member                               \
	}
		FROZEN(fr_previous),
		FROZEN(fr_code),
		FROZEN(fr_instr),
		FROZEN(fr_owner),
		FROZEN(co_filename),
		FROZEN(co_name),
		FROZEN(co_qualname),
		FROZEN(co_linetable),
		FROZEN(co_firstlineno),
		FROZEN(ob_type),
		FROZEN(co_code_adaptive),
		FROZEN(var_size),
		FROZEN(bytes_data),
		FROZEN(str_length),
		FROZEN(str_state),
		FROZEN(str_ascii_data),
		FROZEN(fr_locals),
		FROZEN(co_argcount),
		FROZEN(co_varnames),
		FROZEN(co_kinds),
		FROZEN(tuple_items),
		FROZEN(float_value),
		FROZEN_TASK(coro_frame),
		FROZEN_TASK(coro_state),
		FROZEN_TASK(frame_stackpointer),
		FROZEN_TASK(type_name),
		FROZEN_TASK(type_basicsize),
		FROZEN_TASK(type_flags),
		FROZEN_TASK(dict_keys),
		FROZEN_TASK(long_tag),
		FROZEN_TASK(long_digits),
		FROZEN_TASK(set_mask),
		FROZEN_TASK(set_table),
#undef FROZEN_TASK
#undef FROZEN
	};

	for (size_t i = 0; i < sizeof(frozen) / sizeof(*frozen); i++) {
		uint16_t want, have;

		memcpy(&want, (const char *)known + frozen[i].member, sizeof(want));
		memcpy(&have, (const char *)got + frozen[i].member, sizeof(have));
		if (want != have)
			return pv_err_create(
				PV_ERR_NOPROC,
				"_Py_DebugOffsets has %s at %u, but no CPython of this "
				"version has it elsewhere than at %u",
				frozen[i].name, have, want);
	}
	return NULL;
}

static struct pv_err *debug_apply(const struct pv_pyversion *version, uint32_t version_hex,
				  const void *debug_offsets, size_t n, struct pv_pyoffsets *layout)
{
	struct debug_head head;
	uint64_t code_size = 0;
	struct pv_err *err;

	if (n < sizeof(head))
		return pv_err_create(PV_ERR_NOPROC, "_Py_DebugOffsets is missing");
	memcpy(&head, debug_offsets, sizeof(head));
	if (memcmp(head.cookie, "xdebugpy", sizeof(head.cookie)) != 0)
		return pv_err_create(PV_ERR_NOPROC, "_Py_DebugOffsets has no \"xdebugpy\" cookie");
	if (head.version != version_hex)
		return pv_err_create(PV_ERR_NOPROC,
				     "_Py_DebugOffsets is of version 0x%llx, the interpreter of "
				     "0x%08x",
				     (unsigned long long)head.version, version_hex);
	err = debug_read(version, debug_offsets, n, layout, &code_size);
	if (err)
		return err;
	/* What the table must add (_co_firsttraceable, co_version) is only right in the same
	 * struct. */
	if (code_size != version->offsets->co_size)
		return pv_err_create(PV_ERR_NOPROC,
				     "PyCodeObject has %llu bytes, not the known %u: an unknown "
				     "build of this version",
				     (unsigned long long)code_size, version->offsets->co_size);
	err = check_frozen(version->offsets, layout);
	return err ? err : check_free_threaded(&version->offsets->py, &layout->py);
}

/* Whether it is a list at all is for later. */
static bool says_free_threaded(const void *debug_offsets, size_t n)
{
	struct debug_head head;

	if (n < sizeof(head))
		return false;
	memcpy(&head, debug_offsets, sizeof(head));
	return head.free_threaded != 0;
}

static void span(uint16_t offset, uint16_t bytes, uint16_t *start, uint16_t *end)
{
	if (offset == PV_OFF_NONE)
		return;
	if (offset < *start)
		*start = offset;
	if (offset + bytes > *end)
		*end = offset + bytes;
}

/* How much to read at once to have all fields of a struct; false: more than the walkers take. */
static bool lengths_set(struct pv_pylayout *py)
{
	uint16_t start = PV_OFF_NONE, end = 0;

	span(py->fr_previous, 8, &start, &end);
	span(py->fr_code, 8, &start, &end);
	span(py->fr_instr, py->instr_kind == PV_INSTR_POINTER ? 8 : 4, &start, &end);
	span(py->fr_owner, 1, &start, &end);
	span(py->fr_is_entry, 1, &start, &end);
	span(py->fr_tlbc_index, 4, &start, &end);
	py->fr_start = start;
	py->fr_len = end - start;

	end = 0;
	span(py->ts_next, 8, &start, &end);
	span(py->ts_interp, 8, &start, &end);
	span(py->ts_thread_id, 8, &start, &end);
	span(py->ts_native_thread_id, 8, &start, &end);
	span(py->ts_frame, 8, &start, &end);
	span(py->ts_cframe, 8, &start, &end);
	span(py->ts_status, 4, &start, &end);
	span(py->ts_base_frame, 8, &start, &end);
	span(py->ts_state, 4, &start, &end);
	py->ts_len = end; /* root_cframe: only its address counts */

	end = 0;
	span(py->ob_type, 8, &start, &end);
	span(py->co_filename, 8, &start, &end);
	span(py->co_name, 8, &start, &end);
	span(py->co_qualname, 8, &start, &end);
	span(py->co_linetable, 8, &start, &end);
	span(py->co_firstlineno, 4, &start, &end);
	span(py->co_firsttraceable, 4, &start, &end);
	span(py->co_version, 4, &start, &end);
	span(py->co_tlbc, 8, &start, &end);
	span(py->ob_ref_local, 4, &start, &end);
	span(py->ob_ref_shared, 8, &start, &end);
	py->co_len = end;
	return py->fr_len <= 128 && py->ts_len <= 256 && py->co_len <= 256;
}

uint32_t pv_pylayout_initialized_offset(uint32_t version_hex, bool free_threaded)
{
	const struct pv_pyversion *version = version_find(version_hex, free_threaded);

	return version ? version->offsets->rt_initialized : 0;
}

struct pv_err *pv_pylayout_find(uint32_t version_hex, const void *debug_offsets, size_t n,
				struct pv_pylayout *ret, struct pv_tasklayout *tasks_ret,
				char *source, size_t source_size)
{
	bool free_threaded = says_free_threaded(debug_offsets, n);
	const struct pv_pyversion *version = version_find(version_hex, free_threaded);
	struct pv_pyoffsets layout;
	struct pv_err *err;
	char name[16];

	if (!version)
		return refuse_version(version_hex);
	minor_name(version_hex, name, sizeof(name));
	/* Layouts still move between pre-releases: PY_VERSION_HEX, release level. */
	if (((version_hex >> 4) & 0xf) != 0xf)
		return pv_err_create(PV_ERR_NOPROC,
				     "CPython 0x%08x is a pre-release of %s: not supported",
				     version_hex, name);
	layout = *version->offsets;
	layout.py.version_hex = version_hex;
	layout.py.frame_kind = version->frame_kind;
	layout.py.anchor_kind = version->anchor_kind;
	layout.py.instr_kind = version->instr_kind;
	layout.py.linetable_kind = version->linetable_kind;
	layout.py.code_tag_mask = version->code_tag_mask;
	layout.py.owner_boundary = version->owner_boundary;
	layout.py.owner_generator = version->owner_generator;
	layout.py.own_kind = version->own_kind;
	layout.py.free_threaded = version->free_threaded;
	if (version->debug) {
		err = debug_apply(version, version_hex, debug_offsets, n, &layout);
		if (err)
			return pv_err_wrap(err, "CPython %s", name);
	}
	if (!lengths_set(&layout.py))
		return pv_err_create(PV_ERR_NOPROC,
				     "CPython %s: its structs are larger than expected", name);
	*ret = layout.py;
	if (tasks_ret)
		*tasks_ret = layout.tasks;
	snprintf(source, source_size, "%stable %s%s%s",
		 version->debug ? "_Py_DebugOffsets, completed from " : "", name,
		 free_threaded ? "t" : "",
		 version->unverified ? "; unverified layout (from headers only)" : "");
	return NULL;
}
