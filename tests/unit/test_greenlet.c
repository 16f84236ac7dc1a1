/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * greenlet: which module exchanges stacks, and what the merge makes of them.  Input: paths as
 * wheels and distributions have them; samples made by hand.  Output: Check's report.
 */
#include "merge_sample.h"
#include "snap/image.h"

/* Object 3 exchanges stacks: rootward of it is another greenlet's, which has moved since. */
START_TEST(greenlets)
{
	static const struct pv_merge_options lead = { .greenlet = 3 },
					     apart = { .greenlet = 3, .apart_state = true },
					     greenlet_counted = { .greenlet = 3, .counted = true };
	struct sample s = make(PV_SAMPLE_PY_END);

	/* started from another one's Python frames; below it the walk goes astray */
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 5, PV_NAT_EXACT);
	native(&s, 1, EVAL);
	native(&s, 6, 0);
	native(&s, 1, EVAL);
	native(&s, 4, 0);
	native(&s, 3, 0);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	native(&s, 7, 0);
	expect(&s, &lead, "greenlet N3 N4 P2 N6 P1 N5");
	ck_assert(merged.complete && !merged.truncated && !merged.marked);
	expect(&s, &apart, "greenlet N3 N4 P2 N6 P1 N5");
	expect(&s, &anchored, "[mismatch] N7 N1 N3 N3 N4 N1 N6 N1 N5");
	s.head.flags |= PV_SAMPLE_NAT_END;
	expect(&s, &lead, "greenlet N3 N4 P2 N6 P1 N5");

	/* up to 3.9 every eval frame is counted */
	s = make(PV_SAMPLE_PY_END);
	python(&s, 1, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &greenlet_counted, "greenlet N3 P1");

	/* a call back into Python from its C code: the Python frames go on */
	s = make(BOTH);
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &lead, "P2 N3 P1");
	ck_assert(merged.complete);
	/* the same, but it cannot be either */
	s.head.n_runs++;
	expect(&s, &lead, "[mismatch] N1 N3 N1");
}
END_TEST

/* 3.10: eval frames are told by their CFrames; the walker leaves the leaf to the merge. */
START_TEST(greenlets_3_10)
{
	static const struct pv_merge_options lead = { .greenlet = 3,
						      .from_root = true,
						      .apart_state = true };
	struct sample s = make(PV_SAMPLE_PY_END);

	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 5, PV_NAT_EXACT);
	native(&s, 1, EVAL);
	native(&s, 6, 0);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	native(&s, 7, 0);
	expect(&s, &lead, "greenlet N3 P2 N6 P1 N5");
	expect_state(true, false, false, false, 0);
	/* a CFrame without a frame at the leaf */
	s = make(PV_SAMPLE_PY_END);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 6, 0);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	expect(&s, &lead, "greenlet N3 P2 N6 N1");
	expect_state(true, false, false, false, 0);
	/* a frame without its CFrame, with a label */
	s = make(PV_SAMPLE_PY_END);
	python(&s, 1, 0);
	python(&s, PV_TASK_MORE, PV_PYFRAME_TASK | END);
	python(&s, 2, END);
	native(&s, 1, 0);
	native(&s, 6, 0);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	expect(&s, &lead, "greenlet N3 P2 N6 N1");
	expect_state(true, false, false, false, 0);
	/* two: that is neither; what is another one's is not shown all the same */
	s.head.n_runs = 3;
	expect(&s, &lead, "[mismatch] N3 N1 N6 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);

	/* no greenlet's stack, and its leaf */
	s = make(BOTH);
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 6, 0);
	native(&s, 1, EVAL);
	native(&s, 4, 0);
	expect(&s, &lead, "N4 P2 N6");
	expect(&s, &from_root, "[mismatch] N4 N1 N6");
	/* which half has one more cannot be told */
	s.head.flags = PV_SAMPLE_PY_END;
	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	expect(&s, &lead, "[truncated] P2 P1 [unwind break] N6");
	expect_state(false, true, false, false, PV_LOSS_NAT_NOROW);

	/* a call back into Python, with and without one more at the leaf */
	s = make(BOTH);
	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &lead, "P2 N3 P1");
	s = make(BOTH);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &lead, "P2 N3 N1");
}
END_TEST

/* Halves that disagree: what lies to the root side of a greenlet's start is another one's. */
START_TEST(greenlets_that_do_not_agree)
{
	static const struct pv_merge_options lead = { .greenlet = 3 },
					     greenlet_counted = { .greenlet = 3, .counted = true };
	struct sample s = make(PV_SAMPLE_PY_END);

	python(&s, 1, END);
	python(&s, 2, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	native(&s, 7, 0);
	expect(&s, &lead, "[mismatch] N3 N1");
	expect_state(false, false, true, false, PV_LOSS_MERGE_COUNT);
	/* the Python half is too deep: the native one is whole */
	s.head.flags = 0;
	s.head.py_loss = PV_LOSS_PY_DEPTH;
	s.head.n_runs = 1;
	s.words[3] &= ~((uint64_t)END << 32);
	expect(&s, &lead, "[mismatch] N3 N1");
	s = make(0);
	s.head.py_loss = PV_LOSS_PY_DEPTH;
	python(&s, 1, END);
	python(&s, 2, 0);
	native(&s, 1, EVAL);
	native(&s, 1, PV_NAT_EVAL);
	native(&s, 3, 0);
	native(&s, 1, PV_NAT_EVAL);
	native(&s, 7, 0);
	expect(&s, &lead, "[truncated] N3 P2 P1");
	expect_state(false, true, false, false, PV_LOSS_PY_DEPTH);
	/* counted: neither those before nor all */
	s = make(BOTH);
	python(&s, 1, END);
	python(&s, 2, END);
	python(&s, 4, END);
	native(&s, 1, EVAL);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &greenlet_counted, "[mismatch] N3 N1");
	native(&s, 1, EVAL);
	expect(&s, &greenlet_counted, "P4 P2 N3 P1");
}
END_TEST

/* Its own C functions at the leaf: registers, stack and Python state are being exchanged. */
START_TEST(a_switch_of_greenlets)
{
	static const struct pv_merge_options lead = { .greenlet = 3 },
					     apart = { .greenlet = 3, .apart_state = true };
	struct sample s = make(BOTH);

	python(&s, 1, END);
	native(&s, 8, PV_NAT_EXACT);
	native(&s, 3, 0);
	native(&s, 3, 0);
	native(&s, 1, EVAL);
	expect(&s, &lead, "P1 N3 N3 N8");
	ck_assert(merged.complete);
	/* whose Python frames these are is not known */
	expect(&s, &apart, "[greenlet switch] N3 N3 N8");
	ck_assert(merged.marked && !merged.complete);
	ck_assert_uint_eq(merged.loss, PV_LOSS_SWITCH);
	/* no agreement: not the one nor the other */
	s.head.n_runs = 2;
	expect(&s, &lead, "[greenlet switch] N3 N3 N8");
	s.head.n_runs = 1;
	s.head.flags &= ~PV_SAMPLE_NAT_END;
	expect(&s, &lead, "[greenlet switch] N3 N3 N8");
	s.head.flags = BOTH | PV_SAMPLE_REANCHORED;
	expect(&s, &lead, "[greenlet switch] N3 N3 N8");

	/* a single one is a call that switches nothing, such as getcurrent() */
	s = make(BOTH);
	python(&s, 1, END);
	native(&s, 3, PV_NAT_EXACT);
	native(&s, 1, EVAL);
	expect(&s, &apart, "P1 N3");
	ck_assert(merged.complete);
}
END_TEST

START_TEST(modules_that_exchange_stacks)
{
	static const char *const yes[] = {
		"/usr/lib/python3/dist-packages/greenlet/_greenlet.cpython-311-x86_64.so",
		"/venv/lib/python3.10/site-packages/greenlet/_greenlet.abi3.so",
		/* 0.4 */
		"/venv/lib/python3.8/site-packages/greenlet.cpython-38-x86_64-linux-gnu.so",
		"/usr/lib/python2.7/dist-packages/greenlet.so",
		"/usr/lib/python2.7/dist-packages/greenlet.x86_64-linux-gnu.so",
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		ck_assert_msg(pv_image_is_greenlet(yes[i]), "%s", yes[i]);
}
END_TEST

START_TEST(others)
{
	static const char *const no[] = {
		"/venv/lib/python3.7/site-packages/gevent/_greenlet.cpython-37m-x86_64.so",
		"/venv/lib/python3.7/site-packages/gevent/greenlet.cpython-37m-x86_64-linux-gnu.so",
		"/venv/lib/python3.11/site-packages/gevent/_gevent_cgreenlet.cpython-311.so",
		"/venv/lib/python3.11/site-packages/greenlet/tests/_test_extension.abi3.so",
		"/srv/greenlet/core.so",
		"/usr/lib/libgreenlet.so",
		"/usr/lib/greenlet.py",
		"/usr/bin/greenlet",
		"greenlet.so",
		"[vdso]",
		"",
	};

	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		ck_assert_msg(!pv_image_is_greenlet(no[i]), "%s", no[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("greenlet");
	TCase *tcase = tcase_create("greenlet");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, greenlets);
	tcase_add_test(tcase, greenlets_3_10);
	tcase_add_test(tcase, greenlets_that_do_not_agree);
	tcase_add_test(tcase, a_switch_of_greenlets);
	tcase_add_test(tcase, modules_that_exchange_stacks);
	tcase_add_test(tcase, others);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
