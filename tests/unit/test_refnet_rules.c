/* SPDX-License-Identifier: BSD-2-Clause */
/* Who forgets, where it shows in no net of its own: by sums, and by what calls leave undone. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/refnet.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/refs.h"

#include "ledgers.h"

/* A type's new takes two, its dealloc gives one back: of each the calls are all the same. */
static void make_and_drop(struct pv_refs *refs, bool both)
{
	LOAD(refs);
	CHANGE(refs, 2 * GOOD, 1, { MAIN, 1, 7, 0 }, { GOOD, 100, 1, 0 });
	STORE(refs);
	if (both) {
		LOAD(refs);
		CHANGE(refs, 2 * GOOD + 1, 1, { MAIN, 1, 8, 0 }, { GOOD, 100, 2, 0 });
		STORE(refs);
	}
	LOAD(refs);
	CHANGE(refs, 2 * BAD, -1, { MAIN, 1, 11, 0 }, { BAD, 100, 1, 0 });
	STORE(refs);
}

START_TEST(what_another_function_forgets_is_told_by_sums)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;
	const struct pv_refnet_left *left;

	for (int i = 0; i < 70; i++)
		make_and_drop(refs, i % 7 == 6);
	ok(pv_refnet_create(refs, &net));
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, GOOD));
	ck_assert_uint_eq(find(net, GOOD)->stays.n, 10);
	left = pv_vec_at(&net->unmatched, 0);
	ck_assert_uint_eq(net->unmatched.n, 1);
	ck_assert_uint_eq(left->site, 2 * GOOD + 1);
	ck_assert_uint_eq(left->n, 10);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`good` (ext.so) took 10 references at ext.c:22, and nothing in ext.so "
		"gave them back: the count has grown by 10, and of the 70 others that it "
		"took it gave back 70; a dealloc may forget them, or the object is stored");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Each at its own place, also where one of them is called by a function that forgets nothing. */
START_TEST(two_that_forget_are_told_apart)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;
	const struct pv_refnet_left *left;

	for (int i = 0; i < 70; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * GOOD, 1, { MAIN, 1, 7, 0 }, { GOOD, 200, 1, 0 });
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { GOOD, 200, 2, 0 },
		       { BAD, 100, 1, 0 });
		if (i % 7 != 6)
			CHANGE(refs, 2 * BAD + 1, -1, { MAIN, 1, 7, 0 }, { GOOD, 200, 2, 0 },
			       { BAD, 100, 2, 0 });
		CHANGE(refs, 2 * FFI, -1, { MAIN, 1, 7, 0 }, { GOOD, 200, 3, 0 },
		       { FFI, 100, 2, 0 });
		STORE(refs);
		/* what one function takes another gives back, around it */
		CHANGE(refs, 2 * INCREF, 1, { MAIN, 1, 17, 0 });
		call(refs, HELPER, i % 14 == 6);
		CHANGE(refs, 2 * FFI, -1, { MAIN, 1, 19, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->unmatched.n, 2);
	left = pv_vec_at(&net->unmatched, 0);
	ck_assert_uint_eq(left->site, 2 * BAD);
	ck_assert_uint_eq(left->n, 10);
	left = pv_vec_at(&net->unmatched, 1);
	ck_assert_uint_eq(left->site, 2 * HELPER);
	ck_assert_uint_eq(left->n, 5);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Two places that took as much: which of them it is nobody can say. */
START_TEST(sums_that_fit_two_places_tell_nothing)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (int i = 0; i < 70; i++) {
		make_and_drop(refs, i % 7 == 6);
		if (i % 7 != 3)
			continue;
		LOAD(refs);
		CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 7, 0 }, { HELPER, 100, 1, 0 });
		STORE(refs);
		LOAD(refs);
		CHANGE(refs, 2 * BAD, -1, { MAIN, 1, 11, 0 }, { BAD, 100, 1, 0 });
		STORE(refs);
	}
	ok(pv_refnet_create(refs, &net));
	for (size_t i = 0; i < net->functions.n; i++)
		ck_assert_uint_eq(
			((struct pv_refnet_function *)pv_vec_at(&net->functions, i))->stays.n, 0);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* What grows is in a list of Python's: the library is well. */
START_TEST(sums_of_a_library_that_is_well)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (int i = 0; i < 70; i++) {
		make_and_drop(refs, false);
		if (i % 7 != 6)
			continue;
		LOAD(refs);
		CHANGE(refs, 2 * GOOD + 1, 1, { MAIN, 1, 8, 0 }, { GOOD, 100, 2, 0 });
		STORE(refs);
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 11, 0 });
		CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 12, 0 });
		CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 14, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, GOOD)->stays.n, 0);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* It uses up what it is given, but in some calls: taken, by python, is another matter. */
static void use_up(struct pv_refs *refs, uint32_t function, bool skips)
{
	LOAD(refs);
	CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 6, 0 });
	CHANGE(refs, 2 * function, 1, { MAIN, 1, 7, 0 }, { function, 100, 1, 0 });
	CHANGE(refs, 2 * function + 1, -1, { MAIN, 1, 7, 0 }, { function, 100, 2, 0 });
	if (!skips)
		CHANGE(refs, 2 * function + 1, -1, { MAIN, 1, 7, 0 }, { function, 100, 3, 0 });
	STORE(refs);
}

START_TEST(what_it_uses_up_but_in_some_calls)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	/* good does so in some calls, too, but what it leaves others have given back */
	for (int i = 0; i < 70; i++) {
		use_up(refs, BAD, i % 7 == 6);
		use_up(refs, GOOD, i % 2);
		if (i % 2)
			CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 16, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(calls_of(net, BAD, -1), 60);
	ck_assert_uint_eq(calls_of(net, BAD, 0), 10);
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, BAD));
	ck_assert(find(net, BAD)->rebased && find(net, BAD)->skips);
	ck_assert_int_eq(find(net, BAD)->excess, 10);
	ck_assert(!find(net, GOOD)->rebased);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text),
			 "`bad` (ext.so) did not give back in 10 of 70 calls the reference that it "
			 "gives back at ext.c:32 in the others");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* It returns what is its caller's without a reference of its own. */
START_TEST(what_it_returns_without_taking_it)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	refs->first = refs->last = 1000;
	for (int i = 0; i < 70; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * BAD, 1, { MAIN, 1, 7, 0 }, { BAD, 100, 1, 0 });
		if (i % 7 == 6)
			CHANGE(refs, 2 * BAD + 1, -1, { MAIN, 1, 7, 0 }, { BAD, 100, 2, 0 });
		STORE(refs);
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 11, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect), find(net, BAD));
	ck_assert_int_eq(find(net, BAD)->base, 1);
	ck_assert_int_eq(find(net, BAD)->excess, -10);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text),
			 "`bad` (ext.so) did not take in 10 of 70 calls the reference that it "
			 "takes at ext.c:31 in the others");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* One that gives some away is accused of nothing if the count has grown by something else. */
START_TEST(what_it_gives_away_at_times_is_no_leak)
{
	struct pv_refs *refs = new_refs();
	struct pv_refnet *net;

	for (int i = 0; i < 70; i++) {
		use_up(refs, GOOD, i % 7 == 6);
		for (int k = 0; k < 3; k++)
			CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 16, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert(!find(net, GOOD)->rebased);
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* A function of that place returns a reference in some calls, which its caller gives back. */
static void returns_some(struct pv_refs *refs, uint32_t function, bool one)
{
	LOAD(refs);
	CHANGE(refs, 2 * function, 1, { MAIN, 1, 7, 0 }, { function, 100, 1, 0 });
	if (!one)
		CHANGE(refs, 2 * function + 1, -1, { MAIN, 1, 7, 0 }, { function, 100, 2, 0 });
	STORE(refs);
	if (one)
		CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 11, 0 });
}

/* While the program's own list grows: its line is told, and no function of the interpreter. */
START_TEST(what_python_returns_at_times_is_no_leak)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	for (int i = 0; i < 70; i++) {
		returns_some(refs, EVAL, i % 2);
		if (i % 7 == 6)
			CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 5, 0 }, { HANDLE, 50, 16, 0 });
	}
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(find(net, EVAL)->verdict, PV_REFNET_VARIES);
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text),
			 "no function that was seen whole leaves what the count has grown by, so "
			 "that none is named; most of it is of `handle`, where 10 more were "
			 "taken than given back: it may well store the object");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Of two that differ the one that explains the growth; alone the other is told with what speaks for
 * it. */
START_TEST(what_fits_the_growth_comes_first)
{
	struct pv_str text = { 0 };

	for (int with = 0; with < 2; with++) {
		struct pv_refs *refs = new_refs();
		struct pv_refnet *net;

		for (int i = 0; i < 70; i++) {
			returns_some(refs, HELPER, i % 2);
			if (with)
				call(refs, BAD, i % 7 == 6);
			else if (i % 7 == 6)
				CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 5, 0 });
		}
		ok(pv_refnet_create(refs, &net));
		ck_assert_ptr_eq(pv_vec_at(&net->functions, net->suspect),
				 find(net, with ? BAD : HELPER));
		pv_str_clear(&text);
		ok(pv_refnet_sentence(refs, net, &text));
		ck_assert_int_eq(
			!strstr(pv_str_text(&text),
				"; but the count has grown by 10 alone, so that others give "
				"back most of it: it may well return or store the object"),
			with);
		pv_refnet_destroy(net);
		pv_refs_destroy(refs);
	}
	pv_str_deinit(&text);
}
END_TEST

/* What fell is not told as if somebody had robbed it. */
START_TEST(the_end_of_an_object_is_nobodys_fault)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	refs->first = refs->last = 10;
	for (int i = 0; i < 40; i++) {
		returns_some(refs, EVAL, false);
		if (i % 4 == 3)
			CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 5, 0 }, { HANDLE, 50, 16, 0 });
	}
	refs->end = PV_REFS_FREED;
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(pv_str_text(&text), "its last reference was given back at ext.c:52 under "
					     "`handle`");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

/* Changes that cancel out acquit nobody of what was there before: it may be the one too many. */
START_TEST(what_was_there_before_is_told)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	refs->first = refs->last = 1;
	refs->object = 0x7f00;
	LOAD(refs);
	STORE(refs);
	ck_assert_int_eq(refs->last, 1);
	ok(pv_refnet_create(refs, &net));
	ck_assert_uint_eq(net->suspect, PV_REFNET_NONE);
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_msg(strstr(pv_str_text(&text),
			     "; 1 reference from before it was watched is there "
			     "still, and pitviper memory -p "),
		      "%s", pv_str_text(&text));
	ck_assert(strstr(pv_str_text(&text), " --holders 0x7f00 says whether anybody holds it"));
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(the_way_through_its_own_library)
{
	struct pv_refs *refs = new_refs();
	struct pv_str text = { 0 };
	struct pv_refnet *net;

	for (int i = 0; i < 20; i++) {
		LOAD(refs);
		CHANGE(refs, 2 * FFI, 1, { MAIN, 1, 7, 0 }, { BAD, 200, 3, 0 },
		       { HELPER, 150, 4, 0 }, { FFI, 100, 1, 0 });
		STORE(refs);
	}
	for (size_t i = 0; i < refs->frames.n; i++) {
		struct pv_ref_frame *frame = pv_vec_at(&refs->frames, i);

		if (frame->function == BAD || frame->function == HELPER)
			frame->site = 2 * frame->function;
	}
	((struct pv_loc *)pv_vec_at(&refs->profile->locs, FFI))->module =
		string_of(refs->profile, "other.so");
	ok(pv_refnet_create(refs, &net));
	ok(pv_refnet_sentence(refs, net, &text));
	ck_assert_str_eq(
		pv_str_text(&text),
		"`bad` (ext.so) took a reference at ext.c:31 through `helper` at ext.c:41 "
		"through `ffi_call` (other.so) and did not give it back in 20 of 20 calls: "
		"it forgets it, or returns or stores the object");
	pv_str_deinit(&text);
	pv_refnet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("refnet_rules");
	TCase *tcase = tcase_create("refnet_rules");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, what_another_function_forgets_is_told_by_sums);
	tcase_add_test(tcase, two_that_forget_are_told_apart);
	tcase_add_test(tcase, sums_that_fit_two_places_tell_nothing);
	tcase_add_test(tcase, sums_of_a_library_that_is_well);
	tcase_add_test(tcase, what_it_uses_up_but_in_some_calls);
	tcase_add_test(tcase, what_it_returns_without_taking_it);
	tcase_add_test(tcase, what_it_gives_away_at_times_is_no_leak);
	tcase_add_test(tcase, what_python_returns_at_times_is_no_leak);
	tcase_add_test(tcase, what_fits_the_growth_comes_first);
	tcase_add_test(tcase, the_end_of_an_object_is_nobodys_fault);
	tcase_add_test(tcase, what_was_there_before_is_told);
	tcase_add_test(tcase, the_way_through_its_own_library);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
