/* SPDX-License-Identifier: BSD-2-Clause */
/* Buckets as the kernel's side fills them, bounds and percentiles as the host reads them. */
#include <check.h>
#include <stdlib.h>

#include "abi/latency.h"
#include "model/histogram.h"

/* Every duration lies in its bucket, and no bucket is wider than an eighth of its start. */
START_TEST(buckets)
{
	for (uint64_t ns = 0; ns < 1ULL << 43; ns += 1 + ns / 37) {
		uint32_t bucket = pv_latency_bucket(ns);
		uint64_t low = pv_histogram_low(bucket), high = pv_histogram_low(bucket + 1);

		ck_assert_uint_lt(bucket, PV_LATENCY_BUCKETS);
		ck_assert_uint_le(low, ns);
		ck_assert_uint_lt(ns, high);
		ck_assert(high - low == 1 || (high - low) * 8 <= low);
	}
	ck_assert_uint_eq(pv_latency_bucket(1ULL << 43), PV_LATENCY_BUCKETS - 1);
	ck_assert_uint_eq(pv_latency_bucket(UINT64_MAX), PV_LATENCY_BUCKETS - 1);
	ck_assert_uint_eq(pv_histogram_low(pv_latency_bucket(1024)), 1024);
}
END_TEST

START_TEST(percentiles)
{
	uint64_t counts[PV_LATENCY_BUCKETS] = { 0 };

	ck_assert_uint_eq(pv_histogram_percentile(counts, PV_LATENCY_BUCKETS, 0, 0.5), 0);
	for (uint64_t ns = 1; ns <= 1000; ns++)
		counts[pv_latency_bucket(ns * 1000)]++;
	for (int percent = 1; percent < 100; percent++) {
		double got = (double)pv_histogram_percentile(counts, PV_LATENCY_BUCKETS, 1000000,
							     percent / 100.0);

		ck_assert_double_ge(got, percent * 10000 * (1 - 1 / 15.0));
		ck_assert_double_le(got, percent * 10000 * (1 + 1 / 15.0));
	}
	/* never beyond the longest */
	ck_assert_uint_eq(pv_histogram_percentile(counts, PV_LATENCY_BUCKETS, 950000, 1), 950000);
}
END_TEST

START_TEST(one_call)
{
	uint64_t counts[PV_LATENCY_BUCKETS] = { 0 };

	counts[pv_latency_bucket(7)] = 1;
	for (int percent = 0; percent <= 100; percent += 25)
		ck_assert_uint_eq(
			pv_histogram_percentile(counts, PV_LATENCY_BUCKETS, 7, percent / 100.0), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("histogram");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, buckets);
	tcase_add_test(tcase, percentiles);
	tcase_add_test(tcase, one_call);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
