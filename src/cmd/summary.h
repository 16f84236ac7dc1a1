/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a capture as text and as JSON.  Input: a profile and the facts of
 * its session.  Output: what the user reads.
 */
#ifndef PV_CMD_SUMMARY_H
#define PV_CMD_SUMMARY_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct pv_profile;
struct pv_session_facts;

/* Shares, the hottest functions, quality, losses by cause, cost; outputs are named at the end. */
struct pv_err *pv_summary_print(const struct pv_profile *profile,
				const struct pv_session_facts *facts, const char *const *outputs,
				size_t n_outputs, FILE *file);

/* The same for machines: one JSON object. */
void pv_summary_json(const struct pv_profile *profile, const struct pv_session_facts *facts,
		     const char *const *outputs, size_t n_outputs, FILE *file);

#endif
