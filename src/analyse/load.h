/* SPDX-License-Identifier: BSD-2-Clause */
/* How much CPU time there was, whose, and how much of it the samples stand for. */
#ifndef PV_ANALYSE_LOAD_H
#define PV_ANALYSE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/profile.h"

struct pv_load {
	uint64_t samples; /* all of the profile's stacks */
	uint64_t cpu_ns;  /* that they stand for, or if some are missing, as the kernel says */
	uint64_t wall_ns; /* of the capture */
	double cpus;      /* cpu_ns / wall_ns */
	struct pv_layers layers;
	uint32_t n_threads, n_processes; /* that were on a CPU */
	uint64_t lost;                   /* samples of which nothing was kept */
	uint64_t expected; /* samples that the target's CPU time is worth; 0 = not known */
	uint64_t missing;  /* of those, neither taken nor counted as lost; 0 within the noise */
	bool idle;         /* hardly on a CPU */
	bool rough;        /* too few samples for more than rough shares */
};

struct pv_err *pv_load_of(const struct pv_profile *profile, struct pv_load *ret);

/* So little CPU time that it is the wait that counts. */
bool pv_load_is_idle(uint64_t cpu_ns, uint64_t wall_ns);

#endif
