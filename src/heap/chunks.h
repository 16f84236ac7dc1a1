/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All chunks of a process's malloc(), if that is glibc's.  Input: its memory and mappings.  Output:
 * chunks (heap/glibc.h).
 *
 * Without those that have a mapping of their own, and without what the main arena maps where brk()
 * gives no more.
 */
#ifndef PV_HEAP_CHUNKS_H
#define PV_HEAP_CHUNKS_H

#include <sys/types.h>

#include "base/err.h"

struct pv_glibc_handlers;
struct pv_maps;
struct pv_mem;

/* Calls handlers->used() for each, also for those that wait in a thread's cache. */
struct pv_err *pv_chunks_each(struct pv_mem *mem, const struct pv_maps *maps, pid_t pid,
			      const struct pv_glibc_handlers *handlers);

#endif
