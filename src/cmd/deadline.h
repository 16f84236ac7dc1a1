/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a command still runs, by its --duration.  Times are in seconds of CLOCK_MONOTONIC. */
#ifndef PV_CMD_DEADLINE_H
#define PV_CMD_DEADLINE_H

#include "base/clock.h"

static inline double pv_now_s(void)
{
	return (double)pv_now_ns() / 1e9;
}

/* When it is over; duration_s 0: never. */
static inline double pv_deadline(double duration_s)
{
	return duration_s ? pv_now_s() + duration_s : 1e18;
}

/* ms to wait for whatever comes until then, at most most_ms and one; 0: it is over. */
static inline int pv_patience_ms(double deadline_s, int most_ms)
{
	double left_ms = (deadline_s - pv_now_s()) * 1000;

	return left_ms <= 0 ? 0 : left_ms < most_ms ? (int)left_ms + 1 : most_ms;
}

#endif
