/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cyclic garbage collector says of itself.  Input: a struct pv_heap, its memory
 * (untrusted).  Output: whether it runs by itself, and what it has done so far.
 */
#ifndef PV_HEAP_COLLECTING_H
#define PV_HEAP_COLLECTING_H

#include <sys/types.h>

struct pv_heap;
struct pv_memory_collector;

/*
 * The switch is the main interpreter's, numbers are of all.  What cannot be told is said so there,
 * and is not disabled.
 */
void pv_heap_collector_read(struct pv_heap *heap, pid_t pid, struct pv_memory_collector *ret);

#endif
