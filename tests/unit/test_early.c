/* SPDX-License-Identifier: BSD-2-Clause */
/* Points of a trend from before the first census: all of them are counted anew, or left out. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "heap/census.h"
#include "model/memory.h"
#include "session/early.h"
#include "session/mappings.h"
#include "target/smaps.h"

enum { MB = 1 << 20, POINTS = 30 };

static struct pv_early early;
static struct pv_vec points;

static void setup(void)
{
	points = (struct pv_vec)PV_VEC(struct pv_memory_point);
}

static void teardown(void)
{
	pv_early_deinit(&early);
	pv_vec_deinit(&points);
}

/* Point i: a mapping joined of an arena of Python's and something else, all of it in memory. */
static void add(uint64_t i)
{
	const struct pv_mappings_hints by_size = { .arena_bytes = MB };
	struct pv_vec smaps = PV_VEC(struct pv_smap);
	struct pv_memory_point point = { .at_ns = i };
	const struct pv_smap map = {
		.start = 0x10000000,
		.end = 0x10000000 + MB + 4096 * (i + 1),
		.writable = true,
		.accessible = true,
		.kind = PV_SMAP_ANON,
		.resident_bytes = MB + 4096 * (i + 1),
	};

	ck_assert_ptr_null(pv_vec_append(&smaps, &map, 1, NULL));
	ck_assert_ptr_null(pv_early_keep(&early, &smaps));
	pv_mappings_count(&smaps, &by_size, &point);
	ck_assert_uint_eq(point.resident[PV_MEMORY_ARENAS], 0);
	ck_assert_ptr_null(pv_vec_append(&points, &point, 1, NULL));
	pv_vec_deinit(&smaps);
}

static size_t recount(void)
{
	const struct pv_census_range range = { 0x10000000, 0x10000000 + MB };
	struct pv_vec pools = PV_VEC(struct pv_census_range);
	const struct pv_mappings_hints hints = { .arena_bytes = MB, .pools = &pools };
	size_t n_dropped = 1000;

	ck_assert_ptr_null(pv_vec_append(&pools, &range, 1, NULL));
	pv_early_recount(&early, &hints, &points, &n_dropped);
	pv_vec_deinit(&pools);
	for (size_t i = 0; i < points.n; i++) {
		const struct pv_memory_point *point = pv_vec_at(&points, i);

		ck_assert_uint_eq(point->at_ns, n_dropped + i);
		ck_assert_uint_eq(point->resident[PV_MEMORY_ARENAS], MB);
		ck_assert_uint_eq(point->mapped[PV_MEMORY_ARENAS], MB);
		ck_assert_uint_eq(point->resident[PV_MEMORY_ANON], 4096 * (point->at_ns + 1));
	}
	return n_dropped;
}

/* No step where the points before the first census end, however many they are. */
START_TEST(all_by_one_rule)
{
	pv_early_init(&early, MB);
	for (uint64_t i = 0; i < POINTS; i++)
		add(i);
	ck_assert_uint_eq(recount(), 0);
	ck_assert_uint_eq(points.n, POINTS);
	ck_assert_uint_eq(early.bytes, 0);
	/* nothing is kept: a second time changes nothing */
	ck_assert_uint_eq(recount(), 0);
}
END_TEST

START_TEST(oldest_left_out)
{
	pv_early_init(&early, 10 * sizeof(struct pv_smap));
	for (uint64_t i = 0; i < POINTS; i++)
		add(i);
	ck_assert_uint_eq(early.bytes, 10 * sizeof(struct pv_smap));
	/* until a census comes, and none may ever, all points are there */
	ck_assert_uint_eq(points.n, POINTS);
	ck_assert_uint_eq(recount(), POINTS - 10);
	ck_assert_uint_eq(points.n, 10);
}
END_TEST

/* Mappings that are too many at once: the newest point stays. */
START_TEST(newest_stays)
{
	pv_early_init(&early, 1);
	for (uint64_t i = 0; i < 3; i++)
		add(i);
	ck_assert_uint_eq(recount(), 2);
	ck_assert_uint_eq(points.n, 1);
}
END_TEST

START_TEST(none)
{
	pv_early_init(&early, MB);
	ck_assert_uint_eq(recount(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("early");
	TCase *tcase = tcase_create("early");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, all_by_one_rule);
	tcase_add_test(tcase, oldest_left_out);
	tcase_add_test(tcase, newest_stays);
	tcase_add_test(tcase, none);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
