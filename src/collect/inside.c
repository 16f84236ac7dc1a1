/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading and draining of trace.bpf.c.  Input: sites, code objects, an image.
 * Output: records by callback.
 */
#include "collect/inside.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "abi/condition.h"
#include "base/cleanup.h"
#include "collect/load.h"
#include "collect/tripwire.h"
#include "collect/walkers.h"
#include "python/resume.h"

#include "trace.skel.h"

enum { RING_BYTES = 32 << 20 }; /* half a second of as many calls as can be probed */

struct pv_inside {
	struct trace_bpf *bpf;
	struct pv_prices prices;
	struct pv_probes *probes;
	struct pv_walkers *walkers;
	struct pv_tripwire *tripwire; /* NULL: nothing is watched */
};

/* As many slots for values as there are scratches: probes can be preempted. */
static struct pv_err *size_maps(struct trace_bpf *bpf)
{
	struct pv_err *err = pv_walkers_size(bpf->obj, &bpf->rodata->n_scratch);
	uint32_t n = bpf->rodata->n_scratch;
	int error;

	if (err)
		return err;
	bpf->rodata->n_value_slots = n;
	error = bpf_map__set_max_entries(bpf->maps.value_slots, n);
	if (!error)
		error = bpf_map__set_max_entries(bpf->maps.value_claims, n);
	if (!error)
		error = bpf_map__set_max_entries(bpf->maps.ring, RING_BYTES);
	return error ? pv_err_errno(-error, "cannot size the BPF maps") : NULL;
}

static struct pv_err *load(struct pv_inside *inside, const struct pv_inside_options *options)
{
	struct pv_err *err = pv_probes_check(&inside->prices);
	int error;

	if (err)
		return err;
	inside->bpf = trace_bpf__open();
	if (!inside->bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	inside->bpf->rodata->probe = pv_probes_constants(&options->probes);
	inside->bpf->rodata->depth_max = options->depth_max;
	inside->bpf->rodata->runs_max = options->runs_max;
	inside->bpf->rodata->with_values = options->with_values;
	if (options->values)
		inside->bpf->rodata->value_layout = *options->values;
	if (options->condition)
		inside->bpf->rodata->value_condition = *options->condition;
	inside->bpf->rodata->with_natives = options->natives;
	inside->bpf->rodata->native_trigger = options->trigger;
	inside->bpf->rodata->with_letters = options->letters;
	if (options->condition_letters)
		inside->bpf->rodata->condition_letters = *options->condition_letters;
	inside->bpf->rodata->frame_path = options->frame_path;
	inside->bpf->rodata->chains_move = options->chains_move;
	bpf_program__set_autoload(inside->bpf->progs.on_watch, options->watches);
	/* of native.bpf.h, for `latency` alone */
	bpf_map__set_autocreate(inside->bpf->maps.native_open, false);
	err = size_maps(inside->bpf);
	if (err)
		return err;
	pv_probes_prepare(inside->bpf->obj, &inside->prices, &inside->bpf->rodata->in_namespace);
	error = trace_bpf__load(inside->bpf);
	return error ? pv_load_error(error) : NULL;
}

struct pv_err *pv_inside_create(const struct pv_inside_options *options, struct pv_inside **ret)
{
	struct pv_inside *inside = calloc(1, sizeof(*inside));
	struct pv_err *err;

	if (!inside)
		return &pv_enomem;
	err = load(inside, options);
	if (!err)
		err = pv_walkers_create(inside->bpf->obj, &inside->walkers);
	if (!err)
		err = pv_probes_create(inside->bpf->obj, &inside->bpf->bss->probe_state,
				       options->probes.pid, &inside->prices, &inside->probes);
	if (err) {
		pv_inside_destroy(inside);
		return err;
	}
	*ret = inside;
	return NULL;
}

void pv_inside_destroy(struct pv_inside *inside)
{
	if (!inside)
		return;
	pv_tripwire_destroy(inside->tripwire);
	pv_probes_destroy(inside->probes);
	pv_walkers_destroy(inside->walkers);
	trace_bpf__destroy(inside->bpf);
	free(inside);
}

struct pv_probes *pv_inside_probes(const struct pv_inside *inside)
{
	return inside->probes;
}

struct pv_err *pv_inside_want(struct pv_inside *inside, uint64_t code,
			      const struct pv_trace_trigger *trigger)
{
	int fd = bpf_map__fd(inside->bpf->maps.triggers);

	if (!bpf_map_update_elem(fd, &code, trigger, BPF_ANY))
		return NULL;
	if (errno == E2BIG)
		return pv_err_create(PV_ERR_FAILED,
				     "a function with more than %d code objects is too much",
				     PV_TRACE_TRIGGERS_MAX);
	return pv_err_errno(errno, "cannot fill a BPF map");
}

struct pv_err *pv_inside_signature(struct pv_inside *inside, uint32_t function,
				   const struct pv_signature *signature)
{
	int fd = bpf_map__fd(inside->bpf->maps.signatures);

	if (!bpf_map_update_elem(fd, &function, signature, BPF_ANY))
		return NULL;
	if (errno == E2BIG)
		return pv_err_create(PV_ERR_USAGE,
				     "more than %d functions with letters are too many",
				     PV_TRACE_SIGNATURES_MAX);
	return pv_err_errno(errno, "cannot fill a BPF map");
}

struct pv_err *pv_inside_returns(struct pv_inside *inside, uint64_t address,
				 enum pv_native_return place)
{
	int fd = bpf_map__fd(inside->bpf->maps.native_returns);
	uint32_t value = place;

	if (!bpf_map_update_elem(fd, &address, &value, BPF_ANY) || errno == E2BIG)
		return NULL;
	return pv_err_errno(errno, "cannot fill a BPF map");
}

void pv_inside_forget_return(struct pv_inside *inside, uint64_t address)
{
	bpf_map_delete_elem(bpf_map__fd(inside->bpf->maps.native_returns), &address);
}

struct pv_err *pv_inside_put(struct pv_inside *inside, const struct pv_image *image,
			     const struct pv_objects *objects)
{
	return pv_walkers_put(inside->walkers, image, objects);
}

static void set_watching(struct pv_inside *inside, bool watching)
{
	__atomic_store_n(&inside->bpf->bss->trace_state.watching, watching, __ATOMIC_SEQ_CST);
}

struct pv_err *pv_inside_watch(struct pv_inside *inside, const uint64_t *codes,
			       const struct pv_python_resume *list, size_t n)
{
	int fd = bpf_map__fd(inside->bpf->maps.watches),
	    program_fd = bpf_program__fd(inside->bpf->progs.on_watch);
	uint64_t addresses[PV_TRACE_WATCHES_MAX], price_ns;
	struct pv_err *err;

	if (n > PV_TRACE_WATCHES_MAX)
		return pv_err_create(PV_ERR_FAILED,
				     "it has %zu code objects, and the processor watches %d", n,
				     PV_TRACE_WATCHES_MAX);
	err = pv_tripwire_price(program_fd, &price_ns);
	if (err)
		return err;
	inside->bpf->bss->trace_state.watch_cost_ns = price_ns;
	for (size_t i = 0; i < n; i++) {
		struct pv_trace_watch watch = {
			.code = codes[i],
			.begun_at = list[i].begun_at,
			.opcode = list[i].opcode,
			.twice = list[i].twice,
		};

		addresses[i] = list[i].at;
		if (bpf_map_update_elem(fd, &addresses[i], &watch, BPF_ANY))
			return pv_err_errno(errno, "cannot fill a BPF map");
	}
	err = pv_tripwire_create((pid_t)inside->bpf->rodata->probe.tgid, program_fd, addresses, n,
				 &inside->tripwire);
	if (!err)
		set_watching(inside, true);
	return err;
}

bool pv_inside_watches(const struct pv_inside *inside)
{
	return inside->tripwire;
}

void pv_inside_unwatch(struct pv_inside *inside)
{
	set_watching(inside, false);
	pv_tripwire_destroy(pv_steal(inside->tripwire));
}

void pv_inside_wait(struct pv_inside *inside, enum pv_trace_wait wait)
{
	__atomic_store_n(&inside->bpf->bss->trace_state.waiting, (uint32_t)wait, __ATOMIC_SEQ_CST);
}

struct pv_err *pv_inside_arm(struct pv_inside *inside, enum pv_trace_wait wait)
{
	struct trace_bpf *bpf = inside->bpf;

	pv_inside_wait(inside, wait);
	/* who sees the last link (the tests do) may rely on it */
	__atomic_store_n(&bpf->bss->trace_state.armed, 1, __ATOMIC_SEQ_CST);
	bpf->links.on_exit = bpf_program__attach(bpf->progs.on_exit);
	return bpf->links.on_exit ? NULL : pv_err_errno(errno, "cannot follow ends of threads");
}

void pv_inside_disarm(struct pv_inside *inside)
{
	__atomic_store_n(&inside->bpf->bss->trace_state.armed, 0, __ATOMIC_SEQ_CST);
	pv_inside_unwatch(inside);
	bpf_link__destroy(pv_steal(inside->bpf->links.on_exit));
}

int pv_inside_fd(const struct pv_inside *inside)
{
	return pv_walkers_fd(inside->walkers);
}

struct pv_err *pv_inside_drain(struct pv_inside *inside,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx)
{
	return pv_walkers_drain(inside->walkers, fn, ctx);
}

struct pv_trace_state pv_inside_state(const struct pv_inside *inside)
{
	return inside->bpf->bss->trace_state;
}

struct pv_probe_state pv_inside_probe_state(const struct pv_inside *inside)
{
	return inside->bpf->bss->probe_state;
}

struct pv_err *pv_inside_losses(const struct pv_inside *inside, uint64_t *counts)
{
	return pv_walkers_losses(inside->walkers, counts);
}
