/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kernel sides with walkers have in common: unwind tables, the process's image, the ring
 * that stacks come by, losses.  Input: an object with the maps of bpf/maps.bpf.h.
 */
#ifndef PV_COLLECT_WALKERS_H
#define PV_COLLECT_WALKERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bpf_object;
struct pv_event;
struct pv_image;
struct pv_objects;
struct pv_walkers;

/*
 * Before the load, of objects with bpf/here.bpf.h: a scratch a CPU and some to spare.
 * n_ret: in the object's read-only data.
 */
struct pv_err *pv_walkers_size(struct bpf_object *object, uint32_t *n_ret);

/* Of a loaded object, which must outlive it. */
struct pv_err *pv_walkers_create(struct bpf_object *object, struct pv_walkers **ret);
void pv_walkers_destroy(struct pv_walkers *walkers);

/* Hands the image of the one process to the walkers, or replaces it. */
struct pv_err *pv_walkers_put(struct pv_walkers *walkers, const struct pv_image *image,
			      const struct pv_objects *objects);

/* Becomes readable when there is much to drain. */
int pv_walkers_fd(const struct pv_walkers *walkers);

/* Hands over what is in the ring; valid within the call.  An error stops it and is passed on. */
struct pv_err *pv_walkers_drain(struct pv_walkers *walkers,
				struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						     size_t size),
				void *ctx);

/* Adds what was lost to counts[PV_LOSS_MAX]. */
struct pv_err *pv_walkers_losses(const struct pv_walkers *walkers, uint64_t *counts);

/* Bytes that all BPF maps of the object take in the kernel, by what it says itself. */
uint64_t pv_walkers_map_bytes(const struct pv_walkers *walkers);

#endif
