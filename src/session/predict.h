/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sampling a process would cost it.  Input: a snapshot of its stacks, and samples of
 * ourselves.  Output: findings for doctor.
 */
#ifndef PV_SESSION_PREDICT_H
#define PV_SESSION_PREDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_collect;

/* What a sample of this very process costs here. */
struct pv_calibration {
	double ns;     /* a sample; 0: not measured */
	double frames; /* native ones, on average */
	uint64_t n;    /* samples */
};

/*
 * collect: loaded with a frequency of PV_CALIBRATION_HZ, and nothing in it yet; it is of no
 * use afterwards.  This thread works for a moment meanwhile.
 */
struct pv_err *pv_calibrate(struct pv_collect *collect, struct pv_calibration *ret);
enum { PV_CALIBRATION_HZ = 199 };

/*
 * facts: struct pv_fact.  summed: its code objects are known by checksums (CPython before
 * 3.12).  Takes a snapshot of the process, as `stack` does; it is not sampled.  What cannot
 * be done here is a finding, too.
 */
struct pv_err *pv_predict(pid_t pid, bool summed, const struct pv_calibration *calibration,
			  struct pv_vec *facts);

#endif
