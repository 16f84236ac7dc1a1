/* SPDX-License-Identifier: BSD-2-Clause */
/* What a hunt found, as data: counts by look, equal things once, texts of the target. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

static struct pv_memory *memory;

static void setup(void)
{
	ck_assert_ptr_null(pv_memory_create(&memory));
}

static void teardown(void)
{
	pv_memory_destroy(memory);
}

static uint32_t look(enum pv_look_kind kind, uint64_t at_ns)
{
	const struct pv_memory_look one = { .kind = kind, .at_ns = at_ns };
	uint32_t ret = 0;

	ck_assert_ptr_null(pv_memory_look(memory, &one, &ret));
	return ret;
}

static uint32_t type(enum pv_memory_type_kind kind, const char *name, uint64_t size)
{
	uint32_t ret = 0;

	ck_assert_ptr_null(pv_memory_type_named(memory, kind, name, NULL, size, 0, &ret));
	return ret;
}

START_TEST(counts_of_a_look_are_its_own)
{
	uint32_t first = look(PV_LOOK_CENSUS, 1), second = look(PV_LOOK_CENSUS, 2);
	uint32_t dict = type(PV_TYPE_OBJECT, "dict", 0), list = type(PV_TYPE_OBJECT, "list", 0);

	ck_assert_ptr_null(pv_memory_count_type(memory, first, dict, 10, 640));
	ck_assert_ptr_null(pv_memory_count_type(memory, second, dict, 5, 320));
	ck_assert_ptr_null(pv_memory_count_type(memory, second, dict, 7, 448));
	ck_assert_uint_eq(pv_memory_type_at(memory, first, dict).count, 10);
	ck_assert_uint_eq(pv_memory_type_at(memory, second, dict).count, 12);
	ck_assert_uint_eq(pv_memory_type_at(memory, second, dict).bytes, 768);
	/* none was counted, so there was none */
	ck_assert_uint_eq(pv_memory_type_at(memory, first, list).count, 0);
	ck_assert_uint_eq(((struct pv_memory_look *)pv_vec_at(&memory->looks, second))->objects,
			  12);
	ck_assert_uint_eq(((struct pv_memory_look *)pv_vec_at(&memory->looks, second))->bytes, 768);
}
END_TEST

START_TEST(equal_types_are_one)
{
	uint32_t dict = type(PV_TYPE_OBJECT, "dict", 0);

	ck_assert_uint_eq(type(PV_TYPE_OBJECT, "dict", 0), dict);
	ck_assert_uint_ne(type(PV_TYPE_POOL_BLOCK, "", 64), type(PV_TYPE_POOL_BLOCK, "", 80));
	ck_assert_uint_ne(type(PV_TYPE_POOL_BLOCK, "", 64), type(PV_TYPE_HEAP_BLOCK, "", 64));
	ck_assert_uint_eq(memory->types.n, 4);
	/* many, so that the index grows and clashes */
	for (uint64_t i = 0; i < 10000; i++)
		type(PV_TYPE_HEAP_BLOCK, "", 1000 + i);
	for (uint64_t i = 0; i < 10000; i++)
		ck_assert_uint_eq(type(PV_TYPE_HEAP_BLOCK, "", 1000 + i), 4 + i);
	ck_assert_uint_eq(memory->types.n, 10004);
}
END_TEST

START_TEST(a_site_is_where_how_and_what)
{
	struct pv_memory_site site = { .source = PV_SITE_BURST,
				       .domain = PV_DOMAIN_OBJECT,
				       .node = 7,
				       .type = PV_MEMORY_NONE };
	uint32_t a, b, at = look(PV_LOOK_SITES, 5);

	ck_assert_ptr_null(pv_memory_site(memory, &site, &a));
	ck_assert_ptr_null(pv_memory_site(memory, &site, &b));
	ck_assert_uint_eq(a, b);
	site.type = type(PV_TYPE_OBJECT, "str", 0);
	ck_assert_ptr_null(pv_memory_site(memory, &site, &b));
	ck_assert_uint_ne(a, b);
	site.source = PV_SITE_ALL;
	ck_assert_ptr_null(pv_memory_site(memory, &site, &b));
	ck_assert_uint_eq(memory->sites.n, 3);
	ck_assert_ptr_null(pv_memory_count_site(memory, at, b, 3, 99));
	ck_assert_uint_eq(pv_memory_site_at(memory, at, b).count, 3);
	ck_assert_uint_eq(pv_memory_site_at(memory, at, a).count, 0);
}
END_TEST

START_TEST(looks_are_found_by_kind)
{
	ck_assert_uint_eq(pv_memory_last_look(memory, PV_LOOK_CENSUS), PV_MEMORY_NONE);
	look(PV_LOOK_CENSUS, 1);
	look(PV_LOOK_SITES, 2);
	look(PV_LOOK_CENSUS, 3);
	look(PV_LOOK_SITES, 4);
	ck_assert_uint_eq(pv_memory_first_look(memory, PV_LOOK_CENSUS), 0);
	ck_assert_uint_eq(pv_memory_last_look(memory, PV_LOOK_CENSUS), 2);
	ck_assert_uint_eq(pv_memory_first_look(memory, PV_LOOK_SITES), 1);
	ck_assert_uint_eq(pv_memory_last_look(memory, PV_LOOK_SITES), 3);
}
END_TEST

START_TEST(equal_events_are_counted)
{
	struct pv_memory_event event = { .kind = PV_MEMORY_BRK, .node = 3, .count = 1, .bytes = 9 };

	ck_assert_ptr_null(pv_memory_event(memory, &event));
	ck_assert_ptr_null(pv_memory_event(memory, &event));
	event.kind = PV_MEMORY_MMAP;
	ck_assert_ptr_null(pv_memory_event(memory, &event));
	event.thread = 1;
	ck_assert_ptr_null(pv_memory_event(memory, &event));
	ck_assert_uint_eq(memory->events.n, 3);
	ck_assert_uint_eq(((struct pv_memory_event *)pv_vec_at(&memory->events, 0))->count, 2);
	ck_assert_uint_eq(((struct pv_memory_event *)pv_vec_at(&memory->events, 0))->bytes, 18);
}
END_TEST

START_TEST(sentences_are_said_once)
{
	uint32_t text;

	ck_assert_ptr_null(pv_memory_blind(memory, "freelists hide %d", 1));
	ck_assert_ptr_null(pv_memory_blind(memory, "freelists hide %d", 1));
	ck_assert_ptr_null(pv_memory_blind(memory, "freelists hide %d", 2));
	ck_assert_uint_eq(memory->blind.n, 2);
	text = *(uint32_t *)pv_vec_at(&memory->blind, 1);
	ck_assert_str_eq(pv_strings_get(memory->profile->strings, text), "freelists hide 2");
	ck_assert_ptr_null(
		pv_memory_rung_is(memory, PV_RUNG_BURSTS, PV_RUNG_REFUSED, "no %s", "x"));
	ck_assert_str_eq(
		pv_strings_get(memory->profile->strings, memory->rungs[PV_RUNG_BURSTS].why),
		"no x");
	ck_assert_ptr_null(pv_memory_rung_is(memory, PV_RUNG_BURSTS, PV_RUNG_CLIMBED, NULL));
	ck_assert_uint_eq(memory->rungs[PV_RUNG_BURSTS].why, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tcase = tcase_create("memory");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, counts_of_a_look_are_its_own);
	tcase_add_test(tcase, equal_types_are_one);
	tcase_add_test(tcase, a_site_is_where_how_and_what);
	tcase_add_test(tcase, looks_are_found_by_kind);
	tcase_add_test(tcase, equal_events_are_counted);
	tcase_add_test(tcase, sentences_are_said_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
