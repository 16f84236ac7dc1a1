/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk/walk.h pv_walk_spare(): whatever a sample costs, samples take a quarter
 * of the time at most, and a single slow one does not silence the sampler.
 * Input: a simulated clock.  Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>

#include "walk/walk.h"

/* Ticks every period for a second, each sample taking cost; the time spent in samples, ns. */
static __u64 simulate(struct pv_walk *w, __u64 period, __u64 cost, __u64 *taken_ret)
{
	__u64 now = 1000000000, end = now + 1000000000, spent = 0;

	*taken_ret = 0;
	while (now < end) {
		if (!pv_walk_spare(w, now)) {
			w->sample.time_ns = now;
			now += cost;
			pv_walk_end(w, now);
			spent += cost;
			++*taken_ret;
		}
		now += period - (now % period);
	}
	return spent;
}

START_TEST(dear_samples_are_skipped)
{
	struct pv_walk *w = calloc(1, sizeof(*w));
	__u64 taken, spent = simulate(w, 100000, 1000000, &taken);

	/* 1 ms a sample at 10 kHz: the first few find no mean yet */
	ck_assert_uint_le(spent, 270000000);
	ck_assert_uint_gt(taken, 200);
	free(w);
}
END_TEST

START_TEST(cheap_samples_are_all_taken)
{
	struct pv_walk *w = calloc(1, sizeof(*w));
	__u64 taken;

	simulate(w, 100000, 8000, &taken);
	ck_assert_uint_eq(taken, 10000);
	free(w);
}
END_TEST

START_TEST(one_slow_sample_costs_few_ticks)
{
	struct pv_walk *w = calloc(1, sizeof(*w));
	__u64 taken, skipped = 0, now = 1000000000;

	simulate(w, 200000, 8000, &taken);
	w->sample.time_ns = now;
	now += 50000000;
	pv_walk_end(w, now);
	while (pv_walk_spare(w, now)) {
		now += 200000;
		skipped++;
	}
	ck_assert_uint_le(skipped, 5);
	free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spare");
	TCase *tcase = tcase_create("spare");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, dear_samples_are_skipped);
	tcase_add_test(tcase, cheap_samples_are_all_taken);
	tcase_add_test(tcase, one_slow_sample_costs_few_ticks);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
