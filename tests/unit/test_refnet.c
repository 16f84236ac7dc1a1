/* SPDX-License-Identifier: BSD-2-Clause */
/* What calls leave of a count: ledgers made by hand, of which it is known who forgets. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/refnet.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/refs.h"

#include "ledgers.h"

START_TEST(a_leak_is_named)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;
	const struct pv_refnet_left *left;

	for (int i = 0; i < 70; i++) {
		call(refs, GOOD, false);
		call(refs, BAD, i % 7 == 6);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->suspect, 0);
	ck_assert_uint_eq(find(net, BAD)->verdict, PV_REFNET_VARIES);
	ck_assert_uint_eq(calls_of(net, BAD, 0), 60);
	ck_assert_uint_eq(calls_of(net, BAD, 1), 10);
	ck_assert_uint_eq(find(net, GOOD)->verdict, PV_REFNET_BALANCED);
	ck_assert_uint_eq(calls_of(net, GOOD, 0), 70);
	left = pv_vec_at(&net->unmatched, 0);
	ck_assert_uint_eq(left->site, 2 * BAD);
	ck_assert_int_eq(left->sign, 1);
	ck_assert_uint_eq(left->n, 10);
	ck_assert_int_eq(net->sum, 10);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference at ext.c:31 and did not give it back in 10 "
		"of 70 calls");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(what_is_stored_and_taken_out_is_no_leak)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	/* it keeps one in some calls, and gives it back in later ones */
	for (int i = 0; i < 20; i++) {
		call(refs, BAD, true);
		call(refs, BAD, false);
		LOAD(refs);
		CHANGE(refs, 2 * GOOD + 1, -1, { MAIN, 1, 7, 0 }, { GOOD, 100, 2, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, BAD)->verdict, PV_REFNET_VARIES);
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(a_new_reference_is_always_one)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (int i = 0; i < 10; i++) {
		CHANGE(refs, 2 * GOOD, 1, { MAIN, 1, 7, 0 }, { GOOD, 100, 1, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, GOOD)->verdict, PV_REFNET_GIVES);
	/* the first had begun before the watch, as far as that shows */
	ck_assert_uint_eq(calls_of(net, GOOD, 1), 9);
	ck_assert_uint_eq(net->unmatched.n, 0);
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(numbers_tell_calls_apart)
{
	struct pv_refs *refs = new_refs();
	struct pv_ref_function known = { .function = BAD, .calls = 90, .given = 70 };
	struct pv_refnet *net;

	/* the same place, called from the same instruction, nothing between: only numbers tell */
	ok(pv_vec_append(&refs->functions, &known, 1, NULL));
	CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
	for (uint64_t i = 1; i <= 10; i++)
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, i });
	STORE(refs);
	ok(pv_refnet_create(refs, &net));
	/* 60 of the 70 that were given it did not touch it; one has no number and is not judged */
	ck_assert_uint_eq(calls_of(net, BAD, 1), 10);
	ck_assert_uint_eq(find(net, BAD)->partial, 1);
	ck_assert_uint_eq(calls_of(net, BAD, 0), 59);
	ck_assert_uint_eq(find(net, BAD)->all, 69);
	ck_assert_uint_eq(net->suspect, 0);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(without_numbers_they_are_one)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	LOAD(refs);
	for (int i = 0; i < 10; i++)
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
	STORE(refs);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(calls_of(net, BAD, 10), 1);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(another_instruction_of_the_caller_is_another_call)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	LOAD(refs);
	for (uint64_t i = 0; i < 10; i++)
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 20 + i, 0 }, { BAD, 100, 1, 0 });
	STORE(refs);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(calls_of(net, BAD, 1), 10);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(the_deepest_is_accused)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	/* good calls bad, bad calls helper, which takes one that bad forgets */
	for (int i = 0; i < 30; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { GOOD, 200, 3, 0 },
		       { BAD, 150, 4, 0 }, { HELPER, 100, 1, 0 });
		if (i % 3)
			CHANGE(refs, 2 * BAD + 1, -1, { MAIN, 1, 7, 0 }, { GOOD, 200, 3, 0 },
			       { BAD, 150, 5, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, HELPER)->verdict, PV_REFNET_GIVES);
	ck_assert_uint_eq(find(net, GOOD)->verdict, PV_REFNET_VARIES);
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, BAD));
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference through `helper` (ext.so) at ext.c:41 and "
		"did not give it back in 10 of 30 calls");
	pv_refnet_destroy(net);
	pv_str_clear(&text);
	/* where bad itself was is known by its frame */
	for (size_t i = 0; i < refs->frames.n; i++) {
		struct pv_ref_frame *frame = pv_vec_at(&refs->frames, i);

		if (frame->function == BAD)
			frame->site = 2 * BAD;
	}
	ok(pv_refnet_create(refs, &net));
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference at ext.c:31 through `helper` (ext.so) and "
		"did not give it back in 10 of 30 calls");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(one_too_many_given_back)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	refs->first = refs->last = 1000;
	for (int i = 0; i < 40; i++) {
		call(refs, BAD, false);
		if (i % 4)
			continue;
		LOAD(refs);
		CHANGE(refs, 2 * BAD + 1, -1, { MAIN, 1, 7, 0 }, { BAD, 100, 2, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->suspect, 0);
	ck_assert_int_eq(find(net, BAD)->excess, -10);
	ck_assert_uint_eq(pv_refnet_off(net, find(net, BAD)), 10);
	ck_assert_uint_eq(pv_refnet_left_of(net, find(net, BAD))->site, 2 * BAD + 1);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Its variables are given back when its caller is current again. */
START_TEST(a_python_frame_is_taken_down_late)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	for (uint64_t i = 0; i < 20; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 3, 0 });
		/* and a list's items, by a function of the interpreter's; one keeps another */
		CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 4, 0 });
		if (i % 5 == 4)
			CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 5, 0 });
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 7, 0 });
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 7, 0 }, { EVAL, 40, 1, 0 });
		/* this one is main's own */
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(calls_of(net, HANDLE, 0), 16);
	ck_assert_uint_eq(calls_of(net, HANDLE, 1), 4);
	ck_assert_uint_eq(find(net, HANDLE)->touched, 20);
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, HANDLE));
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_ptr_nonnull(strstr(pv_str_text(&text),
				     "`handle` leaves a reference more, taken at "
				     "ext.c:41, in 4 of 20 calls: no native"));
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* It returns a new reference in each call, and forgets another in some. */
START_TEST(what_it_returns_is_not_what_it_forgets)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	for (uint64_t i = 0; i < 40; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
		if (i % 4 == 3)
			CHANGE(refs, 2 * BAD + 1, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 2, 0 });
		STORE(refs);
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 11, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_int_eq(find(net, BAD)->base, 1);
	ck_assert_int_eq(find(net, BAD)->excess, 10);
	ck_assert_uint_eq(find(net, BAD)->n_left, 1);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference at ext.c:32 and did not give it back in 10 "
		"of 40 calls");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* It leaves one in every call, and nobody gives it back: the outermost is said to keep it. */
START_TEST(what_nobody_gives_back_is_told)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	for (uint64_t i = 0; i < 20; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { BAD, 150, 4, 0 },
		       { HELPER, 100, 1, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, BAD));
	ck_assert(find(net, BAD)->keeps && find(net, HELPER)->keeps);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference through `helper` (ext.so) at ext.c:41 and "
		"did not give it back in 20 of 20 calls: it forgets it, or returns or "
		"stores the object");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* As a tuple of arguments does: one function takes, another gives back, around the call. */
START_TEST(what_the_accused_leaves_is_nobodys_partner)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;
	const struct pv_refnet_left *left;

	for (int i = 0; i < 40; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { EVAL, 90, 1, 0 });
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
		if (i % 4)
			CHANGE(refs, 2 * BAD + 1, -1, { MAIN, 1, 7, 0 }, { BAD, 100, 2, 0 });
		CHANGE(refs, 2 * GOOD + 1, -1, { MAIN, 1, 7, 0 }, { EVAL, 90, 2, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, BAD));
	ck_assert_uint_eq(net->unmatched.n, 1);
	left = pv_vec_at(&net->unmatched, 0);
	ck_assert_uint_eq(left->site, 2 * BAD);
	ck_assert_uint_eq(left->n, 10);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* The place where it takes the one that it returns is the one where it forgets another. */
START_TEST(what_is_left_as_a_rule_is_taken_off)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (uint64_t i = 0; i < 40; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * BAD, i % 4 == 3 ? 2 : 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
		STORE(refs);
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 11, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_int_eq(find(net, BAD)->excess, 10);
	ck_assert_uint_eq(pv_refnet_left_of(net, find(net, BAD))->n, 10);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/*
 * One call as CPython 3.11 has it: its caller loads the argument, which the frame gives back when
 * it is taken down; what ctypes holds meanwhile others of its functions give back.
 */
static void call_by_hand(struct pv_refs *refs, bool takes, bool gives)
{
	LOAD(refs);
	CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 3, 0 });
	CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 4, 0 }, { HELPER, 90, 1, 0 });
	if (takes)
		CHANGE(refs, 2 * INCREF, 1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 4, 0 },
		       { FFI, 95, 1, 0 }, { INCREF, 40, 1, 0 });
	if (gives)
		CHANGE(refs, 2 * DECREF, -1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 5, 0 },
		       { FFI, 95, 1, 0 }, { DECREF, 40, 1, 0 });
	CHANGE(refs, 2 * GOOD, -1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 4, 0 }, { GOOD, 90, 1, 0 });
	CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 7, 0 }, { HANDLE, 50, 4, 0 });
	CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 7, 0 });
	/* and what touches the same object and is well */
	LOAD(refs);
	STORE(refs);
}

START_TEST(what_is_taken_by_hand_is_told)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;
	const struct pv_refnet_left *left;

	for (int i = 0; i < 30; i++)
		call_by_hand(refs, true, false);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_ne(net->suspect, PV_REFNET_NONE);
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, HANDLE));
	ck_assert_uint_eq(find(net, HANDLE)->by_hand.n, 30);
	ck_assert_uint_eq(net->unmatched.n, 1);
	left = pv_vec_at(&net->unmatched, 0);
	ck_assert_uint_eq(left->site, 2 * INCREF);
	ck_assert_uint_eq(left->n, 30);
	ck_assert_uint_eq(pv_refnet_left_of(net, find(net, HANDLE))->site, 2 * INCREF);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text),
			 "`handle` took 30 references at line 0 by hand, through `Py_IncRef` "
			 "(ext.so), and no call gave them back");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(what_is_given_back_by_hand_is_no_leak)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (int i = 0; i < 30; i++)
		call_by_hand(refs, true, true);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	ck_assert_uint_eq(net->unmatched.n, 0);
	ck_assert_uint_eq(((struct pv_refnet_pair *)pv_vec_at(&net->pairs, 0))->n, 90);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(threads_are_apart)
{
	const struct at frames[] = { { MAIN, 1, 7, 0 }, { GOOD, 100, 1, 0 } };
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	/* what one has open is not ended by another's stacks */
	change(refs, 0, frames, 1, 2 * EVAL, 1);
	change(refs, 1, frames, 1, 2 * EVAL, 1);
	change(refs, 0, frames, 2, 2 * GOOD, 1);
	change(refs, 1, frames, 1, 2 * EVAL + 1, -1);
	change(refs, 0, frames, 2, 2 * GOOD + 1, -1);
	change(refs, 0, frames, 1, 2 * EVAL + 1, -1);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(calls_of(net, GOOD, 0), 1);
	ck_assert_uint_eq(find(net, GOOD)->touched, 1);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(a_stack_that_is_not_whole_judges_none)
{
	struct pv_refs *refs = new_refs();
	struct pv_change *last;
	struct pv_refnet *net;

	LOAD(refs);
	CHANGE(refs, 2 * GOOD, 1, { MAIN, 1, 7, 0 }, { GOOD, 100, 1, 0 });
	CHANGE(refs, 2 * EVAL, 1, { MAIN, 0, 0, 0 });
	last = pv_vec_at(&refs->changes, refs->changes.n - 1);
	last->flags = PV_REF_PARTIAL;
	STORE(refs);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, GOOD)->touched, 0);
	ck_assert_uint_eq(find(net, GOOD)->partial, 1);
	ck_assert_uint_eq(net->broken, 1);
	ck_assert_int_eq(net->sum, 2);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(nothing_is_said_of_nothing)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->functions.n, 0);
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text), "nothing changed it");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Big steps: [x] * 1000 takes a thousand at once. */
START_TEST(big_steps_are_summed)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;
	const struct pv_refnet_sum *sum;

	LOAD(refs);
	CHANGE(refs, 2 * GOOD, 1000000, { MAIN, 1, 7, 0 }, { GOOD, 100, 1, 0 });
	STORE(refs);
	ok(pv_refnet_create(refs, &net));
	ck_assert_int_eq(net->sum, 1000000);
	ck_assert_uint_eq(calls_of(net, GOOD, 1000000), 1);
	ck_assert_uint_eq(net->by_function.n, 2);
	for (size_t i = 0; i < net->by_function.n; i++) {
		sum = pv_vec_at(&net->by_function, i);
		ck_assert_uint_eq(sum->plus, sum->key == GOOD ? 1000000 : 1);
	}
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("refnet");
	TCase *tcase = tcase_create("refnet");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_leak_is_named);
	tcase_add_test(tcase, what_is_stored_and_taken_out_is_no_leak);
	tcase_add_test(tcase, a_new_reference_is_always_one);
	tcase_add_test(tcase, numbers_tell_calls_apart);
	tcase_add_test(tcase, without_numbers_they_are_one);
	tcase_add_test(tcase, another_instruction_of_the_caller_is_another_call);
	tcase_add_test(tcase, the_deepest_is_accused);
	tcase_add_test(tcase, one_too_many_given_back);
	tcase_add_test(tcase, a_python_frame_is_taken_down_late);
	tcase_add_test(tcase, what_it_returns_is_not_what_it_forgets);
	tcase_add_test(tcase, what_nobody_gives_back_is_told);
	tcase_add_test(tcase, what_the_accused_leaves_is_nobodys_partner);
	tcase_add_test(tcase, what_is_left_as_a_rule_is_taken_off);
	tcase_add_test(tcase, what_is_taken_by_hand_is_told);
	tcase_add_test(tcase, what_is_given_back_by_hand_is_no_leak);
	tcase_add_test(tcase, threads_are_apart);
	tcase_add_test(tcase, a_stack_that_is_not_whole_judges_none);
	tcase_add_test(tcase, nothing_is_said_of_nothing);
	tcase_add_test(tcase, big_steps_are_summed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
