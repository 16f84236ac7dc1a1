/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets whose memory lies.  Input: recorded threads with words changed by
 * hand, and every word that a walk reads changed in turn.  Output: Check's
 * report.  A walk must end, within its caps, and say that something is wrong
 * where that can be known.
 */
#include "run.h"

enum {
	PATCHES = 24,
	/* every frame with a code object of its own, every native one, all that is copied */
	READS_MAX = PV_PYTHON_FRAMES_MAX * 3 / 2 * 8 + PV_NATIVE_FRAMES_MAX * 3 + 2048 * 4 + 100,
};

struct patch {
	uint64_t addr, value;
};

struct seen {
	uint64_t addr;
	size_t n;
};

/* A fixture with words changed; logs what is read. */
struct liar {
	struct pv_mem mem;
	struct pv_mem *inner;
	struct patch patches[PATCHES];
	size_t n_patches;
	bool fill; /* memory is everywhere, and holds the word `value` */
	uint64_t value;
	struct pv_vec log; /* struct seen */
	bool logging;
	unsigned int reads;
};

static int liar_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct liar *liar = (struct liar *)mem;
	struct seen seen = { addr, n };
	size_t i, k;
	int rc = pv_mem_read(liar->inner, dst, n, addr);

	liar->reads++;
	ck_assert_uint_le(liar->reads, READS_MAX);
	if (rc && !liar->fill)
		return rc;
	for (k = 0; rc && k < n; k++)
		((uint8_t *)dst)[k] = liar->value >> 8 * ((addr + k) & 7);
	for (i = 0; i < liar->n_patches; i++) {
		for (k = 0; k < 8; k++) {
			if (liar->patches[i].addr + k - addr < n)
				((uint8_t *)dst)[liar->patches[i].addr + k - addr] =
					liar->patches[i].value >> 8 * k;
		}
	}
	if (liar->logging)
		ok(pv_vec_append(&liar->log, &seen, 1, NULL));
	return 0;
}

struct world {
	struct fixture fixture;
	struct liar liar;
	struct run truth;                     /* without lies */
	struct pv_vec frames, codes, strings; /* uint64_t: where the walk found them, leaf first */
	uint64_t tstate;
};

static char **names;
static int n_names;

static uint64_t word(struct world *w, uint64_t addr)
{
	uint64_t value;

	ck_assert_int_eq(pv_mem_read_u64(w->liar.inner, addr, &value), 0);
	return value;
}

static void add(struct pv_vec *vec, uint64_t addr)
{
	size_t i;

	for (i = 0; i < vec->n; i++) {
		if (*(uint64_t *)pv_vec_at(vec, i) == addr)
			return;
	}
	ok(pv_vec_append(vec, &addr, 1, NULL));
}

static uint64_t at(const struct pv_vec *vec, size_t i)
{
	ck_assert_uint_lt(i, vec->n);
	return *(uint64_t *)pv_vec_at(vec, i);
}

static void walk(struct world *w, struct run *run)
{
	struct pv_snap_source source = fixture_source(&w->fixture, &w->liar.mem);

	w->liar.reads = 0;
	run_source(run, &source, &w->fixture);
}

/* Where things are is told by the sizes of the reads, not by the walkers' code. */
static void world_init(struct world *w, const char *name)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	size_t i;

	*w = (struct world){ .frames = PV_VEC(uint64_t),
			     .codes = PV_VEC(uint64_t),
			     .strings = PV_VEC(uint64_t) };
	load(name, &w->fixture, &w->liar.inner);
	w->liar.mem.read = liar_read;
	w->liar.log = (struct pv_vec)PV_VEC(struct seen);
	w->liar.logging = true;
	walk(w, &w->truth);
	w->liar.logging = false;
	for (i = 0; i < w->liar.log.n; i++) {
		const struct seen *seen = pv_vec_at(&w->liar.log, i);

		if (seen->n == py->ts_len && !w->tstate)
			w->tstate = seen->addr;
		else if (seen->n == py->fr_len && w->tstate)
			add(&w->frames, seen->addr - py->fr_start);
		else if (seen->n == py->co_len)
			add(&w->codes, seen->addr);
		else if (seen->n == 32 && word(w, seen->addr) == w->fixture.proc.unicode_type)
			add(&w->strings, seen->addr - py->ob_type);
	}
	ck_assert_uint_ge(w->frames.n, 5);
	ck_assert_uint_ge(w->codes.n, 5);
	ck_assert_uint_ge(w->strings.n, 5);
}

static void world_deinit(struct world *w)
{
	run_deinit(&w->truth);
	pv_mem_destroy(w->liar.inner);
	pv_vec_deinit(&w->liar.log);
	pv_vec_deinit(&w->frames);
	pv_vec_deinit(&w->codes);
	pv_vec_deinit(&w->strings);
	fixture_deinit(&w->fixture);
}

static void lie(struct world *w, uint64_t addr, uint64_t value)
{
	ck_assert_uint_lt(w->liar.n_patches, PATCHES);
	w->liar.patches[w->liar.n_patches++] = (struct patch){ addr, value };
}

/* Walks with the lies told so far, which are then forgotten; the Python half must be marked. */
static void walk_marked(struct world *w, const char *what, uint8_t loss, uint8_t or_loss)
{
	struct run run;

	walk(w, &run);
	ck_assert_msg(run.merged.marked && !run.merged.python && !run.merged.complete, "%s: %s",
		      what, run.status);
	ck_assert_msg(run.merged.loss == loss || run.merged.loss == or_loss, "%s: %s", what,
		      run.status);
	run_deinit(&run);
	w->liar.n_patches = 0;
}

static bool is_cframe(const struct world *w)
{
	return w->fixture.proc.py.cf_previous != PV_OFF_NONE;
}

START_TEST(frames_in_a_cycle)
{
	struct world w;
	size_t i, j;

	world_init(&w, names[_i]);
	for (i = 0; i < w.frames.n; i++) {
		for (j = 0; j <= i; j++) {
			/* 3.11 may see before that the next CFrame is for another frame */
			lie(&w, at(&w.frames, i) + w.fixture.proc.py.fr_previous, at(&w.frames, j));
			walk_marked(&w, "cycle", PV_LOSS_PY_CYCLE, PV_LOSS_PY_BADSTATE);
		}
	}
	world_deinit(&w);
}
END_TEST

/* What leads a thread to its state leads elsewhere. */
static void own_state_lost(struct world *w, uint64_t wild, size_t k)
{
	const struct pv_proc *proc = &w->fixture.proc;
	uint64_t key = proc->runtime + proc->py.rt_tss_key;

	switch (proc->py.own_kind) {
	case PV_OWN_TLS:
		lie(w, w->fixture.thread.fsbase + (uint64_t)proc->tls_offset, wild);
		walk_marked(w, "thread-local", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
		return;
	case PV_OWN_LIST:
		lie(w, proc->runtime + proc->py.rt_interpreters_head, wild);
		walk_marked(w, "interpreters", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
		lie(w, w->tstate + proc->py.ts_interp, wild);
		walk_marked(w, "interpreter of a state", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
		return;
	}
	/* a key that cannot be is not followed, wherever it leads */
	w->liar.fill = true;
	if (proc->py.own_kind == PV_OWN_KEY)
		lie(w, key, 1024 + k * 0x20000000);
	else
		lie(w, key, (1024 + k * 0x20000000) << 32 | 1);
	walk_marked(w, "key", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
	w->liar.fill = false;
	lie(w, w->fixture.thread.fsbase + proc->pthread_specific, wild);
	walk_marked(w, "keys", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
}

START_TEST(pointers_into_nothing)
{
	static const uint64_t wild[] = { 8,     0xdead0000, 0x800000000000, 0xffffffffff600000,
					 ~0ULL, ~0ULL - 60, 1ULL << 60 };
	const struct pv_pylayout *py;
	struct world w;
	size_t i, k;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (k = 0; k < sizeof(wild) / sizeof(*wild); k++) {
		for (i = 0; i < w.frames.n; i++) {
			lie(&w, at(&w.frames, i) + py->fr_previous, wild[k]);
			walk_marked(&w, "previous", PV_LOSS_PY_READ, PV_LOSS_PY_BADSTATE);
		}
		lie(&w, w.tstate + py->ts_frame, wild[k]);
		walk_marked(&w, "first frame", PV_LOSS_PY_READ, PV_LOSS_PY_READ);
		own_state_lost(&w, wild[k], k);
	}
	world_deinit(&w);
}
END_TEST

START_TEST(thread_state_of_another_thread)
{
	struct world w;

	world_init(&w, names[_i]);
	lie(&w, w.tstate + w.fixture.proc.py.ts_thread_id, w.fixture.thread.fsbase + 0x1000);
	/* 2.7: then it has none, but it is in the eval loop */
	walk_marked(&w, "thread id", PV_LOSS_PY_BADSTATE,
		    w.fixture.proc.py.own_kind == PV_OWN_LIST ? PV_LOSS_PY_UNLINKED
							      : PV_LOSS_PY_BADSTATE);
	world_deinit(&w);
}
END_TEST

START_TEST(code_objects_that_are_none)
{
	const struct pv_pylayout *py;
	struct world w;
	size_t i;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (i = 0; i < w.codes.n; i++) {
		lie(&w, at(&w.codes, i) + py->ob_type, w.fixture.proc.unicode_type);
		walk_marked(&w, "type", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
		if (py->free_threaded) {
			/* ob_ref_local is the upper half of a word; the flags of ob_ref_shared stay
			 */
			lie(&w, at(&w.codes, i) + py->ob_ref_local - 4, 0);
			lie(&w, at(&w.codes, i) + py->ob_ref_shared, 3);
			walk_marked(&w, "freed", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
			continue;
		}
		lie(&w, at(&w.codes, i) + py->ob_refcnt, 0);
		walk_marked(&w, "freed", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
		/* pymalloc's next free block: in an arena, which is mapped high */
		lie(&w, at(&w.codes, i) + py->ob_refcnt, w.fixture.thread.sp);
		walk_marked(&w, "freed, linked", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
	}
	/* the leaf is never a boundary frame, whose code is not looked at */
	lie(&w, at(&w.frames, 0) + py->fr_code, at(&w.strings, 0));
	walk_marked(&w, "a string", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
	lie(&w, at(&w.frames, 0) + py->fr_code, 0xdead0000);
	walk_marked(&w, "nothing", PV_LOSS_PY_BADCODE, PV_LOSS_PY_BADCODE);
	world_deinit(&w);
}
END_TEST

/* The frames are all there and true, but for names or lines that are not known. */
static void walk_nameless(struct world *w, const char *what)
{
	struct run run;
	size_t i, unknown = 0;

	walk(w, &run);
	ck_assert_msg(run.merged.complete, "%s: %s", what, run.status);
	ck_assert_uint_eq(run.n_lines, w->truth.n_lines);
	for (i = 0; i < run.n_lines; i++) {
		char *got = run.lines[i], *want = w->truth.lines[i];

		if (strcmp(got, want) == 0)
			continue;
		unknown++;
		/* the name is lost, or the file, or the line */
		ck_assert_msg(strncmp(got, "python ? (", 10) == 0 || strstr(got, " (?:") ||
				      strstr(got, ":0)"),
			      "%s: %s, %s", what, got, want);
	}
	ck_assert_msg(unknown, "%s changes nothing", what);
	ck_assert_msg(run.losses[PV_LOSS_CODE_READ], "%s is not counted", what);
	run_deinit(&run);
	w->liar.n_patches = 0;
}

START_TEST(strings_and_tables_that_are_none)
{
	static const uint64_t lengths[] = { 1ULL << 60, ~0ULL, 1ULL << 32, (1 << 18) + 1 };
	const struct pv_pylayout *py;
	struct world w;
	size_t i, k;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (i = 0; i < w.strings.n; i++) {
		uint64_t string = at(&w.strings, i), kind = 7ULL << py->str_kind_shift;
		uint64_t state =
			py->str_state == PV_OFF_NONE ? 0 : word(&w, string + py->str_state);

		/*
		 * kinds that there are not; 0 is a string that is not compact and not ready;
		 * bytes (2.7) have none
		 */
		if (py->str_state != PV_OFF_NONE) {
			lie(&w, string + py->str_state, state | kind);
			walk_nameless(&w, "kind 7");
			lie(&w, string + py->str_state, state & ~kind);
			walk_nameless(&w, "kind 0");
		}
		lie(&w, string + py->ob_type, w.fixture.proc.code_type);
		walk_nameless(&w, "type");
		for (k = 0; k < sizeof(lengths) / sizeof(*lengths); k++) {
			lie(&w, string + py->str_length, lengths[k]);
			walk_nameless(&w, "length");
		}
		/* within the limit, but the memory is not there */
		lie(&w, string + py->str_length, 1 << 18);
		walk_nameless(&w, "length of 1 << 18");
	}
	for (i = 0; i < w.codes.n; i++) {
		uint64_t table = word(&w, at(&w.codes, i) + py->co_linetable);

		for (k = 0; k < 3; k++) {
			lie(&w, table + py->var_size, lengths[k]);
			walk_nameless(&w, "line table");
		}
		lie(&w, table + py->ob_type, w.fixture.proc.code_type);
		walk_nameless(&w, "line table's type");
		lie(&w, at(&w.codes, i) + py->co_linetable, 0xdead0000);
		walk_nameless(&w, "line table's address");
	}
	world_deinit(&w);
}
END_TEST

static struct pv_err *count_event(void *ctx, const struct pv_event *event, size_t size)
{
	unsigned int *n = ctx;

	ck_assert_uint_eq(event->size, size);
	++*n;
	return NULL;
}

/* Walks once more with the same walker: how many records came. */
static unsigned int walk_again(struct world *w, struct pv_snap *snap, unsigned int *n)
{
	const struct pv_event_sample *sample;

	*n = 0;
	w->liar.reads = 0;
	ok(pv_snap_walk(snap, &w->fixture.thread, &sample));
	return *n;
}

/* A page is not there while a fork's copy of it is made: what was missed is copied when seen again.
 */
START_TEST(names_that_could_not_be_read_are_tried_again)
{
	struct pv_snap_handlers handlers = { .event = count_event };
	struct pv_snap_source source;
	struct pv_snap *snap;
	struct world w;
	unsigned int n = 0, tries;
	uint64_t type_at;

	world_init(&w, names[_i]);
	handlers.ctx = &n;
	type_at = at(&w.strings, 0) + w.fixture.proc.py.ob_type;
	source = fixture_source(&w.fixture, &w.liar.mem);

	ok(pv_snap_create(&source, &handlers, &snap));
	lie(&w, type_at, w.fixture.proc.code_type);
	ck_assert_uint_gt(walk_again(&w, snap, &n), 0);
	w.liar.n_patches = 0;
	ck_assert_uint_gt(walk_again(&w, snap, &n), 0);
	ck_assert_uint_eq(walk_again(&w, snap, &n), 0);
	pv_snap_destroy(snap);

	/* and it ends */
	ok(pv_snap_create(&source, &handlers, &snap));
	lie(&w, type_at, w.fixture.proc.code_type);
	for (tries = 0; tries < 10 && walk_again(&w, snap, &n); tries++)
		;
	ck_assert_uint_eq(tries, 4);
	pv_snap_destroy(snap);
	world_deinit(&w);
}
END_TEST

/* All there is to copy is as large as it may be: the copies are bounded. */
START_TEST(huge_strings_everywhere)
{
	const struct pv_pylayout *py;
	struct world w;
	struct run run;
	size_t i;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	w.liar.fill = true;
	w.liar.value = 0x4141414141414141;
	for (i = 0; i < w.strings.n && i < 8; i++)
		lie(&w, at(&w.strings, i) + py->str_length, 1 << 18);
	walk(&w, &run);
	ck_assert_uint_ge(run.n_pieces, 64);
	ck_assert_uint_le(run.n_pieces + run.n_codes, 2048);
	ck_assert_uint_eq(run.n_lines, w.truth.n_lines);
	run_deinit(&run);
	world_deinit(&w);
}
END_TEST

static bool is_boundary(struct world *w, size_t frame)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	uint64_t owner_at = at(&w->frames, frame) + py->fr_owner;
	uint8_t owner;

	ck_assert_int_eq(pv_mem_read(w->liar.inner, &owner, 1, owner_at), 0);
	return owner >= py->owner_boundary;
}

/* From 3.11 a run ends with its entry or boundary frame, never with nothing. */
START_TEST(chains_that_end_too_early)
{
	const struct pv_pylayout *py;
	struct world w;
	struct run run;
	size_t i;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	/* the outermost one ends there anyway */
	for (i = 0; py->frame_kind == PV_FRAME_INTERP && i + 1 < w.frames.n; i++) {
		lie(&w, at(&w.frames, i) + py->fr_previous, 0);
		walk(&w, &run);
		w.liar.n_patches = 0;
		ck_assert_msg(run.merged.marked && !run.merged.python, "frame %zu: %s", i,
			      run.status);
		if (py->anchor_kind == PV_ANCHOR_SHIM && !is_boundary(&w, i))
			ck_assert_int_eq(run.merged.loss, PV_LOSS_PY_UNLINKED);
		run_deinit(&run);
	}
	world_deinit(&w);
}
END_TEST

/* tlbc_index and what of its word is read with it. */
static uint64_t index_word(struct world *w, uint64_t frame)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	size_t n = py->fr_start + py->fr_len - py->fr_tlbc_index;
	uint64_t value = 0;

	ck_assert_int_eq(
		pv_mem_read(w->liar.inner, &value, n < 8 ? n : 8, frame + py->fr_tlbc_index), 0);
	return value;
}

/* Where the bytecode of a frame of 3.11 or younger begins. */
static uint64_t bytecode_of(struct world *w, uint64_t frame)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	uint64_t code = word(w, frame + py->fr_code) & ~(uint64_t)py->code_tag_mask;

	if (py->fr_tlbc_index == PV_OFF_NONE)
		return code + py->co_code_adaptive;
	return word(w, word(w, code + py->co_tlbc) + 8 + 8 * (uint32_t)index_word(w, frame));
}

/* As sys._getframe(): a frame that is still being set up is not there, unless a generator's. */
START_TEST(frames_that_have_not_started)
{
	const struct pv_pylayout *py;
	unsigned int generators = 0;
	struct world w;
	struct run run;
	size_t i;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (i = 0; py->frame_kind == PV_FRAME_INTERP && i < w.frames.n; i++) {
		uint64_t frame = at(&w.frames, i);
		uint8_t owner;

		if (py->anchor_kind == PV_ANCHOR_SHIM && is_boundary(&w, i))
			continue;
		ck_assert_int_eq(pv_mem_read(w.liar.inner, &owner, 1, frame + py->fr_owner), 0);
		generators += owner == py->owner_generator;
		/* 3.11 and 3.12 begin at the instruction before the first */
		lie(&w, frame + py->fr_instr,
		    bytecode_of(&w, frame) - (py->fr_tlbc_index == PV_OFF_NONE ? 2 : 0));
		walk(&w, &run);
		w.liar.n_patches = 0;
		ck_assert_msg(run.merged.complete, "%s", run.status);
		ck_assert_uint_eq(run.n_lines + (owner != py->owner_generator), w.truth.n_lines);
		run_deinit(&run);
	}
	ck_assert(generators == 1 || py->frame_kind == PV_FRAME_OBJECT);
	world_deinit(&w);
}
END_TEST

/* The frame is there, its line is not, and that is counted. */
static void walk_lineless(struct world *w, const char *what)
{
	struct run run;
	size_t i, lost = 0;

	walk(w, &run);
	w->liar.n_patches = 0;
	ck_assert_msg(run.merged.complete, "%s: %s", what, run.status);
	ck_assert_uint_eq(run.n_lines, w->truth.n_lines);
	for (i = 0; i < run.n_lines; i++) {
		if (strcmp(run.lines[i], w->truth.lines[i]) == 0)
			continue;
		ck_assert_msg(strstr(run.lines[i], ":0)"), "%s: %s", what, run.lines[i]);
		lost++;
	}
	ck_assert_msg(lost, "%s changes nothing", what);
	ck_assert_uint_ge(run.losses[PV_LOSS_PY_LINE], lost);
	run_deinit(&run);
}

/*
 * 3.14t: a thread that gets its own copy of the bytecode changes tlbc_index and instr_ptr one
 * after the other, and another one may be about to replace the list of copies.
 */
START_TEST(copies_of_bytecode_that_are_none)
{
	const struct pv_pylayout *py;
	struct world w;
	size_t i;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (i = 0; py->fr_tlbc_index != PV_OFF_NONE && i < w.frames.n; i++) {
		uint64_t index_at = at(&w.frames, i) + py->fr_tlbc_index, rest;
		uint64_t instr_at = at(&w.frames, i) + py->fr_instr;

		if (is_boundary(&w, i))
			continue;
		rest = index_word(&w, at(&w.frames, i)) & ~0xffffffffULL;
		lie(&w, index_at, rest);
		walk_lineless(&w, "the main copy");
		lie(&w, index_at, rest | 1);
		walk_lineless(&w, "no copy");
		lie(&w, index_at, rest | 3);
		walk_lineless(&w, "more than there are");
		lie(&w, index_at, rest | 0xffffffff);
		walk_lineless(&w, "negative");
		lie(&w, instr_at, word(&w, instr_at) + 16);
		walk_lineless(&w, "behind the end");
		lie(&w, instr_at, bytecode_of(&w, at(&w.frames, i)) - 2);
		walk_lineless(&w, "before the start");
	}
	for (i = 0; py->fr_tlbc_index != PV_OFF_NONE && i < w.codes.n; i++) {
		uint64_t copies = word(&w, at(&w.codes, i) + py->co_tlbc);

		lie(&w, at(&w.codes, i) + py->co_tlbc, 0xdead0000);
		walk_lineless(&w, "list that is nowhere");
		lie(&w, copies, 2);
		walk_lineless(&w, "short list");
		lie(&w, copies + 8 + 8 * 2, 0xdead0000);
		walk_lineless(&w, "copy that is nowhere");
	}
	world_deinit(&w);
}
END_TEST

/* The frame that is the nth boundary, from 0. */
static size_t find_boundary(struct world *w, unsigned int nth)
{
	size_t i;

	for (i = 1; i < w->frames.n; i++) {
		if (is_boundary(w, i) && !nth--)
			return i;
	}
	ck_abort_msg("not so many boundary frames");
}

/* The nth boundary frame, moved to addr: previous, owner and all. */
static void move_boundary(struct world *w, unsigned int nth, uint64_t addr)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	size_t boundary = find_boundary(w, nth);
	uint64_t from = at(&w->frames, boundary), k;

	lie(w, at(&w->frames, boundary - 1) + py->fr_previous, addr);
	for (k = 0; k < py->fr_len; k += 8) {
		uint64_t value = 0;
		size_t n = py->fr_len - k < 8 ? py->fr_len - k : 8;

		ck_assert_int_eq(pv_mem_read(w->liar.inner, &value, n, from + py->fr_start + k), 0);
		lie(w, addr + py->fr_start + k, value);
	}
}

/* The CFAs of the native frames, by the reads of the two words below each. */
static uint64_t cfa_of(struct world *w, uint32_t native)
{
	uint32_t found = 0;
	size_t i;

	for (i = 0; i < w->liar.log.n; i++) {
		const struct seen *seen = pv_vec_at(&w->liar.log, i);

		if (seen->n == 16 && found++ == native)
			return seen->addr + 16;
	}
	ck_abort_msg("native frame %u has no CFA", native);
}

/* Only the activation that an anchor lies in runs its frames: not the one above, below, beside. */
START_TEST(anchors_that_lie_elsewhere)
{
	const struct pv_event_sample *truth;
	struct world w;
	struct run run;
	uint32_t eval = 0, k;

	world_init(&w, names[_i]);
	truth = w.truth.sample;
	if (w.fixture.proc.py.anchor_kind == PV_ANCHOR_SHIM) {
		while (eval < truth->n_native && !(sample_natives(truth)[eval] & PV_NAT_ANCHOR))
			eval++;
		const uint64_t places[] = { w.fixture.thread.sp - 0x400, cfa_of(&w, eval),
					    cfa_of(&w, eval) + 8, ~0xfffULL };

		w.liar.fill = true;
		for (k = 0; k < sizeof(places) / sizeof(*places); k++) {
			move_boundary(&w, 0, places[k]);
			walk(&w, &run);
			w.liar.n_patches = 0;
			ck_assert_msg(run.merged.marked && !run.merged.python, "place %u: %s", k,
				      run.status);
			run_deinit(&run);
		}
	}
	world_deinit(&w);
}
END_TEST

/* Another place in the right activation: its distance is no constant, so nothing is bridged. */
START_TEST(distances_that_differ)
{
	const struct pv_event_sample *sample;
	struct pv_snap_source source;
	struct pv_snap_handlers handlers = { .lost = run_lost };
	struct pv_snap *snap;
	struct run run = {};
	struct world w;

	world_init(&w, names[_i]);
	if (w.fixture.proc.py.anchor_kind == PV_ANCHOR_SHIM) {
		w.liar.fill = true;
		move_boundary(&w, 0, at(&w.frames, find_boundary(&w, 0)) + 8);
		source = fixture_source(&w.fixture, &w.liar.mem);
		handlers.ctx = &run;
		ok(pv_snap_create(&source, &handlers, &snap));
		ok(pv_snap_walk(snap, &w.fixture.thread, &sample));
		ck_assert_uint_eq(run.losses[PV_LOSS_REANCHOR_CONFLICT], 1);
		ck_assert_int_eq(pv_snap_proc(snap)->reanchor_cfa, -1);
		pv_snap_destroy(snap);
	}
	world_deinit(&w);
}
END_TEST

/* Behind a native break the walk goes up to the next anchor, never down. */
START_TEST(bridges_lead_upwards)
{
	static const char *const broken[] = { "3.12-break", "3.13-break" };
	struct world w;
	struct run run;

	world_init(&w, broken[_i]);
	ck_assert(w.truth.merged.bridged);
	w.liar.fill = true;
	move_boundary(&w, 1, w.fixture.thread.sp - 0x400);
	walk(&w, &run);
	ck_assert_msg(!run.merged.bridged && run.merged.truncated, "%s", run.status);
	run_deinit(&run);
	world_deinit(&w);
}
END_TEST

START_TEST(cframes_that_name_themselves)
{
	const struct pv_pylayout *py;
	struct world w;
	uint64_t cframe;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	if (is_cframe(&w) && py->anchor_kind != PV_ANCHOR_SHIM) {
		cframe = word(&w, w.tstate + (py->anchor_kind == PV_ANCHOR_CFRAME ? py->ts_cframe
										  : py->ts_frame));
		lie(&w, cframe + py->cf_previous, cframe);
		walk_marked(&w, "CFrame", PV_LOSS_PY_BADSTATE, PV_LOSS_PY_BADSTATE);
		lie(&w, cframe + py->cf_previous, 0xdead0000);
		walk_marked(&w, "CFrame", PV_LOSS_PY_BADSTATE, PV_LOSS_PY_READ);
		lie(&w, cframe + py->cf_previous, w.tstate + py->ts_root_cframe);
		walk_marked(&w, "CFrame", PV_LOSS_PY_BADSTATE, PV_LOSS_MERGE_COUNT);
	}
	world_deinit(&w);
}
END_TEST

static void expect_truth(struct world *w)
{
	struct run run;
	size_t i;

	walk(w, &run);
	ck_assert_msg(run.merged.complete && run.n_lines == w->truth.n_lines, "%s", run.status);
	for (i = 0; i < run.n_lines; i++)
		ck_assert_msg(!strcmp(run.lines[i], w->truth.lines[i]), "%s, expected %s",
			      run.lines[i], w->truth.lines[i]);
	ck_assert_int_eq(run.proc.reanchor_cfa, w->truth.proc.reanchor_cfa);
	run_deinit(&run);
}

/* Is one of the eight bytes among those that the walk reads? */
static bool is_read(const struct world *w, uint64_t addr)
{
	size_t i;

	for (i = 0; i < w->liar.log.n; i++) {
		const struct seen *seen = pv_vec_at(&w->liar.log, i);

		if (addr + 8 > seen->addr && addr < seen->addr + seen->n)
			return true;
	}
	return false;
}

/*
 * 3.10: greenlet links a CFrame of its own between the outermost one and the root.  Here it is
 * one in the frame of who called the eval loop.
 */
START_TEST(a_cframe_that_is_not_the_eval_loops)
{
	const struct pv_pylayout *py;
	uint64_t root, outermost = 0, foreign, next;
	struct world w;

	world_init(&w, "3.10-blocked");
	py = &w.fixture.proc.py;
	w.fixture.proc.py.foreign_cframes = 1;
	expect_truth(&w);
	root = w.tstate + py->ts_root_cframe;
	for (next = word(&w, w.tstate + py->ts_cframe); next != root;
	     next = word(&w, next + py->cf_previous))
		outermost = next;
	ck_assert_int_gt(w.truth.proc.reanchor_cfa, 0);
	foreign = outermost + (uint64_t)w.truth.proc.reanchor_cfa;
	while (is_read(&w, foreign + py->cf_previous))
		foreign += 8;
	w.liar.fill = true;
	lie(&w, outermost + py->cf_previous, foreign);
	lie(&w, foreign + py->cf_previous, root);
	expect_truth(&w);
	world_deinit(&w);
}
END_TEST

/* The stack breaks off in a greenlet's outermost eval frame: no bridge leads to its CFrame. */
START_TEST(no_bridge_to_a_foreign_cframe)
{
	const struct pv_pylayout *py;
	uint64_t cframe, root;
	uint32_t i, runs = 0;
	struct world w;
	struct run run;

	world_init(&w, "3.10-break");
	ck_assert(w.truth.merged.bridged);
	py = &w.fixture.proc.py;
	root = w.tstate + py->ts_root_cframe;
	cframe = word(&w, w.tstate + py->ts_cframe);
	for (i = 0; !(sample_natives(w.truth.sample)[i] & PV_NAT_BREAK); i++) {
		if (sample_natives(w.truth.sample)[i] & PV_NAT_ANCHOR && runs++)
			cframe = word(&w, cframe + py->cf_previous);
	}
	ck_assert_uint_gt(runs, 0);
	/* the next one is the last, and no Python frame is left for it */
	lie(&w, word(&w, cframe + py->cf_previous) + py->cf_previous, root);
	lie(&w, at(&w.frames, runs - 1) + py->fr_previous, 0);
	w.fixture.proc.py.foreign_cframes = 1;
	walk(&w, &run);
	ck_assert_msg(!run.merged.bridged && !run.merged.complete && run.merged.truncated, "%s",
		      run.status);
	run_deinit(&run);
	world_deinit(&w);
}
END_TEST

/* A stack that is the same word all over: frames without end, each above the other. */
START_TEST(native_stack_without_end)
{
	struct pv_event_sample *truth;
	const struct pv_mapping *mapping;
	struct world w;
	struct run run;
	uint32_t i, deep = 0;

	world_init(&w, names[_i]);
	truth = w.truth.sample;
	w.liar.fill = true;
	w.fixture.thread.fsbase = 0x10;
	w.fixture.thread.sp = w.fixture.thread.bp = 0x100000000;
	for (i = 0; i < truth->n_native; i += 3) {
		uint64_t native = sample_natives(truth)[i];
		size_t m;

		for (m = 0; m < w.fixture.mappings.n; m++) {
			mapping = pv_vec_at(&w.fixture.mappings, m);
			if (mapping->object != (native >> PV_NAT_REL_BITS & 0xfffff))
				continue;
			w.liar.value = mapping->bias + (native & ((1ULL << PV_NAT_REL_BITS) - 1));
			w.fixture.thread.pc = w.liar.value;
			walk(&w, &run);
			ck_assert(!run.merged.complete || run.sample->flags & PV_SAMPLE_NAT_END);
			deep += run.sample->n_native == PV_NATIVE_FRAMES_MAX &&
				run.sample->nat_loss == PV_LOSS_NAT_DEPTH && !run.merged.complete;
			run_deinit(&run);
		}
	}
	ck_assert_uint_gt(deep, 0);
	world_deinit(&w);
}
END_TEST

/* Only what a walk must be whatever is read: without names, it is done a great many times. */
static void walk_bare(struct world *w, struct pv_snap *snap, struct pv_merged *merged)
{
	struct pv_merge_options options = {
		.counted = w->fixture.proc.py.anchor_kind == PV_ANCHOR_NONE,
	};
	const struct pv_event_sample *sample;

	w->liar.reads = 0;
	ok(pv_snap_walk(snap, &w->fixture.thread, &sample));
	check_form(sample);
	ok(pv_merge(sample, sample->hdr.size, &options, merged));
	ck_assert(merged->complete + merged->truncated + merged->marked + merged->bridged > 0);
}

/* Every word that a walk reads, in turn, as everything that could hurt. */
START_TEST(any_word_may_be_anything)
{
	struct pv_merged merged = { .frames = PV_VEC(struct pv_frame_ref) };
	struct pv_vec words = PV_VEC(uint64_t);
	struct pv_snap_source source;
	const struct pv_pylayout *py;
	struct pv_snap *snap = NULL;
	struct world w;
	size_t i, k;

	world_init(&w, names[_i]);
	py = &w.fixture.proc.py;
	for (i = 0; i < w.liar.log.n; i++) {
		const struct seen *seen = pv_vec_at(&w.liar.log, i);

		/* text and line tables are not followed */
		if (seen->n % 8 || (seen->n > 32 && seen->n != py->ts_len &&
				    seen->n != py->fr_len && seen->n != py->co_len))
			continue;
		for (k = 0; k < seen->n; k += 8)
			add(&words, seen->addr + k);
	}
	const uint64_t values[] = { 0,
				    1,
				    0x7fffffff,
				    1ULL << 60,
				    ~0ULL,
				    0x8000000000000000,
				    w.tstate,
				    at(&w.frames, 0),
				    at(&w.codes, 0),
				    w.fixture.thread.sp,
				    w.fixture.thread.pc };

	source = fixture_source(&w.fixture, &w.liar.mem);
	for (i = 0; i < words.n; i++) {
		/* a new walker now and then: it has learned false distances, and copied all code */
		if (i % 8 == 0) {
			pv_snap_destroy(snap);
			ok(pv_snap_create(&source, NULL, &snap));
		}
		for (k = 0; k < sizeof(values) / sizeof(*values); k++) {
			w.liar.n_patches = 0;
			lie(&w, at(&words, i), values[k]);
			w.liar.fill = k & 1;
			walk_bare(&w, snap, &merged);
		}
	}
	pv_snap_destroy(snap);
	pv_vec_deinit(&merged.frames);
	pv_vec_deinit(&words);
	world_deinit(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("liars");
	TCase *tcase = tcase_create("liars");
	SRunner *runner;
	int failed;

	names = fixture_names("-blocked", &n_names);
	if (n_names < 7) {
		fprintf(stderr, "no fixtures in $PV_FIXTURES/walk\n");
		return 1;
	}
	tcase_set_timeout(tcase, 100);
	tcase_add_loop_test(tcase, frames_in_a_cycle, 0, n_names);
	tcase_add_loop_test(tcase, pointers_into_nothing, 0, n_names);
	tcase_add_loop_test(tcase, thread_state_of_another_thread, 0, n_names);
	tcase_add_loop_test(tcase, code_objects_that_are_none, 0, n_names);
	tcase_add_loop_test(tcase, strings_and_tables_that_are_none, 0, n_names);
	tcase_add_loop_test(tcase, names_that_could_not_be_read_are_tried_again, 0, n_names);
	tcase_add_loop_test(tcase, huge_strings_everywhere, 0, n_names);
	tcase_add_loop_test(tcase, frames_that_have_not_started, 0, n_names);
	tcase_add_loop_test(tcase, copies_of_bytecode_that_are_none, 0, n_names);
	tcase_add_loop_test(tcase, chains_that_end_too_early, 0, n_names);
	tcase_add_loop_test(tcase, anchors_that_lie_elsewhere, 0, n_names);
	tcase_add_loop_test(tcase, distances_that_differ, 0, n_names);
	tcase_add_loop_test(tcase, bridges_lead_upwards, 0, 2);
	tcase_add_loop_test(tcase, cframes_that_name_themselves, 0, n_names);
	tcase_add_test(tcase, a_cframe_that_is_not_the_eval_loops);
	tcase_add_test(tcase, no_bridge_to_a_foreign_cframe);
	tcase_add_loop_test(tcase, native_stack_without_end, 0, n_names);
	tcase_add_loop_test(tcase, any_word_may_be_anything, 0, n_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
