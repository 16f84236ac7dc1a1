/* SPDX-License-Identifier: BSD-2-Clause */
/* What probes may cost: hits by a clock of our own. */
#include <check.h>
#include <stdlib.h>

#include "walk/budget.h"

enum { AT_ONCE = 64, MS = 1000 * 1000, LIMIT = 10 * MS };

struct account {
	struct pv_probe_state state;
	uint64_t now_ns, start_ns, spent_ns;
};

/* Hits of a price, one each so many ns, until it is told or the time is over; told? */
static bool run(struct account *account, uint64_t price_ns, uint64_t each_ns, uint64_t for_ns)
{
	uint64_t end_ns = account->now_ns + for_ns;

	while (account->now_ns < end_ns) {
		account->now_ns += AT_ONCE * each_ns;
		account->spent_ns += AT_ONCE * price_ns;
		if (pv_budget_pay(&account->state, 500000, LIMIT, account->now_ns,
				  AT_ONCE * price_ns))
			return true;
	}
	return false;
}

static struct account begin(void)
{
	struct account account = { .now_ns = 77 * (uint64_t)MS, .start_ns = 77 * (uint64_t)MS };

	account.state.debt_time_ns = account.now_ns;
	return account;
}

/* As soon as 10 ms more were spent than half of the time, but for the hits that are paid at once.
 */
START_TEST(too_dear)
{
	static const uint64_t prices_ns[] = { 550, 10000 },
			      each_ns[] = { 600, 700, 1000, 11000, 19000 };

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 5; k++) {
			struct account account = begin();
			uint64_t over_ns;

			/* a hit takes its price of the thread's time */
			if (each_ns[k] < prices_ns[i] || 2 * prices_ns[i] <= each_ns[k])
				continue;
			ck_assert(run(&account, prices_ns[i], each_ns[k], 100000 * (uint64_t)MS));
			over_ns = account.spent_ns - (account.now_ns - account.start_ns) / 2;
			ck_assert_uint_gt(over_ns, LIMIT);
			ck_assert_uint_le(over_ns, LIMIT + AT_ONCE * prices_ns[i]);
			/* once */
			ck_assert(!run(&account, prices_ns[i], each_ns[k], 100 * MS));
		}
	}
}
END_TEST

START_TEST(within_budget)
{
	struct account account = begin();

	ck_assert(!run(&account, 550, 1101, 10000 * (uint64_t)MS));
	ck_assert(!run(&account, 10000, 20001, 10000 * (uint64_t)MS));
	ck_assert_uint_lt(account.state.debt_ns, LIMIT);
}
END_TEST

/* A burst may borrow; what was not spent before is not saved up. */
START_TEST(bursts)
{
	struct account account = begin();

	for (int i = 0; i < 100; i++) {
		ck_assert(!run(&account, 550, 600, 15 * MS));
		account.now_ns += 20 * MS;
	}
	account.now_ns += 1000 * (uint64_t)MS;
	account.start_ns = account.now_ns;
	account.spent_ns = 0;
	account.state.debt_time_ns = account.now_ns;
	ck_assert(run(&account, 550, 600, 100 * MS));
	ck_assert_uint_le(account.spent_ns - (account.now_ns - account.start_ns) / 2,
			  LIMIT + AT_ONCE * 550);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("budget");
	TCase *tcase = tcase_create("budget");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, too_dear);
	tcase_add_test(tcase, within_budget);
	tcase_add_test(tcase, bursts);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
