/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walkers' maps for processes: unwind tables in segments, mapping lists,
 * process entries.  Input: images and objects.  Output: BPF maps, filled
 * through mmap so that a row costs no system call.
 */
#ifndef PV_COLLECT_ARENA_H
#define PV_COLLECT_ARENA_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct bpf_object;
struct pv_arena;
struct pv_image;
struct pv_objects;

/* object: loaded, not owned, must outlive the arena. */
struct pv_err *pv_arena_create(struct bpf_object *object, struct pv_arena **ret);
void pv_arena_destroy(struct pv_arena *arena);

/* See pv_collect_put(). */
struct pv_err *pv_arena_put(struct pv_arena *arena, const struct pv_image *image,
			    const struct pv_objects *objects, uint32_t generation);

/* Bytes of the segments. */
uint64_t pv_arena_bytes(const struct pv_arena *arena);

#endif
