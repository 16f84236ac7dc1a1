/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much CPU time there was.
 * Input: a profile.
 * Output: sums and shares of it.
 */
#include "analyse/load.h"

#include "model/doubts.h"
#include "model/limits.h"

bool pv_load_is_idle(uint64_t cpu_ns, uint64_t wall_ns)
{
	return !wall_ns || (double)cpu_ns / wall_ns * 100 < PV_LIMIT_IDLE_PERCENT;
}

struct pv_err *pv_load_of(const struct pv_profile *profile, struct pv_load *ret)
{
	struct pv_missing missing = pv_missing_of(profile);
	struct pv_tasks tasks;
	struct pv_err *err = pv_profile_tasks(profile, &tasks);
	struct pv_load load = {
		.layers = pv_profile_layers(profile),
		.samples = missing.samples,
		.cpu_ns = missing.cpu_ns,
		.wall_ns = profile->duration_ns,
		.lost = missing.lost,
		.expected = missing.expected,
		.missing = missing.missing,
	};

	if (err)
		return err;
	load.n_processes = tasks.processes;
	load.n_threads = tasks.threads;
	if (load.wall_ns)
		load.cpus = (double)load.cpu_ns / load.wall_ns;
	/* samples of an unknown length are of an unknown time */
	load.idle =
		(profile->period_ns || !load.samples) && pv_load_is_idle(load.cpu_ns, load.wall_ns);
	load.rough = load.samples < PV_LIMIT_ROUGH_SAMPLES;
	*ret = load;
	return NULL;
}
