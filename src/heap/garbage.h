/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Garbage that waits for the cyclic collector: objects that nobody has but each other, and what
 * hangs on them.  Input: the collector's lists, memory (untrusted); the process runs on.  Output:
 * how many there are of each type.
 *
 * It is the collector's own reckoning, from outside: of each object's count the references that
 * other objects of the lists have to it are taken away; what has some left is somebody's, as is all
 * that it leads to; the rest is garbage.  Whatever is not known here (what a type of C has
 * elsewhere) is a reference that somebody has: so garbage may be missed.  What no cycle is waits
 * for nothing: what has lost a reference, or is held by C code, has a count left.
 */
#ifndef PV_HEAP_GARBAGE_H
#define PV_HEAP_GARBAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_heap;
struct pv_maps;

struct pv_garbage_type {
	uint64_t type;      /* its address */
	uint64_t n;         /* garbage */
	uint64_t n_tracked; /* of the type, in the collector's lists, garbage or not */
};

struct pv_garbage {
	struct pv_vec types; /* struct pv_garbage_type, of which there is garbage */
	uint64_t n;          /* objects */
};

/*
 * maps: of the process, fresh; pid 0: no process, all pages count as there (fixtures).
 * PV_ERR_NOPROC: it cannot be told in time, or at all, as the lists cannot be read, or change too
 * often to be followed (while a collection runs they are in pieces).
 */
struct pv_err *pv_garbage_find(struct pv_heap *heap, pid_t pid, const struct pv_maps *maps,
			       struct pv_garbage *ret);
void pv_garbage_deinit(struct pv_garbage *garbage);

#endif
