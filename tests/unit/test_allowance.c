/* SPDX-License-Identifier: BSD-2-Clause */
/* What watching may cost: times of any cost, in processes of any CPU time. */
#include "session/allowance.h"

#include <check.h>
#include <stdlib.h>

enum { MS = 1000000, FIRST_NS = 8 * MS, STEP_NS = 5 * MS };

static const double SHARE = 0.06;

/*
 * A process that runs for so long.  A time costs fixed_ns() for its places, of which one part in
 * `after` comes when it is over, and is watched until it must end, for a step of CPU time at most,
 * all of which it costs.  The most that was spent beyond the share and what was lent, and how many
 * there were.
 */
static double worst(uint64_t cpu_ns, uint64_t (*fixed_ns)(size_t i), size_t *n_ret)
{
	struct pv_allowance allowance;
	double beyond_ns = 0, spent_ns = 0;
	size_t n = 0;

	pv_allowance_begin(&allowance, SHARE, FIRST_NS, 1000);
	for (uint64_t now = 0; now < cpu_ns; now += STEP_NS) {
		uint64_t fixed, one;

		pv_allowance_earn(&allowance, 1000 + now);
		if (!pv_allowance_is_enough(&allowance))
			continue;
		fixed = fixed_ns(n++);
		one = fixed;
		now += fixed;
		for (; !pv_allowance_is_used(&allowance, one); now += MS)
			one += MS;
		pv_allowance_spend(&allowance, one, fixed);
		spent_ns += (double)one;
		if (spent_ns - SHARE * (double)now - FIRST_NS > beyond_ns)
			beyond_ns = spent_ns - SHARE * (double)now - FIRST_NS;
	}
	*n_ret = n;
	return beyond_ns;
}

static uint64_t cheap(size_t i)
{
	(void)i;
	return 2 * MS;
}

static uint64_t dear(size_t i)
{
	(void)i;
	return 30 * MS;
}

/* Every seventh one has lost its CPU while its places came. */
static uint64_t unlucky(size_t i)
{
	return i % 7 == 3 ? 150 * MS : 3 * MS;
}

START_TEST(test_is_bounded_in_each_hunt)
{
	size_t n;

	/* however long it is: what is beyond is no more than a step, where places are cheap */
	for (uint64_t cpu_ns = 50 * MS; cpu_ns < 20000ULL * MS; cpu_ns *= 2) {
		ck_assert_double_le(worst(cpu_ns, cheap, &n), MS);
		ck_assert_uint_ge(n, 1);
		/* and what one time's places cost where they are dear */
		ck_assert_double_le(worst(cpu_ns, dear, &n), 30.0 * MS);
		ck_assert_double_le(worst(cpu_ns, unlucky, &n), 150.0 * MS);
	}
}
END_TEST

START_TEST(test_most_is_for_what_is_watched)
{
	size_t n;

	/* a second of 10 earns 60 ms: with places of 2 ms times of 8 */
	worst(10000ULL * MS, cheap, &n);
	ck_assert_uint_ge(n, 60);
	ck_assert_uint_le(n, 80);
	worst(10000ULL * MS, dear, &n);
	ck_assert_uint_ge(n, 4);
	ck_assert_uint_le(n, 8);
}
END_TEST

START_TEST(test_learns_what_places_cost)
{
	struct pv_allowance allowance;

	pv_allowance_begin(&allowance, SHARE, FIRST_NS, 0);
	ck_assert(pv_allowance_is_enough(&allowance));
	ck_assert(!pv_allowance_is_used(&allowance, FIRST_NS - 1));
	ck_assert(pv_allowance_is_used(&allowance, FIRST_NS));
	/* its places took all of it, and more: the next one may begin when it can do better */
	pv_allowance_spend(&allowance, 30 * MS, 30 * MS);
	pv_allowance_earn(&allowance, 1200ULL * MS);
	ck_assert(!pv_allowance_is_enough(&allowance));
	pv_allowance_earn(&allowance, 1500ULL * MS);
	ck_assert(pv_allowance_is_enough(&allowance));
}
END_TEST

START_TEST(test_saves_up_no_more_than_so_much)
{
	struct pv_allowance allowance;

	pv_allowance_begin(&allowance, SHARE, FIRST_NS, 0);
	pv_allowance_earn(&allowance, 3600ULL * 1000 * MS);
	ck_assert(!pv_allowance_is_used(&allowance, 299 * MS));
	ck_assert(pv_allowance_is_used(&allowance, 301 * MS));
	/* a process that has ended has none, and a dear time is once begun all the same */
	pv_allowance_earn(&allowance, 0);
	ck_assert(!pv_allowance_is_used(&allowance, 299 * MS));
	pv_allowance_spend(&allowance, 0, 1000ULL * MS);
	ck_assert(pv_allowance_is_enough(&allowance));
}
END_TEST

START_TEST(test_spends_no_more_than_there_was)
{
	const struct pv_spending from = { 10 * MS, 100 * MS };
	const struct pv_spending cold = { 20 * MS, 200 * MS }, hot = { 20 * MS, 112 * MS },
				 gone = { 20 * MS, 0 };

	/* of 100 ms CPU time 10 were hits, or 20; of 12 all may have been */
	ck_assert_uint_eq(pv_spending_between(&from, &cold), 20 * MS);
	ck_assert_uint_eq(pv_spending_between(&from, &hot), 12 * MS);
	ck_assert_uint_eq(pv_spending_between(&from, &gone), 20 * MS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("allowance");
	TCase *tc = tcase_create("allowance");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_is_bounded_in_each_hunt);
	tcase_add_test(tc, test_most_is_for_what_is_watched);
	tcase_add_test(tc, test_learns_what_places_cost);
	tcase_add_test(tc, test_saves_up_no_more_than_so_much);
	tcase_add_test(tc, test_spends_no_more_than_there_was);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
