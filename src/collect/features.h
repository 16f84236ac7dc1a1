/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel can do for us, asked by trying, never by its version.
 * Input: the running kernel.  Output: a table for doctor and for errors.
 */
#ifndef PV_COLLECT_FEATURES_H
#define PV_COLLECT_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pv_feature {
	const char *name;       /* "bpf_loop" */
	const char *needed_for; /* "record, stack" */
	const char *since;      /* "Linux 5.17" */
	bool required;          /* without it nothing works */
};

enum pv_feature_state {
	PV_FEATURE_NO,
	PV_FEATURE_YES,
	PV_FEATURE_UNKNOWN, /* may not be asked: no privilege, or one of a user namespace only */
};

extern const struct pv_feature pv_features[];
extern const size_t pv_n_features;

/*
 * What we lack of what loading BPF programs takes: "CAP_BPF and CAP_PERFMON", one of them, or "".
 * CAP_SYS_ADMIN is as good as both.
 */
const char *pv_features_lacking(void);

/* May we load BPF programs at all, for all that capabilities say? */
bool pv_features_privileged(void);

enum pv_feature_state pv_feature_probe(size_t index);

/* One sentence that names every required feature that is missing, or NULL. */
struct pv_err *pv_features_check(void);

#endif
