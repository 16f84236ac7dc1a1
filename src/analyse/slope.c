/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slopes.  Input: values at times.  Output: how they grow.
 */
#include "analyse/slope.h"

#include <math.h>
#include <stdlib.h>

enum {
	GREAT = 10, /* so many times the least, where there are few values */
	MANY = 12,  /* values among which a few may fall */
};

static const double GREAT_SHARE = 0.25;     /* and such a part of what was there */
static const double INVERSIONS_MOST = 0.08; /* of all pairs: chance has half of them */
static const double INVERSIONS_MANY = 0.12; /* of great growth among many values */
static const double SUSPECT_MOST = 0.2;     /* of those, for a closer look */
static const double RISES_LEAST = 0.6;      /* equal pairs are neither */
static const double STEPS_LEAST = 0.35;     /* of the steps between looks must rise */
static const double GULP_MOST = 0.5;        /* of all that is gained, in one step, */
static const double GULP_FASTER = 1.25;     /* faster than all of it by so much */
static const double LATE_LEAST = 0.35;      /* of the first half's rate */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Of n(n-1)/2 pairs: how many rise, how many fall, the median slope (Theil and Sen). */
struct pairs {
	size_t n, rises, falls;
	double slope;
};

static struct pairs pairs_of(const double *at_s, const double *values, size_t n)
{
	static const struct pairs none;
	double slopes[PV_SLOPE_MOST * (PV_SLOPE_MOST - 1) / 2];
	struct pairs pairs = none;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			double dt = at_s[k] - at_s[i];

			if (dt <= 0)
				continue;
			pairs.rises += values[k] > values[i];
			pairs.falls += values[k] < values[i];
			slopes[pairs.n++] = (values[k] - values[i]) / dt;
		}
	}
	if (!pairs.n)
		return none;
	qsort(slopes, pairs.n, sizeof(*slopes), compare);
	pairs.slope = slopes[pairs.n / 2];
	return pairs;
}

/*
 * What grows steadily does so at many looks, and no one of them has most of it: what is filled in a
 * few gulps (a table that doubles, a pool of something) does not.
 */
static bool is_steady(const double *at_s, const double *values, size_t n, double gained)
{
	double seconds = at_s[n - 1] - at_s[0];
	bool gulp = false;
	size_t steps = 0;

	for (size_t i = 1; i < n; i++) {
		double step = values[i] - values[i - 1], dt = at_s[i] - at_s[i - 1];

		steps += step > 0;
		/* on a busy machine half of the time may be between two looks, and its gain with it
		 */
		gulp |= step > GULP_MOST * gained && step * seconds > GULP_FASTER * gained * dt;
	}
	return (double)steps >= STEPS_LEAST * (double)(n - 1) && !gulp;
}

static struct pv_slope slope_of(const double *at_s, const double *values, size_t n, double least)
{
	struct pv_slope slope = { .known = n >= PV_SLOPE_LEAST };
	struct pairs all = pairs_of(at_s, values, n);
	double early, late;
	bool rises, great;

	if (n < 2)
		return slope;
	slope.per_s = all.slope;
	slope.gained = values[n - 1] - values[0];
	if (!slope.known || slope.gained < least)
		return slope;
	early = pairs_of(at_s, values, n / 2 + 1).slope;
	late = pairs_of(at_s + n / 2, values + n / 2, n - n / 2).slope;
	slope.at_end = late > 0 ? values[n - 1] - values[n - 1 - n / 4] : 0;
	great = slope.gained >= GREAT * least;
	rises = (double)all.falls <=
			(n >= MANY && great ? INVERSIONS_MANY : INVERSIONS_MOST) * (double)all.n &&
		(double)all.rises >= RISES_LEAST * (double)all.n;
	if (n < PV_SLOPE_SURE)
		rises = !all.falls && great && slope.gained >= GREAT_SHARE * fabs(values[0]);
	slope.flattened = late < LATE_LEAST * early || late <= 0;
	slope.grows = rises && !slope.flattened && is_steady(at_s, values, n, slope.gained);
	slope.rises = (double)all.falls <= SUSPECT_MOST * (double)all.n && late > 0;
	return slope;
}

struct pv_slope pv_slope_of(const double *at_s, const double *values, size_t n, double least)
{
	double thin_s[PV_SLOPE_MOST], thin[PV_SLOPE_MOST];

	if (n <= PV_SLOPE_MOST)
		return slope_of(at_s, values, n, least);
	for (size_t i = 0; i < PV_SLOPE_MOST; i++) {
		size_t from = i * (n - 1) / (PV_SLOPE_MOST - 1);

		thin_s[i] = at_s[from];
		thin[i] = values[from];
	}
	return slope_of(thin_s, thin, PV_SLOPE_MOST, least);
}
