/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of `latency`: calls of some Python functions of one process,
 * counted and timed in BPF.  Input: where the interpreter enters and leaves
 * functions, and the code objects that are wanted.  Output: histograms.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes probes, programs and maps away.
 */
#ifndef PV_COLLECT_CALLS_H
#define PV_COLLECT_CALLS_H

#include <stdint.h>

#include "abi/latency.h"
#include "abi/probe.h"
#include "base/err.h"
#include "collect/probes.h"

struct pv_calls;

struct pv_calls_options {
	struct pv_probes_options probes;
	enum pv_latency_by by;
};

/* Loads the programs and measures what a probe costs here; nothing is attached. */
struct pv_err *pv_calls_create(const struct pv_calls_options *options, struct pv_calls **ret);
void pv_calls_destroy(struct pv_calls *calls);

/* Its probes, to be attached and looked after by the caller; they live as long. */
struct pv_probes *pv_calls_probes(const struct pv_calls *calls);

/* Wants the calls of a code object; function: the caller's own index. */
struct pv_err *pv_calls_want(struct pv_calls *calls, uint64_t code,
			     const struct pv_latency_code *wanted);

struct pv_latency_counts pv_calls_counts(const struct pv_calls *calls);

struct pv_probe_state pv_calls_state(const struct pv_calls *calls);

/* Calls fn for every row; the histogram is valid within the call. */
struct pv_err *pv_calls_each(struct pv_calls *calls,
			     struct pv_err *(*fn)(void *ctx, const struct pv_latency_key *key,
						  const struct pv_latency_histogram *row),
			     void *ctx);

/* Calls that are under way. */
uint64_t pv_calls_open(const struct pv_calls *calls);

#endif
