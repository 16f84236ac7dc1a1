/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the merge on samples made by hand.  Input: rows of frames, leaf
 * first, as the walkers emit them.  Output: Check's report.
 */
#include "merge_sample.h"

START_TEST(runs_take_the_place_of_their_eval_frames)
{
	struct sample s = two_runs(BOTH);

	expect(&s, &anchored, "N5 P3 N3 P2 P1 N1");
	expect_state(true, false, false, false, 0);
	ck_assert(merged.python);
	expect(&s, &counted, "N5 P3 N3 P2 P1 N1");
	expect_state(true, false, false, false, 0);
}
END_TEST

START_TEST(kernel_frames_stand_at_the_leaf)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	kernel(&s, 71);
	kernel(&s, 72);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	expect(&s, &anchored, "P1 N1 K72 K71");
	expect(&s, &no_native, "P1 K72 K71");
	expect_state(true, false, false, false, 0);
}
END_TEST

START_TEST(exact_frames_and_raw_addresses)
{
	struct sample s = make(BOTH | PV_SAMPLE_NO_TSTATE);
	const struct pv_frame_ref *ref;
	struct pv_str text = {};

	put(&s, PV_NAT_RAW | PV_NAT_EXACT | 9);
	s.head.n_native++;
	put(&s, PV_NAT_RAW | 8);
	s.head.n_native++;
	native(&s, (1 << PV_NAT_OBJECT_BITS) - 1, 0);
	/* the largest object id there can be */
	ok(pv_str_appendf(&text, "N%d R8 R9", (1 << PV_NAT_OBJECT_BITS) - 1));
	expect(&s, &anchored, pv_str_text(&text));
	pv_str_deinit(&text);
	ref = pv_vec_at(&merged.frames, 2);
	ck_assert(ref->exact);
	ref = pv_vec_at(&merged.frames, 1);
	ck_assert(!ref->exact);
}
END_TEST

/* Up to 3.9: an eval frame in its prologue has no Python frame yet. */
START_TEST(counted_surplus_eval_frame_is_native)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, EVAL | PV_NAT_EXACT);
	native(&s, 2, EVAL);
	native(&s, 3, EVAL);
	native(&s, 4, 0);
	expect(&s, &counted, "N4 P2 P1 N1");
	expect_state(true, false, false, false, 0);
	/* with anchors there is no such thing */
	expect(&s, &anchored, "[mismatch] N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

/* Frames of another interpreter may be missing: then the one more may be theirs. */
START_TEST(a_surplus_where_a_half_may_be_missing)
{
	struct sample s = make(BOTH | PV_SAMPLE_PY_PART);

	python(&s, 1, END);
	native(&s, 1, EVAL | PV_NAT_EXACT);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	expect(&s, &counted, "[mismatch] N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	/* nothing counts them */
	expect(&s, &no_native, "[mismatch]");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	/* as many of each: none is missing */
	s = make(BOTH | PV_SAMPLE_PY_PART);
	python(&s, 1, END);
	native(&s, 1, EVAL);
	native(&s, 2, 0);
	expect(&s, &counted, "N2 P1");
	expect(&s, &anchored, "N2 P1");
	expect_state(true, false, false, false, 0);
}
END_TEST

START_TEST(any_other_difference_is_marked)
{
	struct sample s = make(BOTH), fewer = make(BOTH);

	python(&s, 1, END);
	native(&s, 1, EVAL);
	native(&s, 2, EVAL);
	native(&s, 3, EVAL);
	expect(&s, &counted, "[mismatch] N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	ck_assert(!merged.python);

	python(&fewer, 1, END);
	python(&fewer, 2, END);
	native(&fewer, 1, EVAL);
	expect(&fewer, &counted, "[mismatch] N1");
	expect(&fewer, &anchored, "[mismatch] N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

/* An eval frame without a run: its Python frames are of another thread state. */
/* P2 runs no bytecode: C code pushed it, and it has no eval frame. */
START_TEST(idle_frames_have_no_eval_frame)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	python(&s, 2, END);
	s.words[3] |= (uint32_t)PV_LASTI_NONE;
	python(&s, 3, END);
	native(&s, 1, EVAL);
	native(&s, 2, 0);
	native(&s, 3, EVAL);
	native(&s, 4, 0);
	expect(&s, &counted, "N4 P3 P2 N2 P1");
	expect_state(true, false, false, false, 0);
	/* with one eval frame more, it is one that is traced */
	native(&s, 5, EVAL);
	expect(&s, &counted, "P3 N4 P2 N2 P1");
	/* the leaf has just begun: it has its eval frame */
	s = make(BOTH);
	python(&s, 1, END);
	s.words[1] |= (uint32_t)PV_LASTI_NONE;
	python(&s, 2, END);
	native(&s, 1, EVAL);
	expect(&s, &counted, "[mismatch] N1");
}
END_TEST

START_TEST(hidden_python_frames_are_marked)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	native(&s, 1, 0);
	native(&s, 2, PV_NAT_EVAL);
	native(&s, 3, EVAL | PV_NAT_EVAL);
	native(&s, 4, 0);
	expect(&s, &anchored, "[mismatch] N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	ck_assert(!merged.python);
}
END_TEST

/* 3.10: the leaf frame has left its eval frame, whose CFrame is unlinked already. */
START_TEST(skipped_frame_is_not_shown)
{
	struct sample s = make(BOTH);

	python(&s, 1, SKIP);
	python(&s, 2, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	expect(&s, &anchored, "N3 P2 N1");
	expect_state(true, false, false, false, 0);
}
END_TEST

/* The same with what is said of that frame: its run ends where the labels do. */
START_TEST(labels_of_a_skipped_frame)
{
	struct sample s = make(BOTH);

	python(&s, 1, PV_PYFRAME_SKIP);
	python(&s, PV_TASK_SEVERAL, PV_PYFRAME_TASK);
	python(&s, 7, PV_PYFRAME_INTERP | END);
	python(&s, 2, END);
	python(&s, 3, END);
	s.head.n_runs = 2;
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, EVAL);
	native(&s, 5, 0);
	expect(&s, &anchored, "N5 P3 N3 P2 N1");
	expect_state(true, false, false, false, 0);
	/* only its own */
	s.words[1] &= ~((uint64_t)PV_PYFRAME_SKIP << 32);
	s.words[5] &= ~((uint64_t)PV_PYFRAME_INTERP << 32);
	s.words[4] = PV_TASK_MORE;
	s.words[5] |= (uint64_t)PV_PYFRAME_TASK << 32;
	s.words[7] &= ~((uint64_t)END << 32);
	expect(&s, &anchored, "N5 P3 P2 N3 more tasks several tasks P1 N1");
}
END_TEST

/* The run of an eval frame whose Python frames are all still being set up. */
START_TEST(empty_run_has_no_frame)
{
	struct sample s = make(BOTH);

	python(&s, 0, EMPTY);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 2, 0);
	native(&s, 3, EVAL);
	expect(&s, &anchored, "P2 N2");
	expect_state(true, false, false, false, 0);
}
END_TEST

START_TEST(torn_samples_show_no_python)
{
	struct sample s = two_runs(PV_SAMPLE_NAT_END | PV_SAMPLE_TORN);

	s.head.py_loss = PV_LOSS_PY_TORN;
	expect(&s, &anchored, "[torn] N5 N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_PY_TORN);
	ck_assert(!merged.python);
	/* found by the native walk, through a signal frame: the Python half seemed whole */
	s = two_runs(BOTH | PV_SAMPLE_TORN);
	expect(&s, &anchored, "[torn] N5 N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_PY_TORN);
}
END_TEST

START_TEST(unreadable_python_is_not_shown)
{
	static const uint8_t losses[] = { PV_LOSS_PY_READ, PV_LOSS_PY_CYCLE, PV_LOSS_PY_BADCODE,
					  PV_LOSS_PY_BADSTATE };
	size_t i;

	for (i = 0; i < sizeof(losses); i++) {
		struct sample s = two_runs(PV_SAMPLE_NAT_END);

		s.head.py_loss = losses[i];
		expect(&s, &anchored, "[python unreadable] N5 N4 N3 N2 N1");
		expect_state(false, false, true, false, losses[i]);
		expect(&s, &counted, "[python unreadable] N5 N4 N3 N2 N1");
	}
}
END_TEST

START_TEST(count_mismatch_of_the_walker_is_marked)
{
	struct sample s = two_runs(PV_SAMPLE_NAT_END);

	s.head.py_loss = PV_LOSS_MERGE_COUNT;
	expect(&s, &anchored, "[mismatch] N5 N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

START_TEST(native_half_that_breaks_off)
{
	struct sample s = make(PV_SAMPLE_PY_END);

	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	python(&s, 1, END);
	python(&s, 2, 0);
	python(&s, 3, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	expect(&s, &anchored, "P3 P2 [truncated] N3 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOROW);
	/* nothing to count from: the runs cannot be matched */
	expect(&s, &counted, "[truncated] P3 P2 P1 [unwind break] N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOROW);
}
END_TEST

/* More activations than there are runs, even though the native half is cut short. */
START_TEST(broken_off_with_too_many_eval_frames)
{
	struct sample s = make(PV_SAMPLE_PY_END);

	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	python(&s, 1, END);
	native(&s, 1, EVAL);
	native(&s, 2, EVAL);
	expect(&s, &anchored, "[mismatch] N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

START_TEST(python_half_that_is_too_deep)
{
	struct sample s = make(PV_SAMPLE_NAT_END);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, END);
	python(&s, 2, 0);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, EVAL);
	native(&s, 5, 0);
	expect(&s, &anchored, "[truncated] N5 P2 N3 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	expect(&s, &counted, "[truncated] P2 P1 [unwind break] N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
}
END_TEST

/*
 * Cut in a run that is deeper than the limit: from 3.12 its anchor, which stands at its
 * end, was not reached.  It is run by the next eval frame there is.
 */
START_TEST(a_run_deeper_than_the_limit)
{
	struct sample s = make(PV_SAMPLE_NAT_END);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, 0);
	python(&s, 2, 0);
	native(&s, 1, PV_NAT_EXACT);
	native(&s, 2, PV_NAT_EVAL);
	native(&s, 3, 0);
	expect(&s, &anchored, "[truncated] N3 P2 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* what runs the frames that are missing stays native */
	native(&s, 4, PV_NAT_EVAL);
	native(&s, 5, 0);
	expect(&s, &anchored, "[truncated] N5 N4 N3 P2 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* so it is known where a collection stands */
	expect(&s, &with_gc, "[truncated] N5 N4 [gc] N3 P2 P1 N1");
	expect(&s, &no_native_gc, "[truncated] [gc] P2 P1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* no eval frame at all */
	s = make(PV_SAMPLE_NAT_END);
	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, 0);
	native(&s, 1, 0);
	expect(&s, &anchored, "[mismatch] N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

START_TEST(runs_before_the_one_that_is_cut)
{
	struct sample s = make(PV_SAMPLE_NAT_END), other;

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, END);
	python(&s, 2, 0);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	other = s;
	native(&s, 4, PV_NAT_EVAL);
	native(&s, 5, 0);
	native(&s, 6, PV_NAT_EVAL);
	expect(&s, &anchored, "[truncated] N6 N5 P2 N3 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* 3.11 has the anchor at the beginning of the run */
	native(&other, 4, EVAL | PV_NAT_EVAL);
	native(&other, 5, 0);
	native(&other, 6, PV_NAT_EVAL);
	expect(&other, &anchored, "[truncated] N6 N5 P2 N3 P1 N1");
	/* leafward of it a hidden one is of another thread state, as ever */
	other = s;
	other.words[6] |= PV_NAT_EVAL;
	other.words[8] |= EVAL;
	expect(&other, &anchored, "[mismatch] N6 N5 N4 N3 N2 N1");
	/* an anchor that no eval frame was found for */
	s.head.n_runs = 2;
	s.words[3] |= (uint64_t)END << 32;
	expect(&s, &anchored, "[mismatch] N6 N5 N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

/* The limit falls between two runs. */
START_TEST(cut_at_the_end_of_a_run)
{
	struct sample s = make(PV_SAMPLE_NAT_END);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, PV_NAT_EVAL);
	expect(&s, &anchored, "[truncated] N4 N3 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
}
END_TEST

START_TEST(both_halves_are_too_deep)
{
	struct sample s = make(0);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	s.head.nat_loss = PV_LOSS_NAT_DEPTH;
	python(&s, 1, END);
	python(&s, 2, END);
	python(&s, 3, 0);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	expect(&s, &anchored, "[truncated] P3 P2 [truncated] N3 P1 N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_DEPTH);
	/* an eval frame leafward of the second run's: it is of another thread state */
	native(&s, 4, PV_NAT_EVAL);
	expect(&s, &anchored, "[mismatch] N4 N3 N2 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	s.words[9] |= EVAL;
	native(&s, 5, PV_NAT_EVAL);
	expect(&s, &anchored, "[truncated] P3 P2 N3 P1 N1");
}
END_TEST

/*
 * An eval frame at its edge, at an exact pc, may run the run that is cut or may not: only
 * if there is no other it does.
 */
START_TEST(an_eval_frame_at_its_edge_when_cut)
{
	struct sample s = make(PV_SAMPLE_NAT_END | PV_SAMPLE_EVAL_EDGE);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, 0);
	python(&s, 2, 0);
	native(&s, 1, PV_NAT_EXACT);
	native(&s, 3, 0);
	expect(&s, &anchored, "[truncated] N3 P2 P1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	native(&s, 4, PV_NAT_EVAL);
	native(&s, 5, 0);
	expect(&s, &anchored, "[truncated] P2 P1 [unwind break]");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* and where the collection is neither */
	expect(&s, &no_native_gc, "[truncated] P2 P1");
	expect_gc(false, true);
	/* the one below is matched: nothing is in doubt */
	s.head.n_runs = 1;
	s.words[1] |= (uint64_t)END << 32;
	s.words[6] |= EVAL;
	native(&s, 6, PV_NAT_EVAL);
	expect(&s, &anchored, "[truncated] P2 N5 P1 N3 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
}
END_TEST

/* 3.10: CFrames are counted from the root, which was not reached: there are no anchors. */
START_TEST(python_half_that_is_too_deep_3_10)
{
	struct sample s = make(0);

	s.head.py_loss = PV_LOSS_PY_DEPTH;
	s.head.nat_loss = PV_LOSS_NAT_DEPTH;
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, PV_NAT_EXACT);
	native(&s, 2, 0);
	native(&s, 3, PV_NAT_EVAL);
	native(&s, 4, 0);
	native(&s, 5, PV_NAT_EVAL);
	expect(&s, &from_root, "[truncated] P2 P1 [unwind break] N2 N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_DEPTH);
	s.head.flags = PV_SAMPLE_NAT_END;
	s.head.nat_loss = 0;
	expect(&s, &from_root, "[truncated] P2 P1 [unwind break] N2 N1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* at its edge: it is not known whether N2 is leafward of P1 */
	s.head.flags |= PV_SAMPLE_EVAL_EDGE;
	expect(&s, &from_root, "[truncated] P2 P1 [unwind break]");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* the whole halves are matched as ever */
	s.head.flags = BOTH;
	s.head.py_loss = 0;
	s.words[6] |= EVAL;
	s.words[8] |= EVAL;
	expect(&s, &from_root, "P2 N4 P1 N2 N1");
	/* on a thread's whole stack without an eval frame there is no place for Python */
	s = make(PV_SAMPLE_NAT_END);
	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, END);
	native(&s, 1, 0);
	expect(&s, &from_root, "[mismatch] N1");
	expect(&s, &counted, "[mismatch] N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
}
END_TEST

START_TEST(bridge_is_marked_where_it_is)
{
	struct sample s = make(BOTH | PV_SAMPLE_REANCHORED);

	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, EVAL | BREAK);
	native(&s, 5, 0);
	expect(&s, &anchored, "N5 P2 [unwind break] N3 P1 N1");
	expect_state(false, false, false, true, PV_LOSS_REANCHOR);
}
END_TEST

/* What is cut short beyond a bridge has its own cause; the bridge is told by itself. */
START_TEST(bridged_and_truncated)
{
	struct sample s = make((BOTH & ~PV_SAMPLE_NAT_END) | PV_SAMPLE_REANCHORED);

	s.head.nat_loss = PV_LOSS_NAT_NOMAP;
	python(&s, 1, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL | BREAK);
	native(&s, 3, 0);
	expect(&s, &anchored, "[truncated] N3 P1 [unwind break] N1");
	expect_state(false, true, false, true, PV_LOSS_NAT_NOMAP);
}
END_TEST

START_TEST(threads_without_python)
{
	struct sample s = make(PV_SAMPLE_NAT_END | PV_SAMPLE_NO_TSTATE);

	native(&s, 1, 0);
	native(&s, 2, 0);
	expect(&s, &anchored, "N2 N1");
	expect_state(true, false, false, false, 0);
	ck_assert(!merged.python);
	s.head.flags = PV_SAMPLE_NO_TSTATE;
	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	expect(&s, &anchored, "[truncated] N2 N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOROW);
	s.head.nat_loss = PV_LOSS_NAT_NOMAP;
	expect(&s, &anchored, "[new mapping] N2 N1");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOMAP);
}
END_TEST

START_TEST(without_native_frames)
{
	struct sample s = make(PV_SAMPLE_PY_END);

	python(&s, 1, 0);
	python(&s, 2, END);
	python(&s, 3, END);
	expect(&s, &no_native, "P3 P2 P1");
	expect_state(true, false, false, false, 0);
	s.head.flags = 0;
	s.head.py_loss = PV_LOSS_PY_DEPTH;
	expect(&s, &no_native, "[truncated] P3 P2 P1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
}
END_TEST

START_TEST(program_that_was_not_read_yet)
{
	struct sample s = make(PV_SAMPLE_UNREAD | PV_SAMPLE_NO_TSTATE | PV_SAMPLE_KERNEL);

	s.head.nat_loss = PV_LOSS_NAT_NOMAP;
	kernel(&s, 1);
	put(&s, PV_NAT_RAW | PV_NAT_EXACT | 2);
	s.head.n_native++;
	expect(&s, &anchored, "[new mapping] R2 K1");
	expect_state(false, true, false, false, PV_LOSS_UNREAD);
	/* nothing says that it has no Python */
	expect(&s, &no_native, "[new mapping] K1");
	expect_state(false, true, false, false, PV_LOSS_UNREAD);
}
END_TEST

/* Walked in the midst of its exec: neither program's frames, nor what the walkers say of them. */
START_TEST(program_that_is_no_more)
{
	static const struct pv_merge_options kernel_only = { .kernel_only = true };
	struct sample s = make(BOTH | PV_SAMPLE_KERNEL | PV_SAMPLE_TORN | PV_SAMPLE_REANCHORED);
	struct pv_err *err;

	python(&s, 1, END);
	kernel(&s, 1);
	kernel(&s, 2);
	native(&s, 3, 0);
	native(&s, 4, EVAL);
	s.head.py_loss = PV_LOSS_PY_READ;
	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	expect(&s, &kernel_only, "[new mapping] K2 K1");
	expect_state(false, true, false, false, PV_LOSS_UNREAD);
	ck_assert(!merged.python && !merged.gc && !merged.bridged);
	/* the sample itself is as it was */
	ck_assert_uint_eq(s.head.n_native, 2);
	/* and has to be whole all the same */
	s.size -= 8;
	err = pv_merge(&s.head, s.size, &kernel_only, &merged);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}
END_TEST

/* Between vfork() and exec: on the parent's stack its Python frames are true, else they are not. */
START_TEST(child_in_its_parents_memory)
{
	struct sample s = make(BOTH | PV_SAMPLE_BORROWED);

	python(&s, 1, END);
	native(&s, 1, 0);
	native(&s, 2, EVAL);
	expect(&s, &anchored, "P1 N1");
	expect_state(true, false, false, false, 0);
	s = make(BOTH | PV_SAMPLE_BORROWED);
	python(&s, 1, END);
	native(&s, 1, 0);
	native(&s, 2, 0);
	expect(&s, &anchored, "N2 N1");
	expect_state(true, false, false, false, 0);
	ck_assert(!merged.python);
	/* a thread of the process itself has no such excuse */
	s.head.flags = BOTH;
	expect(&s, &anchored, "[mismatch] N2 N1");
}
END_TEST

START_TEST(nothing_at_all)
{
	struct sample s = make(0);

	s.head.nat_loss = PV_LOSS_NAT_NOREGS;
	expect(&s, &anchored, "[truncated]");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOREGS);
}
END_TEST

static void refuse(const struct sample *s)
{
	struct pv_err *err = pv_merge(&s->head, s->size, &anchored, &merged);

	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}

START_TEST(sizes_that_cannot_be)
{
	struct sample s = two_runs(BOTH);
	size_t size;

	for (size = 0; size < s.size; size++) {
		/* just so many bytes, for the sanitizer to see what lies beyond */
		struct pv_event_sample *cut = malloc(size + !size);
		struct pv_err *err;

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, &s, size);
		err = pv_merge(cut, size, &anchored, &merged);
		ck_assert_msg(err, "%zu bytes", size);
		ck_assert_int_eq(err->kind, PV_ERR_FAILED);
		pv_err_destroy(err);
		free(cut);
	}
	s.head.n_native = 0xffff;
	refuse(&s);
	s.head.n_native = 5;
	s.head.n_kernel = 0xffff;
	refuse(&s);
	s.head.n_kernel = 0;
	s.head.n_python = 0xffff;
	refuse(&s);
}
END_TEST

/* What always holds of a merged stack, whatever the sample was. */
static bool possible(const struct pv_merge_options *options)
{
	if (merged.frames.n > 8U + 2 + merged.gc || (merged.marked && merged.python))
		return false;
	if (merged.gc && (merged.gc_unknown || !options->collector.object))
		return false;
	return !merged.complete || (!merged.truncated && !merged.marked && !merged.bridged);
}

/* Counts that contradict each other, and flags of all kinds: an answer, and no crash. */
START_TEST(every_combination_of_flags)
{
	const struct pv_merge_options *options[] = { &anchored,
						     &counted,
						     &no_native,
						     &with_gc,
						     &counted_gc,
						     &no_native_gc,
						     &no_native_counted_gc,
						     &from_root };
	uint32_t flags, k, loss;

	for (flags = 0; flags < 1 << 10; flags++) {
		for (loss = 0; loss < 64; loss++) {
			/* bit 8 has no meaning: it stands for one beyond */
			struct sample s =
				two_runs(flags & 1 << 8 ? flags | PV_SAMPLE_EVAL_EDGE : flags);

			s.head.py_loss = loss & 7;
			s.head.nat_loss = loss >> 3 ? 15 + (loss >> 3) : 0;
			s.head.n_runs = flags + loss;
			for (k = 0; k < sizeof(options) / sizeof(*options); k++) {
				struct pv_err *err = pv_merge(&s.head, s.size, options[k], &merged);

				/* Check writes a file for each of its assertions */
				if (err || !possible(options[k]))
					ck_abort_msg("options %u, flags %u, loss %u", k, flags,
						     loss);
			}
		}
	}
}
END_TEST

START_TEST(every_mark_has_a_text)
{
	uint32_t i;

	for (i = 0; i < PV_MARK_MAX; i++)
		ck_assert_int_eq(pv_mark_text(i)[0], '[');
	ck_assert_str_eq(pv_mark_text(PV_MARK_MAX), "[unknown]");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge");
	TCase *tcase = tcase_create("merge");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, runs_take_the_place_of_their_eval_frames);
	tcase_add_test(tcase, kernel_frames_stand_at_the_leaf);
	tcase_add_test(tcase, exact_frames_and_raw_addresses);
	tcase_add_test(tcase, counted_surplus_eval_frame_is_native);
	tcase_add_test(tcase, a_surplus_where_a_half_may_be_missing);
	tcase_add_test(tcase, idle_frames_have_no_eval_frame);
	tcase_add_test(tcase, any_other_difference_is_marked);
	tcase_add_test(tcase, hidden_python_frames_are_marked);
	tcase_add_test(tcase, skipped_frame_is_not_shown);
	tcase_add_test(tcase, labels_of_a_skipped_frame);
	tcase_add_test(tcase, empty_run_has_no_frame);
	tcase_add_test(tcase, torn_samples_show_no_python);
	tcase_add_test(tcase, unreadable_python_is_not_shown);
	tcase_add_test(tcase, count_mismatch_of_the_walker_is_marked);
	tcase_add_test(tcase, native_half_that_breaks_off);
	tcase_add_test(tcase, broken_off_with_too_many_eval_frames);
	tcase_add_test(tcase, python_half_that_is_too_deep);
	tcase_add_test(tcase, a_run_deeper_than_the_limit);
	tcase_add_test(tcase, runs_before_the_one_that_is_cut);
	tcase_add_test(tcase, cut_at_the_end_of_a_run);
	tcase_add_test(tcase, both_halves_are_too_deep);
	tcase_add_test(tcase, an_eval_frame_at_its_edge_when_cut);
	tcase_add_test(tcase, python_half_that_is_too_deep_3_10);
	tcase_add_test(tcase, bridge_is_marked_where_it_is);
	tcase_add_test(tcase, bridged_and_truncated);
	tcase_add_test(tcase, threads_without_python);
	tcase_add_test(tcase, without_native_frames);
	tcase_add_test(tcase, program_that_was_not_read_yet);
	tcase_add_test(tcase, program_that_is_no_more);
	tcase_add_test(tcase, child_in_its_parents_memory);
	tcase_add_test(tcase, nothing_at_all);
	tcase_add_test(tcase, sizes_that_cannot_be);
	tcase_add_test(tcase, every_combination_of_flags);
	tcase_add_test(tcase, every_mark_has_a_text);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
