/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading, attaching and reading of latency.bpf.c.  Input: sites, code objects.
 * Output: rows of histograms, counts, news.
 */
#include "collect/calls.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "abi/native.h"
#include "collect/load.h"
#include "collect/probes.h"
#include "collect/walkers.h"

#include "latency.skel.h"

struct pv_calls {
	struct latency_bpf *bpf;
	struct pv_prices prices;
	struct pv_probes *probes;
	struct pv_native_bucket *open; /* the kernel's side's own memory */
	struct pv_walkers *walkers;    /* NULL: stacks are not wanted */
};

enum { OPEN_BYTES = PV_NATIVE_BUCKETS * sizeof(struct pv_native_bucket) };

static struct pv_err *map_open(struct pv_calls *calls)
{
	void *memory = mmap(NULL, OPEN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(calls->bpf->maps.native_open), 0);

	if (memory == MAP_FAILED)
		return pv_err_errno(errno, "cannot map the BPF map of calls");
	calls->open = memory;
	return NULL;
}

/* The walkers' maps, some ten MB: as large as needed, or not made at all. */
static struct pv_err *size_maps(struct latency_bpf *bpf, bool with_stacks)
{
	struct bpf_map *of_stacks[] = {
		bpf->maps.watched, bpf->maps.programs, bpf->maps.procs,   bpf->maps.mappings,
		bpf->maps.cells,   bpf->maps.segments, bpf->maps.scratch, bpf->maps.codes,
		bpf->maps.ring,    bpf->maps.losses,   bpf->maps.cost,    bpf->maps.claims,
	};
	struct pv_err *err = pv_walkers_size(bpf->obj, &bpf->rodata->n_scratch);
	int error = 0;

	if (err)
		return err;
	for (size_t i = 0; !error && i < sizeof(of_stacks) / sizeof(of_stacks[0]); i++)
		error = bpf_map__set_autocreate(of_stacks[i], with_stacks);
	return error ? pv_err_errno(-error, "cannot size the BPF maps") : NULL;
}

static struct pv_err *load(struct pv_calls *calls, const struct pv_calls_options *options)
{
	struct pv_err *err = pv_probes_check(&calls->prices);
	int error;

	if (err)
		return err;
	calls->bpf = latency_bpf__open();
	if (!calls->bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	calls->bpf->rodata->probe = pv_probes_constants(&options->probes);
	calls->bpf->rodata->split_by = options->by;
	calls->bpf->rodata->stacks_move = options->stacks_move;
	calls->bpf->rodata->frame_path = options->frame_path;
	calls->bpf->rodata->over_ns = options->over_ns;
	calls->bpf->rodata->with_stacks = options->with_stacks;
	err = size_maps(calls->bpf, options->with_stacks);
	if (err)
		return err;
	bpf_program__set_autoload(calls->bpf->progs.on_site, !options->with_stacks);
	bpf_program__set_autoload(calls->bpf->progs.on_site_stacks, options->with_stacks);
	pv_probes_prepare(calls->bpf->obj, &calls->prices, &calls->bpf->rodata->in_namespace);
	error = latency_bpf__load(calls->bpf);
	return error ? pv_load_error(error) : NULL;
}

struct pv_err *pv_calls_create(const struct pv_calls_options *options, struct pv_calls **ret)
{
	struct pv_calls *calls = calloc(1, sizeof(*calls));
	struct pv_err *err;

	if (!calls)
		return &pv_enomem;
	err = load(calls, options);
	if (!err)
		err = pv_probes_create(calls->bpf->obj, &calls->bpf->bss->probe_state,
				       options->probes.pid, &calls->prices, &calls->probes);
	if (!err)
		err = map_open(calls);
	if (!err && options->with_stacks)
		err = pv_walkers_create(calls->bpf->obj, &calls->walkers);
	if (err) {
		pv_calls_destroy(calls);
		return err;
	}
	*ret = calls;
	return NULL;
}

void pv_calls_destroy(struct pv_calls *calls)
{
	if (!calls)
		return;
	pv_probes_destroy(calls->probes);
	pv_walkers_destroy(calls->walkers);
	if (calls->open)
		munmap(calls->open, OPEN_BYTES);
	latency_bpf__destroy(calls->bpf);
	free(calls);
}

struct pv_probes *pv_calls_probes(const struct pv_calls *calls)
{
	return calls->probes;
}

struct pv_err *pv_calls_want(struct pv_calls *calls, uint64_t code,
			     const struct pv_latency_code *wanted)
{
	int fd = bpf_map__fd(calls->bpf->maps.wanted_codes);

	if (!bpf_map_update_elem(fd, &code, wanted, BPF_ANY))
		return NULL;
	if (errno == E2BIG)
		return pv_err_create(PV_ERR_FAILED, "more than %d functions are too many",
				     PV_LATENCY_CODES_MAX);
	return pv_err_errno(errno, "cannot fill a BPF map");
}

struct pv_err *pv_calls_returns(struct pv_calls *calls, uint64_t address,
				enum pv_native_return place)
{
	int fd = bpf_map__fd(calls->bpf->maps.native_returns);
	uint32_t value = place;

	if (!bpf_map_update_elem(fd, &address, &value, BPF_ANY) || errno == E2BIG)
		return NULL;
	return pv_err_errno(errno, "cannot fill a BPF map");
}

void pv_calls_forget_return(struct pv_calls *calls, uint64_t address)
{
	bpf_map_delete_elem(bpf_map__fd(calls->bpf->maps.native_returns), &address);
	__atomic_fetch_add(&calls->bpf->bss->native_counts.forgotten, 1, __ATOMIC_SEQ_CST);
}

struct pv_native_counts pv_calls_native_counts(const struct pv_calls *calls)
{
	return calls->bpf->bss->native_counts;
}

/* A thread may have ended it since it was looked at, and others may use its place. */
static bool take_out(struct pv_native_call *place, const struct pv_native_call *seen)
{
	__u64 sp = seen->sp, start_ns = seen->start_ns;

	if (__atomic_load_n(&place->start_ns, __ATOMIC_SEQ_CST) != start_ns ||
	    !__atomic_compare_exchange_n(&place->sp, &sp, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	return __atomic_compare_exchange_n(&place->start_ns, &start_ns, 0, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

void pv_calls_sweep_native(struct pv_calls *calls, pv_calls_look_fn look, pv_calls_taken_fn taken,
			   void *ctx)
{
	for (size_t i = 0; i < (size_t)PV_NATIVE_BUCKETS * PV_NATIVE_WAYS; i++) {
		struct pv_native_call *place =
			&calls->open[i / PV_NATIVE_WAYS].calls[i % PV_NATIVE_WAYS];
		struct pv_native_call seen = *(const volatile struct pv_native_call *)place;

		if (seen.start_ns && seen.sp && look(ctx, &seen) && take_out(place, &seen))
			taken(ctx, &seen);
	}
}

bool pv_calls_stacks_move(const struct pv_calls *calls)
{
	return calls->bpf->rodata->stacks_move;
}

struct pv_latency_counts pv_calls_counts(const struct pv_calls *calls)
{
	return calls->bpf->bss->counts;
}

struct pv_probe_state pv_calls_state(const struct pv_calls *calls)
{
	return calls->bpf->bss->probe_state;
}

struct pv_err *pv_calls_each(struct pv_calls *calls,
			     struct pv_err *(*fn)(void *ctx, const struct pv_latency_key *key,
						  const struct pv_latency_histogram *row),
			     void *ctx)
{
	int fd = bpf_map__fd(calls->bpf->maps.histograms);
	struct pv_latency_histogram row;
	struct pv_latency_key key, *last = NULL;
	struct pv_err *err = NULL;

	while (!err && !bpf_map_get_next_key(fd, last, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &row))
			err = fn(ctx, &key, &row);
		last = &key;
	}
	return err;
}

struct pv_err *pv_calls_put(struct pv_calls *calls, const struct pv_image *image,
			    const struct pv_objects *objects)
{
	return pv_walkers_put(calls->walkers, image, objects);
}

int pv_calls_fd(const struct pv_calls *calls)
{
	return calls->walkers ? pv_walkers_fd(calls->walkers) : -1;
}

struct pv_err *pv_calls_drain(struct pv_calls *calls,
			      struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						   size_t size),
			      void *ctx)
{
	return pv_walkers_drain(calls->walkers, fn, ctx);
}

struct pv_latency_slow pv_calls_slow(const struct pv_calls *calls)
{
	return calls->bpf->bss->slow;
}

uint64_t pv_calls_open(const struct pv_calls *calls)
{
	int fd = bpf_map__fd(calls->bpf->maps.open);
	uint64_t key, *last = NULL, n = 0;

	while (!bpf_map_get_next_key(fd, last, &key) && n <= PV_LATENCY_OPEN_MAX) {
		last = &key;
		n++;
	}
	return n;
}
