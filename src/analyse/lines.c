/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which lines of a function to name.
 * Input: samples by line.
 * Output: the hottest line, and the span of those that matter.
 */
#include "analyse/lines.h"

#include <stdlib.h>

#include "model/limits.h"

static int compare_line(const void *a, const void *b)
{
	const struct pv_line_weight *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

/* Each line once, those that are not known left out; returns how many. */
static size_t join(struct pv_line_weight *weights, size_t n)
{
	size_t joined = 0, i;

	if (n)
		qsort(weights, n, sizeof(*weights), compare_line);
	for (i = 0; i < n; i++) {
		if (weights[i].line <= 0)
			continue;
		if (joined && weights[joined - 1].line == weights[i].line)
			weights[joined - 1].samples += weights[i].samples;
		else
			weights[joined++] = weights[i];
	}
	return joined;
}

struct pv_lines pv_lines_of(struct pv_line_weight *weights, size_t n)
{
	struct pv_lines lines = {};
	uint64_t all = 0, most = 0;
	size_t i;

	n = join(weights, n);
	for (i = 0; i < n; i++) {
		all += weights[i].samples;
		if (i && weights[i].samples <= most)
			continue;
		most = weights[i].samples;
		lines.hottest = weights[i].line;
	}
	lines.first = lines.last = lines.hottest;
	if (most * 100 >= all * PV_LIMIT_ALONE_PERCENT)
		return lines;
	for (i = 0; i < n; i++) {
		if (weights[i].samples * 100 < all * PV_LIMIT_MATTERS_PERCENT)
			continue;
		if (weights[i].line < lines.first)
			lines.first = weights[i].line;
		if (weights[i].line > lines.last)
			lines.last = weights[i].line;
	}
	return lines;
}
