/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of which instructions the nodes of a stack tree are, so that the lines of the few C functions
 * that an answer names can be told at its end, by debug information, which takes time.
 * Input: frames as they are symbolised.  Output: lines in a pv_memory's locations.
 */
#ifndef PV_SESSION_ORIGINS_H
#define PV_SESSION_ORIGINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

struct pv_memory;
struct pv_objects;

/* Zero-initialised is empty. */
struct pv_origins {
	struct pv_map index; /* node * 2 + leaf -> index in list */
	struct pv_vec list;
	struct pv_map calls; /* of object and vaddr of a leaf: the call's vaddr */
};

void pv_origins_deinit(struct pv_origins *origins);

/*
 * A native frame, of an object, an ELF vaddr within the instruction: it has called the one of that
 * node, or is the node's itself (leaf).  So a function's calls are told apart by what they call.
 */
struct pv_err *pv_origins_note(struct pv_origins *origins, uint32_t node, bool leaf,
			       uint32_t object, uint64_t vaddr);

/* Where a call is seen after it has returned: of a leaf at `seen` its call is meant. */
struct pv_err *pv_origins_returns(struct pv_origins *origins, uint32_t object, uint64_t seen,
				  uint64_t call);

/*
 * Of the C functions of the first suspects: file and line, where there is debug information and all
 * of the place's instructions are of one.  Nodes have other locations afterwards: none may be added
 * any more.
 */
struct pv_err *pv_origins_tell(const struct pv_origins *origins, const struct pv_objects *objects,
			       struct pv_memory *memory);

#endif
