/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a capture as text and as JSON.  Input: a profile, just taken or read
 * from a recording.  Output: what the user reads.
 */
#ifndef PV_CMD_SUMMARY_H
#define PV_CMD_SUMMARY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct pv_profile;
struct pv_term;
struct pv_wait;

/* What only a capture that just ended knows. */
struct pv_live {
	double attach_ms;           /* from create to the events being on */
	double first_sample_ms;     /* from create to the first sample's tick; < 0: none */
	uint64_t map_bytes;         /* of the BPF maps */
	const char *cut_output;     /* a recording that breaks off; NULL: none */
	const struct pv_wait *wait; /* where an idle target waits; NULL: not known */
};

/*
 * The answer, processes if they are several, the hottest functions, the hottest
 * path, quality, losses by cause, cost; outputs are named at the end.  live NULL:
 * a recording.
 */
struct pv_err *pv_summary_print(const struct pv_profile *profile, const struct pv_live *live,
				const char *const *outputs, size_t n_outputs,
				const struct pv_term *term);

/* The same for machines: one JSON object. */
struct pv_err *pv_summary_json(const struct pv_profile *profile, const struct pv_live *live,
			       const char *const *outputs, size_t n_outputs, FILE *file);

#endif
