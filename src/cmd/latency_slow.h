/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks of slow calls, for people and for machines.  Input: those of one function.
 * Output: lines; members of an open JSON object.
 */
#ifndef PV_CMD_LATENCY_SLOW_H
#define PV_CMD_LATENCY_SLOW_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct pv_json;
struct pv_slow;

/* lines_ret: how many lines that were. */
struct pv_err *pv_latency_print_slow(struct pv_slow *slow, size_t function, FILE *file,
				     unsigned int *lines_ret);

/* "stacks": all of them. */
void pv_latency_put_slow(struct pv_json *json, struct pv_slow *slow, size_t function);

#endif
