/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executions and their calls.  Input: calls in the order of their beginnings.
 * Output: a struct pv_trace.
 */
#include "model/trace.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "model/profile.h"

struct pv_err *pv_trace_create(struct pv_trace **ret)
{
	struct pv_trace *trace = calloc(1, sizeof(*trace));
	struct pv_err *err;

	if (!trace)
		return &pv_enomem;
	trace->calls = (struct pv_vec)PV_VEC(struct pv_call);
	trace->executions = (struct pv_vec)PV_VEC(struct pv_execution);
	err = pv_profile_create(&trace->profile);
	if (err) {
		pv_trace_destroy(trace);
		return err;
	}
	*ret = trace;
	return NULL;
}

void pv_trace_destroy(struct pv_trace *trace)
{
	if (!trace)
		return;
	pv_profile_destroy(trace->profile);
	pv_vec_deinit(&trace->calls);
	pv_vec_deinit(&trace->executions);
	free(trace);
}

struct pv_err *pv_trace_begin(struct pv_trace *trace, const struct pv_execution *execution)
{
	struct pv_execution copy = *execution;

	copy.first = trace->calls.n;
	copy.n = 0;
	return pv_vec_append(&trace->executions, &copy, 1, NULL);
}

struct pv_err *pv_trace_add(struct pv_trace *trace, const struct pv_call *call, uint32_t parent,
			    uint32_t *ret)
{
	struct pv_execution *execution = pv_vec_at(&trace->executions, trace->executions.n - 1);
	struct pv_call copy = *call;
	struct pv_err *err;

	if (trace->calls.n >= PV_CALL_NONE)
		return pv_err_create(PV_ERR_FAILED, "too many calls");
	copy.parent = parent;
	copy.execution = (uint32_t)(trace->executions.n - 1);
	copy.depth = 0;
	if (parent != PV_CALL_NONE)
		copy.depth = ((const struct pv_call *)pv_vec_at(&trace->calls, parent))->depth + 1;
	*ret = (uint32_t)trace->calls.n;
	err = pv_vec_append(&trace->calls, &copy, 1, NULL);
	if (!err)
		execution->n++;
	return err;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct pv_execution *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

struct pv_err *pv_trace_sort(struct pv_trace *trace)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec calls = PV_VEC(struct pv_call);
	struct pv_vec old;
	struct pv_err *err = NULL;

	if (trace->executions.n)
		qsort(trace->executions.data, trace->executions.n, sizeof(struct pv_execution),
		      compare_numbers);
	for (size_t i = 0; i < trace->executions.n && !err; i++) {
		const struct pv_execution *one = pv_vec_at(&trace->executions, i);

		if (one->n)
			err = pv_vec_append(&calls, pv_vec_at(&trace->calls, one->first), one->n,
					    NULL);
	}
	if (err)
		return err;
	old = trace->calls;
	trace->calls = calls;
	calls = old;
	for (size_t i = 0, first = 0; i < trace->executions.n; i++) {
		struct pv_execution *one = pv_vec_at(&trace->executions, i);

		for (size_t k = 0; k < one->n; k++) {
			struct pv_call *call = pv_vec_at(&trace->calls, first + k);

			call->execution = (uint32_t)i;
			if (call->parent != PV_CALL_NONE)
				call->parent = (uint32_t)(call->parent - one->first + first);
		}
		one->first = first;
		first += one->n;
	}
	return NULL;
}

struct pv_err *pv_trace_self(const struct pv_trace *trace, uint64_t **ret)
{
	uint64_t *self = calloc(trace->calls.n + 1, sizeof(*self));

	if (!self)
		return &pv_enomem;
	for (size_t i = 0; i < trace->calls.n; i++) {
		const struct pv_call *call = pv_vec_at(&trace->calls, i);
		uint64_t ns = pv_call_ns(call);

		self[i] += ns;
		if (call->parent != PV_CALL_NONE)
			self[call->parent] -= ns < self[call->parent] ? ns : self[call->parent];
	}
	*ret = self;
	return NULL;
}
