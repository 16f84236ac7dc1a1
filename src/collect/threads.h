/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sampling events on threads: one perf cpu-clock event a thread, inherited by
 * the threads that it creates.  Input: thread ids, births.  Output: perf
 * events that run the BPF program.
 */
#ifndef PV_COLLECT_THREADS_H
#define PV_COLLECT_THREADS_H

#include <sys/types.h>

#include "base/err.h"

struct pv_side_event;
struct pv_threads;

/* prog_fd is not owned. */
struct pv_err *pv_threads_create(int prog_fd, unsigned int frequency, struct pv_threads **ret);
void pv_threads_destroy(struct pv_threads *threads);

/* All threads that pid has now; PV_ERR_NOPROC if it is gone. */
struct pv_err *pv_threads_attach(struct pv_threads *threads, pid_t pid);

/*
 * A FORK event of an attached process: a thread whose creator had its event
 * before has inherited it; another one is given its own.  EXIT frees the
 * thread id for reuse.  Events must come in the order of their times.
 */
struct pv_err *pv_threads_event(struct pv_threads *threads, const struct pv_side_event *event);

#endif
