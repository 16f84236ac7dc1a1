/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of what `memory` sees of allocations: blocks that one process allocates while
 * this is armed, each with its stack, and those of them that it gives back.  Input: places of
 * allocators, the process's image.  Output: blocks, totals by stack, records of stacks.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes probes, programs and maps away.
 */
#ifndef PV_COLLECT_ALLOCS_H
#define PV_COLLECT_ALLOCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/allocs.h"
#include "abi/native.h"
#include "abi/probe.h"
#include "base/err.h"
#include "collect/probes.h"

struct pv_allocs;
struct pv_event;
struct pv_image;
struct pv_objects;

struct pv_allocs_options {
	struct pv_probes_options probes;
	enum pv_alloc_stacks stacks;
	uint32_t pool_bytes;              /* of the interpreter's pools, a power of two */
	bool pools;                       /* pools that are taken are wanted, and no blocks */
	bool all;                         /* of a whole window, not of a burst */
	uint32_t blocks_max;              /* of these are kept; 0: as many as 256 MB hold */
	struct pv_native_path frame_path; /* to the Python frame that is current */
};

/* Loads the programs and measures what a probe costs here; nothing is attached. */
struct pv_err *pv_allocs_create(const struct pv_allocs_options *options, struct pv_allocs **ret);
void pv_allocs_destroy(struct pv_allocs *allocs);

/* Its probes, to be attached and looked after by the caller; they live as long. */
struct pv_probes *pv_allocs_probes(const struct pv_allocs *allocs);

/* Hands the process's image to the walkers, or replaces it. */
struct pv_err *pv_allocs_put(struct pv_allocs *allocs, const struct pv_image *image,
			     const struct pv_objects *objects);

/*
 * Blocks are kept from here on, and none from before: up to n of them, for ns nanoseconds at
 * most; 0: without that end.
 */
struct pv_err *pv_allocs_arm(struct pv_allocs *allocs, uint64_t n, uint64_t ns);

/* Blocks of some sizes. */
struct pv_allocs_aim {
	uint64_t classes; /* of pools: pv_alloc_class() */
	struct pv_alloc_sizes sizes[PV_ALLOC_SIZES_MAX];
	size_t n; /* of sizes, which are of the C allocator's blocks */
};

/* From the next time on, blocks of these sizes only; NULL: all. */
void pv_allocs_aim(struct pv_allocs *allocs, const struct pv_allocs_aim *aim);

/* What the place at an address was seen to take of pools, at any time; false: nothing. */
bool pv_allocs_take_at(const struct pv_allocs *allocs, uint64_t address, struct pv_alloc_take *ret);

/* Calls fn for each address that calls of C functions were seen to return to with a block. */
struct pv_err *pv_allocs_backs(struct pv_allocs *allocs,
			       struct pv_err *(*fn)(void *ctx, uint64_t address,
						    const struct pv_alloc_back *back),
			       void *ctx);

/* None is added any more; those that are freed are still taken out. */
void pv_allocs_enough(struct pv_allocs *allocs);

/* Nothing is seen any more. */
void pv_allocs_disarm(struct pv_allocs *allocs);

/* As it is now. */
struct pv_alloc_state pv_allocs_state(const struct pv_allocs *allocs);
struct pv_probe_state pv_allocs_probe_state(const struct pv_allocs *allocs);

/* The target's time so far that hits and stacks have taken, by what they cost here, ns. */
uint64_t pv_allocs_spent_ns(const struct pv_allocs *allocs);

/*
 * Takes out blocks that need not be kept, since a share of them will do: state.shift.  Which that
 * are an address alone decides, so that each is kept or not for good.
 */
struct pv_err *pv_allocs_thin(struct pv_allocs *allocs);

/* Calls fn for every block that is kept; an error stops it and is passed on. */
struct pv_err *pv_allocs_each(struct pv_allocs *allocs,
			      struct pv_err *(*fn)(void *ctx, uint64_t address,
						   const struct pv_alloc *block),
			      void *ctx);

/* The same for all stacks; key 0 is none's. */
struct pv_err *pv_allocs_totals(struct pv_allocs *allocs,
				struct pv_err *(*fn)(void *ctx, uint64_t key,
						     const struct pv_alloc_totals *totals),
				void *ctx);

/* Becomes readable when there is much to drain. */
int pv_allocs_fd(const struct pv_allocs *allocs);

/*
 * Hands over what there is: PV_EVENT_CODE, PV_EVENT_PIECE, PV_EVENT_SAMPLE and
 * PV_EVENT_ALLOC_STACK; valid within the call.  An error stops it and is passed on.
 */
struct pv_err *pv_allocs_drain(struct pv_allocs *allocs,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx);

/* Names and stacks that did not come, added to counts[PV_LOSS_MAX]. */
struct pv_err *pv_allocs_losses(const struct pv_allocs *allocs, uint64_t *counts);

/* Bytes that the kernel's maps may take. */
uint64_t pv_allocs_map_bytes(const struct pv_allocs *allocs);

#endif
