/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of python/layout.h.  Input: versions, and a _Py_DebugOffsets with the values that
 * CPython 3.13.0 itself printed (each also in its DWARF).  Output: Check's report.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "offsets_free_threaded.h"
#include "offsets_live.h"
#include "python/layout.h"

enum { MODULES_ENTRY = 11 }; /* interpreter_state.imports_modules, 3.13 */

/* The table that a live interpreter of this version has. */
static const uint64_t *debug_of(uint32_t version, size_t *n_ret)
{
	switch (version >> 16) {
	case 0x030d:
		*n_ret = sizeof(debug_3_13);
		return debug_3_13;
	case 0x030e:
		*n_ret = sizeof(debug_3_14);
		return debug_3_14;
	case 0x030f:
		*n_ret = sizeof(debug_3_15);
		return debug_3_15;
	default:
		*n_ret = 0;
		return NULL;
	}
}

static struct pv_pylayout find(uint32_t version, const uint64_t *debug, size_t n)
{
	struct pv_pylayout py;
	char source[96] = "";
	struct pv_err *err = pv_pylayout_find(version, debug, n, &py, NULL, source, sizeof(source));

	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_uint_eq(py.version_hex, version);
	ck_assert_str_ne(source, "");
	return py;
}

static struct pv_tasklayout find_tasks(uint32_t version)
{
	struct pv_tasklayout tasks;
	struct pv_pylayout py;
	const uint64_t *debug;
	char source[96];
	size_t n;

	debug = debug_of(version, &n);
	ck_assert_ptr_null(
		pv_pylayout_find(version, debug, n, &py, &tasks, source, sizeof(source)));
	return tasks;
}

static void refused(uint32_t version, const uint64_t *debug, size_t n, const char *why)
{
	struct pv_pylayout py, before;
	char source[96];

	memset(&py, 0x5a, sizeof(py));
	before = py;
	struct pv_err *err = pv_pylayout_find(version, debug, n, &py, NULL, source, sizeof(source));

	ck_assert_msg(err != NULL, "not refused: %s", why);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	ck_assert_msg(strstr(err->message, why) != NULL, "%s", err->message);
	ck_assert_int_eq(memcmp(&py, &before, sizeof(py)), 0);
	pv_err_destroy(err);
}

/* The numbers here are from compiled headers and DWARF, not from layouts.inc. */
START_TEST(tables)
{
	struct pv_pylayout py = find(0x020712f0, NULL, 0);

	ck_assert_int_eq(py.linetable_kind, PV_LINES_LNOTAB_UNSIGNED);
	ck_assert_int_eq(py.own_kind, PV_OWN_LIST);
	ck_assert_uint_eq(py.ts_thread_id, 144);
	ck_assert_uint_eq(py.fr_instr, 120);
	ck_assert_uint_eq(py.co_filename, 80);
	ck_assert_uint_eq(py.str_state, PV_OFF_NONE);
	ck_assert_uint_eq(py.bytes_data, 36);

	py = find(0x03060ff0, NULL, 0);
	ck_assert_int_eq(py.linetable_kind, PV_LINES_LNOTAB);
	ck_assert_int_eq(py.own_kind, PV_OWN_KEY);
	ck_assert_uint_eq(py.ts_thread_id, 152);
	ck_assert_uint_eq(py.fr_instr, 120);
	ck_assert_uint_eq(py.co_linetable, 112);
	ck_assert_uint_eq(py.str_ascii_data, 48);

	py = find(0x030703f0, NULL, 0);

	/* PyGC_Head grew in 3.7.4, and all behind it moved. */
	ck_assert_uint_eq(py.rt_tss_key, 1416);
	ck_assert_uint_eq(py.rt_tstate_current, 1392);
	py = find(0x030704f0, NULL, 0);
	ck_assert_uint_eq(py.rt_tss_key, 1504);
	ck_assert_uint_eq(py.rt_tstate_current, 1480);
	ck_assert_uint_eq(py.fr_instr, 104);
	ck_assert_uint_eq(py.co_filename, 96);
	ck_assert_uint_eq(py.co_linetable, 112);
	ck_assert_uint_eq(py.co_firstlineno, 36);
	ck_assert(pv_pylayout_needs_micro(0x030700f0));
	ck_assert(!pv_pylayout_needs_micro(0x030800f0));

	py = find(0x030812f0, NULL, 0);

	ck_assert_int_eq(py.frame_kind, PV_FRAME_OBJECT);
	ck_assert_int_eq(py.anchor_kind, PV_ANCHOR_NONE);
	ck_assert_int_eq(py.linetable_kind, PV_LINES_LNOTAB);
	ck_assert_uint_eq(py.rt_tss_key, 1392);
	ck_assert_uint_eq(py.rt_tstate_current, 1368);
	ck_assert_uint_eq(py.fr_instr, 104);
	ck_assert_uint_eq(py.ts_native_thread_id, PV_OFF_NONE);
	ck_assert_uint_eq(py.co_qualname, PV_OFF_NONE);
	ck_assert_uint_eq(py.owner_boundary, 0xff);
	ck_assert_uint_eq(py.str_ascii_data, 48);
	ck_assert_uint_eq(py.is_gc, PV_OFF_NONE);
	ck_assert_uint_eq(py.rt_gc + py.gc_collecting, 544);

	py = find(0x030912f0, NULL, 0);
	ck_assert_uint_eq(py.is_gc + py.gc_collecting, 816);
	ck_assert_uint_eq(py.rt_gc, 0);

	py = find(0x030a0df0, NULL, 0);
	ck_assert_int_eq(py.anchor_kind, PV_ANCHOR_CFRAME);
	ck_assert_int_eq(py.instr_kind, PV_INSTR_LASTI_UNITS);
	ck_assert_uint_eq(py.ts_frame, 24);
	ck_assert_uint_eq(py.ts_cframe, 48);
	ck_assert_uint_eq(py.ts_root_cframe, 264);
	ck_assert_uint_eq(py.cf_current_frame, PV_OFF_NONE);
	ck_assert_uint_eq(py.cf_previous, 8);
	ck_assert_uint_eq(py.is_gc + py.gc_collecting, 816);

	py = find(0x030b02f0, NULL, 0);
	ck_assert_int_eq(py.anchor_kind, PV_ANCHOR_ENTRY);
	ck_assert_uint_eq(py.ts_frame, 56);
	ck_assert_uint_eq(py.ts_cframe, PV_OFF_NONE);
	ck_assert_uint_eq(py.fr_is_entry, 68);
	ck_assert_uint_eq(py.owner_boundary, 0xff);
	ck_assert_uint_eq(py.owner_generator, 1);
	ck_assert_uint_eq(py.co_version, PV_OFF_NONE);
	ck_assert_uint_eq(py.is_gc + py.gc_collecting, 848);

	py = find(0x030c01f0, NULL, 0);
	ck_assert_int_eq(py.anchor_kind, PV_ANCHOR_SHIM);
	ck_assert_uint_eq(py.rt_tss_key, 1544);
	ck_assert_uint_eq(py.is_ceval_gil, 384);
	ck_assert_uint_eq(py.cf_current_frame, 0);
	ck_assert_uint_eq(py.owner_boundary, 3);
	ck_assert_uint_eq(py.co_version, 92);
	ck_assert_uint_eq(py.co_firsttraceable, 176);
	ck_assert_uint_eq(py.str_compact_data, 56);
	ck_assert_uint_eq(py.is_gc + py.gc_collecting, 312);
}
END_TEST

static void inside(uint16_t offset, unsigned int bytes, unsigned int start, unsigned int len)
{
	if (offset == PV_OFF_NONE)
		return;
	ck_assert_uint_ge(offset, start);
	ck_assert_uint_le(offset + bytes, start + len);
}

/* One read of each struct must hold all fields. */
/* From DWARF of _asyncio and of the interpreter, not from layouts.inc. */
START_TEST(tasks)
{
	static const struct {
		uint32_t version;
		uint16_t size, coro, name, coro_frame, coro_state, keys_n, keys_indices, modules;
	} known[] = {
		{ 0x030812f0, 144, 112, 120, 16, PV_OFF_NONE, 32, 40, 56 },
		{ 0x030902f0, 184, 152, 160, 16, PV_OFF_NONE, 32, 40, 856 },
		{ 0x030a0df0, 192, 160, 168, 16, PV_OFF_NONE, 32, 40, 856 },
		{ 0x030b07f0, 176, 136, 144, 80, 75, 24, 32, 888 },
		{ 0x030c01f0, 176, 136, 144, 72, 67, 24, 32, 944 },
		{ 0x030d00f0, 144, 120, 128, 72, 67, 24, 32, 7656 },
		/* TaskObj: from 3.14 on the module says it */
		{ 0x030e0af0, 0, 0, 0, 72, 67, 24, 32, 7688 },
		{ 0x030f02f0, 0, 0, 0, 72, 67, 24, 32, 7592 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct pv_tasklayout at = find_tasks(known[i].version);
		bool old = known[i].version < 0x030b0000, young = known[i].version >= 0x030e0000;

		ck_assert_uint_eq(at.task_size, known[i].size);
		ck_assert_uint_eq(at.task_coro, known[i].coro);
		ck_assert_uint_eq(at.task_name, known[i].name);
		ck_assert_uint_eq(at.coro_frame, known[i].coro_frame);
		ck_assert_uint_eq(at.coro_state, known[i].coro_state);
		ck_assert_uint_eq(at.keys_n, known[i].keys_n);
		ck_assert_uint_eq(at.keys_indices, known[i].keys_indices);
		ck_assert_uint_eq(at.is_modules, known[i].modules);
		ck_assert_uint_eq(at.keys_size, old ? 8 : PV_OFF_NONE);
		ck_assert_uint_eq(at.keys_log2_index, old ? PV_OFF_NONE : 9);
		ck_assert_uint_eq(at.keys_kind, old ? PV_OFF_NONE : 10);
		ck_assert_uint_eq(at.dict_keys, 32);
		ck_assert_uint_eq(at.module_dict, 16);
		ck_assert_uint_eq(at.object_size, 16);
		ck_assert_uint_eq(at.type_basicsize, 32);
		ck_assert_uint_eq(at.type_flags, 168);
		ck_assert_uint_eq(at.set_mask, young ? 32 : PV_OFF_NONE);
		ck_assert_uint_eq(at.set_table, young ? 40 : PV_OFF_NONE);
		ck_assert_uint_eq(at.frame_stackpointer, young ? 64 : PV_OFF_NONE);
		ck_assert_uint_eq(at.long_tag, known[i].version < 0x030c0000 ? PV_OFF_NONE : 16);
	}
}
END_TEST

/* Where sys.modules is moves within a version: the process's own word counts. */
START_TEST(tasks_of_another_build)
{
	struct pv_tasklayout at;
	uint64_t debug[N_DEBUG];
	struct pv_pylayout py;
	char source[96];

	memcpy(debug, debug_3_13, sizeof(debug));
	debug[MODULES_ENTRY] += 8;
	ck_assert_ptr_null(pv_pylayout_find(0x030d00f0, debug, sizeof(debug), &py, &at, source,
					    sizeof(source)));
	ck_assert_uint_eq(at.is_modules, 7664);
	/* free-threaded: two words more in each object; these have no such interpreter here */
	ck_assert_ptr_null(pv_pylayout_find(0x030d05f0, debug_3_13t, sizeof(debug_3_13t), &py, &at,
					    source, sizeof(source)));
	ck_assert_uint_eq(at.task_size, 160);
	ck_assert_uint_eq(at.task_coro, 136);
	ck_assert_uint_eq(at.task_name, 144);
	ck_assert_uint_eq(at.coro_frame, 88);
	ck_assert_uint_eq(at.dict_keys, 48);
	ck_assert_uint_eq(at.object_size, 32);
	ck_assert_uint_eq(at.type_basicsize, 48);
}
END_TEST

START_TEST(lengths)
{
	static const uint32_t versions[] = { 0x020712f0, 0x03060ff0, 0x030700f0, 0x030704f0,
					     0x030800f0, 0x030900f0, 0x030a00f0, 0x030b00f0,
					     0x030c00f0, 0x030d00f0, 0x030e0af0 };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		size_t n;
		const uint64_t *debug = debug_of(versions[i], &n);
		struct pv_pylayout py = find(versions[i], debug, n);
		unsigned int instr = py.instr_kind == PV_INSTR_POINTER ? 8 : 4;

		inside(py.fr_previous, 8, py.fr_start, py.fr_len);
		inside(py.fr_code, 8, py.fr_start, py.fr_len);
		inside(py.fr_instr, instr, py.fr_start, py.fr_len);
		inside(py.fr_owner, 1, py.fr_start, py.fr_len);
		inside(py.fr_is_entry, 1, py.fr_start, py.fr_len);
		inside(py.ts_next, 8, 0, py.ts_len);
		inside(py.ts_interp, 8, 0, py.ts_len);
		inside(py.ts_thread_id, 8, 0, py.ts_len);
		inside(py.ts_native_thread_id, 8, 0, py.ts_len);
		inside(py.ts_frame, 8, 0, py.ts_len);
		inside(py.ts_cframe, 8, 0, py.ts_len);
		inside(py.ts_status, 4, 0, py.ts_len);
		inside(py.ts_base_frame, 8, 0, py.ts_len);
		inside(py.ob_type, 8, 0, py.co_len);
		inside(py.co_filename, 8, 0, py.co_len);
		inside(py.co_name, 8, 0, py.co_len);
		inside(py.co_qualname, 8, 0, py.co_len);
		inside(py.co_linetable, 8, 0, py.co_len);
		inside(py.co_firstlineno, 4, 0, py.co_len);
		inside(py.co_firsttraceable, 4, 0, py.co_len);
		inside(py.co_version, 4, 0, py.co_len);
		ck_assert_uint_le(py.fr_len, 128);
		ck_assert_uint_le(py.ts_len, 256);
		ck_assert_uint_le(py.co_len, 256);
		if (versions[i] >= 0x03080000)
			ck_assert_uint_ne(pv_pylayout_initialized_offset(versions[i], false), 0);
	}
	ck_assert_uint_eq(pv_pylayout_initialized_offset(0x030200f0, false), 0);
	ck_assert_uint_ne(pv_pylayout_initialized_offset(0x030d00f0, true), 0);
	ck_assert_uint_eq(pv_pylayout_initialized_offset(0x030c00f0, true), 0);
}
END_TEST

START_TEST(debug_offsets)
{
	uint64_t debug[N_DEBUG];
	struct pv_pylayout py = find(0x030d00f0, debug_3_13, sizeof(debug_3_13));

	ck_assert_uint_eq(py.rt_interpreters_head, 632);
	ck_assert_uint_eq(py.is_threads_head, 7344);
	ck_assert_uint_eq(py.is_ceval_gil, 16);
	ck_assert_uint_eq(py.ts_frame, 72);
	ck_assert_uint_eq(py.ts_status, 32);
	ck_assert_uint_eq(py.fr_owner, 70);
	ck_assert_uint_eq(py.co_code_adaptive, 200);
	ck_assert_uint_eq(py.bytes_data, 32);
	ck_assert_uint_eq(py.str_ascii_data, 40);
	ck_assert_uint_eq(py.ts_root_cframe, PV_OFF_NONE);
	ck_assert_uint_eq(py.is_gc, 7400);
	ck_assert_uint_eq(py.gc_collecting, 200);
	/* From the table. */
	ck_assert_uint_eq(py.rt_tss_key, 2160);
	ck_assert_uint_eq(py.co_firsttraceable, 184);
	ck_assert_uint_eq(py.co_version, 92);

	/* It is the process's word that counts: another build of 3.13. */
	memcpy(debug, debug_3_13, sizeof(debug));
	debug[5] = 640;   /* runtime_state.interpreters_head */
	debug[25] = 168;  /* thread_state.native_thread_id */
	debug[10] = 7408; /* interpreter_state.gc */
	debug[N_DEBUG - 1] = 192;
	py = find(0x030d00f0, debug, sizeof(debug));
	ck_assert_uint_eq(py.rt_interpreters_head, 640);
	ck_assert_uint_eq(py.ts_native_thread_id, 168);
	ck_assert_uint_eq(py.is_gc, 7408);
	ck_assert_uint_eq(py.gc_collecting, 192);
}
END_TEST

START_TEST(debug_offsets_3_14)
{
	struct pv_pylayout py = find(0x030e0af0, debug_3_14, sizeof(debug_3_14));

	ck_assert_uint_eq(py.rt_interpreters_head, 808);
	ck_assert_uint_eq(py.rt_tss_key, 2336);
	ck_assert_uint_eq(py.is_threads_head, 7344);
	ck_assert_uint_eq(py.ts_frame, 72);
	ck_assert_uint_eq(py.fr_owner, 74);
	ck_assert_uint_eq(py.fr_instr, 56);
	ck_assert_uint_eq(py.co_code_adaptive, 208);
	ck_assert_uint_eq(py.co_firsttraceable, 192);
	ck_assert_uint_eq(py.co_version, 92);
	ck_assert_uint_eq(py.code_tag_mask, 3); /* _PyStackRef */
	ck_assert_uint_eq(py.owner_boundary, 3);
	ck_assert_uint_eq(py.str_ascii_data, 40);
	ck_assert_uint_eq(py.bytes_data, 32);
	ck_assert_uint_eq(py.own_kind, PV_OWN_TSS);
	ck_assert_uint_eq(py.ts_base_frame, PV_OFF_NONE);
	/* The list of 3.13 is another one. */
	refused(0x030e0af0, debug_3_14, sizeof(debug_3_13), "cut off");
	refused(0x030d00f0, debug_3_14, sizeof(debug_3_14), "of version 0x30e0af0");
}
END_TEST

START_TEST(debug_offsets_3_15)
{
	struct pv_pylayout py = find(0x030f02f0, debug_3_15, sizeof(debug_3_15));

	ck_assert_uint_eq(py.rt_interpreters_head, 936);
	ck_assert_uint_eq(py.rt_tss_key, 0); /* has none */
	ck_assert_uint_eq(py.own_kind, PV_OWN_TLS);
	ck_assert_uint_eq(py.is_threads_head, 7336);
	ck_assert_uint_eq(py.ts_frame, 72);
	ck_assert_uint_eq(py.ts_base_frame, 80);
	ck_assert_uint_eq(py.ts_thread_id, 176);
	ck_assert_uint_eq(py.ts_native_thread_id, 184);
	ck_assert_uint_eq(py.fr_owner, 74);
	ck_assert_uint_eq(py.co_firsttraceable, 192);
	ck_assert_uint_eq(py.str_ascii_data, 40);
	ck_assert_uint_eq(py.str_compact_data, 56);
}
END_TEST

START_TEST(free_threaded)
{
	char source[96];
	uint64_t debug[N_DEBUG];
	struct pv_pylayout py = find(0x030d05f0, debug_3_13t, sizeof(debug_3_13t));

	ck_assert(py.free_threaded);
	ck_assert_uint_eq(py.ob_refcnt, PV_OFF_NONE);
	ck_assert_uint_eq(py.ob_ref_local, 12);
	ck_assert_uint_eq(py.ob_ref_shared, 16);
	ck_assert_uint_eq(py.ob_type, 24);
	ck_assert_uint_eq(py.ts_state, 40);
	ck_assert_uint_eq(py.gil_enabled, 0);
	ck_assert_uint_eq(py.co_filename, 128);
	ck_assert_uint_eq(py.co_firsttraceable, 200);
	ck_assert_uint_eq(py.co_version, 108);
	ck_assert_uint_eq(py.co_tlbc, PV_OFF_NONE);
	ck_assert_uint_eq(py.fr_tlbc_index, PV_OFF_NONE);
	ck_assert_uint_eq(py.code_tag_mask, 0);
	ck_assert_uint_eq(py.str_kind_shift, 2);
	ck_assert_uint_eq(py.str_compact_data, 72);
	ck_assert_int_eq(py.own_kind, PV_OWN_TSS);

	py = find(0x030e0af0, debug_3_14t, sizeof(debug_3_14t));
	ck_assert(py.free_threaded);
	ck_assert_uint_eq(py.co_tlbc, 224);
	ck_assert_uint_eq(py.fr_tlbc_index, 72);
	ck_assert_uint_eq(py.fr_owner, 78);
	ck_assert_uint_eq(py.code_tag_mask, 3);
	ck_assert_uint_eq(py.str_kind_shift, 8);
	ck_assert_uint_eq(py.ts_state, 44);
	inside(py.fr_tlbc_index, 4, py.fr_start, py.fr_len);
	inside(py.co_tlbc, 8, 0, py.co_len);
	inside(py.ts_state, 4, 0, py.ts_len);

	py = find(0x030f02f0, debug_3_15t, sizeof(debug_3_15t));
	ck_assert(py.free_threaded);
	ck_assert_uint_eq(py.ts_state, 48);
	ck_assert_uint_eq(py.str_kind_shift, 8);
	ck_assert_int_eq(py.own_kind, PV_OWN_TLS);

	/* those with the GIL have none of it */
	py = find(0x030e0af0, debug_3_14, sizeof(debug_3_14));
	ck_assert(!py.free_threaded);
	ck_assert_uint_eq(py.co_tlbc, PV_OFF_NONE);
	ck_assert_uint_eq(py.fr_tlbc_index, PV_OFF_NONE);
	ck_assert_uint_eq(py.ts_state, PV_OFF_NONE);
	ck_assert_uint_eq(py.ob_ref_local, PV_OFF_NONE);
	ck_assert_uint_eq(py.str_kind_shift, 2);

	/* a thread state in which fields have moved: what the list does not tell is not known */
	memcpy(debug, debug_3_13t, sizeof(debug));
	debug[27] += 8; /* thread_state.status */
	py = find(0x030d05f0, debug, sizeof(debug));
	ck_assert_uint_eq(py.ts_state, PV_OFF_NONE);

	ck_assert_ptr_null(pv_pylayout_find(0x030d05f0, debug_3_13t, sizeof(debug_3_13t), &py, NULL,
					    source, sizeof(source)));
	ck_assert_str_eq(source, "_Py_DebugOffsets, completed from table 3.13t");
	ck_assert_ptr_null(pv_pylayout_find(0x030e0af0, debug_3_14t, sizeof(debug_3_14t), &py, NULL,
					    source, sizeof(source)));
	ck_assert_ptr_nonnull(strstr(source, "table 3.14t; unverified layout"));
	ck_assert_ptr_nonnull(strstr(source, "(from headers only)"));
}
END_TEST

/* Each offset in turn is too large for its struct, each size in turn impossible. */
START_TEST(debug_offsets_lie)
{
	uint64_t debug[N_DEBUG];
	size_t sizes = 0;

	for (size_t i = 3; i < N_DEBUG; i++) {
		bool refuses = false;

		memcpy(debug, debug_3_13, sizeof(debug));
		debug[i] = UINT64_MAX - 3;
		refused(0x030d00f0, debug, sizeof(debug), "_Py_DebugOffsets: ");
		debug[i] = 1 << 24;
		refused(0x030d00f0, debug, sizeof(debug), "_Py_DebugOffsets: ");
		debug[i] = 0;
		{
			struct pv_pylayout py;
			char source[96];
			struct pv_err *err = pv_pylayout_find(0x030d00f0, debug, sizeof(debug), &py,
							      NULL, source, sizeof(source));

			refuses = err != NULL;
			pv_err_destroy(err);
		}
		sizes += refuses;
	}
	/* offset 0 is possible, size 0 is not; nor are the 26 where a release has another one */
	ck_assert_uint_eq(sizes, 15 + 26);
}
END_TEST

/*
 * Offsets that are possible and wrong: of structs that no release of a minor version changes.
 * Two pointers to strings changed places would make a name of a file.
 */
START_TEST(debug_offsets_change_places)
{
	static const struct {
		int a, b;
	} swaps[] = {
		{ 35, 36 }, /* code_object.filename, name */
		{ 35, 37 }, /* filename, qualname */
		{ 37, 38 }, /* qualname, linetable */
		{ 39, 40 }, /* firstlineno, argcount */
		{ 29, 30 }, /* interpreter_frame.previous, executable */
	};
	uint64_t debug[N_DEBUG], kept;

	for (size_t i = 0; i < sizeof(swaps) / sizeof(*swaps); i++) {
		memcpy(debug, debug_3_13, sizeof(debug));
		kept = debug[swaps[i].a];
		debug[swaps[i].a] = debug[swaps[i].b];
		debug[swaps[i].b] = kept;
		refused(0x030d00f0, debug, sizeof(debug), "no CPython of this version");
	}
	/* those of a thread state and an interpreter are the process's word, and proved on it */
	memcpy(debug, debug_3_13, sizeof(debug));
	debug[23] += 8;
	find(0x030d00f0, debug, sizeof(debug));
}
END_TEST

START_TEST(refusals)
{
	uint64_t debug[N_DEBUG];

	/* The last 8 bytes of a struct, and one less. */
	memcpy(debug, debug_3_13, sizeof(debug));
	debug[26] = 304 - 8; /* thread_state.datastack_chunk */
	find(0x030d00f0, debug, sizeof(debug));
	debug[26]++;
	refused(0x030d00f0, debug, sizeof(debug), "is outside its struct");
	refused(0x020612f0, NULL, 0, "CPython 2.6 is not supported");
	refused(0x030510f0, NULL, 0, "CPython 3.5 is not supported");
	refused(0x031000f0, NULL, 0, "CPython 3.16 is not supported");
	refused(0x040000f0, NULL, 0, "supported: 2.7 and 3.6 to 3.15");
	refused(0x030a00c1, NULL, 0, "pre-release");
	refused(0x030d00f0, NULL, 0, "missing");
	for (size_t n = 0; n < sizeof(debug_3_13); n++)
		refused(0x030d00f0, debug_3_13, n, "_Py_DebugOffsets is");
	memcpy(debug, debug_3_13, sizeof(debug));
	debug[0]++;
	refused(0x030d00f0, debug, sizeof(debug), "cookie");
	memcpy(debug, debug_3_13, sizeof(debug));
	refused(0x030d05f0, debug, sizeof(debug), "of version 0x30d00f0");
	/* a build with the GIL that says that it has none */
	debug[2] = 1;
	refused(0x030d00f0, debug, sizeof(debug), "PyCodeObject has 208 bytes");
	memcpy(debug, debug_3_13t, sizeof(debug));
	debug[2] = 0;
	refused(0x030d05f0, debug, sizeof(debug), "PyCodeObject has 224 bytes");
	/* its objects are not as the table has them */
	memcpy(debug, debug_3_13t, sizeof(debug));
	debug[45] = 8; /* pyobject.ob_type */
	refused(0x030d05f0, debug, sizeof(debug), "has it elsewhere than at");
	memcpy(debug, debug_3_13t, sizeof(debug));
	debug[N_DEBUG - 5] += 8; /* unicode_object.state */
	refused(0x030d05f0, debug, sizeof(debug), "has it elsewhere than at");
	memcpy(debug, debug_3_13, sizeof(debug));
	debug[34] += 8; /* code_object.size */
	refused(0x030d00f0, debug, sizeof(debug), "PyCodeObject has 216 bytes");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("layout");
	Suite *suite = suite_create("layout");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, tables);
	tcase_add_test(tcase, tasks);
	tcase_add_test(tcase, tasks_of_another_build);
	tcase_add_test(tcase, lengths);
	tcase_add_test(tcase, debug_offsets);
	tcase_add_test(tcase, debug_offsets_3_14);
	tcase_add_test(tcase, debug_offsets_3_15);
	tcase_add_test(tcase, free_threaded);
	tcase_add_test(tcase, debug_offsets_lie);
	tcase_add_test(tcase, debug_offsets_change_places);
	tcase_add_test(tcase, refusals);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
