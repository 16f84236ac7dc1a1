/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Anchors that lie: frames that are said to stand elsewhere on the C stack, and CFrames that
 * are not the eval loop's.  Input: tests/fixtures/walk.  Output: Check's report.
 */
#include "liars.h"

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

int main(void)
{
	Suite *suite = suite_create("liars_anchors");
	TCase *tcase = tcase_create("liars_anchors");
	SRunner *runner;
	int failed;

	names = fixture_names("-blocked", &n_names);
	if (n_names < 7) {
		fprintf(stderr, "no fixtures in $PV_FIXTURES/walk\n");
		return 1;
	}
	tcase_add_loop_test(tcase, anchors_that_lie_elsewhere, 0, n_names);
	tcase_add_loop_test(tcase, distances_that_differ, 0, n_names);
	tcase_add_loop_test(tcase, bridges_lead_upwards, 0, 2);
	tcase_add_loop_test(tcase, cframes_that_name_themselves, 0, n_names);
	tcase_add_test(tcase, a_cframe_that_is_not_the_eval_loops);
	tcase_add_test(tcase, no_bridge_to_a_foreign_cframe);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
