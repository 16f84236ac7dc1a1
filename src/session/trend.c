/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trend, on one page: points once a second, stacks as they come.  Input: /proc/PID/smaps,
 * records of the kernel's side.  Output: a pv_memory.
 */
#include "session/trend.h"

#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "abi/trend.h"
#include "base/clock.h"
#include "base/map.h"
#include "collect/faults.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/early.h"
#include "session/leads.h"
#include "session/mappings.h"
#include "session/probed.h"
#include "target/process.h"
#include "target/smaps.h"

enum {
	POINT_NS = 1000000000, /* between two points */
	SHARE = 50,            /* or so many times as long as one took, if that is more */
	EVENT_NS = 400,        /* what an event without a stack costs, about */
};

_Static_assert((int)PV_TREND_FAULT == (int)PV_MEMORY_FAULT &&
		       (int)PV_TREND_MUNMAP == (int)PV_MEMORY_MUNMAP &&
		       (int)PV_TREND_KINDS == (int)PV_MEMORY_N_EVENTS,
	       "the kernel's kinds of events");

struct pv_trend {
	struct pv_trend_options options;
	struct pv_faults *faults; /* NULL: no stacks */
	struct pv_leads *leads;
	struct pv_err *problem;     /* why there are none */
	struct pv_vec smaps;        /* struct pv_smap */
	struct pv_vec stacks;       /* uint64_t */
	struct pv_map sps;          /* thread -> its stack pointer, when it last could be read */
	const struct pv_vec *pools; /* NULL: not known yet */
	struct pv_early early;      /* points before they were */
	struct pv_vec mapped;       /* struct mapped: what was mapped meanwhile */
	struct pv_map at;           /* address -> index in mapped, the latest */
	size_t fold_at;             /* so many of mapped are too many */
	uint64_t next_ns, start_ns;
	bool stopped;
};

enum {
	FOLD_LEAST = 4096,
	EARLY_BYTES = 8 << 20, /* 200 points of 1,000 mappings, of which a census is late */
};

/* An anonymous mapping that was made; it stands for count of them. */
struct mapped {
	uint64_t at, count, bytes;
	uint32_t node;
	bool gone;
};

/* ---- points */

/*
 * Where threads have their stacks: one that runs just now has it where it was seen before; those
 * that run all the time are seen some time.
 */
static struct pv_err *find_stacks(struct pv_trend *trend)
{
	pid_t pid = trend->options.probed->pid, *tids;
	struct pv_map before = trend->sps;
	struct pv_err *err;
	size_t n;

	err = pv_process_tids(pid, &tids, &n);
	if (err)
		return err;
	trend->stacks.n = 0;
	trend->sps = (struct pv_map){ 0 };
	for (size_t i = 0; i < n && !err; i++) {
		uint64_t tid = (uint64_t)tids[i], sp;

		if (!pv_smaps_stack_pointer(pid, tids[i], &sp) && !pv_map_get(&before, tid, &sp))
			continue;
		err = pv_vec_append(&trend->stacks, &sp, 1, NULL);
		if (!err)
			err = pv_map_set(&trend->sps, tid, sp);
	}
	pv_map_deinit(&before);
	free(tids);
	return err;
}

/* CPython Objects/obmalloc.c ARENA_SIZE: 256 KiB; 3.10: 1 MiB where there is a radix tree. */
static uint64_t arena_size(const struct pv_probed *probed)
{
	const struct pv_python *python = &probed->image.python;
	unsigned int minor = 0;

	if (!python->found)
		return 0;
	if (!strncmp(python->version, "3.", 2))
		minor = (unsigned int)strtoul(python->version + 2, NULL, 10);
	return minor >= 10 ? 1 << 20 : 256 << 10;
}

static struct pv_mappings_hints hints_of(const struct pv_trend *trend)
{
	return (struct pv_mappings_hints){
		.pools = trend->pools,
		.arena_bytes = arena_size(trend->options.probed),
		.stacks = &trend->stacks,
		.mem = trend->options.probed->mem,
		.pid = trend->options.probed->pid,
	};
}

struct pv_err *pv_trend_pools(struct pv_trend *trend, const struct pv_vec *pools)
{
	bool first = !trend->pools;
	struct pv_err *err = first ? find_stacks(trend) : NULL;
	struct pv_mappings_hints hints;
	size_t n_dropped = 0;

	trend->pools = pools;
	if (err || !first)
		return err;
	hints = hints_of(trend);
	pv_early_recount(&trend->early, &hints, &trend->options.memory->points, &n_dropped);
	if (!n_dropped)
		return NULL;
	return pv_memory_blind(
		trend->options.memory,
		"the first census came late: of the first %zu looks at the mappings "
		"it cannot be told any more what was Python's, and they are left out",
		n_dropped);
}

static struct pv_err *add_point(struct pv_trend *trend)
{
	const struct pv_trend_options *options = &trend->options;
	struct pv_memory_point point = { 0 };
	struct pv_mappings_hints hints;
	uint64_t began_ns = pv_now_ns(), took_ns;
	struct pv_err *err = pv_smaps_read(options->probed->pid, &trend->smaps);

	/* one that has ended and is not waited for yet has no memory: that is no point of its life
	 */
	if (!err && !trend->smaps.n) {
		trend->next_ns = began_ns + POINT_NS;
		return NULL;
	}
	point.at_ns = pv_now_ns() - options->start_ns;
	if (!err)
		err = pv_smaps_rss(options->probed->pid, &point.rss_bytes);
	if (!err)
		err = find_stacks(trend);
	if (err)
		return err;
	/* until a census has told where the arenas are, their sizes alone do */
	if (!trend->pools)
		err = pv_early_keep(&trend->early, &trend->smaps);
	if (err)
		return err;
	hints = hints_of(trend);
	pv_mappings_count(&trend->smaps, &hints, &point);
	/* it is the target's memory that is held meanwhile, a mapping at a time */
	took_ns = pv_now_ns() - began_ns;
	trend->next_ns = began_ns + (took_ns * SHARE > POINT_NS ? took_ns * SHARE : POINT_NS);
	return pv_vec_append(&options->memory->points, &point, 1, NULL);
}

/* ---- stacks */

static struct pv_err *thread_of(struct pv_trend *trend, uint32_t tid, uint32_t *ret)
{
	const struct pv_process *process = &trend->options.probed->process;
	struct pv_profile *profile = trend->options.memory->profile;
	const char *name = "?";

	for (size_t i = 0; i < process->n_threads; i++) {
		if ((uint32_t)process->threads[i].tid == tid)
			name = process->threads[i].name;
	}
	return pv_profile_thread(profile, 0, tid, name, ret);
}

static void unmap(struct pv_trend *trend, uint64_t at)
{
	uint64_t index;

	if (!pv_map_get(&trend->at, at, &index))
		return;
	((struct mapped *)pv_vec_at(&trend->mapped, index))->gone = true;
	pv_map_remove(&trend->at, at);
}

/* Those of a stack that are gone become one, so that they take no more memory as time passes. */
static struct pv_err *fold(struct pv_trend *trend)
{
	struct pv_vec all = trend->mapped;
	struct pv_map sums = { 0 };
	struct pv_err *err = NULL;

	trend->mapped = (struct pv_vec)PV_VEC(struct mapped);
	pv_map_deinit(&trend->at);
	trend->at = (struct pv_map){ 0 };
	for (size_t i = 0; i < all.n && !err; i++) {
		const struct mapped *one = pv_vec_at(&all, i);
		struct mapped *sum;
		uint64_t index;

		if (one->gone && pv_map_get(&sums, one->node, &index)) {
			sum = pv_vec_at(&trend->mapped, index);
			sum->count += one->count;
			sum->bytes += one->bytes;
			continue;
		}
		err = one->gone ? pv_map_set(&sums, one->node, trend->mapped.n)
				: pv_map_set(&trend->at, one->at, trend->mapped.n);
		if (!err)
			err = pv_vec_append(&trend->mapped, one, 1, NULL);
	}
	pv_map_deinit(&sums);
	pv_vec_deinit(&all);
	trend->fold_at = 2 * trend->mapped.n + FOLD_LEAST;
	return err;
}

/* What is mapped anew where something was has been unmapped unseen. */
static struct pv_err *remember(struct pv_trend *trend, const struct pv_event_trend *growth,
			       uint32_t node)
{
	const struct mapped one = {
		.at = growth->at, .count = growth->count, .bytes = growth->bytes, .node = node
	};
	struct pv_err *err;

	unmap(trend, growth->at);
	if (growth->kind != PV_TREND_MMAP)
		return NULL;
	err = trend->mapped.n >= trend->fold_at ? fold(trend) : NULL;
	if (err)
		return err;
	err = pv_map_set(&trend->at, growth->at, trend->mapped.n);
	return err ? err : pv_vec_append(&trend->mapped, &one, 1, NULL);
}

static struct pv_err *take_growth(struct pv_trend *trend, const struct pv_event_trend *growth)
{
	const struct pv_leads_end end = { .tid = growth->tid, .time_ns = growth->time_ns };
	struct pv_memory_event event = { .count = growth->count, .bytes = growth->bytes };
	struct pv_err *err;
	bool found;

	if (growth->kind >= PV_TREND_KINDS || !growth->count)
		return NULL;
	event.kind = (enum pv_memory_event_kind)growth->kind;
	err = pv_leads_ended(trend->leads, &end, &found, &event.node);
	if (!err)
		err = thread_of(trend, growth->tid, &event.thread);
	if (!err && (growth->kind == PV_TREND_MMAP || growth->kind == PV_TREND_MUNMAP))
		err = remember(trend, growth, event.node);
	return err ? err : pv_memory_event(trend->options.memory, &event);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_trend *trend = ctx;

	if (event->type == PV_EVENT_TREND && size >= sizeof(struct pv_event_trend))
		return take_growth(trend, (const struct pv_event_trend *)event);
	return pv_leads_take(trend->leads, event, size);
}

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	return pv_faults_put(((struct pv_trend *)ctx)->faults, image, objects);
}

/* Where the heap ends now, 0: it has none yet. */
static uint64_t heap_end(const struct pv_trend *trend)
{
	uint64_t end = 0;

	for (size_t i = 0; i < trend->smaps.n; i++) {
		const struct pv_smap *map = pv_vec_at(&trend->smaps, i);

		if (map->kind == PV_SMAP_HEAP)
			end = map->end;
	}
	return end;
}

static struct pv_err *start_stacks(struct pv_trend *trend)
{
	const struct pv_leads_walkers walkers = { .ctx = trend, .put = put_image };
	struct pv_probed *probed = trend->options.probed;
	struct pv_err *err = pv_faults_create(probed->pid, heap_end(trend), &trend->faults);

	if (!err)
		err = pv_leads_create(probed, &walkers, trend->options.memory->profile,
				      &trend->leads);
	return err ? err : pv_faults_start(trend->faults);
}

static void drop_stacks(struct pv_trend *trend)
{
	pv_leads_destroy(trend->leads);
	pv_faults_destroy(trend->faults);
	trend->leads = NULL;
	trend->faults = NULL;
}

/* ---- the flow */

struct pv_err *pv_trend_create(const struct pv_trend_options *options, struct pv_trend **ret)
{
	struct pv_trend *trend = calloc(1, sizeof(*trend));
	struct pv_err *err;

	if (!trend)
		return &pv_enomem;
	trend->options = *options;
	trend->start_ns = pv_now_ns();
	trend->smaps = (struct pv_vec)PV_VEC(struct pv_smap);
	trend->stacks = (struct pv_vec)PV_VEC(uint64_t);
	pv_early_init(&trend->early, EARLY_BYTES);
	trend->mapped = (struct pv_vec)PV_VEC(struct mapped);
	trend->fold_at = FOLD_LEAST;
	err = add_point(trend);
	if (err) {
		pv_trend_destroy(trend);
		return err;
	}
	if (options->stacks)
		trend->problem = start_stacks(trend);
	if (trend->problem)
		drop_stacks(trend);
	*ret = trend;
	return NULL;
}

void pv_trend_destroy(struct pv_trend *trend)
{
	if (!trend)
		return;
	drop_stacks(trend);
	pv_err_destroy(trend->problem);
	pv_vec_deinit(&trend->smaps);
	pv_vec_deinit(&trend->stacks);
	pv_map_deinit(&trend->sps);
	pv_early_deinit(&trend->early);
	pv_vec_deinit(&trend->mapped);
	pv_map_deinit(&trend->at);
	free(trend);
}

int pv_trend_fd(const struct pv_trend *trend)
{
	return trend->faults ? pv_faults_fd(trend->faults) : -1;
}

int pv_trend_patience(const struct pv_trend *trend)
{
	uint64_t now = pv_now_ns();

	return now >= trend->next_ns ? 0 : (int)((trend->next_ns - now) / 1000000) + 1;
}

struct pv_err *pv_trend_step(struct pv_trend *trend)
{
	struct pv_err *err = NULL;

	if (trend->stopped)
		return NULL;
	if (trend->faults)
		err = pv_faults_drain(trend->faults, on_event, trend);
	if (!err && pv_now_ns() >= trend->next_ns)
		err = add_point(trend);
	return err;
}

/* Is there still a mapping at this address, by the last look? */
static bool is_mapped(const struct pv_trend *trend, uint64_t at)
{
	size_t low = 0, high = trend->smaps.n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct pv_smap *map = pv_vec_at(&trend->smaps, middle);

		if (map->end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < trend->smaps.n &&
	       ((const struct pv_smap *)pv_vec_at(&trend->smaps, low))->start <= at;
}

/* What was mapped and is still there, by stack: sites, and a look at them. */
static struct pv_err *add_sites(struct pv_trend *trend)
{
	struct pv_memory *memory = trend->options.memory;
	const struct pv_memory_look now = {
		.kind = PV_LOOK_SITES,
		.source = PV_SITE_MAPPED,
		.at_ns = pv_now_ns() - trend->options.start_ns,
	};
	struct pv_err *err;
	uint32_t look;

	if (!trend->mapped.n)
		return NULL;
	err = pv_memory_look(memory, &now, &look);
	for (size_t i = 0; i < trend->mapped.n && !err; i++) {
		const struct mapped *one = pv_vec_at(&trend->mapped, i);
		const struct pv_memory_site key = {
			.source = PV_SITE_MAPPED,
			.domain = PV_DOMAIN_MMAP,
			.node = one->node,
			.type = PV_MEMORY_NONE,
			.weight = 1,
		};
		struct pv_memory_site *site;
		uint32_t index;

		err = pv_memory_site(memory, &key, &index);
		if (err)
			break;
		site = pv_vec_at(&memory->sites, index);
		site->seen_count += one->count;
		site->seen_bytes += one->bytes;
		if (!one->gone && is_mapped(trend, one->at))
			err = pv_memory_count_site(memory, look, index, one->count, one->bytes);
	}
	return err;
}

/* What the stacks took of the target, and what they stand for. */
static struct pv_err *account(struct pv_trend *trend, uint64_t took_ns)
{
	struct pv_memory *memory = trend->options.memory;
	struct pv_memory_rung *rung = &memory->rungs[PV_RUNG_TREND];
	struct pv_trend_state state = pv_faults_state(trend->faults);
	uint64_t bytes = pv_faults_map_bytes(trend->faults), events = 0;

	for (int i = 0; i < PV_TREND_KINDS; i++)
		events += state.count[i];
	rung->hits_ns = state.spent_ns + events * EVENT_NS;
	rung->lost = state.lost;
	rung->slowdown = took_ns ? (double)rung->hits_ns / (double)took_ns : 0;
	memory->kernel_bytes += bytes;
	return pv_faults_losses(trend->faults, memory->profile->losses.count);
}

static struct pv_err *tell(struct pv_trend *trend)
{
	struct pv_memory *memory = trend->options.memory;

	if (trend->problem)
		return pv_memory_rung_is(memory, PV_RUNG_TREND, PV_RUNG_PARTLY, "no stacks: %s",
					 trend->problem->message);
	if (trend->faults && pv_faults_alone(trend->faults))
		return pv_memory_rung_is(memory, PV_RUNG_TREND, PV_RUNG_PARTLY,
					 "this kernel does not let brk() and mmap() be seen");
	return pv_memory_rung_is(memory, PV_RUNG_TREND, PV_RUNG_CLIMBED, NULL);
}

struct pv_err *pv_trend_stop(struct pv_trend *trend)
{
	struct pv_memory_rung *rung = &trend->options.memory->rungs[PV_RUNG_TREND];
	struct pv_err *err = NULL;

	if (trend->stopped)
		return NULL;
	trend->stopped = true;
	rung->start_ns = trend->start_ns - trend->options.start_ns;
	rung->took_ns = pv_now_ns() - trend->start_ns;
	if (trend->faults) {
		pv_faults_stop(trend->faults);
		err = pv_faults_drain(trend->faults, on_event, trend);
		if (!err)
			err = account(trend, rung->took_ns);
	}
	if (!err)
		err = tell(trend);
	if (!err)
		err = add_point(trend);
	if (!err)
		err = add_sites(trend);
	/* what has ended has no mappings any more */
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		err = NULL;
	}
	return err;
}
