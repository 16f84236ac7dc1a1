/* SPDX-License-Identifier: BSD-2-Clause */
/* The hottest functions with the lines at which they spend their own time. */
#ifndef PV_ANALYSE_HOTTEST_H
#define PV_ANALYSE_HOTTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/lines.h"
#include "base/err.h"

struct pv_profile;

struct pv_hottest {
	uint32_t loc; /* one location of the function */
	struct pv_lines lines;
	uint64_t self, total; /* samples */
	bool own;
};

/* By self, at most max, those without any left out.  ret is the caller's (free). */
struct pv_err *pv_hottest_of(const struct pv_profile *profile, size_t max, struct pv_hottest **ret,
			     size_t *n_ret);

#endif
