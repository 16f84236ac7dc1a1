/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading, attaching and reading of trend.bpf.c.  Input: a process, its image.  Output:
 * counts, stacks.
 */
#include "collect/faults.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "abi/probe.h"
#include "base/cleanup.h"
#include "collect/load.h"
#include "collect/sampler.h"
#include "collect/walkers.h"
#include "target/place.h"

#include "trend.skel.h"

struct pv_faults {
	struct trend_bpf *bpf;
	struct pv_walkers *walkers;
	struct pv_sampler *sampler; /* of page faults; NULL: it does not run */
	bool alone;
};

static struct pv_err *open_programs(struct pv_faults *faults, pid_t pid)
{
	struct trend_bpf *bpf = trend_bpf__open();

	if (!bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	faults->bpf = bpf;
	bpf->rodata->probe.tgid = (uint32_t)pid;
	bpf->rodata->in_namespace = pv_place_own_pids();
	bpf_program__set_autoload(bpf->progs.find_namespace, bpf->rodata->in_namespace);
	/* what probes need, and here there are none */
	bpf_program__set_autoload(bpf->progs.on_switch, false);
	bpf_program__set_autoload(bpf->progs.on_fork, false);
	bpf_program__set_autoload(bpf->progs.on_exec, false);
	return pv_walkers_size(bpf->obj, &bpf->rodata->n_scratch);
}

static struct pv_err *load(struct pv_faults *faults, pid_t pid)
{
	struct pv_err *err;
	int error;

	pv_load_quiet();
	err = open_programs(faults, pid);
	if (err)
		return err;
	error = trend_bpf__load(faults->bpf);
	if (error)
		return pv_load_error(error);
	return faults->bpf->rodata->in_namespace
		       ? pv_load_namespace(bpf_program__fd(faults->bpf->progs.find_namespace))
		       : NULL;
}

struct pv_err *pv_faults_create(pid_t pid, uint64_t brk_at, struct pv_faults **ret)
{
	struct pv_faults *faults = calloc(1, sizeof(*faults));
	struct pv_err *err;

	if (!faults)
		return &pv_enomem;
	err = load(faults, pid);
	if (!err)
		err = pv_walkers_create(faults->bpf->obj, &faults->walkers);
	if (err) {
		pv_faults_destroy(faults);
		return err;
	}
	faults->bpf->bss->trend.brk_at = brk_at;
	*ret = faults;
	return NULL;
}

void pv_faults_destroy(struct pv_faults *faults)
{
	if (!faults)
		return;
	pv_sampler_destroy(faults->sampler);
	pv_walkers_destroy(faults->walkers);
	trend_bpf__destroy(faults->bpf);
	free(faults);
}

struct pv_err *pv_faults_put(struct pv_faults *faults, const struct pv_image *image,
			     const struct pv_objects *objects)
{
	return pv_walkers_put(faults->walkers, image, objects);
}

struct pv_err *pv_faults_start(struct pv_faults *faults)
{
	struct trend_bpf *bpf = faults->bpf;

	bpf->links.on_call = bpf_program__attach(bpf->progs.on_call);
	faults->alone = !bpf->links.on_call;
	return pv_sampler_faults(bpf_program__fd(bpf->progs.on_fault), &faults->sampler);
}

void pv_faults_stop(struct pv_faults *faults)
{
	pv_sampler_destroy(pv_steal(faults->sampler));
	trend_bpf__detach(faults->bpf);
}

bool pv_faults_alone(const struct pv_faults *faults)
{
	return faults->alone;
}

int pv_faults_fd(const struct pv_faults *faults)
{
	return pv_walkers_fd(faults->walkers);
}

struct pv_err *pv_faults_drain(struct pv_faults *faults,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx)
{
	return pv_walkers_drain(faults->walkers, fn, ctx);
}

struct pv_trend_state pv_faults_state(const struct pv_faults *faults)
{
	return faults->bpf->bss->trend;
}

struct pv_err *pv_faults_losses(const struct pv_faults *faults, uint64_t *counts)
{
	return pv_walkers_losses(faults->walkers, counts);
}

uint64_t pv_faults_map_bytes(const struct pv_faults *faults)
{
	return pv_walkers_map_bytes(faults->walkers);
}
