/* SPDX-License-Identifier: BSD-2-Clause */
/* Which lines of a function to name: the one that carries it, or those among which it is spread. */
#ifndef PV_ANALYSE_LINES_H
#define PV_ANALYSE_LINES_H

#include <stddef.h>
#include <stdint.h>

struct pv_line_weight {
	int32_t line; /* 0 or less: not known */
	uint64_t samples;
};

struct pv_lines {
	int32_t first, last; /* equal if one line carries nearly all; 0: not known */
	int32_t hottest;
};

/* Sorts weights, in which a line may stand several times. */
struct pv_lines pv_lines_of(struct pv_line_weight *weights, size_t n);

#endif
