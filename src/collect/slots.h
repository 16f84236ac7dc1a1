/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the walkers know of the processes: who is watched, and each program's
 * process entry with its mappings.  Input: images.  Output: `watched`,
 * `programs`, `procs` and `mappings` of bpf/maps.bpf.h.
 *
 * An entry is never changed: a renewed image is a new one, which takes the old
 * one's place at once; the old one rests a while before its memory is used
 * again, because a walk on another CPU may still read it.  A forked child
 * shares its parent's.
 */
#ifndef PV_COLLECT_SLOTS_H
#define PV_COLLECT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct bpf_object;
struct pv_arena;
struct pv_image;
struct pv_objects;
struct pv_slots;
struct pv_vec;
struct pv_watch;

/* object: loaded, not owned, must outlive the slots. */
struct pv_err *pv_slots_create(struct bpf_object *object, struct pv_slots **ret);
void pv_slots_destroy(struct pv_slots *slots);

/* See pv_collect_add() and the like. */
struct pv_err *pv_slots_add(struct pv_slots *slots, pid_t pid, bool follow, bool *added_ret);
void pv_slots_remove(struct pv_slots *slots, pid_t pid);
void pv_slots_forget(struct pv_slots *slots, pid_t pid);
bool pv_slots_watched(struct pv_slots *slots, pid_t pid, struct pv_watch *ret);
struct pv_err *pv_slots_list(struct pv_slots *slots, struct pv_vec *pids);
struct pv_err *pv_slots_put(struct pv_slots *slots, struct pv_arena *arena,
			    const struct pv_image *image, const struct pv_objects *objects,
			    uint32_t generation);
struct pv_err *pv_slots_share(struct pv_slots *slots, pid_t parent, pid_t child,
			      uint32_t generation, bool *shared_ret);

#endif
