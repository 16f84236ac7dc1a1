/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the merge: where the garbage collector stands in a stack.  Input: samples made by
 * hand.  Output: Check's report.
 */
#include "merge_sample.h"

/* A finalizer, N1 below its frames, and the collector N3 between the runs. */
static struct sample finalizer(uint32_t flags)
{
	struct sample s = make(flags);

	python(&s, 1, END);
	python(&s, 2, 0);
	python(&s, 3, END);
	native(&s, 1, PV_NAT_EXACT);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, 0);
	native(&s, 5, EVAL);
	native(&s, 6, 0);
	return s;
}

START_TEST(a_collection_begins_with_its_marker)
{
	struct sample s = finalizer(BOTH);

	expect(&s, &with_gc, "N6 P3 P2 N4 [gc] N3 P1 N1");
	expect_state(true, false, false, false, 0);
	expect_gc(true, false);
	expect(&s, &counted_gc, "N6 P3 P2 N4 [gc] N3 P1 N1");
	expect_gc(true, false);
	/* the native frames tell where, but are not shown */
	expect(&s, &no_native_gc, "P3 P2 [gc] P1");
	expect_state(true, false, false, false, 0);
	expect_gc(true, false);
	expect(&s, &no_native_counted_gc, "P3 P2 [gc] P1");
	expect_gc(true, false);
	/* whose collector is not known cannot tell */
	expect(&s, &anchored, "N6 P3 P2 N4 N3 P1 N1");
	expect_state(true, false, false, false, 0);
	expect_gc(false, true);
	s = make(PV_SAMPLE_NAT_END | PV_SAMPLE_NO_TSTATE);
	native(&s, 1, 0);
	expect(&s, &anchored, "N1");
	expect_gc(false, false);
}
END_TEST

START_TEST(the_collector_at_the_leaf)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	native(&s, 3, 0);
	native(&s, 5, EVAL);
	expect(&s, &with_gc, "P1 [gc] N3");
	expect_gc(true, false);
	expect(&s, &no_native_gc, "P1 [gc]");
	expect_state(true, false, false, false, 0);
	expect_gc(true, false);
}
END_TEST

/* Return addresses belong to the call before them; the second part ends at 0x300. */
START_TEST(only_the_collectors_code_is_the_collector)
{
	static const struct {
		uint64_t word;
		bool gc;
	} cases[] = {
		{ 0x300, true },  { 0x301, false },
		{ 0x280, false }, { 0x281, true },
		{ 0x100, false }, { 0x180, true },
		{ 0x181, false }, { 0x300 | PV_NAT_EXACT, false },
		{ 0, false },     { 0x280 | PV_NAT_EXACT, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (uint64_t object = 2; object < 5; object++) {
			struct sample s = make(BOTH | PV_SAMPLE_NO_TSTATE);

			put(&s, cases[i].word | object << PV_NAT_REL_BITS);
			s.head.n_native++;
			ok(pv_merge(&s.head, s.size, &with_gc, &merged));
			expect_gc(cases[i].gc && object == 3, false);
			ck_assert_uint_eq(merged.frames.n, 1 + merged.gc);
		}
	}
	struct sample raw = make(BOTH | PV_SAMPLE_NO_TSTATE);

	put(&raw, PV_NAT_RAW | 3ULL << PV_NAT_REL_BITS | 0x300);
	raw.head.n_native++;
	ok(pv_merge(&raw.head, raw.size, &with_gc, &merged));
	expect_gc(false, false);
}
END_TEST

/* What of the collection is certain stays certain in a stack that is not whole. */
START_TEST(a_collection_in_broken_stacks)
{
	struct sample s = finalizer(PV_SAMPLE_NAT_END | PV_SAMPLE_TORN);

	expect(&s, &with_gc, "[torn] N6 N5 N4 [gc] N3 N2 N1");
	expect_gc(true, false);
	expect(&s, &no_native_gc, "[torn] [gc]");
	expect_gc(true, false);
	/* broken off above the collector: runs and eval frames still match from the leaf */
	s = finalizer(PV_SAMPLE_PY_END);
	s.head.n_native = 4;
	s.size -= 16;
	s.head.nat_loss = PV_LOSS_NAT_NOROW;
	expect(&s, &with_gc, "P3 P2 [truncated] N4 [gc] N3 P1 N1");
	expect_gc(true, false);
	expect(&s, &no_native_gc, "P3 P2 [gc] P1");
	expect_state(true, false, false, false, 0);
	expect_gc(true, false);
	/* up to 3.9 there is nothing to count from */
	expect(&s, &counted_gc, "[truncated] P3 P2 P1 [unwind break] N1");
	expect_gc(false, false);
	expect(&s, &no_native_counted_gc, "P3 P2 P1");
	expect_state(true, false, false, false, 0);
	expect_gc(false, true);
	/* broken off before it: natives in a sample without native frames mean a collection */
	s = finalizer(PV_SAMPLE_PY_END);
	s.head.n_native = 2;
	s.size -= 32;
	expect(&s, &no_native_gc, "P3 P2 P1");
	expect_gc(false, true);
	/* another thread's: whole, and no collector in it */
	s = two_runs(BOTH);
	s.words[8] = 7ULL << PV_NAT_REL_BITS;
	expect(&s, &no_native_gc, "P3 P2 P1");
	expect_gc(false, false);
	/* bridged: the collector may be among the frames that are missing */
	s.head.flags |= PV_SAMPLE_REANCHORED;
	s.words[9] |= BREAK;
	expect(&s, &no_native_gc, "P3 P2 P1");
	expect_state(true, false, false, false, 0);
	expect_gc(false, true);
	/* halves that disagree tell nothing, but the Python one is shown as ever */
	s = finalizer(BOTH);
	s.head.n_runs = 1;
	expect(&s, &no_native_gc, "P3 P2 P1");
	expect_gc(false, true);
	s = finalizer(BOTH);
	s.words[7] |= PV_NAT_EVAL;
	s.words[7] &= ~EVAL;
	expect(&s, &no_native_gc, "P3 P2 P1");
	expect_gc(false, true);
}
END_TEST

/* Up to 3.9: an eval frame in its prologue, in a finalizer. */
START_TEST(a_collection_with_a_surplus_eval_frame)
{
	struct sample s = make(BOTH);

	python(&s, 1, END);
	native(&s, 1, EVAL | PV_NAT_EXACT);
	native(&s, 3, 0);
	native(&s, 2, EVAL);
	expect(&s, &counted_gc, "P1 [gc] N3 N1");
	expect(&s, &no_native_counted_gc, "P1 [gc]");
	expect_gc(true, false);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge_gc");
	TCase *tcase = tcase_create("merge_gc");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_collection_begins_with_its_marker);
	tcase_add_test(tcase, the_collector_at_the_leaf);
	tcase_add_test(tcase, only_the_collectors_code_is_the_collector);
	tcase_add_test(tcase, a_collection_in_broken_stacks);
	tcase_add_test(tcase, a_collection_with_a_surplus_eval_frame);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
