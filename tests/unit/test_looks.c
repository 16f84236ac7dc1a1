/* SPDX-License-Identifier: BSD-2-Clause */
/* When censuses are due, and what is said of those that failed. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "made_heap.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/lookplan.h"
#include "session/looks.h"
#include "session/probed.h"

#define S     1000000000ULL
#define LISTS (MADE_STATIC + 0x7000)

/* ---- when */

START_TEST(first)
{
	struct pv_look_plan plan;

	pv_look_plan_begin(&plan, 7 * S, 28 * S);
	ck_assert_uint_eq(plan.next_ns, 8 * S);
	/* a long hunt has its first as early as others, and the next by its own pace */
	pv_look_plan_begin(&plan, 7 * S, 2800 * S);
	ck_assert_uint_eq(plan.next_ns, 12 * S);
	pv_look_plan_made(&plan, 12 * S, S);
	ck_assert_uint_eq(plan.next_ns, 112 * S);
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_uint_eq(plan.ended_ns, 13 * S);
}
END_TEST

START_TEST(pace)
{
	struct pv_look_plan plan;

	pv_look_plan_begin(&plan, 0, 28 * S);
	for (int i = 0; i < PV_LOOKS_FEW; i++)
		pv_look_plan_made(&plan, plan.next_ns, S / 100);
	ck_assert_uint_eq(plan.next_ns, (1 + PV_LOOKS_FEW) * S);
	pv_look_plan_made(&plan, 10 * S, S / 100);
	ck_assert_uint_eq(plan.next_ns, 12 * S);
	/* one that takes long is a part of the time only */
	pv_look_plan_made(&plan, 20 * S, 3 * S);
	ck_assert_uint_eq(plan.next_ns, 32 * S);
}
END_TEST

/* It is tried again after as long as if it had been made. */
START_TEST(failure)
{
	struct pv_look_plan plan;

	pv_look_plan_begin(&plan, 0, 28 * S);
	pv_look_plan_made(&plan, S, S / 2);
	pv_look_plan_failed(&plan, 3 * S, S / 100);
	ck_assert_uint_eq(plan.next_ns, 4 * S);
	pv_look_plan_failed(&plan, 4 * S, 2 * S);
	ck_assert_uint_eq(plan.next_ns, 12 * S);
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_uint_eq(plan.ended_ns, S + S / 2);
}
END_TEST

/* ---- what is said */

static struct made_heap made;
static struct pv_probed probed;
static struct pv_memory *memory;
static struct pv_looks *looks;

static void setup(void)
{
	made_start(&made);
	probed = (struct pv_probed){ .pid = getpid(), .mem = &made.mem };
	/* lists that lead nowhere: a census, though not of all */
	made.python.proc.py.is_gc = PV_OFF_NONE;
	made.python.gc_generation0 = LISTS;
	made_put(&made, LISTS, LISTS + 64);
	probed.image.python = made.python;
	ck_assert_ptr_null(pv_memory_create(&memory));
	ck_assert_ptr_null(pv_looks_create(&probed, memory, 0, &looks));
}

static void teardown(void)
{
	pv_looks_destroy(looks);
	pv_memory_destroy(memory);
	made_end(&made);
}

static const char *tell(void)
{
	ck_assert_ptr_null(pv_looks_tell(looks));
	return pv_strings_get(memory->profile->strings, memory->rungs[PV_RUNG_CENSUS].why);
}

static void set_failed(void)
{
	ck_assert_ptr_null(
		pv_memory_rung_is(memory, PV_RUNG_CENSUS, PV_RUNG_FAILED, "it did not go"));
}

START_TEST(some_failed)
{
	const struct pv_memory_rung *rung = &memory->rungs[PV_RUNG_CENSUS];
	uint64_t took_ns;

	ck_assert_ptr_null(pv_looks_take(looks, NULL, &took_ns));
	(void)tell();
	ck_assert_int_ne(rung->state, PV_RUNG_FAILED);
	set_failed();
	ck_assert_str_eq(tell(), "it did not go");
	ck_assert_int_eq(rung->state, PV_RUNG_PARTLY);
	ck_assert_uint_gt(rung->took_ns, 0);
}
END_TEST

START_TEST(all_failed)
{
	ck_assert_str_eq(tell(), "the time was too short for a look");
	set_failed();
	ck_assert_str_eq(tell(), "it did not go");
	ck_assert_int_eq(memory->rungs[PV_RUNG_CENSUS].state, PV_RUNG_FAILED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("looks");
	TCase *when = tcase_create("when"), *said = tcase_create("said");
	SRunner *runner;
	int failed;

	tcase_add_test(when, first);
	tcase_add_test(when, pace);
	tcase_add_test(when, failure);
	tcase_add_checked_fixture(said, setup, teardown);
	tcase_add_test(said, some_failed);
	tcase_add_test(said, all_failed);
	suite_add_tcase(suite, when);
	suite_add_tcase(suite, said);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
