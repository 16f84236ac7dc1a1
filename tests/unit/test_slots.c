/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * collect/slots: room for process entries and their mappings.  Input: plain
 * arrays in place of BPF maps.  Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>

#include "collect/slots.c"

enum {
	PROCS = 5,
	MAPPINGS = 20,
};

static struct pv_slots slots;

static void setup(void)
{
	slots = (struct pv_slots){
		.watched_fd = -1,
		.programs_fd = -1,
		.n_procs = PROCS,
		.n_mappings = MAPPINGS,
		.procs = calloc(PROCS, sizeof(struct pv_proc)),
		.slots = calloc(PROCS, sizeof(struct slot)),
		.in_use = PV_VEC(uint32_t),
	};
}

static void teardown(void)
{
	free(slots.procs);
	free(slots.slots);
	pv_vec_deinit(&slots.in_use);
	pv_map_deinit(&slots.current);
}

/* A slot that one process has. */
static uint32_t take(uint32_t n)
{
	uint32_t index = NO_SLOT;

	ck_assert_ptr_null(reserve(&slots, n, &index));
	ck_assert_uint_ne(index, NO_SLOT);
	slots.slots[index].users = 1;
	return index;
}

static void give_back(uint32_t index, bool rested)
{
	slots.slots[index].users = 0;
	slots.slots[index].rests_ns = pv_now_ns() - (rested ? REST_NS : 0);
}

static void refused(uint32_t n, const char *words)
{
	uint32_t index = 99;
	struct pv_err *err = reserve(&slots, n, &index);

	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, words));
	ck_assert_uint_eq(index, 99);
	pv_err_destroy(err);
}

START_TEST(test_first_fit)
{
	uint32_t a = take(5), b = take(5), c = take(5), d;

	ck_assert_uint_eq(slots.slots[a].first, 0);
	ck_assert_uint_eq(slots.slots[b].first, 5);
	ck_assert_uint_eq(slots.slots[c].first, 10);
	give_back(b, true);
	/* the hole is too small for 6, and just right for 5 */
	refused(6, "more than 20 executable mappings");
	d = take(5);
	ck_assert_uint_eq(slots.slots[d].first, 5);
	ck_assert_uint_ne(d, b); /* the next in turn */
	ck_assert_uint_eq(slots.slots[take(5)].first, 15);
}
END_TEST

START_TEST(test_rest)
{
	uint32_t a = take(15);

	/* a walk may still read it */
	give_back(a, false);
	refused(10, "executable mappings");
	give_back(a, true);
	ck_assert_uint_eq(slots.slots[take(20)].first, 0);
}
END_TEST

START_TEST(test_reserved_and_not_used)
{
	uint32_t index;

	/* what failed between this and its use is free again after a rest */
	ck_assert_ptr_null(reserve(&slots, 20, &index));
	refused(20, "executable mappings");
	give_back(index, true);
	take(20);
}
END_TEST

START_TEST(test_all_in_use)
{
	uint32_t i, last = NO_SLOT, again;

	for (i = 1; i < PROCS; i++)
		last = take(1);
	refused(1, "more than 4 programs");
	give_back(last, false);
	refused(1, "more than 4 programs");
	give_back(last, true);
	again = take(1);
	ck_assert_uint_eq(again, last);
}
END_TEST

/* An entry that was given back is not the next one to be given away. */
START_TEST(test_in_turn)
{
	uint32_t a = take(1), b;

	give_back(a, true);
	b = take(1);
	ck_assert_uint_ne(a, b);
}
END_TEST

START_TEST(test_no_mappings)
{
	uint32_t a = take(0), b = take(20);

	ck_assert_uint_ne(a, b);
	refused(21, "executable mappings");
}
END_TEST

START_TEST(test_learned)
{
	struct pv_proc proc = { .runtime = 7 };

	slots.procs[2] = (struct pv_proc){ .runtime = 7, .reanchor_cfa = 3, .eval_row = 4 };
	ck_assert_ptr_null(pv_map_set(&slots.current, 100, 5ULL << 32 | 2));
	keep_learned(&slots, 100, 5, &proc);
	ck_assert_int_eq(proc.reanchor_cfa, 3);
	ck_assert_uint_eq(proc.eval_row, 4);
	/* another program, another interpreter, another process */
	proc = (struct pv_proc){ .runtime = 7 };
	keep_learned(&slots, 100, 6, &proc);
	keep_learned(&slots, 101, 5, &proc);
	ck_assert_int_eq(proc.reanchor_cfa, 0);
	proc.runtime = 8;
	keep_learned(&slots, 100, 5, &proc);
	ck_assert_int_eq(proc.reanchor_cfa, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slots");
	TCase *tc = tcase_create("slots");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_first_fit);
	tcase_add_test(tc, test_rest);
	tcase_add_test(tc, test_reserved_and_not_used);
	tcase_add_test(tc, test_all_in_use);
	tcase_add_test(tc, test_in_turn);
	tcase_add_test(tc, test_no_mappings);
	tcase_add_test(tc, test_learned);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
