/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading, arming and reading of allocs.bpf.c.  Input: places, an image.
 * Output: blocks, totals, records by callback.
 */
#include "collect/allocs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "collect/load.h"
#include "collect/walkers.h"

#include "allocs.skel.h"

enum {
	BATCH = 4096,
};

struct pv_allocs {
	struct allocs_bpf *bpf;
	struct pv_prices prices;
	struct pv_probes *probes;
	struct pv_walkers *walkers;
};

static struct pv_err *size_maps(struct allocs_bpf *bpf, const struct pv_allocs_options *options)
{
	uint32_t n_scratch, n = PV_ALLOC_BURST_MAX;
	struct pv_err *err = pv_walkers_size(bpf->obj, &n_scratch);
	int error;

	if (err)
		return err;
	if (options->all)
		n = options->blocks_max ? options->blocks_max : PV_ALLOC_ALL_MAX;
	else if (options->pools)
		n = PV_ALLOC_POOLS_MAX;
	bpf->rodata->n_scratch = n_scratch;
	error = bpf_map__set_max_entries(bpf->maps.live, n);
	/* what is small is made at once, which costs the target less later */
	if (!error && !options->all)
		error = bpf_map__set_map_flags(bpf->maps.live, 0);
	return error ? pv_err_errno(-error, "cannot size the BPF maps") : NULL;
}

static struct pv_err *load(struct pv_allocs *allocs, const struct pv_allocs_options *options)
{
	struct pv_err *err = pv_probes_check(&allocs->prices);
	int error;

	if (err)
		return err;
	allocs->bpf = allocs_bpf__open();
	if (!allocs->bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	allocs->bpf->rodata->probe = pv_probes_constants(&options->probes);
	allocs->bpf->rodata->stack_kind = options->stacks;
	allocs->bpf->rodata->pool_bytes = options->pool_bytes;
	allocs->bpf->rodata->with_pools = options->pools;
	allocs->bpf->rodata->keeps_all = options->all;
	allocs->bpf->rodata->frame_path = options->frame_path;
	/* nobody asks how long anything has been off the CPU */
	bpf_program__set_autoload(allocs->bpf->progs.on_switch, false);
	err = size_maps(allocs->bpf, options);
	if (err)
		return err;
	pv_probes_prepare(allocs->bpf->obj, &allocs->prices, &allocs->bpf->rodata->in_namespace);
	error = allocs_bpf__load(allocs->bpf);
	return error ? pv_load_error(error) : NULL;
}

struct pv_err *pv_allocs_create(const struct pv_allocs_options *options, struct pv_allocs **ret)
{
	struct pv_allocs *allocs = calloc(1, sizeof(*allocs));
	struct pv_err *err;

	if (!allocs)
		return &pv_enomem;
	err = load(allocs, options);
	if (!err)
		err = pv_walkers_create(allocs->bpf->obj, &allocs->walkers);
	if (!err)
		err = pv_probes_create(allocs->bpf->obj, &allocs->bpf->bss->probe_state,
				       options->probes.pid, &allocs->prices, &allocs->probes);
	if (err) {
		pv_allocs_destroy(allocs);
		return err;
	}
	*ret = allocs;
	return NULL;
}

void pv_allocs_destroy(struct pv_allocs *allocs)
{
	if (!allocs)
		return;
	pv_probes_destroy(allocs->probes);
	pv_walkers_destroy(allocs->walkers);
	allocs_bpf__destroy(allocs->bpf);
	free(allocs);
}

struct pv_probes *pv_allocs_probes(const struct pv_allocs *allocs)
{
	return allocs->probes;
}

struct pv_err *pv_allocs_put(struct pv_allocs *allocs, const struct pv_image *image,
			     const struct pv_objects *objects)
{
	return pv_walkers_put(allocs->walkers, image, objects);
}

/* ---- maps, a batch at a time */

typedef struct pv_err *(*batch_fn)(void *ctx, const uint64_t *keys, const void *values, size_t n);

/*
 * deletes: what was handed over is gone from the map.  A bucket of the kernel's table with more
 * than BATCH entries is not to be had; there is none, since the table is as large as its contents.
 */
static struct pv_err *each_batch(int fd, size_t value_bytes, bool deletes, batch_fn fn, void *ctx)
{
	_pv_free_ uint64_t *keys = malloc(8 * BATCH);
	_pv_free_ char *values = malloc(value_bytes * BATCH);
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct pv_err *err = keys && values ? NULL : &pv_enomem;
	/* the place in the table, which the kernel writes: as large as a key at least */
	uint64_t at = 0, next = 0;
	void *from = NULL;
	int error = 0;

	while (!err && !error) {
		uint32_t n = BATCH;

		error = deletes ? bpf_map_lookup_and_delete_batch(fd, from, &next, keys, values, &n,
								  &opts)
				: bpf_map_lookup_batch(fd, from, &next, keys, values, &n, &opts);
		if (error && errno != ENOENT)
			return pv_err_errno(errno, "cannot read a BPF map");
		if (n && fn)
			err = fn(ctx, keys, values, n);
		at = next;
		from = &at;
	}
	return err;
}

static struct pv_err *clear(struct bpf_map *map)
{
	return each_batch(bpf_map__fd(map), bpf_map__value_size(map), true, NULL, NULL);
}

struct pv_err *pv_allocs_arm(struct pv_allocs *allocs, uint64_t n, uint64_t ns)
{
	struct pv_alloc_state *state = &allocs->bpf->bss->alloc_state;
	struct pv_err *err;

	pv_allocs_disarm(allocs);
	err = clear(allocs->bpf->maps.live);
	if (!err)
		err = clear(allocs->bpf->maps.pools);
	if (err)
		return err;
	state->live = 0;
	state->end_ns = 0;
	state->n_max = n ? state->allocs + state->thrash + n : 0;
	state->until_ns = ns ? pv_now_ns() + ns : 0;
	__atomic_store_n(&state->armed, PV_ALLOC_ON, __ATOMIC_SEQ_CST);
	return NULL;
}

void pv_allocs_aim(struct pv_allocs *allocs, const struct pv_allocs_aim *aim)
{
	struct pv_alloc_state *state = &allocs->bpf->bss->alloc_state;
	static const struct pv_allocs_aim none;
	size_t n;

	state->aimed = aim != NULL;
	aim = aim ? aim : &none;
	n = aim->n < PV_ALLOC_SIZES_MAX ? aim->n : PV_ALLOC_SIZES_MAX;
	for (size_t i = 0; i < n; i++)
		state->sizes[i] = aim->sizes[i];
	state->n_sizes = n;
	state->classes = aim->classes;
}

bool pv_allocs_take_at(const struct pv_allocs *allocs, uint64_t address, struct pv_alloc_take *ret)
{
	return !bpf_map_lookup_elem(bpf_map__fd(allocs->bpf->maps.takes), &address, ret);
}

void pv_allocs_enough(struct pv_allocs *allocs)
{
	struct pv_alloc_state *state = &allocs->bpf->bss->alloc_state;
	__u32 on = PV_ALLOC_ON;

	if (__atomic_compare_exchange_n(&state->armed, &on, PV_ALLOC_FREES, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		state->end_ns = pv_now_ns();
}

void pv_allocs_disarm(struct pv_allocs *allocs)
{
	pv_allocs_enough(allocs);
	__atomic_store_n(&allocs->bpf->bss->alloc_state.armed, PV_ALLOC_OFF, __ATOMIC_SEQ_CST);
}

struct pv_alloc_state pv_allocs_state(const struct pv_allocs *allocs)
{
	return allocs->bpf->bss->alloc_state;
}

struct pv_probe_state pv_allocs_probe_state(const struct pv_allocs *allocs)
{
	return allocs->bpf->bss->probe_state;
}

uint64_t pv_allocs_spent_ns(const struct pv_allocs *allocs)
{
	const struct pv_probe_state *state = &allocs->bpf->bss->probe_state;

	return allocs->bpf->bss->alloc_state.added_ns +
	       (state->hits[0] + state->passed[0]) * state->cost_ns[0] +
	       (state->hits[1] + state->passed[1]) * state->cost_ns[1];
}

struct thinning {
	uint32_t shift;
	struct pv_vec out; /* uint64_t: addresses */
};

static struct pv_err *thin_batch(void *ctx, const uint64_t *keys, const void *values, size_t n)
{
	struct thinning *thinning = ctx;
	struct pv_err *err = NULL;

	(void)values;
	for (size_t i = 0; !err && i < n; i++) {
		if (!pv_alloc_is_kept(keys[i], thinning->shift))
			err = pv_vec_append(&thinning->out, &keys[i], 1, NULL);
	}
	return err;
}

struct pv_err *pv_allocs_thin(struct pv_allocs *allocs)
{
	struct pv_alloc_state *state = &allocs->bpf->bss->alloc_state;
	struct thinning thinning = { .shift = state->shift, .out = PV_VEC(uint64_t) };
	int fd = bpf_map__fd(allocs->bpf->maps.live);
	struct pv_err *err = NULL;

	if (state->thinned != state->shift)
		err = each_batch(fd, sizeof(struct pv_alloc), false, thin_batch, &thinning);
	for (size_t i = 0; !err && i < thinning.out.n; i++) {
		if (!bpf_map_delete_elem(fd, pv_vec_at(&thinning.out, i)))
			__atomic_fetch_sub(&state->live, 1, __ATOMIC_SEQ_CST);
	}
	if (!err)
		__atomic_store_n(&state->thinned, thinning.shift, __ATOMIC_SEQ_CST);
	pv_vec_deinit(&thinning.out);
	return err;
}

struct each_block {
	struct pv_err *(*fn)(void *ctx, uint64_t address, const struct pv_alloc *block);
	void *ctx;
};

static struct pv_err *each_block(void *ctx, const uint64_t *keys, const void *values, size_t n)
{
	const struct pv_alloc *blocks = values;
	struct each_block *each = ctx;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++)
		err = each->fn(each->ctx, keys[i], &blocks[i]);
	return err;
}

struct pv_err *pv_allocs_each(struct pv_allocs *allocs,
			      struct pv_err *(*fn)(void *ctx, uint64_t address,
						   const struct pv_alloc *block),
			      void *ctx)
{
	struct each_block each = { fn, ctx };

	return each_batch(bpf_map__fd(allocs->bpf->maps.live), sizeof(struct pv_alloc), false,
			  each_block, &each);
}

struct each_back {
	struct pv_err *(*fn)(void *ctx, uint64_t address, const struct pv_alloc_back *back);
	void *ctx;
};

static struct pv_err *each_back(void *ctx, const uint64_t *keys, const void *values, size_t n)
{
	const struct pv_alloc_back *backs = values;
	struct each_back *each = ctx;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++)
		err = each->fn(each->ctx, keys[i], &backs[i]);
	return err;
}

struct pv_err *pv_allocs_backs(struct pv_allocs *allocs,
			       struct pv_err *(*fn)(void *ctx, uint64_t address,
						    const struct pv_alloc_back *back),
			       void *ctx)
{
	struct each_back each = { fn, ctx };

	return each_batch(bpf_map__fd(allocs->bpf->maps.backs), sizeof(struct pv_alloc_back), false,
			  each_back, &each);
}

struct each_total {
	struct pv_err *(*fn)(void *ctx, uint64_t key, const struct pv_alloc_totals *totals);
	void *ctx;
};

static struct pv_err *each_total(void *ctx, const uint64_t *keys, const void *values, size_t n)
{
	const struct pv_alloc_totals *totals = values;
	struct each_total *each = ctx;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++)
		err = each->fn(each->ctx, keys[i], &totals[i]);
	return err;
}

struct pv_err *pv_allocs_totals(struct pv_allocs *allocs,
				struct pv_err *(*fn)(void *ctx, uint64_t key,
						     const struct pv_alloc_totals *totals),
				void *ctx)
{
	struct each_total each = { fn, ctx };

	return each_batch(bpf_map__fd(allocs->bpf->maps.totals), sizeof(struct pv_alloc_totals),
			  false, each_total, &each);
}

/* ---- records */

int pv_allocs_fd(const struct pv_allocs *allocs)
{
	return pv_walkers_fd(allocs->walkers);
}

struct pv_err *pv_allocs_drain(struct pv_allocs *allocs,
			       struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						    size_t size),
			       void *ctx)
{
	return pv_walkers_drain(allocs->walkers, fn, ctx);
}

struct pv_err *pv_allocs_losses(const struct pv_allocs *allocs, uint64_t *counts)
{
	return pv_walkers_losses(allocs->walkers, counts);
}

uint64_t pv_allocs_map_bytes(const struct pv_allocs *allocs)
{
	return pv_walkers_map_bytes(allocs->walkers);
}
