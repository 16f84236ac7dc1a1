/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host home of the walkers: one thread's stack from any struct pv_mem.
 * Input: registers, the process's facts, mappings, unwind tables.  Output: a
 * pv_event_sample for pv_merge(), and code objects at first sight.
 */
#ifndef PV_SNAP_SNAP_H
#define PV_SNAP_SNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "abi/process.h"
#include "abi/unwind.h"
#include "base/err.h"

struct pv_image;
struct pv_mem;
struct pv_snap;

/* A thread as it stands: it must not run while it is walked. */
struct pv_snap_thread {
	uint32_t pid, tid;
	uint64_t pc, sp, bp, fsbase;
};

/* Where the walkers read; nothing of it is owned, all but proc must outlive the walker. */
struct pv_snap_source {
	struct pv_mem *mem;
	struct pv_proc proc;               /* maps_first and maps_n need not be set */
	const struct pv_mapping *mappings; /* sorted by start */
	size_t n_mappings;
	/* A cell of an unwind table; false: there is none such. */
	bool (*cell)(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret);
	void *cell_ctx;
};

/* Who gets what is found on the way; each may be NULL. */
struct pv_snap_handlers {
	void *ctx;
	/*
	 * PV_EVENT_CODE and PV_EVENT_PIECE; the bytes are valid within the call.  On an
	 * error the code object counts as not yet copied, and pv_snap_walk() returns it.
	 */
	struct pv_err *(*event)(void *ctx, const struct pv_event *event, size_t size);
	void (*lost)(void *ctx, enum pv_loss loss);
};

struct pv_err *pv_snap_create(const struct pv_snap_source *source,
			      const struct pv_snap_handlers *handlers, struct pv_snap **ret);
void pv_snap_destroy(struct pv_snap *snap);

/*
 * The sample is valid until the next walk and stays the walker's.  What the
 * target's memory does not give is marked in it and is no error.
 */
struct pv_err *pv_snap_walk(struct pv_snap *snap, const struct pv_snap_thread *thread,
			    const struct pv_event_sample **ret);

/*
 * The key of the code object at address, and of the name of the task object there, each handed to
 * handlers.event first; 0: they could not be read.  For objects that no stack leads to.
 */
struct pv_err *pv_snap_code(struct pv_snap *snap, uint32_t pid, uint64_t address, uint64_t *ret);
struct pv_err *pv_snap_task_name(struct pv_snap *snap, uint32_t pid, uint64_t address,
				 uint64_t *ret);

/* The process entry with what the walks have learned. */
const struct pv_proc *pv_snap_proc(const struct pv_snap *snap);

/*
 * A source's mappings for an image, with the object's id for the segment;
 * owned by the caller.  With pv_snap_object_cell() and the struct pv_objects as
 * cell_ctx the objects' own tables are used.
 */
struct pv_err *pv_snap_mappings(const struct pv_image *image, struct pv_mapping **ret);
bool pv_snap_object_cell(void *objects, uint32_t segment, uint32_t index, uint64_t *ret);

#endif
