/* SPDX-License-Identifier: BSD-2-Clause */
/* A part of a finished profile: the samples of some of its threads. */
#ifndef PV_MODEL_FILTER_H
#define PV_MODEL_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_profile;

struct pv_thread_filter {
	uint32_t pid;       /* 0: any process */
	const char *thread; /* a thread id or a name; NULL: any thread */
};

/*
 * Makes it a profile of these threads alone: what others have run, their names, paths and
 * sources are no longer in it.  What is left is counted anew by thread and process; ids and
 * indices are others.  n_ret: threads that the filter let pass; 0: nothing is changed.  No
 * samples may be added to the profile after this.
 */
struct pv_err *pv_profile_keep_threads(struct pv_profile *profile,
				       const struct pv_thread_filter *filter, size_t *n_ret);

/*
 * The quality of the samples that are there, from the markers in their stacks
 * (docs/formats.md): for a part of a profile, whose own counts are of the whole.
 */
struct pv_err *pv_profile_count_quality(struct pv_profile *profile);

#endif
