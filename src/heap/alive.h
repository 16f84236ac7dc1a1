/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is something that looks like an object really one?  Memory that was an object and became
 * something else may still have its ob_type, and a small number where its count was.
 * Input: the memory of a process.  Output: yes or no; the lists change, so it is asked again.
 */
#ifndef PV_HEAP_ALIVE_H
#define PV_HEAP_ALIVE_H

#include <stdbool.h>

struct pv_heap;
struct pv_heap_object;

/* Has its own memory the marks of a free block?  Told without another look. */
bool pv_object_is_freed(const struct pv_heap_object *object);

/*
 * An object of the collector's is in one of its lists, or marked as in none; one that is not
 * its own is no free block.
 */
bool pv_object_is_alive(struct pv_heap *heap, const struct pv_heap_object *object);

#endif
