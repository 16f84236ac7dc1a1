/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much CPU time there was.
 * Input: a profile.
 * Output: sums and shares of it.
 */
#include "analyse/load.h"

#include <stddef.h>

enum {
	IDLE_PERCENT = 5,    /* of the wall time */
	ROUGH_SAMPLES = 100, /* a share of 50 % is then 50 +- 10 (two standard errors) */
	MISSING_PERCENT = 1, /* of the expected samples */
	MISSING_ERRORS = 4,  /* standard errors of a count: ticks are by the clock, not by thread */
};

static void count_missing(const struct pv_profile *profile, struct pv_load *load)
{
	uint64_t have = load->samples + load->lost, missing;

	if (!profile->period_ns)
		return;
	load->expected = profile->target_cpu_ns / profile->period_ns;
	if (load->expected <= have)
		return;
	missing = load->expected - have;
	/* of the standard error follows that a handful is never missing: it is more than 16 */
	if (missing * 100 > load->expected * MISSING_PERCENT &&
	    missing * missing > MISSING_ERRORS * MISSING_ERRORS * load->expected)
		load->missing = missing;
}

bool pv_load_is_idle(uint64_t cpu_ns, uint64_t wall_ns)
{
	return !wall_ns || (double)cpu_ns / wall_ns * 100 < IDLE_PERCENT;
}

struct pv_err *pv_load_of(const struct pv_profile *profile, struct pv_load *ret)
{
	struct pv_load load = {
		.layers = pv_profile_layers(profile),
		.wall_ns = profile->duration_ns,
		.lost = pv_losses_samples(&profile->losses),
	};
	struct pv_tasks tasks;
	struct pv_err *err = pv_profile_tasks(profile, &tasks);

	if (err)
		return err;
	for (size_t i = 0; i < profile->samples.n; i++)
		load.samples += ((struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	load.n_processes = tasks.processes;
	load.n_threads = tasks.threads;
	count_missing(profile, &load);
	load.cpu_ns = load.samples * profile->period_ns;
	if ((load.missing || load.lost) && load.cpu_ns < profile->target_cpu_ns)
		load.cpu_ns = profile->target_cpu_ns;
	if (load.wall_ns)
		load.cpus = (double)load.cpu_ns / load.wall_ns;
	load.idle = pv_load_is_idle(load.cpu_ns, load.wall_ns);
	load.rough = load.samples < ROUGH_SAMPLES;
	*ret = load;
	return NULL;
}
