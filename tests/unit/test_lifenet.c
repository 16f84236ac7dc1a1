/* SPDX-License-Identifier: BSD-2-Clause */
/* Lives compared: ledgers made by hand, of which it is known who forgets in the one that goes on.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/lifenet.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/refs.h"

#include "ledgers.h"

/* A ledger whose changes so far become a life that has ended. */
static void end_life(struct pv_refs *refs)
{
	struct pv_life life = { .first = refs->others.n, .n = refs->changes.n };

	ck_assert_int_eq(refs->last, 0);
	ok(pv_vec_append(&refs->others, refs->changes.data, refs->changes.n, NULL));
	ok(pv_vec_append(&refs->ended, &life, 1, NULL));
	refs->changes.n = 0;
	refs->lives.n_ended++;
}

static struct pv_refs *new_lives(void)
{
	struct pv_refs *refs = new_refs();

	refs->lives.on = true;
	return refs;
}

static void lose(struct pv_refs *refs)
{
	refs->lives.fate = PV_LIFE_LOST;
	refs->lives.lost = (uint64_t)refs->last;
	refs->lives.idle_ns = 2100000000;
}

/* HANDLE calls a function at 7, which stands at pc. */
#define IN(function, pc)                                                                           \
	{ MAIN, 1, 3, 0 }, { HANDLE, 2, 7, 0 },                                                    \
	{                                                                                          \
		function, 100, pc, 0                                                               \
	}
#define IN_HANDLE(pc)                                                                              \
	{ MAIN, 1, 3, 0 },                                                                         \
	{                                                                                          \
		HANDLE, 2, pc, 0                                                                   \
	}

static void check_text(const struct pv_refs *refs, const char *text, uint32_t accused,
		       enum pv_lifenet_why why)
{
	struct pv_str said = { 0 };
	struct pv_lifenet *net;

	ok(pv_lifenet_create(refs, &net));
	ok(pv_lifenet_sentence(refs, net, &said));
	ck_assert_str_eq(pv_str_text(&said), text);
	ck_assert_int_eq(net->why, why);
	if (accused == PV_LIFENET_NONE)
		ck_assert_uint_eq(net->accused, PV_LIFENET_NONE);
	else
		ck_assert_uint_eq(((struct pv_lifenet_owner *)pv_vec_at(&net->owners, net->accused))
					  ->function,
				  accused);
	pv_lifenet_destroy(net);
	pv_str_deinit(&said);
}

START_TEST(what_the_others_give_back)
{
	struct pv_refs *refs = new_lives();

	for (int i = 0; i < 50; i++) {
		CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
		CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(8));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
		CHANGE(refs, 2 * BAD + 1, -1, IN(BAD, 2));
		end_life(refs);
	}
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(8));
	CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
	lose(refs);
	check_text(
		refs,
		"`bad` (ext.so) took a reference at ext.c:31 and did not give it back, as it does "
		"at ext.c:32 in 50 of 50 lives that ended; of the 1 reference to this one 1 is "
		"nobody's, and it was not touched for 2.1 s",
		BAD, PV_LIFENET_NOT_GIVEN);
	/* nobody is accused of what somebody may hold */
	refs->lives.fate = PV_LIFE_HELD;
	refs->lives.lost = 0;
	check_text(refs,
		   "50 lives ended, each with all references given back; one goes on and was not "
		   "touched for 2.1 s, and it may be that somebody holds it, so that nobody is "
		   "accused: pitviper memory -p 0 --holders 0x0 says who",
		   PV_LIFENET_NONE, PV_LIFENET_NOTHING);
	refs->lives.n_ended = 0;
	check_text(
		refs,
		"none of those that were born there has ended meanwhile; one goes on and was not "
		"touched for 2.1 s, and it may be that somebody holds it, so that nobody is "
		"accused: pitviper memory -p 0 --holders 0x0 says who",
		PV_LIFENET_NONE, PV_LIFENET_NOTHING);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(what_it_takes_in_this_one_alone)
{
	struct pv_refs *refs = new_lives();

	/* good makes it, handle lets it go; bad takes one in the life that is lost */
	for (int i = 0; i < 30; i++) {
		CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
		end_life(refs);
	}
	CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 4));
	CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
	lose(refs);
	check_text(
		refs,
		"`bad` (ext.so) took a reference at ext.c:31 and did not give it back; in 30 of 30 "
		"lives that ended it left fewer; of the 1 reference to this one 1 is nobody's, and "
		"it was not touched for 2.1 s",
		BAD, PV_LIFENET_TAKEN);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(what_is_not_handed_on)
{
	struct pv_refs *refs = new_lives();

	/* bad makes it and returns it; on its error path it forgets it */
	for (int i = 0; i < 30; i++) {
		CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
		end_life(refs);
	}
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	lose(refs);
	check_text(refs,
		   "`bad` (ext.so) took a reference at ext.c:31 and neither gave it back nor "
		   "handed it "
		   "on; in 30 of 30 lives that ended `handle` at handle gave it back, which had it "
		   "from "
		   "there; of the 1 reference to this one 1 is nobody's, and it was not touched "
		   "for 2.1 "
		   "s",
		   BAD, PV_LIFENET_NOT_HANDED);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(none_ends)
{
	struct pv_refs *refs = new_lives();

	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
	CHANGE(refs, 2 * GOOD + 1, -1, IN(GOOD, 2));
	lose(refs);
	check_text(refs,
		   "`bad` (ext.so) took a reference at ext.c:31 and did not give it back; none of "
		   "those "
		   "that were born there has ended meanwhile; of the 1 reference to this one 1 is "
		   "nobody's, and it was not touched for 2.1 s",
		   BAD, PV_LIFENET_ALONE);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(others_of_the_line_are_not_compared)
{
	struct pv_refs *refs = new_lives();
	struct pv_lifenet *net;

	/* at the same line a tuple of arguments is made, by the interpreter: it always ends */
	for (int i = 0; i < 90; i++) {
		CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(7));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(7));
		end_life(refs);
	}
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	CHANGE(refs, 2 * BAD + 1, -1, IN(BAD, 2));
	end_life(refs);
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	lose(refs);
	ok(pv_lifenet_create(refs, &net));
	ck_assert_uint_eq(net->n_ended, 1);
	ck_assert_int_eq(net->why, PV_LIFENET_NOT_GIVEN);
	pv_lifenet_destroy(net);
	pv_refs_destroy(refs);
}
END_TEST

START_TEST(python_is_not_accused)
{
	struct pv_refs *refs = new_lives();

	for (int i = 0; i < 20; i++) {
		CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(7));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
		end_life(refs);
	}
	CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(7));
	lose(refs);
	check_text(
		refs,
		"one that was born there is lost, and no native function but Python's own left a "
		"reference to it, so that none is named; of the 1 reference to this one 1 is "
		"nobody's, and it was not touched for 2.1 s",
		PV_LIFENET_NONE, PV_LIFENET_NOTHING);
	pv_refs_destroy(refs);
}
END_TEST

/* HANDLE is called by a native function, and makes it. */
#define FOR(function)                                                                              \
	{ MAIN, 1, 3, 0 }, { function, 100, 1, 0 },                                                \
	{                                                                                          \
		HANDLE, 200, 7, 0                                                                  \
	}
#define IN_CALLER(function, pc)                                                                    \
	{ MAIN, 1, 3, 0 },                                                                         \
	{                                                                                          \
		function, 100, pc, 0                                                               \
	}

START_TEST(who_called_what_made_it)
{
	struct pv_refs *refs = new_lives();
	struct pv_lifenet *net;

	for (int i = 0; i < 30; i++) {
		/* good does the same, and is not what this one is compared with */
		CHANGE(refs, 2 * EVAL, 1, FOR(GOOD));
		CHANGE(refs, 2 * GOOD + 1, -1, IN_CALLER(GOOD, 2));
		end_life(refs);
		CHANGE(refs, 2 * EVAL, 1, FOR(BAD));
		CHANGE(refs, 2 * BAD + 1, -1, IN_CALLER(BAD, 2));
		end_life(refs);
	}
	CHANGE(refs, 2 * EVAL, 1, FOR(BAD));
	lose(refs);
	ok(pv_lifenet_create(refs, &net));
	ck_assert_uint_eq(net->n_ended, 30);
	pv_lifenet_destroy(net);
	check_text(
		refs,
		"`bad` (ext.so) called the Python code that made it and did not give it back, as "
		"it does at ext.c:32 in 30 of 30 lives that ended; of the 1 reference to this "
		"one 1 is nobody's, and it was not touched for 2.1 s",
		BAD, PV_LIFENET_NOT_LET_GO);
	pv_refs_destroy(refs);
}
END_TEST

/* Another function lets it go in the others: what has called the maker did nothing wrong. */
START_TEST(who_called_is_not_who_forgets)
{
	struct pv_refs *refs = new_lives();

	for (int i = 0; i < 30; i++) {
		CHANGE(refs, 2 * EVAL, 1, FOR(GOOD));
		CHANGE(refs, 2 * BAD + 1, -1, IN(BAD, 2));
		end_life(refs);
	}
	CHANGE(refs, 2 * EVAL, 1, FOR(GOOD));
	lose(refs);
	check_text(
		refs,
		"one that was born there is lost, and no native function but Python's own left a "
		"reference to it, so that none is named; of the 1 reference to this one 1 is "
		"nobody's, and it was not touched for 2.1 s",
		PV_LIFENET_NONE, PV_LIFENET_NOTHING);
	pv_refs_destroy(refs);
}
END_TEST

/* What returns a new reference at each call is called more often: it did nothing else than always.
 */
START_TEST(who_hands_out_is_not_who_forgets)
{
	struct pv_refs *refs = new_lives();

	for (int i = 0; i < 30; i++) {
		CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(8));
		CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(10));
		end_life(refs);
	}
	CHANGE(refs, 2 * EVAL, 1, IN_HANDLE(8));
	for (int i = 0; i < 3; i++) {
		CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
	}
	CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
	CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(10));
	lose(refs);
	check_text(
		refs,
		"`bad` (ext.so) took a reference at ext.c:31 and did not give it back; in 30 of 30 "
		"lives that ended it left fewer; of the 1 reference to this one 1 is nobody's, and "
		"it was not touched for 2.1 s",
		BAD, PV_LIFENET_TAKEN);
	pv_refs_destroy(refs);
}
END_TEST

/* GOOD hands out one at each call, which Python lets go; BAD takes one each time, by HELPER. */
static void pass_through(struct pv_refs *refs, bool forgets)
{
	for (int i = 0; i < 20; i++) {
		CHANGE(refs, 2 * HELPER, 1, { MAIN, 1, 3, 0 }, { HANDLE, 2, 8, 0 },
		       { BAD, 150, 4, 0 }, { HELPER, 100, 1, 0 });
		if (!forgets)
			CHANGE(refs, 2 * HELPER + 1, -1, { MAIN, 1, 3, 0 }, { HANDLE, 2, 8, 0 },
			       { BAD, 150, 4, 0 }, { HELPER, 100, 2, 0 });
		CHANGE(refs, 2 * GOOD, 1, IN(GOOD, 1));
		CHANGE(refs, 2 * EVAL + 1, -1, IN_HANDLE(9));
	}
}

static bool is_less(const struct pv_refs *refs, struct pv_str *said)
{
	struct pv_lifenet *lives;
	struct pv_refnet *net;
	bool less;

	ok(pv_lifenet_create(refs, &lives));
	ok(pv_refnet_create(refs, &net));
	less = pv_lifenet_is_less(lives, net);
	ok(pv_refnet_sentence(refs, net, said));
	pv_refnet_destroy(net);
	pv_lifenet_destroy(lives);
	return less;
}

/* Of one that many calls pass through, and no other to compare it with, what they leave tells. */
START_TEST(what_calls_leave_where_none_ends)
{
	struct pv_refs *refs = new_lives();
	struct pv_str said = { 0 };

	pass_through(refs, true);
	lose(refs);
	ck_assert(is_less(refs, &said));
	/* the first call began before what is known */
	ck_assert_str_eq(pv_str_text(&said),
			 "`bad` (ext.so) took a reference through `helper` (ext.so) at ext.c:41 "
			 "and did not give it back in 19 of 19 calls: it forgets it, or returns or "
			 "stores the object");
	pv_refs_destroy(refs);
	/* others ended: they are compared */
	refs = new_lives();
	pass_through(refs, false);
	end_life(refs);
	pass_through(refs, true);
	lose(refs);
	said.n = 0;
	ck_assert(!is_less(refs, &said));
	ck_assert(strstr(pv_str_text(&said), "`helper` (ext.so)"));
	pv_refs_destroy(refs);
	pv_str_deinit(&said);
}
END_TEST

START_TEST(all_end)
{
	struct pv_refs *refs = new_lives();

	for (int i = 0; i < 3; i++) {
		CHANGE(refs, 2 * BAD, 1, IN(BAD, 1));
		CHANGE(refs, 2 * BAD + 1, -1, IN(BAD, 2));
		end_life(refs);
	}
	check_text(refs,
		   "3 lives ended, each with all references given back: none that was born where "
		   "it was "
		   "looked for is lost",
		   PV_LIFENET_NONE, PV_LIFENET_NOTHING);
	pv_refs_destroy(refs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lifenet");
	TCase *cases = tcase_create("lives");
	SRunner *runner;
	int failed;

	tcase_add_test(cases, what_the_others_give_back);
	tcase_add_test(cases, what_it_takes_in_this_one_alone);
	tcase_add_test(cases, what_is_not_handed_on);
	tcase_add_test(cases, none_ends);
	tcase_add_test(cases, others_of_the_line_are_not_compared);
	tcase_add_test(cases, python_is_not_accused);
	tcase_add_test(cases, who_called_what_made_it);
	tcase_add_test(cases, who_called_is_not_who_forgets);
	tcase_add_test(cases, who_hands_out_is_not_who_forgets);
	tcase_add_test(cases, what_calls_leave_where_none_ends);
	tcase_add_test(cases, all_end);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
