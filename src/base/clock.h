/* SPDX-License-Identifier: BSD-2-Clause */
/* What time it is, in nanoseconds. */
#ifndef PV_BASE_CLOCK_H
#define PV_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t pv_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* CLOCK_MONOTONIC: what samples and side-band records are dated by. */
static inline uint64_t pv_now_ns(void)
{
	return pv_clock_ns(CLOCK_MONOTONIC);
}

#endif
