/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets whose memory lies.  Input: recorded threads with words changed by
 * hand, and every word that a walk reads changed in turn.  Output: Check's
 * report.  A walk must end, within its caps, and say that something is wrong
 * where that can be known.
 */
#include "liars.h"

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
	tcase_add_loop_test(tcase, native_stack_without_end, 0, n_names);
	tcase_add_loop_test(tcase, any_word_may_be_anything, 0, n_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
