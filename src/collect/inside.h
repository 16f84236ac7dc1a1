/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of `trace`: what happens inside executions of one Python
 * function of one process.  Input: where the interpreter enters and leaves
 * functions, the code objects of the one, the process's image for the stacks that
 * lead to it.  Output: records of code objects, stacks and calls.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes probes, programs and maps away.
 */
#ifndef PV_COLLECT_INSIDE_H
#define PV_COLLECT_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/native.h"
#include "abi/probe.h"
#include "abi/trace.h"
#include "base/err.h"
#include "collect/probes.h"

struct pv_condition;
struct pv_event;
struct pv_image;
struct pv_inside;
struct pv_objects;
struct pv_python_resume;
struct pv_signature;

struct pv_inside_options {
	struct pv_probes_options probes;
	uint32_t depth_max; /* calls deeper than that send nothing; 0: all do */
	uint32_t runs_max;  /* executions that are recorded; 0: all are */
	/* how arguments and results are read, NULL: none is; copied */
	const struct pv_value_layout *values;
	const struct pv_condition
		*condition; /* of executions that are recorded; NULL: all; copied */
	bool with_values;   /* arguments and results of all calls are sent */
	bool natives;       /* native functions are probed, too */
	bool letters;       /* of some the arguments are sent: pv_inside_signature() */
	/* how the condition's arguments are read, if a native function begins executions */
	const struct pv_signature *condition_letters;
	uint32_t
		trigger; /* the index of the one that begins executions, or PV_WITHIN_NO_FUNCTION */
	struct pv_native_path frame_path; /* to the Python frame that is current */
	bool watches;                     /* pv_inside_watch() will be called */
	bool chains_move;                 /* greenlets */
};

/* Loads the programs and measures what a probe costs here; nothing is attached. */
struct pv_err *pv_inside_create(const struct pv_inside_options *options, struct pv_inside **ret);
void pv_inside_destroy(struct pv_inside *inside);

/* Its probes, to be attached and looked after by the caller; they live as long. */
struct pv_probes *pv_inside_probes(const struct pv_inside *inside);

/* An execution begins where this code object does. */
struct pv_err *pv_inside_want(struct pv_inside *inside, uint64_t code,
			      const struct pv_trace_trigger *trigger);

/* What the registers of a native function hold, by its index. */
struct pv_err *pv_inside_signature(struct pv_inside *inside, uint32_t function,
				   const struct pv_signature *signature);

/* What is known of an address that calls of native functions return to; nothing any more. */
struct pv_err *pv_inside_returns(struct pv_inside *inside, uint64_t address,
				 enum pv_native_return place);
void pv_inside_forget_return(struct pv_inside *inside, uint64_t address);

/* Hands the process's image to the walkers, or replaces it. */
struct pv_err *pv_inside_put(struct pv_inside *inside, const struct pv_image *image,
			     const struct pv_objects *objects);

/*
 * Watches the RESUME of each code object of the function, of which there are n.  What the
 * processor cannot do, or not for so many, is PV_ERR_FAILED, and nothing is watched then.
 */
struct pv_err *pv_inside_watch(struct pv_inside *inside, const uint64_t *codes,
			       const struct pv_python_resume *list, size_t n);
void pv_inside_unwatch(struct pv_inside *inside);
bool pv_inside_watches(const struct pv_inside *inside);

/*
 * Executions begin from here on.  While not all is attached wait says what tells of them: those
 * that begin then are late ones, and the first of them is in the news of the probes.  With
 * PV_TRACE_WAIT_NONE all is attached, so that none is seen in part.  What is watched should be so
 * until the late ones were met (pv_trace_state.late_open).
 */
struct pv_err *pv_inside_arm(struct pv_inside *inside, enum pv_trace_wait wait);
void pv_inside_wait(struct pv_inside *inside, enum pv_trace_wait wait);

/* No execution begins any more. */
void pv_inside_disarm(struct pv_inside *inside);

/* Becomes readable when there is much to drain, or an execution has ended. */
int pv_inside_fd(const struct pv_inside *inside);

/*
 * Hands over what there is: PV_EVENT_CODE, PV_EVENT_PIECE, PV_EVENT_SAMPLE,
 * PV_EVENT_NAMES, PV_EVENT_VALUES and PV_EVENT_CALL; valid within the call.  An error stops it and
 * is passed on.
 */
struct pv_err *pv_inside_drain(struct pv_inside *inside,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx);

/* As it is now. */
struct pv_trace_state pv_inside_state(const struct pv_inside *inside);
struct pv_probe_state pv_inside_probe_state(const struct pv_inside *inside);

/* Names and stacks that did not come, added to counts[PV_LOSS_MAX]. */
struct pv_err *pv_inside_losses(const struct pv_inside *inside, uint64_t *counts);

#endif
