/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks without how the interpreter calls: C code of the interpreter and the C
 * library with Python code below it is shown only with time of its own, and what
 * it leads to stands below its caller, as in the page (viewer/profile/selection.js).
 */
#ifndef PV_OUT_CALLS_H
#define PV_OUT_CALLS_H

#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_profile;

/*
 * ret: struct pv_stack_node, samples_ret: struct pv_sample, as those of the profile;
 * n_ret: how many of its nodes are not there, or only with time of their own.
 */
struct pv_err *pv_calls_lift(const struct pv_profile *profile, struct pv_vec *ret,
			     struct pv_vec *samples_ret, uint32_t *n_ret);

#endif
