/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ticks: one perf cpu-clock event a CPU, each of which runs the BPF program
 * on whatever the CPU runs then.
 */
#ifndef PV_COLLECT_SAMPLER_H
#define PV_COLLECT_SAMPLER_H

#include "base/err.h"

struct pv_sampler;

/* Ticks begin at once.  prog_fd is not owned. */
struct pv_err *pv_sampler_create(int prog_fd, unsigned int frequency, struct pv_sampler **ret);
/* The same at each page fault that finds no page on disk is needed. */
struct pv_err *pv_sampler_faults(int prog_fd, struct pv_sampler **ret);
void pv_sampler_destroy(struct pv_sampler *sampler);

#endif
