/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of `refs`: hardware watchpoints on one word of one process, one in each
 * thread, also in those that are born later.  Input: where the word is, the process's image for
 * stacks.  Output: records of code objects, stacks and changes.
 *
 * Everything is held by file descriptors of this process: when it dies, however it dies, the
 * kernel takes watchpoints, probes, programs and maps away.
 */
#ifndef PV_COLLECT_WATCH_H
#define PV_COLLECT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/native.h"
#include "abi/refs.h"
#include "base/err.h"

struct pv_event;
struct pv_image;
struct pv_objects;
struct pv_probes;
struct pv_python;
struct pv_watchpoint;

/*
 * ns that a write to a watched word costs the thread that writes, the trap alone, measured on
 * ourselves.  Where debug registers do not work, as in some virtual machines, or are taken for all
 * threads, *unusable_ret is an error that says so, which the caller owns.
 */
struct pv_err *pv_watch_measure(uint64_t *bare_ns_ret, struct pv_err **unusable_ret);

/* Has each thread of the process registers left for such a word?  unusable_ret: as above. */
struct pv_err *pv_watch_room(pid_t pid, const struct pv_count_constants *counted,
			     struct pv_err **unusable_ret);

/*
 * How many such words could be watched in each thread now, PV_LIVES_SLOTS at most; threads_ret: how
 * many there are.
 */
struct pv_err *pv_watch_registers(pid_t pid, const struct pv_count_constants *counted,
				  size_t *n_ret, size_t *threads_ret);

struct pv_watchpoint_options {
	pid_t pid;
	struct pv_count_constants counted;
	double budget; /* CPUs that probes at entries may take of the target's time */
	const struct pv_python *python;   /* not owned, and for the load alone */
	struct pv_native_path frame_path; /* to the Python frame that is current */
};

/* Loads the programs; nothing is watched yet. */
struct pv_err *pv_watchpoint_create(const struct pv_watchpoint_options *options,
				    struct pv_watchpoint **ret);
void pv_watchpoint_destroy(struct pv_watchpoint *watch);

/* What is followed: before pv_watchpoint_attach(). */
void pv_watchpoint_object(struct pv_watchpoint *watch, const struct pv_count_object *object);

/* Probes at entries of functions, to be attached and looked after by the caller. */
struct pv_probes *pv_watchpoint_probes(const struct pv_watchpoint *watch);

/* Hands the process's image to the walkers, or replaces it. */
struct pv_err *pv_watchpoint_put(struct pv_watchpoint *watch, const struct pv_image *image,
				 const struct pv_objects *objects);

/*
 * Watches the word in every thread; the older way none.  read gives its value as it is now; what it
 * was when the first change was made is *base_ret.  A thread whose registers are taken is an error
 * that says by what that may be.
 */
struct pv_err *pv_watchpoint_attach(struct pv_watchpoint *watch,
				    struct pv_err *(*read)(void *ctx, int64_t *ret), void *ctx,
				    int64_t *base_ret);

/* Nothing is watched from here on; what is in the ring can still be drained. */
void pv_watchpoint_detach(struct pv_watchpoint *watch);

/*
 * In place of pv_watchpoint_attach(): lives of objects, at a few addresses (abi/refs.h).  Slot i
 * watches the count of what is at object from here on, in every thread, and nothing else any more;
 * 0: nothing.  All that was known of the slot is forgotten.  A thread whose registers are taken is
 * an error.
 */
struct pv_err *pv_watchpoint_aim(struct pv_watchpoint *watch, size_t i, uint64_t object);

/* The same: both sides' state, as it is and as it is to be (abi/refs.h says who writes what). */
struct pv_lives_state *pv_watchpoint_lives(const struct pv_watchpoint *watch);
struct pv_life_slot *pv_watchpoint_slot(const struct pv_watchpoint *watch, size_t i);

/* The same: a birth by that way was looked at, and was wanted or not. */
struct pv_err *pv_watchpoint_way(const struct pv_watchpoint *watch, uint64_t way, bool wanted);

/* Threads that were given a watchpoint of their own; others have inherited theirs. */
size_t pv_watchpoint_threads(const struct pv_watchpoint *watch);

/* Functions are probed from here on: their calls have numbers. */
void pv_watchpoint_resolve(struct pv_watchpoint *watch);

/*
 * The older way (counted.lines): a line begins at that address of the process; what is known of an
 * address that calls of the function return to.
 */
struct pv_err *pv_watchpoint_row(struct pv_watchpoint *watch, uint32_t index, uint64_t address);
struct pv_err *pv_watchpoint_returns(struct pv_watchpoint *watch, uint64_t address,
				     enum pv_native_return place);
void pv_watchpoint_forget_return(struct pv_watchpoint *watch, uint64_t address);

/* Becomes readable when there is much to drain, or the end has come. */
int pv_watchpoint_fd(const struct pv_watchpoint *watch);

/*
 * Hands over what there is: PV_EVENT_CODE, PV_EVENT_PIECE, PV_EVENT_SAMPLE and PV_EVENT_CHANGE;
 * valid within the call.  An error stops it and is passed on.
 */
struct pv_err *pv_watchpoint_drain(struct pv_watchpoint *watch,
				   struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
							size_t size),
				   void *ctx);

/* As it is now. */
struct pv_count_state pv_watchpoint_state(const struct pv_watchpoint *watch);
struct pv_probe_state pv_watchpoint_probe_state(const struct pv_watchpoint *watch);
/* Calls of the probed function with that index so far. */
struct pv_count_calls pv_watchpoint_calls(const struct pv_watchpoint *watch, size_t index);

/* Writes that the kernel has counted, among them those that the program was not run for. */
uint64_t pv_watchpoint_hits(const struct pv_watchpoint *watch);

/* Names and stacks that did not come, added to counts[PV_LOSS_MAX]. */
struct pv_err *pv_watchpoint_losses(const struct pv_watchpoint *watch, uint64_t *counts);

#endif
