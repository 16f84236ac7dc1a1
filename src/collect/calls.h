/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of `latency`: calls of some functions of one process, Python or
 * native, counted and timed in BPF.  Input: where the interpreter enters and leaves
 * functions, and the code objects that are wanted; entries of native functions, and
 * where their calls return to.  Output: histograms.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes probes, programs and maps away.
 */
#ifndef PV_COLLECT_CALLS_H
#define PV_COLLECT_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/latency.h"
#include "abi/native.h"
#include "abi/probe.h"
#include "base/err.h"
#include "collect/probes.h"

struct pv_calls;
struct pv_event;
struct pv_image;
struct pv_objects;

struct pv_calls_options {
	struct pv_probes_options probes;
	enum pv_latency_by by;
	bool stacks_move;                 /* greenlets: several stacks at the same addresses */
	struct pv_native_path frame_path; /* for them: see python/path.h */
	uint64_t over_ns;                 /* longer calls are counted apart; UINT64_MAX: none is */
	bool with_stacks;                 /* and their stacks are sent */
};

/* Loads the programs and measures what a probe costs here; nothing is attached. */
struct pv_err *pv_calls_create(const struct pv_calls_options *options, struct pv_calls **ret);
void pv_calls_destroy(struct pv_calls *calls);

/* Its probes, to be attached and looked after by the caller; they live as long. */
struct pv_probes *pv_calls_probes(const struct pv_calls *calls);

/* Wants the calls of a code object; function: the caller's own index. */
struct pv_err *pv_calls_want(struct pv_calls *calls, uint64_t code,
			     const struct pv_latency_code *wanted);

/* What is known of an address that calls of native functions return to. */
struct pv_err *pv_calls_returns(struct pv_calls *calls, uint64_t address,
				enum pv_native_return place);

/* The next call that returns there is told again. */
void pv_calls_forget_return(struct pv_calls *calls, uint64_t address);

struct pv_native_counts pv_calls_native_counts(const struct pv_calls *calls);

/*
 * Looks at every call of a native function under way; one that is over (true) is taken out,
 * and told if it was still there.
 */
typedef bool (*pv_calls_look_fn)(void *ctx, const struct pv_native_call *call);
typedef void (*pv_calls_taken_fn)(void *ctx, const struct pv_native_call *call);
void pv_calls_sweep_native(struct pv_calls *calls, pv_calls_look_fn look, pv_calls_taken_fn taken,
			   void *ctx);

/* As it was created. */
bool pv_calls_stacks_move(const struct pv_calls *calls);

struct pv_latency_counts pv_calls_counts(const struct pv_calls *calls);

struct pv_probe_state pv_calls_state(const struct pv_calls *calls);

/* Calls fn for every row; the histogram is valid within the call. */
struct pv_err *pv_calls_each(struct pv_calls *calls,
			     struct pv_err *(*fn)(void *ctx, const struct pv_latency_key *key,
						  const struct pv_latency_histogram *row),
			     void *ctx);

/* With stacks alone: hands the process's image to the walkers, or replaces it. */
struct pv_err *pv_calls_put(struct pv_calls *calls, const struct pv_image *image,
			    const struct pv_objects *objects);

/* Becomes readable when there is much to drain; -1 without stacks. */
int pv_calls_fd(const struct pv_calls *calls);

/*
 * Hands over what there is: PV_EVENT_CODE, PV_EVENT_PIECE, PV_EVENT_SAMPLE and PV_EVENT_SLOW;
 * valid within the call.  An error stops it and is passed on.
 */
struct pv_err *pv_calls_drain(struct pv_calls *calls,
			      struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						   size_t size),
			      void *ctx);

struct pv_latency_slow pv_calls_slow(const struct pv_calls *calls);

/* Calls of Python functions that are under way. */
uint64_t pv_calls_open(const struct pv_calls *calls);

#endif
