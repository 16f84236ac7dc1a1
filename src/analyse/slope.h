/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a number that was taken at several times grow?  Pure: values in, a slope out.
 */
#ifndef PV_ANALYSE_SLOPE_H
#define PV_ANALYSE_SLOPE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PV_SLOPE_LEAST = 5, /* fewer values tell nothing */
	PV_SLOPE_SURE = 8,  /* fewer tell of great growth alone: chance orders so many */
	PV_SLOPE_MOST = 96, /* more are thinned out */
};

struct pv_slope {
	bool known;     /* there are enough values to tell */
	bool grows;     /* steadily, to the end */
	bool flattened; /* it grew, and does no more, or much less */
	bool rises;     /* it may grow: worth a closer look */
	double per_s;   /* the median of all slopes between two values */
	double gained;  /* from the first to the last value */
	double at_end;  /* gained in the last quarter of them, if the second half rises */
};

/* Values at times, in time.  least: what must be gained to count as growth. */
struct pv_slope pv_slope_of(const double *at_s, const double *values, size_t n, double least);

#endif
