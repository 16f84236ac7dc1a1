/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits for an allocation.  Input: blocks and stacks of the kernel's side.  Output: an object.
 */
#include "session/nextalloc.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/allocs.h"
#include "abi/event.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "collect/allocs.h"
#include "collect/probes.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/allocplaces.h"
#include "session/leads.h"
#include "session/probed.h"

enum {
	WINDOW_N = 60000, /* allocations of a time: as many as are kept */
	WINDOW_MS = 250,
	LIVES_MS = 25, /* what is freed by then did not live on */
	GAP_MS = 40,
	STEP_MS = 5,
	BURST_NS = 50000000, /* of the target's time, of one time */
	AUXV_BYTES = 1024,
};

struct block {
	uint64_t address, time_ns;
	uint64_t rank;
};

struct pv_next {
	struct pv_next_options options;
	struct pv_heap *heap; /* of pv_next_wait() */
	struct pv_alloc_places places;
	struct pv_allocs *allocs;
	struct pv_probes *probes; /* of allocs */
	struct pv_profile *profile;
	struct pv_leads *leads;
	struct pv_map stacks;     /* key -> 1: it matches, 2: its innermost Python frame does */
	struct pv_vec blocks;     /* struct block */
	uint64_t n_seen;          /* blocks at the place */
	struct block chosen;      /* the object's that was found */
	bool is_there;            /* it was seen again */
	uint8_t auxv[AUXV_BYTES]; /* of the program that was prepared for */
};

bool pv_next_matches(const char *stack, const char *pattern)
{
	size_t n = strlen(pattern);

	if (strpbrk(pattern, "*?"))
		return !fnmatch(pattern, stack, 0);
	for (const char *at = strstr(stack, pattern); at; at = strstr(at + 1, pattern)) {
		/* app.py:4 is not app.py:41 */
		if (!n || !isdigit((unsigned char)pattern[n - 1]) || !isdigit((unsigned char)at[n]))
			return true;
	}
	return false;
}

static struct pv_err *append_loc(const struct pv_profile *profile, const struct pv_loc *loc,
				 struct pv_str *str)
{
	const struct pv_strings *strings = profile->strings;
	const char *file = pv_strings_get(strings, loc->file), *slash = strrchr(file, '/');
	struct pv_err *err = pv_str_appendf(str, "%s%s", str->n ? ";" : "",
					    pv_strings_get(strings, loc->function));

	if (!err && loc->kind == PV_LOC_PYTHON)
		err = pv_str_appendf(str, " (%s:%d)", slash ? slash + 1 : file, (int)loc->line);
	else if (!err && loc->module)
		err = pv_str_appendf(str, " (%s)", pv_strings_get(strings, loc->module));
	return err;
}

/* The stack as text, root first; what stands behind the innermost Python frame in *inner_ret. */
static struct pv_err *append_stack(const struct pv_profile *profile, uint32_t node,
				   struct pv_str *str, size_t *inner_ret)
{
	const struct pv_stack_node *nodes = profile->nodes.data;
	PV_CLEANUP(pv_vec_deinit) struct pv_vec path = PV_VEC(uint32_t);
	struct pv_err *err = NULL;

	for (; !err && node; node = nodes[node].parent)
		err = pv_vec_append(&path, &nodes[node].loc, 1, NULL);
	*inner_ret = 0;
	for (size_t i = path.n; !err && i; i--) {
		const struct pv_loc *loc =
			pv_vec_at(&profile->locs, *(uint32_t *)pv_vec_at(&path, i - 1));

		if (loc->kind == PV_LOC_PYTHON)
			*inner_ret = str->n;
		err = append_loc(profile, loc, str);
	}
	return err;
}

struct pv_err *pv_next_matches_node(const struct pv_profile *profile, uint32_t node,
				    const char *pattern, bool *ret, bool *inner_ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	size_t inner = 0;
	struct pv_err *err = append_stack(profile, node, &text, &inner);

	if (err)
		return err;
	*ret = pv_next_matches(pv_str_text(&text), pattern);
	*inner_ret = *ret && pv_next_matches(pv_str_text(&text) + inner, pattern);
	return NULL;
}

static struct pv_err *take_stack(struct pv_next *next, const struct pv_event_alloc_stack *event)
{
	const struct pv_leads_end end = { .tid = event->tid, .time_ns = event->time_ns };
	uint32_t node;
	bool found, matches = false, inner = false;
	struct pv_err *err = pv_leads_ended(next->leads, &end, &found, &node);

	if (!err && found)
		err = pv_next_matches_node(next->profile, node, next->options.pattern, &matches,
					   &inner);
	return err || !matches ? err : pv_map_set(&next->stacks, event->key, inner ? 2 : 1);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_next *next = ctx;

	if (event->type == PV_EVENT_ALLOC_STACK && size >= sizeof(struct pv_event_alloc_stack))
		return take_stack(next, (const struct pv_event_alloc_stack *)event);
	return pv_leads_take(next->leads, event, size);
}

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	return pv_allocs_put(((struct pv_next *)ctx)->allocs, image, objects);
}

static struct pv_err *on_block(void *ctx, uint64_t address, const struct pv_alloc *alloc)
{
	struct pv_next *next = ctx;
	struct block block = { .address = address, .time_ns = alloc->time_ns };

	if (!pv_map_get(&next->stacks, alloc->stack, &block.rank))
		return NULL;
	next->n_seen++;
	return pv_vec_append(&next->blocks, &block, 1, NULL);
}

/* Those of the very line first, of these the youngest. */
static int by_rank(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->time_ns > y->time_ns ? -1 : x->time_ns < y->time_ns;
}

/* The object in a block, behind what stands before it. */
static bool find_object(const struct pv_next *next, uint64_t address, struct pv_heap_object *ret)
{
	const char *type = next->options.type;

	for (uint64_t before = 0; before <= 32; before += 16) {
		if (pv_heap_object(next->heap, address + before, ret) && ret->start == address &&
		    ret->refcount && !ret->immortal &&
		    (!type || pv_heap_is_called(ret->type, type)))
			return true;
	}
	return false;
}

uint64_t pv_next_due(uint64_t from_ns, uint64_t spent_ns, double budget)
{
	return from_ns + (uint64_t)((double)spent_ns / (budget > 0.001 ? budget : 0.001));
}

/* Addresses that the kernel chooses anew for each program that is executed. */
static void read_auxv(const struct pv_next *next, uint8_t ret[AUXV_BYTES])
{
	_pv_fclose_ FILE *file = NULL;
	char path[32];

	memset(ret, 0, AUXV_BYTES);
	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)next->options.probed->pid);
	file = fopen(path, "re");
	if (file && !fread(ret, 1, AUXV_BYTES, file))
		memset(ret, 0, AUXV_BYTES);
}

static struct pv_err *replaced(const struct pv_next *next)
{
	return pv_err_create(PV_ERR_FAILED,
			     "process %d has executed another program before an object was "
			     "allocated at `%s`",
			     (int)next->options.probed->pid, next->options.pattern);
}

/* What the kernel's side has said: forked children are freed, the rest is an end. */
static struct pv_err *take_news(struct pv_next *next)
{
	struct pv_probes_news news = { 0 };
	struct pv_err *err = pv_probes_news(next->probes, &news);

	if (err)
		return err;
	if (news.replaced)
		return replaced(next);
	if (!news.over_budget)
		return NULL;
	return pv_err_create(PV_ERR_FAILED,
			     "to watch all allocations cost process %d more than --budget (%g "
			     "CPUs) allows, and none at `%s` was seen: nothing is watched any more",
			     (int)next->options.probed->pid, next->options.budget,
			     next->options.pattern);
}

/* Until the time is over, too dear, or given up (*stopped_ret). */
static struct pv_err *watch_window(struct pv_next *next, uint64_t spent_ns, bool *stopped_ret)
{
	struct pollfd fds[] = {
		{ .fd = next->options.stop_fd, .events = POLLIN },
		{ .fd = next->options.probed->pid_fd, .events = POLLIN },
		{ .fd = pv_probes_fd(next->probes), .events = POLLIN },
	};
	uint64_t until_ns = pv_now_ns() + WINDOW_MS * 1000000ULL;
	struct pv_err *err = NULL;

	while (!err && !*stopped_ret && pv_now_ns() < until_ns &&
	       !pv_allocs_state(next->allocs).end_ns &&
	       pv_allocs_spent_ns(next->allocs) - spent_ns < BURST_NS) {
		if (poll(fds, 3, STEP_MS) < 0 && errno != EINTR)
			return pv_err_errno(errno, "cannot wait");
		*stopped_ret = fds[0].revents || fds[1].revents;
		err = take_news(next);
		if (!err)
			err = pv_allocs_drain(next->allocs, on_event, next);
	}
	return err;
}

/* One time in which all is watched; found_ret: an object of the place is there. */
static struct pv_err *watch(struct pv_next *next, struct pv_heap_object *ret, bool *found_ret)
{
	struct pollfd stop = { .fd = next->options.stop_fd, .events = POLLIN };
	uint64_t spent_ns = pv_allocs_spent_ns(next->allocs);
	struct pv_err *err = pv_probes_attach(next->probes);
	bool stopped = false;

	*found_ret = false;
	if (!err)
		err = pv_allocs_arm(next->allocs, WINDOW_N, WINDOW_MS * 1000000ULL);
	if (!err)
		err = watch_window(next, spent_ns, &stopped);
	/* who waits sees it, and says why */
	if (stopped)
		return err;
	pv_allocs_enough(next->allocs);
	if (!err)
		err = pv_allocs_drain(next->allocs, on_event, next);
	/* frees are still seen */
	if (!err && next->stacks.n)
		poll(&stop, stop.fd >= 0, LIVES_MS);
	next->blocks.n = 0;
	if (!err)
		err = pv_allocs_each(next->allocs, on_block, next);
	if (next->blocks.n)
		qsort(next->blocks.data, next->blocks.n, sizeof(struct block), by_rank);
	for (size_t i = 0; !err && !*found_ret && i < next->blocks.n; i++) {
		next->chosen = *(struct block *)pv_vec_at(&next->blocks, i);
		*found_ret = find_object(next, next->chosen.address, ret);
	}
	return err;
}

static struct pv_err *on_chosen(void *ctx, uint64_t address, const struct pv_alloc *alloc)
{
	struct pv_next *next = ctx;

	next->is_there |= address == next->chosen.address && alloc->time_ns == next->chosen.time_ns;
	return NULL;
}

struct pv_err *pv_next_is_there(struct pv_next *next, bool *ret)
{
	struct pv_err *err;

	next->is_there = false;
	err = pv_allocs_each(next->allocs, on_chosen, next);
	if (!err)
		*ret = next->is_there;
	return err;
}

static struct pv_err *prepare(struct pv_next *next)
{
	const struct pv_leads_walkers walkers = { .ctx = next, .put = put_image };
	struct pv_probed *probed = next->options.probed;
	struct pv_allocs_options allocs = {
		.probes = { .pid = probed->pid,
			    .budget = next->options.budget,
			    .python = &probed->image.python },
		.stacks = PV_ALLOC_MERGED,
	};
	struct pv_err *err = pv_profile_create(&next->profile);

	if (!err)
		err = pv_alloc_places_find(probed, &next->places);
	allocs.pool_bytes = next->places.allocators.pool_bytes;
	if (!err)
		err = pv_allocs_create(&allocs, &next->allocs);
	if (err)
		return err;
	next->probes = pv_allocs_probes(next->allocs);
	err = pv_leads_create(probed, &walkers, next->profile, &next->leads);
	return err ? err
		   : pv_alloc_places_add(&next->places, probed, next->probes, PV_ALLOC_WANT_BLOCKS);
}

struct pv_err *pv_next_create(const struct pv_next_options *options, struct pv_next **ret)
{
	struct pv_next *next = calloc(1, sizeof(*next));
	struct pv_err *err;

	if (!next)
		return &pv_enomem;
	next->options = *options;
	next->blocks = (struct pv_vec)PV_VEC(struct block);
	read_auxv(next, next->auxv);
	err = prepare(next);
	if (err) {
		pv_next_destroy(next);
		return err;
	}
	*ret = next;
	return NULL;
}

void pv_next_destroy(struct pv_next *next)
{
	if (!next)
		return;
	pv_leads_destroy(next->leads);
	pv_allocs_destroy(next->allocs);
	pv_alloc_places_deinit(&next->places);
	pv_profile_destroy(next->profile);
	pv_map_deinit(&next->stacks);
	pv_vec_deinit(&next->blocks);
	free(next);
}

static struct pv_err *nothing(const struct pv_next *next, bool stopped)
{
	const char *pattern = next->options.pattern;

	if (stopped)
		return pv_err_create(PV_ERR_FAILED,
				     "stopped before an object was allocated at `%s`", pattern);
	if (next->n_seen)
		return pv_err_create(
			PV_ERR_FAILED,
			"%llu blocks were allocated at `%s`, none of which is an object "
			"that lives on%s%s",
			(unsigned long long)next->n_seen, pattern,
			next->options.type ? " of the type " : "",
			next->options.type ? next->options.type : "");
	return pv_err_create(
		PV_ERR_FAILED,
		"nothing was seen to be allocated at `%s` in %.0f s: it is a part of a "
		"stack as folded output has it, as 'handle (app.py:41)' or 'app.py:41'",
		pattern, (double)next->options.wait_ns / 1e9);
}

/* When the next time begins: see session/survey.c on why by the target's CPU time, too. */
struct gap {
	uint64_t wall_ns, cpu_ns, spent_ns; /* as the last one began; then: when it is due */
};

static uint64_t target_cpu_ns(const struct pv_next *next)
{
	uint64_t ns = 0;

	(void)pv_process_cpu_ns(next->options.probed->pid, &ns);
	return ns;
}

static struct gap begin_gap(const struct pv_next *next)
{
	return (struct gap){
		.wall_ns = pv_now_ns(),
		.cpu_ns = target_cpu_ns(next),
		.spent_ns = pv_allocs_spent_ns(next->allocs),
	};
}

static void plan_gap(const struct pv_next *next, struct gap *gap)
{
	uint64_t spent_ns = pv_allocs_spent_ns(next->allocs) - gap->spent_ns;

	gap->wall_ns = pv_next_due(gap->wall_ns, spent_ns, next->options.budget);
	/* of several CPUs' time the target may have lost more than one */
	gap->cpu_ns = pv_next_due(gap->cpu_ns, spent_ns,
				  next->options.budget < 1 ? next->options.budget : 1);
}

static bool is_due(const struct pv_next *next, const struct gap *gap)
{
	return pv_now_ns() >= gap->wall_ns && target_cpu_ns(next) >= gap->cpu_ns;
}

static bool is_same(const struct pv_next *next)
{
	static const uint8_t none[AUXV_BYTES];
	uint8_t auxv[AUXV_BYTES];

	read_auxv(next, auxv);
	/* one that has ended is told by others */
	return !memcmp(auxv, next->auxv, AUXV_BYTES) || !memcmp(auxv, none, AUXV_BYTES);
}

/* What is read of a program that has taken another's place fails in many ways. */
static struct pv_err *explain(const struct pv_next *next, struct pv_err *err)
{
	if (is_same(next))
		return err;
	pv_err_destroy(err);
	return replaced(next);
}

struct pv_err *pv_next_wait(struct pv_next *next, struct pv_heap *heap, struct pv_heap_object *ret)
{
	const struct pv_next_options *options = &next->options;
	struct pollfd fds[] = {
		{ .fd = options->stop_fd, .events = POLLIN },
		{ .fd = options->probed->pid_fd, .events = POLLIN },
	};
	uint64_t end_ns = pv_now_ns() + options->wait_ns;
	struct gap gap;
	struct pv_err *err = NULL;
	bool found = false;

	next->heap = heap;
	while (!err && pv_now_ns() < end_ns) {
		gap = begin_gap(next);
		err = watch(next, ret, &found);
		if (!err && found)
			return NULL;
		pv_allocs_disarm(next->allocs);
		pv_probes_detach(next->probes);
		plan_gap(next, &gap);
		/* the target has time of its own between two */
		do {
			if (err)
				return explain(next, err);
			if (poll(fds, 2, GAP_MS) < 0 && errno != EINTR)
				return pv_err_errno(errno, "cannot wait");
			if (fds[1].revents)
				return pv_err_create(PV_ERR_NOPROC, "process %d has ended",
						     (int)options->probed->pid);
			if (fds[0].revents)
				return nothing(next, true);
		} while (pv_now_ns() < end_ns && !is_due(next, &gap));
		/* nothing of ours is in there that would tell of it */
		if (!is_same(next))
			return replaced(next);
	}
	return err ? err : nothing(next, false);
}
