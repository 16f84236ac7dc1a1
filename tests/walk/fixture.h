/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk fixture but for its memory: the file `thread`, as text.  Written by
 * record_fixture.c, read by test_walk.c.  Every number stands by its name, so
 * that a struct of ours can change and the fixtures stay.
 */
#ifndef PV_TESTS_WALK_FIXTURE_H
#define PV_TESTS_WALK_FIXTURE_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "snap/merge.h"
#include "snap/snap.h"
#include "snap/tasks.h"
#include "symbol/python.h"

enum { FIXTURE_OBJECTS = 64, FIXTURE_NAME = 64 };

struct fixture {
	struct pv_snap_thread thread;
	struct pv_proc proc;
	struct pv_vec mappings;                      /* struct pv_mapping */
	struct pv_map cells;                         /* segment << 32 | index -> cell */
	char objects[FIXTURE_OBJECTS][FIXTURE_NAME]; /* names by id */
};

struct field {
	const char *name;
	size_t offset, size;
};

#define FIELD(type, prefix, member)                                                                \
	{                                                                                          \
		prefix #member, offsetof(type, member), sizeof(((type *)0)->member)                \
	}
#define THREAD(member) FIELD(struct pv_snap_thread, "", member)
#define PROC(member)   FIELD(struct pv_proc, "proc.", member)
#define PY(member)     FIELD(struct pv_pylayout, "py.", member)
#define TASKS(member)  FIELD(struct pv_asyncio, "tasks.", member)

static const struct field thread_fields[] = {
	THREAD(pid), THREAD(tid), THREAD(pc), THREAD(sp), THREAD(bp), THREAD(fsbase),
};

static const struct field proc_fields[] = {
	PROC(generation),
	PROC(maps_first),
	PROC(maps_n),
	PROC(has_python),
	PROC(runtime),
	PROC(code_type),
	PROC(bytes_type),
	PROC(unicode_type),
	PROC(eval[0].start),
	PROC(eval[0].end),
	PROC(eval[1].start),
	PROC(eval[1].end),
	PROC(eval[2].start),
	PROC(eval[2].end),
	PROC(eval[3].start),
	PROC(eval[3].end),
	PROC(torn.start),
	PROC(torn.end),
	PROC(inlined[0].start),
	PROC(inlined[0].end),
	PROC(inlined[1].start),
	PROC(inlined[1].end),
	PROC(inlined[2].start),
	PROC(inlined[2].end),
	PROC(inlined[3].start),
	PROC(inlined[3].end),
	PROC(inlined[4].start),
	PROC(inlined[4].end),
	PROC(inlined[5].start),
	PROC(inlined[5].end),
	PROC(inlined[6].start),
	PROC(inlined[6].end),
	PROC(inlined[7].start),
	PROC(inlined[7].end),
	PROC(inlined[8].start),
	PROC(inlined[8].end),
	PROC(inlined[9].start),
	PROC(inlined[9].end),
	PROC(inlined[10].start),
	PROC(inlined[10].end),
	PROC(inlined[11].start),
	PROC(inlined[11].end),
	PROC(inlined[12].start),
	PROC(inlined[12].end),
	PROC(inlined[13].start),
	PROC(inlined[13].end),
	PROC(inlined[14].start),
	PROC(inlined[14].end),
	PROC(inlined[15].start),
	PROC(inlined[15].end),
	PROC(pthread_specific),
	PROC(pthread_key_size),
	PROC(pthread_key_data),
	PROC(pthread_key_block),
	PROC(reanchor_cfa),
	PROC(reanchor_rbp),
	PROC(reanchor_pc),
	PROC(reanchor_cframe),
	PROC(eval_row),
	PROC(tls_module),
	PROC(tls_offset),
	PROC(serial),
};

static const struct field py_fields[] = {
	PY(version_hex),
	PY(frame_kind),
	PY(anchor_kind),
	PY(instr_kind),
	PY(linetable_kind),
	PY(code_tag_mask),
	PY(free_threaded),
	PY(owner_boundary),
	PY(owner_generator),
	PY(rt_interpreters_head),
	PY(rt_tss_key),
	PY(rt_tstate_current),
	PY(rt_main_thread),
	PY(is_threads_head),
	PY(is_ceval_gil),
	PY(is_next),
	PY(is_id),
	PY(ts_next),
	PY(ts_interp),
	PY(ts_thread_id),
	PY(ts_native_thread_id),
	PY(ts_frame),
	PY(ts_cframe),
	PY(ts_root_cframe),
	PY(ts_status),
	PY(ts_len),
	PY(cf_current_frame),
	PY(cf_previous),
	PY(fr_start),
	PY(fr_len),
	PY(fr_previous),
	PY(fr_code),
	PY(fr_instr),
	PY(fr_owner),
	PY(fr_is_entry),
	PY(co_len),
	PY(co_filename),
	PY(co_name),
	PY(co_qualname),
	PY(co_linetable),
	PY(co_firstlineno),
	PY(co_code_adaptive),
	PY(co_firsttraceable),
	PY(co_version),
	PY(ob_refcnt),
	PY(ob_type),
	PY(var_size),
	PY(bytes_data),
	PY(str_length),
	PY(str_state),
	PY(str_ascii_data),
	PY(str_compact_data),
	PY(is_gc),
	PY(gc_collecting),
	PY(rt_gc),
	PY(ts_base_frame),
	PY(own_kind),
	PY(ob_ref_local),
	PY(ob_ref_shared),
	PY(ts_state),
	PY(gil_enabled),
	PY(co_tlbc),
	PY(fr_tlbc_index),
	PY(str_kind_shift),
	PY(foreign_cframes),
	PY(fr_locals),
	PY(co_flags),
	PY(co_argcount),
	PY(co_kwonlyargcount),
	PY(co_nlocals),
	PY(co_varnames),
	PY(co_kinds),
	PY(co_cellvars),
	PY(co_consts),
	PY(tuple_items),
	PY(int_value),
	PY(long_tag),
	PY(long_digits),
	PY(float_value),
	PY(cell_value),
	PY(unicode_data),
	PY(tp_name),
	PY(ts_exception),
	PY(ts_executor),
	PY(unicode_width),
};

/* only where tasks were looked for */
static const struct field tasks_fields[] = {
	TASKS(running),
	TASKS(kind),
	TASKS(frame_is_inside),
	TASKS(ts_running),
	TASKS(is_list),
	TASKS(ts_list),
	TASKS(task_node),
	TASKS(task_awaited_by),
	TASKS(task_is_task),
	TASKS(task_awaited_by_is_set),
	TASKS(pad),
	TASKS(at.is_modules),
	TASKS(at.task_size),
	TASKS(at.task_name),
	TASKS(at.task_coro),
	TASKS(at.coro_frame),
	TASKS(at.coro_state),
	TASKS(at.frame_stackpointer),
	TASKS(at.object_size),
	TASKS(at.type_name),
	TASKS(at.type_basicsize),
	TASKS(at.type_flags),
	TASKS(at.module_dict),
	TASKS(at.dict_keys),
	TASKS(at.keys_size),
	TASKS(at.keys_log2_index),
	TASKS(at.keys_kind),
	TASKS(at.keys_n),
	TASKS(at.keys_indices),
	TASKS(at.long_tag),
	TASKS(at.long_digits),
	TASKS(at.set_mask),
	TASKS(at.set_table),
	TASKS(at.pad),
};

/* Names that older fixtures may still have: their lines are passed over. */
static const char *const retired_fields[] = { "py.reserved", NULL };

#define N_FIELDS(table) (sizeof(table) / sizeof(*(table)))

struct field_table {
	const struct field *fields;
	size_t n;
	void *base;
};

enum { FIXTURE_TABLES = 4 };

static inline void fixture_tables(struct fixture *fixture, struct field_table ret[FIXTURE_TABLES])
{
	ret[0] = (struct field_table){ thread_fields, N_FIELDS(thread_fields), &fixture->thread };
	ret[1] = (struct field_table){ proc_fields, N_FIELDS(proc_fields), &fixture->proc };
	ret[2] = (struct field_table){ py_fields, N_FIELDS(py_fields), &fixture->proc.py };
	ret[3] = (struct field_table){ tasks_fields, N_FIELDS(tasks_fields), &fixture->proc.tasks };
}

static inline void fixture_init(struct fixture *fixture)
{
	size_t i;

	*fixture = (struct fixture){ .mappings = PV_VEC(struct pv_mapping) };
	/* a member that is younger than the fixture: not there */
	for (i = 0; i < N_FIELDS(py_fields); i++) {
		if (py_fields[i].size == 2)
			memset((char *)&fixture->proc.py + py_fields[i].offset, 0xff, 2);
	}
	fixture->proc.py.str_kind_shift = 2;
	fixture->proc.py.foreign_cframes = fixture->proc.py.unicode_width = 0;
}

static inline void fixture_deinit(struct fixture *fixture)
{
	pv_vec_deinit(&fixture->mappings);
	pv_map_deinit(&fixture->cells);
}

/* For pv_snap_source.cell. */
static inline bool fixture_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	struct fixture *fixture = ctx;

	return pv_map_get(&fixture->cells, (uint64_t)segment << 32 | index, ret);
}

static inline struct pv_snap_source fixture_source(struct fixture *fixture, struct pv_mem *mem)
{
	return (struct pv_snap_source){
		.mem = mem,
		.proc = fixture->proc,
		.mappings = fixture->mappings.data,
		.n_mappings = fixture->mappings.n,
		.cell = fixture_cell,
		.cell_ctx = fixture,
	};
}

/* ---- writing */

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static inline void write_cells(const struct fixture *fixture, FILE *file)
{
	uint64_t *keys = calloc(fixture->cells.n + 1, sizeof(*keys));
	size_t n = 0, i, on_line = 0;

	if (!keys)
		return;
	for (i = 0; i < fixture->cells.capacity; i++) {
		if (fixture->cells.used[i])
			keys[n++] = fixture->cells.slots[i].key;
	}
	qsort(keys, n, sizeof(*keys), compare_u64);
	for (i = 0; i < n; i++) {
		uint64_t value = 0;

		if (!i || keys[i] >> 32 != keys[i - 1] >> 32 || on_line == 5) {
			fprintf(file, "%scells %" PRIu64 " =", i ? "\n" : "", keys[i] >> 32);
			on_line = 0;
		}
		on_line++;
		pv_map_get(&fixture->cells, keys[i], &value);
		fprintf(file, " %x:%" PRIx64, (unsigned int)keys[i], value);
	}
	fprintf(file, "\n");
	free(keys);
}

static inline void fixture_write(struct fixture *fixture, FILE *file)
{
	struct field_table tables[FIXTURE_TABLES];
	size_t t, i;

	fixture_tables(fixture, tables);
	for (t = 0; t < FIXTURE_TABLES; t++) {
		if (tables[t].fields == tasks_fields && !fixture->proc.tasks.kind)
			continue;
		for (i = 0; i < tables[t].n; i++) {
			const struct field *field = &tables[t].fields[i];
			uint64_t value = 0;

			memcpy(&value, (char *)tables[t].base + field->offset, field->size);
			/* absent is 0 there */
			if (!value && tables[t].fields == proc_fields)
				continue;
			fprintf(file,
				field->size > 2 ? "%s = 0x%" PRIx64 "\n" : "%s = %" PRIu64 "\n",
				field->name, value);
		}
	}
	fprintf(file,
		"# objects by id; mapping = start end bias object segment cell npages base\n");
	for (i = 0; i < FIXTURE_OBJECTS; i++) {
		if (fixture->objects[i][0])
			fprintf(file, "object %zu = %s\n", i, fixture->objects[i]);
	}
	for (i = 0; i < fixture->mappings.n; i++) {
		const struct pv_mapping *m = pv_vec_at(&fixture->mappings, i);

		fprintf(file, "mapping = 0x%llx 0x%llx 0x%llx %u %u %u %u 0x%llx\n", m->start,
			m->end, m->bias, m->object, m->segment, m->cell, m->npages, m->base);
	}
	fprintf(file, "# cells of the unwind tables that were read, by segment; index:value\n");
	write_cells(fixture, file);
}

/* ---- reading */

static inline bool parse_cells(struct fixture *fixture, uint64_t segment, const char *text)
{
	unsigned int index;
	uint64_t value;
	int used;

	while (sscanf(text, " %x:%" SCNx64 "%n", &index, &value, &used) == 2) {
		struct pv_err *err = pv_map_set(&fixture->cells, segment << 32 | index, value);

		if (err)
			return false;
		text += used;
	}
	return !text[strspn(text, " \n")];
}

static inline bool parse_mapping(struct fixture *fixture, const char *text)
{
	struct pv_mapping m = {};
	struct pv_err *err;

	if (sscanf(text, "%lli %lli %lli %u %u %u %u %lli", (long long *)&m.start,
		   (long long *)&m.end, (long long *)&m.bias, &m.object, &m.segment, &m.cell,
		   &m.npages, (long long *)&m.base) != 8)
		return false;
	err = pv_vec_append(&fixture->mappings, &m, 1, NULL);
	return !err;
}

static inline bool parse_number(struct fixture *fixture, const char *name, const char *text)
{
	uint64_t value = strtoull(text, NULL, 0);
	struct field_table tables[FIXTURE_TABLES];
	size_t t, i;

	fixture_tables(fixture, tables);
	for (t = 0; t < FIXTURE_TABLES; t++) {
		for (i = 0; i < tables[t].n; i++) {
			const struct field *field = &tables[t].fields[i];

			if (strcmp(field->name, name) == 0) {
				memcpy((char *)tables[t].base + field->offset, &value, field->size);
				return true;
			}
		}
	}
	for (i = 0; retired_fields[i]; i++) {
		if (strcmp(retired_fields[i], name) == 0)
			return true;
	}
	return false;
}

static inline bool parse_line(struct fixture *fixture, char *line)
{
	char *equals = strstr(line, " = ");
	unsigned int id;

	if (line[0] == '#' || line[0] == '\n')
		return true;
	if (sscanf(line, "cells %u =", &id) == 1)
		return parse_cells(fixture, id, strchr(line, '=') + 1);
	if (!equals)
		return false;
	*equals = '\0';
	equals += 3;
	if (sscanf(line, "object %u", &id) == 1) {
		if (id >= FIXTURE_OBJECTS)
			return false;
		snprintf(fixture->objects[id], FIXTURE_NAME, "%.*s", (int)strcspn(equals, "\n"),
			 equals);
		return true;
	}
	if (strcmp(line, "mapping") == 0)
		return parse_mapping(fixture, equals);
	return parse_number(fixture, line, equals);
}

static inline struct pv_err *fixture_read(const char *path, struct fixture *fixture)
{
	_pv_fclose_ FILE *file = fopen(path, "re");
	_pv_free_ char *line = NULL;
	size_t capacity = 0, number = 0;

	if (!file)
		return pv_err_errno(errno, "cannot open %s", path);
	while (getline(&line, &capacity, file) >= 0) {
		number++;
		if (!parse_line(fixture, line))
			return pv_err_create(PV_ERR_FAILED, "%s:%zu: not understood: %s", path,
					     number, line);
	}
	return NULL;
}

/* ---- the text of frames */

static inline struct pv_err *native_text(const struct fixture *fixture, const char *kind,
					 uint64_t word, struct pv_str *ret)
{
	uint64_t object = word >> PV_NAT_REL_BITS & ((1U << PV_NAT_OBJECT_BITS) - 1);
	const char *exact = word & PV_NAT_EXACT ? " exact" : "";

	if (word & PV_NAT_RAW)
		return pv_str_appendf(ret, "%s 0x%llx%s", kind, word & PV_NAT_ADDRESS, exact);
	return pv_str_appendf(ret, "%s %s+0x%llx%s", kind,
			      object < FIXTURE_OBJECTS ? fixture->objects[object] : "?",
			      word & ((1ULL << PV_NAT_REL_BITS) - 1), exact);
}

/* "?" for what is not known; never an error but for memory. */
static inline struct pv_err *python_text(struct pv_codes *codes, const struct pv_frame_ref *ref,
					 struct pv_str *ret)
{
	struct pv_code_place place = {};

	pv_codes_place(codes, ref->value, ref->detail, &place);
	return pv_str_appendf(ret, "python %s (%s:%d)", place.qualname ? place.qualname : "?",
			      place.file ? place.file : "?", place.line);
}

/* A name that did not come is as one that was not read. */
static inline struct pv_err *task_text(struct pv_codes *codes, uint64_t key, struct pv_str *ret)
{
	struct pv_code_place place = {};

	pv_codes_place(codes, key, 0, &place);
	return place.qualname ? pv_str_appendf(ret, "task %s", place.qualname)
			      : pv_str_appendf(ret, "%s", pv_label_text(PV_LABEL_TASK_UNREAD));
}

static inline struct pv_err *frame_text(const struct fixture *fixture, struct pv_codes *codes,
					const struct pv_frame_ref *ref, struct pv_str *ret)
{
	uint64_t word = ref->value | (ref->exact ? PV_NAT_EXACT : 0);

	switch (ref->kind) {
	case PV_REF_PYTHON:
		return python_text(codes, ref, ret);
	case PV_REF_NATIVE:
		return native_text(fixture, "native",
				   word | (uint64_t)ref->detail << PV_NAT_REL_BITS, ret);
	case PV_REF_RAW:
		return native_text(fixture, "native", word | PV_NAT_RAW, ret);
	case PV_REF_MARKER:
		return pv_str_appendf(ret, "marker %s", pv_mark_text(ref->value));
	case PV_REF_TASK:
		return task_text(codes, ref->value, ret);
	case PV_REF_INTERP:
		return ref->value == PV_INTERP_UNNUMBERED
			       ? pv_str_appendf(ret, "interpreter ?")
			       : pv_str_appendf(ret, "interpreter %" PRIu64, ref->value);
	case PV_REF_LABEL:
		return pv_str_appendf(ret, "%s", pv_label_text(ref->value));
	default:
		return pv_str_appendf(ret, "kernel 0x%" PRIx64, ref->value);
	}
}

/* What the merge says of the whole: "complete python". */
static inline struct pv_err *status_text(const struct pv_event_sample *sample,
					 const struct pv_merged *merged, struct pv_str *ret)
{
	return pv_str_appendf(
		ret, "status%s%s%s%s%s%s%s loss %u/%u/%u", merged->complete ? " complete" : "",
		merged->truncated ? " truncated" : "", merged->marked ? " marked" : "",
		merged->bridged ? " bridged" : "", merged->python ? " python" : "",
		sample->flags & PV_SAMPLE_ATTACHED ? " attached" : "",
		sample->flags & PV_SAMPLE_SUSPENDED ? " suspended" : "", merged->loss,
		sample->py_loss, sample->nat_loss);
}

/* What one look at all tasks gave: each with its coroutines, outermost first, and who waits for it.
 */
static inline struct pv_err *task_list_text(struct pv_codes *codes, const struct pv_task_list *list,
					    struct pv_str *ret)
{
	struct pv_err *err = pv_str_appendf(
		ret, "%zu tasks%s%s%s\n", list->tasks.n, list->consistent ? " consistent" : "",
		list->whole ? " whole" : "", list->too_many ? " too_many" : "");

	for (size_t i = 0; !err && i < list->tasks.n; i++) {
		const struct pv_task *task = pv_vec_at(&list->tasks, i);

		err = task_text(codes, task->name, ret);
		if (!err)
			err = pv_str_appendf(ret, "%s%s%s\n", task->running ? " | running" : "",
					     task->cut ? " | cut" : "",
					     task->native_tid ? "" : " | no thread");
		for (uint32_t j = 0; !err && j < task->n_frames; j++) {
			const struct pv_task_frame *frame =
				pv_vec_at(&list->frames, task->first_frame + j);
			struct pv_code_place place = {};

			pv_codes_place(codes, frame->code, frame->lasti, &place);
			err = pv_str_appendf(ret, "  in %s (%s:%d)\n",
					     place.qualname ? place.qualname : "?",
					     place.file ? place.file : "?", place.line);
		}
		for (uint32_t j = 0; !err && j < task->n_awaiters; j++) {
			const uint64_t *awaiter =
				pv_vec_at(&list->awaiters, task->first_awaiter + j);
			size_t k = 0;

			while (k < list->tasks.n &&
			       ((struct pv_task *)pv_vec_at(&list->tasks, k))->address != *awaiter)
				k++;
			/* by number: two may have one name */
			err = pv_str_appendf(ret, "  awaited by %zu\n", k);
		}
	}
	return err;
}

static inline const uint64_t *sample_natives(const struct pv_event_sample *sample)
{
	return (const uint64_t *)(sample + 1) + 2 * sample->n_python + sample->n_kernel;
}

#endif
