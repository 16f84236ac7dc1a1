/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walkers' unwind tables, each object's once, in segments.  Input: objects.
 * Output: BPF maps, filled through mmap so that a row costs no system call.
 */
#ifndef PV_COLLECT_ARENA_H
#define PV_COLLECT_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bpf_object;
struct pv_arena;
struct pv_mapping;
struct pv_objects;

/* object: loaded, not owned, must outlive the arena. */
struct pv_err *pv_arena_create(struct bpf_object *object, struct pv_arena **ret);
void pv_arena_destroy(struct pv_arena *arena);

/* Brings up the tables of these mappings' objects, and writes into each where its own stands. */
struct pv_err *pv_arena_place(struct pv_arena *arena, const struct pv_objects *objects,
			      struct pv_mapping *mappings, size_t n);

/* Bytes of the segments. */
uint64_t pv_arena_bytes(const struct pv_arena *arena);

#endif
