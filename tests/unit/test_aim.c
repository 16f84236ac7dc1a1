/* SPDX-License-Identifier: BSD-2-Clause */
/* Which sizes bursts are aimed at: censuses made by hand. */
#include "session/aim.h"

#include <check.h>
#include <stdlib.h>

#include "heap/census.h"
#include "model/memory.h"

enum { LOOKS = 10, LINE = 0x1000, TEXT = 0x2000 };

static struct pv_memory *memory;
static struct pv_aim_sizes sizes;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void setup(void)
{
	ok(pv_memory_create(&memory));
	sizes = (struct pv_aim_sizes){ 0 };
	for (uint32_t i = 0; i < LOOKS; i++) {
		const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS,
						     .at_ns = i * 1000000000ULL };
		uint32_t index;

		ok(pv_memory_look(memory, &look, &index));
	}
}

static void teardown(void)
{
	pv_aim_deinit(&sizes);
	pv_memory_destroy(memory);
}

/* A type that has so many more at each look. */
static void grows(enum pv_memory_type_kind kind, const char *name, uint64_t size, uint64_t address,
		  uint64_t more)
{
	uint32_t type;

	ok(pv_memory_type_named(memory, kind, name, NULL, size, address, &type));
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, type, 1000 + i * more, 64 * (1000 + i * more)));
}

static void add(struct pv_census *census, uint64_t type, bool pool, uint64_t bytes, uint64_t n)
{
	const struct pv_census_size one = {
		.type = type, .bytes_max = bytes, .pymalloc = pool, .n = n
	};

	ok(pv_vec_append(&census->sizes, &one, 1, NULL));
}

/* A census: lines have one size, texts three; there are `more` of one of these, and of all lines.
 */
static void note(uint64_t more)
{
	struct pv_census census = { .sizes = PV_VEC(struct pv_census_size) };

	add(&census, LINE, true, 48, 1000 + more);
	add(&census, TEXT, true, 64, 700);
	add(&census, TEXT, true, 80, 200 + more);
	add(&census, TEXT, false, 1280, 100 + more / 2);
	ok(pv_aim_note(&sizes, &census));
	ck_assert_uint_eq(census.sizes.n, 0);
}

static bool aimed(struct pv_allocs_aim *aim)
{
	bool any;

	ok(pv_aim_of(&sizes, memory, aim, &any));
	return any;
}

START_TEST(of_a_type_the_sizes_that_grow)
{
	struct pv_allocs_aim aim;

	note(0);
	note(20);
	grows(PV_TYPE_OBJECT, "str", 0, TEXT, 2);
	ck_assert(aimed(&aim));
	ck_assert(pv_aim_has(&aim, true, 80));
	ck_assert(pv_aim_has(&aim, true, 73));
	ck_assert(!pv_aim_has(&aim, true, 64));
	ck_assert(!pv_aim_has(&aim, true, 48));
	/* of the C allocator, what was asked for: less than the chunk */
	ck_assert(pv_aim_has(&aim, false, 1200));
	ck_assert(!pv_aim_has(&aim, false, 1100));
	ck_assert(!pv_aim_has(&aim, false, 80));
}
END_TEST

START_TEST(all_types_that_grow)
{
	struct pv_allocs_aim aim;

	note(0);
	note(20);
	grows(PV_TYPE_OBJECT, "Line", 0, LINE, 2);
	grows(PV_TYPE_POOL_BLOCK, NULL, 512, 0, 2);
	grows(PV_TYPE_HEAP_BLOCK, NULL, 80, 0, 2);
	ck_assert(aimed(&aim));
	ck_assert(pv_aim_has(&aim, true, 48));
	ck_assert(pv_aim_has(&aim, true, 512));
	ck_assert(!pv_aim_has(&aim, true, 513));
	ck_assert(!pv_aim_has(&aim, true, 80));
	ck_assert(pv_aim_has(&aim, false, 64));
	ck_assert(!pv_aim_has(&aim, false, 1200));
}
END_TEST

/* What grows fast is met by bursts of everything, and what does not grow is not looked for. */
START_TEST(nothing_to_aim_at)
{
	struct pv_allocs_aim aim;

	note(0);
	note(20);
	grows(PV_TYPE_OBJECT, "str", 0, TEXT, 0);
	ck_assert(!aimed(&aim));
	grows(PV_TYPE_OBJECT, "Line", 0, LINE, 500);
	ck_assert(!aimed(&aim));
}
END_TEST

/* There may be more of them than can be told apart at once. */
START_TEST(many_sizes)
{
	struct pv_allocs_aim aim;

	for (uint64_t i = 1; i < 14; i++)
		grows(PV_TYPE_HEAP_BLOCK, NULL, 1024 * i, 0, 2);
	note(0);
	ck_assert(aimed(&aim));
	ck_assert_uint_eq(aim.n, PV_ALLOC_SIZES_MAX);
	ck_assert_uint_eq(aim.classes, 0);
}
END_TEST

/* What was left out for a time was watched for the rest of it. */
START_TEST(times)
{
	const struct pv_allocs_aim aim = { .classes = pv_alloc_class(64),
					   .sizes = { { 1000, 1280 } },
					   .n = 1 };
	const struct pv_allocs_aim pools = { .classes = pv_alloc_class(80) };
	struct pv_aim_times of = { 0 };

	ok(pv_aim_times_tell(&of, memory));
	ck_assert_uint_eq(memory->blind.n, 0);
	ok(pv_aim_times_note(&of, NULL, 100));
	ok(pv_aim_times_note(&of, &aim, 2000));
	ok(pv_aim_times_note(&of, &pools, 30000));
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_OBJECT, 64), 2100);
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_OBJECT, 80), 30100);
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_OBJECT, 32), 100);
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_LIBC, 1280), 2100);
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_LIBC, 64), 100);
	/* pages are watched with the C allocator's blocks */
	ck_assert_uint_eq(pv_aim_times_of(&of, PV_DOMAIN_MMAP, 1 << 20), 2100);
	ok(pv_aim_times_tell(&of, memory));
	ck_assert_uint_eq(memory->blind.n, 1);
	pv_aim_times_deinit(&of);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aim");
	TCase *tcase = tcase_create("aim");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, of_a_type_the_sizes_that_grow);
	tcase_add_test(tcase, all_types_that_grow);
	tcase_add_test(tcase, nothing_to_aim_at);
	tcase_add_test(tcase, many_sizes);
	tcase_add_test(tcase, times);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
