/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the walkers' host build and the merge.  Input: which recorded thread
 * of tests/fixtures/walk, then operations of 12 bytes that change what was
 * read of it: a word of memory, a register, a mapping, a cell of an unwind
 * table, a fact of the process; or the bytes of a whole sample.  Output: a
 * sanitizer's report, or an abort when a walk has no bound or its sample no form.
 *
 * tests/fuzz/run walk SECONDS.  Needs $PV_FIXTURES, or to run at the top of the tree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../walk/fixture.h"
#include "target/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum {
	BASES = 7,
	OPS_MAX = 64,
	RAW_SAMPLE = 0xff,
	/* every frame with a code object of its own, every native one twice, all that is copied */
	READS_MAX = PV_PYTHON_FRAMES_MAX * 3 / 2 * 8 + PV_NATIVE_FRAMES_MAX * 6 + 2048 * 4 + 100,
};

enum op {
	OP_WORD,        /* the index-th word that was read becomes value */
	OP_POINTER,     /* ... becomes the address of another one, plus value's low 16 bits */
	OP_REGISTER,    /* pc, sp, bp, fsbase */
	OP_REGISTER_TO, /* ... to where the index-th word is */
	OP_CELL,
	OP_MAPPING,
	OP_PROC, /* any 8 bytes of it */
	OP_FILL, /* memory that was not read is there, and holds value */
	OP_MAX,
};

struct op_bytes {
	uint8_t op, arg;
	uint8_t index[2];
	uint8_t value[8];
};

struct patch {
	uint64_t addr, value;
};

/* A recorded thread, and the addresses of the words that its walk reads. */
struct base {
	struct fixture fixture;
	struct pv_mem *memory;
	struct pv_vec words;
};

/* What one input makes of it. */
struct world {
	struct pv_mem mem;
	const struct base *base;
	struct pv_vec *log; /* NULL: none */
	struct fixture fixture;
	struct pv_mapping *mappings;
	struct patch patches[OPS_MAX], cells[OPS_MAX];
	size_t n_patches, n_cells;
	uint64_t fill;
	bool has_fill;
	unsigned int reads;
	struct pv_codes *codes;
};

static struct base bases[BASES];
static volatile uint64_t sink;

static void ok(struct pv_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	abort();
}

static void add_word(struct pv_vec *words, uint64_t addr)
{
	size_t i;

	for (i = 0; i < words->n; i++) {
		if (*(uint64_t *)pv_vec_at(words, i) == addr)
			return;
	}
	ok(pv_vec_append(words, &addr, 1, NULL));
}

static int world_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct world *w = (struct world *)mem;
	int rc = pv_mem_read(w->base->memory, dst, n, addr);
	size_t i, k;

	if (++w->reads > READS_MAX) {
		fprintf(stderr, "more than %u reads\n", w->reads);
		abort();
	}
	if (rc && !w->has_fill)
		return rc;
	for (k = 0; rc && k < n; k++)
		((uint8_t *)dst)[k] = w->fill >> 8 * ((addr + k) & 7);
	for (i = 0; i < w->n_patches; i++) {
		for (k = 0; k < 8; k++) {
			if (w->patches[i].addr + k - addr < n)
				((uint8_t *)dst)[w->patches[i].addr + k - addr] =
					w->patches[i].value >> 8 * k;
		}
	}
	for (k = 0; w->log && k < n; k += 8)
		add_word(w->log, addr + k);
	return 0;
}

static bool world_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	struct world *w = ctx;
	uint64_t key = (uint64_t)segment << 32 | index;
	size_t i;

	for (i = 0; i < w->n_cells; i++) {
		if (w->cells[i].addr == key) {
			*ret = w->cells[i].value;
			return true;
		}
	}
	return pv_map_get(&w->base->fixture.cells, key, ret);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct world *w = ctx;

	if (event->size != size)
		abort();
	return event->type == PV_EVENT_CODE
		       ? pv_codes_add(w->codes, (const struct pv_event_code *)event)
		       : pv_codes_add_piece(w->codes, (const struct pv_event_piece *)event);
}

/* What a symboliser would ask. */
static void ask_places(struct world *w, const struct pv_merged *merged)
{
	size_t i;

	for (i = 0; i < merged->frames.n; i++) {
		const struct pv_frame_ref *ref = pv_vec_at(&merged->frames, i);
		struct pv_code_place place = {};

		if (ref->kind != PV_REF_PYTHON || i > 100)
			continue;
		if (pv_codes_place(w->codes, ref->value, ref->detail, &place))
			sink += place.line + place.qualname_n + place.file_n;
	}
}

static void merge(struct world *w, const struct pv_event_sample *sample, size_t size)
{
	static const struct pv_merge_options options[] = {
		{},
		{ .counted = true },
		{ .no_native = true },
		{ .no_native = true,
		  .collector = { .object = 1, .n = 1, .parts = { { 0, UINT64_MAX } } } },
	};
	struct pv_merged merged = { .frames = PV_VEC(struct pv_frame_ref) };
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(*options); i++) {
		struct pv_err *err = pv_merge(sample, size, &options[i], &merged);

		if (err && w)
			ok(err);
		if (!err &&
		    (merged.complete + (merged.truncated | merged.marked | merged.bridged) != 1 ||
		     (merged.marked && merged.python)))
			abort();
		if (!err && w)
			ask_places(w, &merged);
		pv_err_destroy(err);
	}
	pv_vec_deinit(&merged.frames);
}

static void check_form(const struct pv_event_sample *sample)
{
	if (sample->n_python > PV_PYTHON_FRAMES_MAX || sample->n_native > PV_NATIVE_FRAMES_MAX ||
	    sample->hdr.size != sizeof(*sample) + 16UL * sample->n_python + 8UL * sample->n_native)
		abort();
	if (!(sample->flags & (PV_SAMPLE_PY_END | PV_SAMPLE_NO_TSTATE)) && !sample->py_loss)
		abort();
	if (!(sample->flags & PV_SAMPLE_NAT_END) && !sample->nat_loss)
		abort();
}

static void walk(struct world *w)
{
	struct pv_snap_source source = {
		.mem = &w->mem,
		.proc = w->fixture.proc,
		.mappings = w->mappings,
		.n_mappings = w->base->fixture.mappings.n,
		.cell = world_cell,
		.cell_ctx = w,
	};
	struct pv_snap_handlers handlers = { .ctx = w, .event = on_event };
	const struct pv_event_sample *sample;
	struct pv_snap *snap;
	int i;

	ok(pv_codes_create(&w->codes));
	ok(pv_snap_create(&source, &handlers, &snap));
	/* the second time with what was learned */
	for (i = 0; i < 2; i++) {
		w->reads = 0;
		ok(pv_snap_walk(snap, &w->fixture.thread, &sample));
		check_form(sample);
		merge(w, sample, sample->hdr.size);
	}
	pv_snap_destroy(snap);
	pv_codes_destroy(w->codes);
}

static uint64_t load_u64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t word_at(const struct world *w, uint64_t i)
{
	return *(uint64_t *)pv_vec_at(&w->base->words, i % w->base->words.n);
}

static void apply_mapping(struct world *w, const struct op_bytes *op, unsigned int index,
			  uint64_t value)
{
	struct pv_mapping *m = &w->mappings[index % w->base->fixture.mappings.n];

	switch (op->arg % 6) {
	case 0:
		m->start += value % 0x100000;
		break;
	case 1:
		m->end -= value % 0x100000;
		break;
	case 2:
		m->bias = value;
		break;
	case 3:
		m->npages = value;
		break;
	case 4:
		m->base = value;
		break;
	default:
		m->object = m->segment = value;
		break;
	}
}

/* All of it comes from us but the learned distances: only these may be anything. */
static void apply_proc(struct world *w, unsigned int arg, uint64_t value)
{
	struct pv_proc *proc = &w->fixture.proc;

	switch (arg % 8) {
	case 0:
		proc->reanchor_cfa = value;
		break;
	case 1:
		proc->reanchor_rbp = value;
		break;
	case 2:
		proc->reanchor_pc = value;
		break;
	case 3:
		proc->reanchor_cframe = value;
		break;
	case 4:
		proc->has_python = value & 1;
		break;
	case 5:
		proc->torn = (struct pv_range){ w->fixture.thread.pc,
						w->fixture.thread.pc + (value & 0xff) };
		break;
	case 6:
		proc->inlined[0] = (struct pv_range){ w->fixture.thread.pc,
						      w->fixture.thread.pc + (value & 0xff) };
		break;
	default:
		proc->eval[value & 3] = proc->eval[0];
		proc->eval[0].end = proc->eval[0].start + (value >> 2 & 0xffff);
		break;
	}
}

static void apply(struct world *w, const struct op_bytes *op)
{
	unsigned int index = op->index[0] | op->index[1] << 8;
	uint64_t value = load_u64(op->value);
	uint64_t *registers[] = { &w->fixture.thread.pc, &w->fixture.thread.sp,
				  &w->fixture.thread.bp, &w->fixture.thread.fsbase };
	const struct pv_map *cells = &w->base->fixture.cells;

	switch (op->op % OP_MAX) {
	case OP_WORD:
		w->patches[w->n_patches++] = (struct patch){ word_at(w, index), value };
		break;
	case OP_POINTER:
		w->patches[w->n_patches++] =
			(struct patch){ word_at(w, index),
					word_at(w, value >> 16 & 0xffff) + (int16_t)value };
		break;
	case OP_REGISTER:
		*registers[op->arg % 4] = value;
		break;
	case OP_REGISTER_TO:
		*registers[op->arg % 4] = word_at(w, index) + (int16_t)value;
		break;
	case OP_CELL:
		/* a used slot at or after index */
		while (!cells->used[index % cells->capacity])
			index++;
		w->cells[w->n_cells++] =
			(struct patch){ cells->slots[index % cells->capacity].key, value };
		break;
	case OP_MAPPING:
		apply_mapping(w, op, index, value);
		break;
	case OP_PROC:
		apply_proc(w, op->arg, value);
		break;
	default:
		w->has_fill = true;
		w->fill = value;
		break;
	}
}

static struct world *world_create(const struct base *base)
{
	size_t size = base->fixture.mappings.n * sizeof(struct pv_mapping);
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->base = base;
	w->fixture = base->fixture;
	w->mem.read = world_read;
	w->mappings = malloc(size);
	if (!w->mappings)
		abort();
	memcpy(w->mappings, base->fixture.mappings.data, size);
	return w;
}

static void world_destroy(struct world *w)
{
	free(w->mappings);
	free(w);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[BASES] = { "3.8-blocked",        "3.9-sleep",
						  "3.10-break",         "3.11-break",
						  "3.12-bridged",       "3.13-break",
						  "debian-3.11-bridged" };
	const char *fixtures = getenv("PV_FIXTURES");
	size_t i;

	(void)argc;
	(void)argv;
	for (i = 0; i < BASES; i++) {
		struct base *base = &bases[i];
		struct world *w;
		char path[4096];

		fixture_init(&base->fixture);
		base->words = (struct pv_vec)PV_VEC(uint64_t);
		snprintf(path, sizeof(path), "%s/walk/%s/thread",
			 fixtures ? fixtures : "tests/fixtures", names[i]);
		ok(fixture_read(path, &base->fixture));
		strcpy(strrchr(path, '/'), "/memory");
		ok(pv_mem_fixture_create(path, &base->memory));
		w = world_create(base);
		w->log = &base->words;
		walk(w);
		world_destroy(w);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct op_bytes op;
	struct world *w;
	size_t i;

	if (!n)
		return 0;
	if (data[0] == RAW_SAMPLE) {
		/* just so many bytes, for the sanitizer to see what lies beyond */
		struct pv_event_sample *sample = malloc(n - 1 ? n - 1 : 1);

		if (!sample)
			abort();
		memcpy(sample, data + 1, n - 1);
		merge(NULL, sample, n - 1);
		free(sample);
		return 0;
	}
	w = world_create(&bases[data[0] % BASES]);
	for (i = 0; i < OPS_MAX && 1 + (i + 1) * sizeof(op) <= n; i++) {
		memcpy(&op, data + 1 + i * sizeof(op), sizeof(op));
		apply(w, &op);
	}
	walk(w);
	world_destroy(w);
	return 0;
}
