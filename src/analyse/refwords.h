/* SPDX-License-Identifier: BSD-2-Clause */
/* Words that verdicts on counts share.  Internal to analyse/. */
#ifndef PV_ANALYSE_REFWORDS_H
#define PV_ANALYSE_REFWORDS_H

#include <stdint.h>

#include "base/err.h"

struct pv_refs;
struct pv_str;

/* "`array_argsort` (multiarray.so)"; function: index into profile->locs. */
struct pv_err *pv_refwords_function(const struct pv_refs *refs, uint32_t function,
				    struct pv_str *str);

#endif
