/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histograms of durations: eight buckets for each power of two nanoseconds, one
 * for each nanosecond below 16.  Plain counts, made elsewhere.
 */
#ifndef PV_MODEL_HISTOGRAM_H
#define PV_MODEL_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* The smallest duration of a bucket. */
uint64_t pv_histogram_low(size_t bucket);

/*
 * The duration that `part` (0 to 1) of all calls do not exceed, in the middle of
 * its bucket, so a sixteenth off at most; never more than max_ns.  0: no calls.
 */
uint64_t pv_histogram_percentile(const uint64_t *buckets, size_t n, uint64_t max_ns, double part);

#endif
