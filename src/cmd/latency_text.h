/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A report of `latency` for people and for machines.  Input: counts and names.
 * Output: what the user reads.
 */
#ifndef PV_CMD_LATENCY_TEXT_H
#define PV_CMD_LATENCY_TEXT_H

#include <stdio.h>

#include "base/err.h"

struct pv_latency;
struct pv_latency_options;
struct pv_latency_report;
struct pv_term;

/* lines_ret: how many lines that were. */
struct pv_err *pv_latency_print_text(const struct pv_latency *latency,
				     const struct pv_latency_report *report,
				     const struct pv_latency_options *options,
				     const struct pv_term *term, unsigned int *lines_ret);

/* One line.  ended: why, NULL: it goes on. */
void pv_latency_print_json(const struct pv_latency *latency, const struct pv_latency_report *report,
			   const struct pv_latency_options *options, const char *ended, FILE *file);

#endif
