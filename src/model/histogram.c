/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histograms of durations.  Input: counts by bucket.  Output: bounds, percentiles.
 */
#include "model/histogram.h"

enum { STEPS = 8, LINEAR = 16 };

uint64_t pv_histogram_low(size_t bucket)
{
	unsigned int power = (unsigned int)(bucket / STEPS) + 2;

	if (bucket < LINEAR)
		return bucket;
	return (STEPS + bucket % STEPS) << (power - 3);
}

uint64_t pv_histogram_percentile(const uint64_t *buckets, size_t n, uint64_t max_ns, double part)
{
	uint64_t calls = 0, seen = 0, wanted, middle;
	size_t i;

	for (i = 0; i < n; i++)
		calls += buckets[i];
	if (!calls)
		return 0;
	wanted = (uint64_t)(part * (double)calls);
	wanted += (double)wanted < part * (double)calls || !wanted;
	for (i = 0; i + 1 < n && seen + buckets[i] < wanted; i++)
		seen += buckets[i];
	middle = pv_histogram_low(i) / 2 + (pv_histogram_low(i + 1) - 1) / 2;
	if (i < LINEAR)
		middle = i;
	return middle < max_ns ? middle : max_ns;
}
