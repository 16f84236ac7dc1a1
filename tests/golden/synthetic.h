/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A large made-up profile, always the same for the same arguments: for what
 * must hold at 1,000,000 samples and 100,000 distinct stacks.
 */
#ifndef PV_TESTS_SYNTHETIC_H
#define PV_TESTS_SYNTHETIC_H

#include <stdint.h>

struct pv_profile;

/* Exits on failure; the profile is the caller's. */
struct pv_profile *synthetic_profile(uint32_t n_samples, uint32_t n_stacks);

#endif
