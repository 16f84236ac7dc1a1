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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/latency.h"
#include "base/err.h"

struct pv_calls;
struct pv_elf;
struct pv_python;
struct pv_python_sites;

struct pv_calls_options {
	pid_t pid;
	const struct pv_python *python;      /* not owned, for the creation only */
	const struct pv_python_sites *sites; /* not owned, must outlive it */
	bool generators;                     /* calls that can be left and entered again */
	enum pv_latency_by by;
	double budget; /* CPUs that the hits of probes may take */
};

/* Loads the programs and measures what a probe costs here; nothing is attached. */
struct pv_err *pv_calls_create(const struct pv_calls_options *options, struct pv_calls **ret);
void pv_calls_destroy(struct pv_calls *calls);

/* Wants the calls of a code object; function: the caller's own index. */
struct pv_err *pv_calls_want(struct pv_calls *calls, uint64_t code,
			     const struct pv_latency_code *wanted);

/* file_fd: the interpreter's, owned from here on; elf: the same, not owned. */
struct pv_err *pv_calls_attach(struct pv_calls *calls, int file_fd, const struct pv_elf *elf);

/* No probe is left in the process from here on. */
void pv_calls_detach(struct pv_calls *calls);

/* Takes the probes out of forked children: they are attached anew, then the old ones dropped. */
struct pv_err *pv_calls_renew(struct pv_calls *calls);

/* Places that are probed, and how many of them must be single-stepped. */
void pv_calls_sites(const struct pv_calls *calls, size_t *n_ret, size_t *stepped_ret);

/* Becomes readable when the kernel's side has something to say. */
int pv_calls_fd(const struct pv_calls *calls);

struct pv_calls_news {
	bool over_budget; /* what the hits cost is too much for the target */
	bool forked;      /* a child has the probes */
	bool replaced;    /* the process has become another program */
};

/* What it has said since the last time. */
struct pv_err *pv_calls_news(struct pv_calls *calls, struct pv_calls_news *ret);

struct pv_latency_counts pv_calls_counts(const struct pv_calls *calls);

/* ns that a hit costs the target: at an emulated site, at a single-stepped one. */
void pv_calls_prices(const struct pv_calls *calls, uint64_t ret[2]);

/* Calls fn for every row; the histogram is valid within the call. */
struct pv_err *pv_calls_each(struct pv_calls *calls,
			     struct pv_err *(*fn)(void *ctx, const struct pv_latency_key *key,
						  const struct pv_latency_histogram *row),
			     void *ctx);

/* Calls that are under way. */
uint64_t pv_calls_open(const struct pv_calls *calls);

#endif
