/* SPDX-License-Identifier: BSD-2-Clause */
/* pprof's protocol buffer, gzipped; see docs/formats.md. */
#ifndef PV_OUT_PPROF_H
#define PV_OUT_PPROF_H

#include <stddef.h>
#include <stdint.h>

#include "out/format.h"

extern const struct pv_format pv_format_pprof;

enum { PV_PPROF_VALUES_MAX = 4 };

/* What samples count, if not CPU time. */
struct pv_pprof_values {
	size_t n;
	const char *types[PV_PPROF_VALUES_MAX]; /* "inuse_space" */
	const char *units[PV_PPROF_VALUES_MAX]; /* "bytes" */
	size_t shown;                           /* the one that pprof shows first */
	const int64_t *values;                  /* n of each sample, not owned */
};
struct pv_err *pv_pprof_write(const struct pv_profile *profile,
			      const struct pv_pprof_values *values, FILE *file);

#endif
