/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for insn/flow.h: any bytes as code, with functions that begin anywhere.  What
 * it says is in order and of the promised form.
 * Input: one byte, how many beginnings; two bytes each; code.  Output: a crash where that does
 * not hold.  Corpus: tests/fuzz/corpus/flow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "insn/flow.h"
#include "insn/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { BEGINNINGS = 8 };

static void ok(struct pv_err *err)
{
	if (err)
		abort();
}

static struct pv_flow *follow(const uint8_t *code, size_t n, const uint16_t *begin, int count)
{
	struct pv_flow *flow;

	ok(pv_flow_create(code, n, &flow));
	for (int i = 0; i < count; i++)
		ok(i % 4 == 3 ? pv_flow_begin_outermost(flow, begin[i])
			      : pv_flow_begin(flow, begin[i]));
	ok(pv_flow_run(flow));
	return flow;
}

static void check(const struct pv_flow *flow, size_t n)
{
	struct pv_flow_frame frame;

	for (uint64_t at = 0; pv_flow_next(flow, at, UINT64_MAX, &frame); at = frame.start + 1) {
		if (frame.start < at || frame.end <= frame.start || frame.end > n)
			abort();
		if (frame.cfa_off % 8 || frame.rbp_off % 8 || frame.cfa_off < 0 ||
		    frame.rbp_off > 0)
			abort();
		/* what is not known has no numbers */
		if (frame.cfa != PV_FLOW_RSP && frame.cfa != PV_FLOW_RBP &&
		    (frame.cfa_off || frame.rbp_off))
			abort();
		if ((frame.rbp == PV_FLOW_RBP_SAVED) != (frame.rbp_off != 0))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint16_t begin[BEGINNINGS];
	struct pv_flow *flow;
	uint8_t *code;
	int count;

	if (n < 1 || n < 1 + 2 * (size_t)(data[0] % BEGINNINGS))
		return 0;
	count = data[0] % BEGINNINGS;
	memcpy(begin, data + 1, 2 * (size_t)count);
	data += 1 + 2 * count;
	n -= 1 + 2 * (size_t)count;
	/* a copy of its own, so that ASan sees one byte too many */
	code = malloc(n ? n : 1);
	memcpy(code, data, n);
	for (int i = 0; i < count; i++)
		begin[i] = (uint16_t)(begin[i] % (n + 2));
	flow = follow(code, n, begin, count);
	check(flow, n);
	pv_flow_destroy(flow);
	if (pv_insn_extent(code, n) > n)
		abort();
	free(code);
	return 0;
}
