/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that a type keeps for the next ones that are made of it (freelists).  Input: a process's
 * memory.  Output: their addresses, in the order in which they are given out.
 *
 * They are blocks in use with the type and no references (Objects/tupleobject.c, listobject.c,
 * dictobject.c; Include/internal/pycore_freelist.h).  A tuple tells of the next one, from 3.14 on
 * all do; up to 3.13 the others are in an array, the next one last.
 */
#ifndef PV_HEAP_KEPT_H
#define PV_HEAP_KEPT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_maps;
struct pv_mem;
struct pv_pylayout;

/* All but the array are the caller's. */
struct pv_kept {
	struct pv_mem *mem;
	pid_t pid;
	const struct pv_pylayout *py;
	uint64_t type;
	uint32_t before;      /* bytes in front of an object */
	uint32_t block_bytes; /* where such objects are */
	uint64_t array;       /* where it was found; 0: it was not, or there is none */
};

/*
 * At most max addresses of objects, the next one first.  Those of several lists (tuples of two
 * sizes) in turn.  Where the order does not show, and they are more than max, none.
 * Once the array is known it alone is read, else all pools.
 */
struct pv_err *pv_kept_read(struct pv_kept *kept, const struct pv_maps *maps, uint64_t *ret,
			    size_t max, size_t *n_ret);

#endif
