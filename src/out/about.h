/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file should say of the capture behind it, as lines of escaped text. */
#ifndef PV_OUT_ABOUT_H
#define PV_OUT_ABOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

struct pv_profile;

struct pv_about {
	struct pv_str target;  /* "gunicorn: worker [app:app] (4127), CPython 3.12.1" */
	struct pv_str time;    /* "on CPU 2.84 s of 3.00 s, 284 samples; ..." */
	struct pv_str quality; /* "99.65 % complete; 1 bridged, ..." */
	struct pv_str origin;  /* "recorded 2026-11-22 14:03:07 UTC on host by pitviper 0.1.0" */
	struct pv_vec notes;   /* struct pv_str: each loss by its cause, and what else limits it */
	bool well;             /* there is no reason to doubt it (model/doubts.h) */
};

struct pv_err *pv_about_init(struct pv_about *about, const struct pv_profile *profile);
void pv_about_deinit(struct pv_about *about);

/* "12,345" */
struct pv_err *pv_about_count(struct pv_str *str, uint64_t n);

/* "0.28 s", finer where samples are closer together; "" if their period is not known. */
struct pv_err *pv_about_seconds(struct pv_str *str, const struct pv_profile *profile,
				uint64_t samples);

#endif
