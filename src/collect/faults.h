/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of the trend of `memory`: page faults of one process, its calls of
 * brk(), mmap() and munmap(), with stacks of some.  Nothing is placed in the process, with
 * Python or without.  Input: its image.  Output: counts; records of code objects, stacks and
 * what they stand for.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes programs and maps away.
 */
#ifndef PV_COLLECT_FAULTS_H
#define PV_COLLECT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/trend.h"
#include "base/err.h"

struct pv_event;
struct pv_faults;
struct pv_image;
struct pv_objects;

/* brk_at: where the heap ends, 0: not known.  Nothing is counted yet. */
struct pv_err *pv_faults_create(pid_t pid, uint64_t brk_at, struct pv_faults **ret);
void pv_faults_destroy(struct pv_faults *faults);

/* Hands the process's image to the walkers, or replaces it. */
struct pv_err *pv_faults_put(struct pv_faults *faults, const struct pv_image *image,
			     const struct pv_objects *objects);

/* Counts from here on. */
struct pv_err *pv_faults_start(struct pv_faults *faults);

/* Nothing is counted any more; what is in the ring can still be drained. */
void pv_faults_stop(struct pv_faults *faults);

/* This kernel does not let brk() and mmap() be seen: page faults alone are. */
bool pv_faults_alone(const struct pv_faults *faults);

/* Becomes readable when there is much to drain. */
int pv_faults_fd(const struct pv_faults *faults);

/*
 * Hands over what there is: PV_EVENT_CODE, PV_EVENT_PIECE, PV_EVENT_SAMPLE and
 * PV_EVENT_TREND; valid within the call.  An error stops it and is passed on.
 */
struct pv_err *pv_faults_drain(struct pv_faults *faults,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx);

/* As it is now. */
struct pv_trend_state pv_faults_state(const struct pv_faults *faults);

/* Losses of the walkers, added to counts[PV_LOSS_MAX]. */
struct pv_err *pv_faults_losses(const struct pv_faults *faults, uint64_t *counts);

/* Bytes of the BPF maps. */
uint64_t pv_faults_map_bytes(const struct pv_faults *faults);

#endif
