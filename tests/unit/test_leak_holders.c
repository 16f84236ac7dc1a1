/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is named as the holder on made-up hunts: among many others of the type, two that share it,
 * and what only fills something with a limit.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/leak.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

enum { LOOKS = 10, BYTES = 100 };
#define SECOND 1000000000ULL

static struct pv_memory *memory;
static struct pv_leak leak;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void setup(void)
{
	ok(pv_memory_create(&memory));
	memory->profile->pid = 42;
	for (uint64_t i = 0; i < LOOKS; i++) {
		const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS, .at_ns = i * SECOND };
		uint32_t ret;

		ok(pv_memory_look(memory, &look, &ret));
	}
	memory->rungs[PV_RUNG_HOLDERS].state = PV_RUNG_CLIMBED;
}

static void teardown(void)
{
	pv_leak_deinit(&leak);
	pv_memory_destroy(memory);
}

static void judge(void)
{
	pv_leak_deinit(&leak);
	ok(pv_leak_of(memory, &leak));
}

/* 20 more at each look, a second apart. */
static uint32_t counted(const char *name, uint64_t first)
{
	uint32_t type;

	ok(pv_memory_type_named(memory, PV_TYPE_OBJECT, name, NULL, 0, 0, &type));
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, type, first + 20 * i, BYTES * (first + 20 * i)));
	return type;
}

/* objects: that were looked at. */
static uint32_t subject(const char *name, uint64_t of, uint64_t objects)
{
	const struct pv_memory_subject one = {
		.type = counted(name, of - 180), .objects = objects, .of = of, .looks = 2
	};

	ok(pv_vec_append(&memory->subjects, &one, 1, NULL));
	return (uint32_t)(memory->subjects.n - 1);
}

static struct pv_memory_holder *holder(uint32_t of, const char *text, uint64_t objects,
				       uint64_t own)
{
	struct pv_memory_holder one = {
		.subject = of,
		.kind = PV_HOLDER_NAMED,
		.type = PV_MEMORY_NONE,
		.references = objects,
		.objects = objects,
		.own = own,
	};

	ok(pv_strings_add(memory->profile->strings, text, strlen(text), &one.text));
	ok(pv_vec_append(&memory->holders, &one, 1, NULL));
	return pv_vec_at(&memory->holders, memory->holders.n - 1);
}

static void gained(uint32_t index, int64_t objects)
{
	struct pv_memory_holder *one = pv_vec_at(&memory->holders, index);

	one->gained = objects;
	one->over_ns = 5 * SECOND;
}

static void limited(uint32_t index, uint64_t used, uint64_t limit, int64_t used_gained)
{
	struct pv_memory_holder *one = pv_vec_at(&memory->holders, index);

	one->used = used;
	one->limit = limit;
	one->used_gained = used_gained;
}

static void says(const char *text)
{
	ck_assert_msg(strstr(pv_str_text(&leak.text), text), "\"%s\" is not in:\n%s", text,
		      pv_str_text(&leak.text));
}

static void says_no(const char *text)
{
	ck_assert_msg(!strstr(pv_str_text(&leak.text), text), "\"%s\" is in:\n%s", text,
		      pv_str_text(&leak.text));
}

/* A hundred times as many of the type are held elsewhere, and stay as they are. */
START_TEST(what_took_more_is_the_holder)
{
	uint32_t of = subject("str", 20000, 20000);

	holder(of, "module html.entities -> html5", 15000, 15000);
	holder(of, "module app -> _refused -> dict", 200, 200);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	gained(0, 0);
	gained(1, 95);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _refused -> dict.\n");
}
END_TEST

START_TEST(what_took_less_than_grew_is_not)
{
	uint32_t of = subject("str", 20000, 20000);

	holder(of, "module app -> _refused -> dict", 200, 200);
	gained(0, 30);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says_no("held by");
}
END_TEST

/* A request that is kept has its dicts in many places. */
START_TEST(what_all_ways_begin_with_is_the_holder)
{
	uint32_t of = subject("dict", 300, 300);

	holder(of, "module app -> SESSIONS -> dict[...] -> scope -> dict", 80, 80);
	holder(of, "module app -> SESSIONS -> dict[...] -> scope", 40, 40);
	judge();
	/* less than half of what came */
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says_no("held by");
	holder(of, "module app -> SESSIONS -> dict[...] -> _cookies", 60, 60);
	holder(of, "module app -> SESSIONS -> dict[...] -> _query -> dict", 60, 60);
	holder(of, "module app -> SESSIONS_OLD -> dict", 20, 20);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> SESSIONS -> dict[...], in several places of it.\n");
}
END_TEST

/* Of two ways through the elements of one thing that thing is named. */
START_TEST(two_in_each_element_are_named_once)
{
	uint32_t of = subject("deque", 300, 300);

	holder(of, "module app -> frames -> list[...] -> _mgr -> a -> dict", 280, 280);
	holder(of, "module app -> frames -> list[...] -> _mgr -> b -> dict", 280, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> frames -> list[...], in several places of it.\n");
	teardown();
	setup();
	of = subject("deque", 300, 300);
	holder(of, "module app -> jobs -> dict['a'] -> _mgr -> list", 280, 280);
	holder(of, "module app -> jobs -> dict['b'] -> _mgr -> list", 280, 0);
	judge();
	says("held by module app -> jobs -> dict['a'] -> _mgr -> list and module app -> jobs -> ");
}
END_TEST

/* In two that have nothing but the module in common, and in what others have, too. */
START_TEST(what_ways_of_a_module_begin_with_is_none)
{
	uint32_t of = subject("dict", 300, 300);

	holder(of, "module app -> SESSIONS -> dict", 90, 90);
	holder(of, "module app -> JOBS -> dict", 40, 40);
	holder(of, "module app -> TASKS -> dict", 40, 40);
	holder(of, "module app -> LOG -> dict", 40, 40);
	holder(of, "module app -> SESSIONS -> dict -> dict", 90, 0);
	judge();
	says_no("in several places");
}
END_TEST

/* Of one of a hundred that were looked at, one more is chance. */
START_TEST(what_few_of_many_tell_is_chance)
{
	uint32_t of = subject("str", 2000000, 20000);

	holder(of, "module app -> _refused -> dict", 2, 2);
	gained(0, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says_no("held by");
}
END_TEST

START_TEST(two_that_took_it_are_named_both)
{
	uint32_t of = subject("str", 20000, 20000);

	holder(of, "module app -> _names -> list", 120, 120);
	holder(of, "module app -> _refused -> dict", 100, 100);
	gained(0, 45);
	gained(1, 40);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _names -> list and module app -> _refused -> dict.\n");
}
END_TEST

/* 47.8 % each. */
START_TEST(two_that_share_it_are_named_both)
{
	uint32_t of = subject("Job", 1000, 1000);

	holder(of, "module app -> _open -> list", 478, 478);
	holder(of, "module app -> _done -> dict", 478, 478);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _open -> list and module app -> _done -> dict.\n");
	/* the same ones twice are not most of it */
	((struct pv_memory_holder *)pv_vec_at(&memory->holders, 1))->own = 0;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
}
END_TEST

/* Views, and the arrays that they are views of. */
START_TEST(what_leads_to_the_other_is_named_alone)
{
	uint32_t of = subject("numpy.ndarray", 1000, 1000);

	holder(of, "module app -> _views -> list[...] -> ndarray.base", 478, 478);
	holder(of, "module app -> _views -> list", 478, 478);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _views -> list.\n");
}
END_TEST

/* Keys of a dict that its values have, too. */
START_TEST(two_ways_in_one_thing_are_one)
{
	uint32_t of = subject("Key", 1000, 1000);

	holder(of, "module app -> _all -> key of dict", 1000, 1000);
	holder(of, "module app -> _all -> dict[...] -> Job.key", 1000, 0);
	judge();
	says("held by module app -> _all -> key of dict.\n");
}
END_TEST

START_TEST(both_that_hold_all_are_named)
{
	uint32_t of = subject("Job", 1000, 1000);

	holder(of, "module app -> _all -> list", 1000, 1000);
	holder(of, "module app -> _by_id -> dict", 990, 0);
	holder(of, "module app -> _few -> dict", 100, 0);
	judge();
	says("held by module app -> _all -> list and module app -> _by_id -> dict.\n");
}
END_TEST

START_TEST(what_fills_is_clean)
{
	uint32_t of = subject("Page", 1000, 1000);

	holder(of, "module app -> page -> cache -> dict[...] -> result", 900, 900);
	gained(0, 100);
	limited(0, 900, 2900, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	ck_assert(leak.fills);
	says("does not leak: most of the 2.00 kB/s that it grows fills what has a limit, 900 of at "
	     "most "
	     "2,900, full in about 100 s at this rate.\n"
	     "held by module app -> page -> cache -> dict[...] -> result.\n");
	limited(0, 900, 72000900, 100);
	judge();
	says("full in about 1000 h at this rate");
	limited(0, 900, 900, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("900 of at most 900, and full now.\n");
}
END_TEST

/* What is held as a key and by the value, and both fill: the cache alone has it. */
START_TEST(what_fills_in_two_ways_is_clean)
{
	uint32_t of = subject("int", 1000, 1000);

	holder(of, "module app -> page -> cache -> key of dict", 900, 900);
	holder(of, "module app -> page -> result -> Page.number", 900, 0);
	gained(0, 100);
	gained(1, 100);
	limited(0, 900, 2900, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	limited(1, 900, 2900, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("900 of at most 2,900");
}
END_TEST

/* A third of what grows is known to fill; of what it has many others are held elsewhere. */
START_TEST(what_was_not_compared_fills_with_it)
{
	uint32_t of = subject("Page", 1000, 1000), str = subject("str", 20000, 20000);

	counted("blocks", 500);
	holder(of, "module app -> page -> result", 900, 900);
	gained(0, 100);
	limited(0, 900, 2900, 100);
	holder(str, "module app -> page -> result -> Page.text", 900, 900);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	limited(1, 900, 2900, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("held by module app -> page -> result.\n");
}
END_TEST

/* A busy machine: of the second type there was no time for a look before, and all of it is there.
 */
START_TEST(what_was_looked_at_once_fills_with_it)
{
	uint32_t of = subject("Page", 1000, 1000), other = subject("Item", 1000, 1000);

	holder(of, "module app -> page -> cache -> dict", 950, 950);
	gained(0, 100);
	limited(0, 950, 2900, 100);
	holder(other, "module app -> page -> result", 990, 990);
	limited(1, 990, 2900, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	/* of more than each entry has it is not known whether they grow */
	limited(1, 99, 2900, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	/* in something else */
	limited(1, 990, 2800, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
}
END_TEST

/* What an entry holds has no limit. */
START_TEST(entries_that_grow_do_not_fill)
{
	uint32_t of = subject("Page", 1000, 1000);

	holder(of, "module app -> page -> cache -> dict[...] -> result -> list", 950, 950);
	gained(0, 100);
	limited(0, 9, 2900, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("that has a limit: 9 of at most 2,900.\n");
	/* a new one has a hundred on the mean, and did not take all */
	limited(0, 900, 2900, 20);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	/* nothing is known of before */
	gained(0, 0);
	((struct pv_memory_holder *)pv_vec_at(&memory->holders, 0))->over_ns = 0;
	limited(0, 900, 2900, 0);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
}
END_TEST

/* A cache that fills excuses no leak beside it. */
START_TEST(what_fills_excuses_nothing_else)
{
	uint32_t of = subject("Page", 1000, 1000), other = subject("Job", 1000, 1000);

	holder(of, "module app -> page -> cache -> dict[...] -> result", 900, 900);
	gained(0, 100);
	limited(0, 900, 2900, 100);
	holder(other, "module app -> _jobs -> some -> deep -> list", 950, 950);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _jobs -> some -> deep -> list.\n");
	/* nor what is most of it and held by nobody */
	((struct pv_memory_holder *)pv_vec_at(&memory->holders, 1))->objects = 0;
	counted("bytes", 500);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
}
END_TEST

/* What grows as much, and was not found to be in the cache, is no part of what fills it. */
START_TEST(what_fills_excuses_nothing_that_nobody_holds)
{
	uint32_t of = subject("Page", 1000, 1000), other = subject("Job", 1000, 1000);

	holder(of, "module app -> page -> cache -> dict[...] -> result", 900, 900);
	gained(0, 100);
	limited(0, 900, 2900, 100);
	holder(other, "module app -> _jobs -> list", 100, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	/* not all of the memory was searched */
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, other))->partial = true;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leak_holders");
	TCase *tcase = tcase_create("leak_holders");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_took_more_is_the_holder);
	tcase_add_test(tcase, what_took_less_than_grew_is_not);
	tcase_add_test(tcase, what_all_ways_begin_with_is_the_holder);
	tcase_add_test(tcase, two_in_each_element_are_named_once);
	tcase_add_test(tcase, what_ways_of_a_module_begin_with_is_none);
	tcase_add_test(tcase, what_few_of_many_tell_is_chance);
	tcase_add_test(tcase, two_that_took_it_are_named_both);
	tcase_add_test(tcase, two_that_share_it_are_named_both);
	tcase_add_test(tcase, what_leads_to_the_other_is_named_alone);
	tcase_add_test(tcase, two_ways_in_one_thing_are_one);
	tcase_add_test(tcase, both_that_hold_all_are_named);
	tcase_add_test(tcase, what_fills_is_clean);
	tcase_add_test(tcase, what_fills_in_two_ways_is_clean);
	tcase_add_test(tcase, what_was_not_compared_fills_with_it);
	tcase_add_test(tcase, what_was_looked_at_once_fills_with_it);
	tcase_add_test(tcase, entries_that_grow_do_not_fill);
	tcase_add_test(tcase, what_fills_excuses_nothing_else);
	tcase_add_test(tcase, what_fills_excuses_nothing_that_nobody_holds);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
