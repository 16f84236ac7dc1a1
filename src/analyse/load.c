/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much CPU time there was.
 * Input: a profile.
 * Output: sums and shares of it.
 */
#include "analyse/load.h"

#include <stddef.h>

#include "model/doubts.h"

enum {
	IDLE_PERCENT = 5,    /* of the wall time */
	ROUGH_SAMPLES = 100, /* a share of 50 % is then 50 +- 10 (two standard errors) */
};

bool pv_load_is_idle(uint64_t cpu_ns, uint64_t wall_ns)
{
	return !wall_ns || (double)cpu_ns / wall_ns * 100 < IDLE_PERCENT;
}

struct pv_err *pv_load_of(const struct pv_profile *profile, struct pv_load *ret)
{
	struct pv_missing missing = pv_missing_of(profile);
	struct pv_tasks tasks;
	struct pv_err *err = pv_profile_tasks(profile, &tasks);
	struct pv_load load = {
		.layers = pv_profile_layers(profile),
		.wall_ns = profile->duration_ns,
		.lost = pv_losses_samples(&profile->losses),
		.expected = missing.expected,
		.missing = missing.missing,
	};

	if (err)
		return err;
	for (size_t i = 0; i < profile->samples.n; i++)
		load.samples += ((struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	load.n_processes = tasks.processes;
	load.n_threads = tasks.threads;
	load.cpu_ns = load.samples * profile->period_ns;
	if ((load.missing || load.lost) && load.cpu_ns < profile->target_cpu_ns)
		load.cpu_ns = profile->target_cpu_ns;
	if (load.wall_ns)
		load.cpus = (double)load.cpu_ns / load.wall_ns;
	/* samples of an unknown length are of an unknown time */
	load.idle =
		(profile->period_ns || !load.samples) && pv_load_is_idle(load.cpu_ns, load.wall_ns);
	load.rough = load.samples < ROUGH_SAMPLES;
	*ret = load;
	return NULL;
}
