/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does the cyclic garbage collector run by itself?  Input: a struct pv_heap, its memory
 * (untrusted).  Output: whether gc.disable() was called.
 */
#ifndef PV_HEAP_COLLECTING_H
#define PV_HEAP_COLLECTING_H

#include <stdbool.h>
#include <sys/types.h>

struct pv_heap;

/* Of the process, its main interpreter; false also where it cannot be told. */
bool pv_heap_gc_disabled(struct pv_heap *heap, pid_t pid);

#endif
