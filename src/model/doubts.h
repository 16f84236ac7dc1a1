/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a profile's totals people must be told, decided here for all who say it:
 * CPU time that no sample stands for, CPU time of children that are not in it.
 */
#ifndef PV_MODEL_DOUBTS_H
#define PV_MODEL_DOUBTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_profile;
struct pv_str;

/*
 * Is it known what CPU time the target, pitviper and children that are not recorded used?
 * Not of a part of a capture, nor of a recording that breaks off before it says so.
 */
bool pv_totals_known(const struct pv_profile *profile);

struct pv_missing {
	uint64_t expected; /* samples that the target's CPU time is worth; 0 = not known */
	uint64_t missing;  /* of those, neither taken nor counted as lost; 0 within the noise */
};
struct pv_missing pv_missing_of(const struct pv_profile *profile);

/*
 * "2 child processes used 2.0 s of CPU meanwhile", without what to do about it;
 * nothing if it is not worth a word: of what a program spends in children the
 * rest of the profile says nothing.
 */
struct pv_err *pv_unwatched_text(const struct pv_profile *profile, struct pv_str *str);

#endif
