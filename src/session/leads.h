/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of the calls of a trace, and the stacks that led to its executions, or that slow calls
 * have ended on.  Input:
 * records of code objects and stacks (abi/event.h), the process.  Output: locations
 * and nodes of a profile.
 */
#ifndef PV_SESSION_LEADS_H
#define PV_SESSION_LEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_event;
struct pv_image;
struct pv_leads;
struct pv_objects;
struct pv_probed;
struct pv_profile;
struct pv_python_function;
struct pv_vec;

/* The kernel's side of the stacks: hands it an image, or replaces it. */
struct pv_leads_walkers {
	void *ctx;
	struct pv_err *(*put)(void *ctx, const struct pv_image *image,
			      const struct pv_objects *objects);
};

/* None of the arguments is owned; all must outlive the leads, whose the image of probed is. */
struct pv_err *pv_leads_create(struct pv_probed *probed, const struct pv_leads_walkers *walkers,
			       struct pv_profile *profile, struct pv_leads **ret);
void pv_leads_destroy(struct pv_leads *leads);

/* Takes a record in; one of another type than these is ignored. */
struct pv_err *pv_leads_take(struct pv_leads *leads, const struct pv_event *event, size_t size);

/*
 * The stack that the last sample of the thread was of, without the call itself, whose
 * code object has that key; 0: it did not come, or nothing led to it.  Taken once.
 */
struct pv_err *pv_leads_node(struct pv_leads *leads, uint32_t tid, uint64_t key, uint32_t *ret);

/* A call that has ended on a stack. */
struct pv_leads_end {
	uint32_t tid;
	uint64_t time_ns; /* of the sample */
	bool python;      /* the leaf is the interpreter, which ends it */
	bool there;       /* below that its own frame still is */
};

/* The same of that call, without its own frame; found_ret: the sample came, which stays. */
struct pv_err *pv_leads_ended(struct pv_leads *leads, const struct pv_leads_end *end,
			      bool *found_ret, uint32_t *ret);

/*
 * The stack that a thread wrote to memory on, at that time: its node, and its frames, root first,
 * appended (struct pv_lead_frame).  The leaf's instruction is the one before its pc.  found_ret:
 * the sample came; it stays.
 */
struct pv_lead_frame {
	uint32_t loc;     /* index into the profile's locs */
	uint8_t kind;     /* enum pv_ref_kind */
	uint16_t at;      /* index in its half of the sample */
	uint32_t object;  /* NATIVE: id */
	uint64_t address; /* NATIVE: ELF vaddr within the instruction, PYTHON: key of its code */
	uint32_t lasti;   /* PYTHON */
};
struct pv_err *pv_leads_frames(struct pv_leads *leads, uint32_t tid, uint64_t time_ns,
			       struct pv_vec *frames, uint32_t *node_ret, bool *found_ret,
			       bool *whole_ret);

/* The location of native code on no stack: an ELF vaddr within an instruction. */
struct pv_err *pv_leads_native(struct pv_leads *leads, uint32_t object, uint64_t vaddr,
			       uint32_t *ret);

/* What a code object is called; "[unknown code]" if its names did not come. */
struct pv_err *pv_leads_name(struct pv_leads *leads, uint64_t key, uint64_t address, uint32_t *ret);

/* The same of one that was there before. */
struct pv_err *pv_leads_function(struct pv_leads *leads, const struct pv_python_function *function,
				 uint32_t *ret);

#endif
