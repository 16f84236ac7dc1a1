/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watching allocations for a while, on one page: open, close, look.  Input: blocks and stacks of
 * the kernel's side.  Output: a pv_memory.
 */
#include "session/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "abi/allocs.h"
#include "abi/event.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/allocs.h"
#include "collect/probes.h"
#include "heap/census.h"
#include "heap/glibc.h"
#include "model/memory.h"
#include "model/profile.h"
#include "python/path.h"
#include "session/aiming.h"
#include "session/allocplaces.h"
#include "session/allowance.h"
#include "session/hurry.h"
#include "session/leads.h"
#include "session/probed.h"
#include "session/surveysites.h"
#include "session/survivors.h"
#include "target/process.h"

enum {
	LOOK_NS = 1000000000,     /* after the first time, and as old as blocks must be to count */
	LOOK_FACTOR = 2,          /* each look is so many times as late as the one before */
	LOOK_MAX_NS = 2000000000, /* but not later than this after it: pages show it over time */
	LOOK_SHARE = 10,          /* of our time, one part at most is for looks */
	SURVIVORS_MAX = 400000,   /* that are looked at */
	CPU_LOOK_MS = 50,         /* between looks at the target's CPU time */
	WINDOW_CPU_MS = 5,        /* the same, while a time is open */
	CPU_FACTOR = 10,          /* a time whose places were dear is so many times as long */
	WALL_FACTOR = 20,         /* and one that has no CPU */
	AIMED_NS = 20000000,      /* that an aimed time may cost the target at least */
	AIMED_WALL_FACTOR = 50,   /* and if it costs less it is so long */
	ROOM_NS = 1000000000,     /* between looks at how much memory the target may still have */
};

struct pv_survey {
	struct pv_survey_options options;
	struct pv_alloc_places places;
	struct pv_allocs *allocs;
	struct pv_probes *probes; /* of allocs */
	struct pv_leads *leads;
	struct pv_survivors *survivors;
	struct pv_survey_sites *sites;
	int epoll_fd;
	bool open, closed; /* a time is open; none will be any more */
	bool finished, over_budget;
	struct pv_hurry hurry;
	uint64_t opened_ns, armed_ns;     /* of the one that is open */
	struct pv_spending opened, armed; /* when it was opened, and when its places were there */
	struct pv_allowance allowance;
	struct pv_alloc_state before;
	uint64_t next_ns; /* the next time */
	uint64_t look_ns, look_gap_ns;
	size_t n_windows;
	size_t n_waited; /* times that were put off: the target had no memory for them */
	size_t n_full;   /* or as many blocks as are looked at had stayed */
	uint64_t created_ns;
	struct pv_aiming aiming;
};

static enum pv_site_source source_of(const struct pv_survey *survey)
{
	switch (survey->options.kind) {
	case PV_SURVEY_GROWTH:
		return PV_SITE_GROWTH;
	case PV_SURVEY_BURSTS:
		return PV_SITE_BURST;
	default:
		return PV_SITE_ALL;
	}
}

/* Of all allocations of one time there is but one group. */
static uint32_t group_of(const struct pv_survey *survey)
{
	return survey->options.kind == PV_SURVEY_ALL ? 0 : (uint32_t)survey->n_windows;
}

/* 0: it is gone. */
static uint64_t target_cpu_ns(const struct pv_survey *survey)
{
	uint64_t ns = 0;

	(void)pv_process_cpu_ns(survey->options.probed->pid, &ns);
	return ns;
}

static struct pv_spending spending(const struct pv_survey *survey)
{
	return (struct pv_spending){ pv_allocs_spent_ns(survey->allocs), target_cpu_ns(survey) };
}

/* ---- stacks */

static struct pv_err *take_stack(struct pv_survey *survey, const struct pv_event_alloc_stack *event)
{
	const struct pv_leads_end end = { .tid = event->tid, .time_ns = event->time_ns };
	struct pv_err *err;
	uint32_t node;
	bool found;

	err = pv_leads_ended(survey->leads, &end, &found, &node);
	return err ? err
		   : pv_survey_sites_stack(survey->sites, event->key, node,
					   (enum pv_alloc_domain)event->domain);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_survey *survey = ctx;

	if (event->type == PV_EVENT_ALLOC_STACK && size >= sizeof(struct pv_event_alloc_stack))
		return take_stack(survey, (const struct pv_event_alloc_stack *)event);
	return pv_leads_take(survey->leads, event, size);
}

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	return pv_allocs_put(((struct pv_survey *)ctx)->allocs, image, objects);
}

/* ---- setting up */

static struct pv_err *add_fd(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)
		       ? pv_err_errno(errno, "cannot wait for allocations")
		       : NULL;
}

static struct pv_err *prepare_kernel(struct pv_survey *survey)
{
	const struct pv_survey_options *options = &survey->options;
	bool pools = options->kind == PV_SURVEY_GROWTH, all = options->kind == PV_SURVEY_ALL;
	const struct pv_leads_walkers walkers = { .ctx = survey, .put = put_image };
	struct pv_allocs_options allocs = {
		.probes = {
			.pid = options->probed->pid,
			/* bursts are held down by their gaps */
			.budget = all ? options->share : 1,
			.python = options->probed->image.python.found
					  ? &options->probed->image.python
					  : NULL,
		},
		.stacks = PV_ALLOC_MERGED,
		.pool_bytes = survey->places.allocators.pool_bytes,
		.pools = pools,
		.all = all,
		.blocks_max = options->blocks_max,
	};
	struct pv_err *err = pv_allocs_create(&allocs, &survey->allocs);

	if (err)
		return err;
	survey->probes = pv_allocs_probes(survey->allocs);
	err = pv_leads_create(options->probed, &walkers, options->memory->profile, &survey->leads);
	if (!err)
		err = pv_alloc_places_add(&survey->places, options->probed, survey->probes,
					  pools ? PV_ALLOC_WANT_POOLS : PV_ALLOC_WANT_BLOCKS);
	if (!err)
		err = add_fd(survey->epoll_fd, pv_probes_fd(survey->probes));
	return err ? err : add_fd(survey->epoll_fd, pv_allocs_fd(survey->allocs));
}

static struct pv_err *prepare(struct pv_survey *survey)
{
	const struct pv_survey_options *options = &survey->options;
	struct pv_err *err;

	survey->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (survey->epoll_fd < 0)
		return pv_err_errno(errno, "cannot wait for allocations");
	err = pv_alloc_places_find(options->probed, &survey->places);
	if (!err)
		err = prepare_kernel(survey);
	survey->aiming = (struct pv_aiming){ .allocs = survey->allocs,
					     .places = &survey->places,
					     .probed = options->probed };
	if (!err)
		err = pv_survey_sites_create(options->memory, source_of(survey), options->heap,
					     &survey->sites);
	if (!err)
		err = pv_survivors_create(options->probed, survey->places.allocators.pool_bytes,
					  survey->places.glibc, options->heap, &survey->survivors);
	if (!err)
		pv_survivors_caches(survey->survivors, options->caches, options->states);
	return err ? err : pv_alloc_places_blind(&survey->places, options->probed, options->memory);
}

static bool has_target_room(const struct pv_survey *survey)
{
	return pv_probes_have_room(survey->options.probed->pid);
}

struct pv_err *pv_survey_create(const struct pv_survey_options *options, struct pv_survey **ret)
{
	struct pv_survey *survey = calloc(1, sizeof(*survey));
	struct pv_err *err;

	if (!survey)
		return &pv_enomem;
	survey->options = *options;
	survey->epoll_fd = -1;
	survey->created_ns = survey->next_ns = pv_now_ns();
	survey->look_gap_ns = LOOK_NS;
	pv_allowance_begin(&survey->allowance, options->share, options->first_ns,
			   options->start_cpu_ns);
	err = has_target_room(survey) ? prepare(survey) : pv_probes_no_room();
	if (err) {
		pv_survey_destroy(survey);
		return err;
	}
	*ret = survey;
	return NULL;
}

void pv_survey_destroy(struct pv_survey *survey)
{
	if (!survey)
		return;
	pv_hurry_end(&survey->hurry);
	pv_leads_destroy(survey->leads);
	pv_allocs_destroy(survey->allocs);
	pv_survivors_destroy(survey->survivors);
	pv_survey_sites_destroy(survey->sites);
	pv_alloc_places_deinit(&survey->places);
	pv_aiming_deinit(&survey->aiming);
	if (survey->epoll_fd >= 0)
		close(survey->epoll_fd);
	free(survey);
}

/* ---- a time */

/* A time is over after so many times of what it should take, however little came of it. */
static uint64_t wall_factor(const struct pv_survey *survey)
{
	return survey->aiming.aimed ? AIMED_WALL_FACTOR : WALL_FACTOR;
}

static struct pv_err *open_window(struct pv_survey *survey)
{
	struct pv_err *err = pv_aiming_choose(&survey->aiming);

	if (err)
		return err;
	if (survey->options.kind != PV_SURVEY_ALL)
		pv_hurry_begin(&survey->hurry);
	survey->opened_ns = pv_now_ns();
	survey->opened = spending(survey);
	survey->before = pv_allocs_state(survey->allocs);
	err = pv_probes_attach(survey->probes);
	if (!err)
		err = pv_allocs_arm(survey->allocs, survey->options.window_n,
				    survey->options.window_ns * wall_factor(survey));
	survey->armed_ns = pv_now_ns();
	survey->armed = spending(survey);
	survey->open = !err;
	if (err)
		pv_probes_detach(survey->probes);
	/* a time of pools is long, cheap, and beside others, who have a priority of their own */
	if (err || survey->options.kind == PV_SURVEY_GROWTH)
		pv_hurry_end(&survey->hurry);
	return err;
}

struct taking {
	struct pv_survey *survey;
	struct pv_vec blocks; /* struct pv_block */
	struct pv_map times;  /* address -> time of its allocation, of what is there still */
};

static struct pv_err *take_block(void *ctx, uint64_t address, const struct pv_alloc *block)
{
	struct taking *taking = ctx;
	struct pv_block one = {
		.address = address,
		.size = block->size,
		.domain = (uint8_t)block->domain,
		.group = group_of(taking->survey),
	};

	uint64_t time_ns;

	/* malloc() maps large blocks itself, and has its own header before them */
	if (block->domain == PV_ALLOC_MAPPING &&
	    pv_map_get(&taking->times, address + PV_CHUNK_HEAD_BYTES, &time_ns))
		return NULL;
	return pv_survey_sites_of(taking->survey->sites, block->stack, &one.site)
		       ? pv_vec_append(&taking->blocks, &one, 1, NULL)
		       : NULL;
}

static struct pv_err *note_time(void *ctx, uint64_t address, const struct pv_alloc *block)
{
	struct taking *taking = ctx;

	return pv_map_set(&taking->times, address, block->time_ns);
}

/* Of this time, and freed while we were looking at it? */
static bool is_still_there(void *ctx, const struct pv_block *block)
{
	struct taking *taking = ctx;
	uint64_t time_ns;

	return block->group != group_of(taking->survey) ||
	       pv_map_get(&taking->times, block->address, &time_ns);
}

/* Of a block that is taken again, the one before is gone, whichever time saw it. */
static bool is_not_taken(void *ctx, const struct pv_block *block)
{
	struct taking *taking = ctx;
	uint64_t time_ns;

	return !pv_map_get(&taking->times, block->address, &time_ns);
}

/*
 * What is left of the time, with a first look.  The kernel's side takes out meanwhile what is
 * freed: so what is there before the look and after was not freed in between.
 */
static struct pv_err *take_blocks(struct pv_survey *survey)
{
	struct taking taking = { .survey = survey, .blocks = PV_VEC(struct pv_block) };
	struct pv_err *err = pv_allocs_drain(survey->allocs, on_event, survey);

	if (!err)
		err = pv_allocs_each(survey->allocs, note_time, &taking);
	if (!err)
		pv_survivors_filter(survey->survivors, is_not_taken, &taking);
	if (!err)
		err = pv_allocs_each(survey->allocs, take_block, &taking);
	pv_map_deinit(&taking.times);
	taking.times = (struct pv_map){ 0 };
	if (!err)
		err = pv_survivors_add(survey->survivors, &taking.blocks);
	if (!err)
		err = pv_allocs_each(survey->allocs, note_time, &taking);
	if (!err)
		pv_survivors_filter(survey->survivors, is_still_there, &taking);
	pv_map_deinit(&taking.times);
	pv_vec_deinit(&taking.blocks);
	return err;
}

static struct pv_err *note_window(struct pv_survey *survey)
{
	struct pv_err *err;
	struct pv_alloc_state state = pv_allocs_state(survey->allocs);
	uint64_t end_ns = state.end_ns ? state.end_ns : pv_now_ns();
	struct pv_memory_burst burst = {
		.start_ns = survey->armed_ns - survey->options.start_ns,
		.end_ns = end_ns - survey->options.start_ns,
		.allocations = state.allocs - survey->before.allocs,
		.lost = state.no_room - survey->before.no_room + state.no_stack -
			survey->before.no_stack + state.unread - survey->before.unread,
		.sampled = state.shift > 0,
	};

	err = pv_aim_times_note(&survey->aiming.times,
				survey->aiming.aimed ? &survey->aiming.aim : NULL,
				end_ns - survey->armed_ns);
	return err || survey->options.kind == PV_SURVEY_GROWTH
		       ? err
		       : pv_vec_append(&survey->options.memory->bursts, &burst, 1, NULL);
}

/* enough: when it was to end. */
static void plan_next(struct pv_survey *survey, const struct pv_spending *enough)
{
	struct pv_spending now = spending(survey);
	uint64_t fixed_ns = pv_spending_between(&survey->opened, &survey->armed) +
			    pv_spending_between(enough, &now);

	pv_aiming_spent(&survey->aiming, now.hits_ns - survey->opened.hits_ns);
	pv_allowance_spend(&survey->allowance,
			   fixed_ns + pv_spending_between(&survey->armed, enough), fixed_ns);
	survey->next_ns = pv_now_ns() + survey->options.gap_ns;
}

/*
 * The target loses its share on the mean, what places take to come and go included.  By its CPU
 * time: on a busy machine it has less of that than time passes, and one that waits most of the time
 * has little to lose.
 */
static bool is_due(struct pv_survey *survey, uint64_t now)
{
	if (survey->open || survey->closed || now < survey->next_ns)
		return false;
	pv_allowance_earn(&survey->allowance, target_cpu_ns(survey));
	return pv_allowance_is_enough(&survey->allowance);
}

static struct pv_err *seen_stack(void *ctx, uint64_t key, const struct pv_alloc_totals *totals)
{
	struct pv_survey *survey = ctx;

	return pv_survey_sites_seen(survey->sites, key, group_of(survey), totals);
}

static struct pv_err *close_window(struct pv_survey *survey)
{
	struct pv_spending enough = spending(survey);
	struct pv_err *err = NULL;

	survey->open = false;
	if (survey->options.kind == PV_SURVEY_GROWTH)
		pv_hurry_begin(&survey->hurry);
	pv_allocs_enough(survey->allocs);
	if (survey->options.kind != PV_SURVEY_ALL)
		err = take_blocks(survey);
	pv_allocs_disarm(survey->allocs);
	pv_probes_detach(survey->probes);
	pv_hurry_end(&survey->hurry);
	plan_next(survey, &enough);
	if (!err)
		err = pv_allocs_totals(survey->allocs, seen_stack, survey);
	if (!err)
		err = note_window(survey);
	if (!err)
		err = pv_survey_sites_group(survey->sites, survey->armed_ns);
	survey->n_windows++;
	if (!survey->look_ns)
		survey->look_ns = pv_now_ns() + LOOK_NS;
	return err;
}

/* ---- a look */

/* All that is kept, as it is now: freed blocks that were not seen to be are not in use. */
static struct pv_err *retake_all(struct pv_survey *survey)
{
	struct taking taking = { .survey = survey, .blocks = PV_VEC(struct pv_block) };
	struct pv_err *err = pv_allocs_each(survey->allocs, note_time, &taking);

	if (!err)
		err = pv_allocs_each(survey->allocs, take_block, &taking);
	if (!err)
		err = pv_survivors_add(survey->survivors, &taking.blocks);
	pv_map_deinit(&taking.times);
	pv_vec_deinit(&taking.blocks);
	return err;
}

static bool is_none(void *ctx, const struct pv_block *block)
{
	(void)ctx;
	(void)block;
	return false;
}

static struct pv_err *look(struct pv_survey *survey)
{
	struct pv_survivors_look found = { 0 };
	uint64_t now = pv_now_ns(), took_ns;
	struct pv_memory_look made = {
		.kind = PV_LOOK_SITES,
		.source = source_of(survey),
		.at_ns = now - survey->options.start_ns,
	};
	struct pv_err *err = NULL;

	if (survey->options.kind == PV_SURVEY_ALL) {
		pv_survivors_filter(survey->survivors, is_none, NULL);
		err = pv_allocs_drain(survey->allocs, on_event, survey);
		if (!err)
			err = retake_all(survey);
		if (!err)
			err = pv_allocs_totals(survey->allocs, seen_stack, survey);
	} else {
		err = pv_survivors_look(survey->survivors, &found);
	}
	if (err)
		return err;
	made.doubts = found.doubts;
	made.unread = found.unread;
	took_ns = pv_now_ns() - now;
	made.took_ns = took_ns;
	err = pv_survey_sites_look(survey->sites, &made, pv_survivors_blocks(survey->survivors),
				   survey->options.kind == PV_SURVEY_ALL ? UINT64_MAX
									 : now - LOOK_NS,
				   1U << pv_allocs_state(survey->allocs).shift);
	survey->look_gap_ns *= LOOK_FACTOR;
	if (survey->look_gap_ns > LOOK_MAX_NS)
		survey->look_gap_ns = LOOK_MAX_NS;
	if (survey->look_gap_ns < LOOK_SHARE * took_ns)
		survey->look_gap_ns = LOOK_SHARE * took_ns;
	survey->look_ns = pv_now_ns() + survey->look_gap_ns;
	return err;
}

struct pv_err *pv_survey_aim(struct pv_survey *survey, const struct pv_allocs_aim *aim)
{
	/* of Python's allocator one time of everything tells first what else there is */
	if (!survey->n_windows && aim && aim->classes)
		return NULL;
	return pv_aiming_set(&survey->aiming, aim);
}

struct pv_err *pv_survey_ask(const struct pv_survey *survey, struct pv_map *asked)
{
	const struct pv_vec *blocks = pv_survivors_blocks(survey->survivors);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < blocks->n; i++) {
		const struct pv_block *block = pv_vec_at(blocks, i);

		if (block->domain == PV_ALLOC_C)
			err = pv_map_set(asked, block->address, PV_CENSUS_ASKED);
	}
	return err;
}

static bool is_chunk(void *ctx, const struct pv_block *block)
{
	uint64_t value;

	return block->domain != PV_ALLOC_C || !pv_map_get(ctx, block->address, &value) ||
	       value != PV_CENSUS_NO_CHUNK;
}

void pv_survey_answer(struct pv_survey *survey, const struct pv_map *asked)
{
	pv_survivors_filter(survey->survivors, is_chunk, (void *)asked);
}

/* ---- the flow */

bool pv_survey_is_urgent(const struct pv_survey *survey)
{
	return survey->open && survey->options.kind == PV_SURVEY_BURSTS;
}

int pv_survey_fd(const struct pv_survey *survey)
{
	return survey->epoll_fd;
}

static int until(uint64_t at_ns, uint64_t now)
{
	return at_ns <= now ? 0 : (int)((at_ns - now) / 1000000) + 1;
}

int pv_survey_patience(const struct pv_survey *survey)
{
	uint64_t now = pv_now_ns();
	int most = 1000, due;

	if (pv_survey_is_urgent(survey))
		most = WINDOW_CPU_MS;
	else if (survey->open && survey->options.window_ns)
		most = now < survey->armed_ns + survey->options.window_ns
			       ? until(survey->armed_ns + survey->options.window_ns, now)
			       : WINDOW_CPU_MS;
	else if (!survey->open && !survey->closed)
		most = now < survey->next_ns ? until(survey->next_ns, now) : CPU_LOOK_MS;
	due = survey->look_ns ? until(survey->look_ns, now) : most;
	if (due < most)
		most = due;
	return pv_probes_patience(survey->probes, most < 1000 ? most : 1000);
}

/*
 * A time is as long as the target runs in it: where others have the CPU it would end before
 * anything is allocated, and the places that came and went for it were for nothing.  What these
 * cost, when they come and again when they go, is the least that is then spent on what one wants to
 * know, within bounds.
 */
static bool is_window_over(const struct pv_survey *survey, uint64_t now)
{
	uint64_t most_ns = survey->options.window_ns, cpu_ns;
	uint64_t places_ns = 2 * (survey->armed.hits_ns - survey->opened.hits_ns);
	struct pv_spending at = spending(survey);

	/* few allocations are those that one wants to know: as long as it is cheap */
	if (survey->aiming.aimed && places_ns < AIMED_NS)
		places_ns = AIMED_NS;
	if (pv_allocs_state(survey->allocs).end_ns ||
	    (survey->options.kind != PV_SURVEY_ALL &&
	     pv_allowance_is_used(&survey->allowance, pv_spending_between(&survey->opened, &at))))
		return true;
	if (!most_ns || now < survey->armed_ns + most_ns)
		return false;
	if (now >= survey->armed_ns + most_ns * wall_factor(survey))
		return true;
	cpu_ns = at.cpu_ns - survey->armed.cpu_ns;
	return (cpu_ns >= most_ns * CPU_FACTOR && !survey->aiming.aimed) ||
	       (cpu_ns >= most_ns && at.hits_ns - survey->armed.hits_ns >= places_ns);
}

static uint32_t survivors_max(const struct pv_survey *survey)
{
	return survey->options.survivors_max ? survey->options.survivors_max : SURVIVORS_MAX;
}

/* Each look takes all of them: until some are gone no more come. */
static bool is_full(const struct pv_survey *survey)
{
	return pv_survivors_blocks(survey->survivors)->n >= survivors_max(survey);
}

static struct pv_err *open_or_wait(struct pv_survey *survey)
{
	bool full = is_full(survey);

	if (!full && has_target_room(survey))
		return open_window(survey);
	survey->next_ns = pv_now_ns() + ROOM_NS;
	survey->n_full += full;
	survey->n_waited += !full;
	return NULL;
}

static struct pv_err *step(struct pv_survey *survey, const struct pv_probes_news *news)
{
	bool all = survey->options.kind == PV_SURVEY_ALL;
	uint64_t now = pv_now_ns();
	struct pv_err *err = pv_allocs_drain(survey->allocs, on_event, survey);

	if (!err && all && news->enough)
		err = pv_allocs_thin(survey->allocs);
	if (!err && survey->open && is_window_over(survey, now))
		err = close_window(survey);
	else if (!err && is_due(survey, now))
		err = open_or_wait(survey);
	if (!err && all && survey->open && !survey->look_ns) {
		err = pv_survey_sites_group(survey->sites, survey->armed_ns);
		survey->look_ns = now + LOOK_NS;
	}
	if (!err && survey->look_ns && now >= survey->look_ns && (!survey->open || all))
		err = look(survey);
	return err;
}

struct pv_err *pv_survey_step(struct pv_survey *survey, enum pv_survey_end *end_ret)
{
	struct pv_probes_news news = { 0 };
	struct pv_err *err;

	*end_ret = PV_SURVEY_RUNS;
	if (survey->finished)
		return NULL;
	err = pv_probes_news(survey->probes, &news);
	if (err)
		return err;
	if (news.replaced || (news.over_budget && survey->options.kind == PV_SURVEY_ALL)) {
		*end_ret = news.replaced ? PV_SURVEY_REPLACED : PV_SURVEY_BUDGET;
		survey->over_budget = news.over_budget && !news.replaced;
		return pv_survey_close(survey);
	}
	/* several threads in one time: the next one is so much later */
	if (news.over_budget)
		pv_allocs_enough(survey->allocs);
	return step(survey, &news);
}

struct pv_err *pv_survey_close(struct pv_survey *survey)
{
	struct pv_err *err = survey->open ? close_window(survey) : NULL;

	survey->closed = true;
	return err;
}

static struct pv_err *tell(struct pv_survey *survey)
{
	static const enum pv_rung rungs[] = {
		[PV_SURVEY_GROWTH] = PV_RUNG_GROWTH,
		[PV_SURVEY_BURSTS] = PV_RUNG_BURSTS,
		[PV_SURVEY_ALL] = PV_RUNG_ALL,
	};
	struct pv_memory *memory = survey->options.memory;
	enum pv_rung which = rungs[survey->options.kind];
	struct pv_memory_rung *rung = &memory->rungs[which];
	struct pv_alloc_state state = pv_allocs_state(survey->allocs);
	struct pv_probe_state probes = pv_allocs_probe_state(survey->allocs);
	uint64_t bytes = pv_allocs_map_bytes(survey->allocs), cpu_ns;
	struct pv_err *err = NULL;

	rung->start_ns = survey->created_ns - survey->options.start_ns;
	rung->took_ns = pv_now_ns() - survey->created_ns;
	rung->hits = probes.hits[0] + probes.hits[1] + probes.passed[0] + probes.passed[1];
	rung->hits_ns = pv_allocs_spent_ns(survey->allocs);
	rung->lost = state.no_room + state.no_stack + state.unread;
	cpu_ns = target_cpu_ns(survey);
	/* one that is gone has no clock any more */
	cpu_ns = cpu_ns > survey->options.start_cpu_ns ? cpu_ns - survey->options.start_cpu_ns
						       : rung->took_ns;
	rung->slowdown = cpu_ns ? (double)rung->hits_ns / (double)cpu_ns : 0;
	/* beside those of the other rungs, which are there at the same time */
	memory->kernel_bytes += bytes;
	if (state.shift)
		err = pv_memory_blind(
			memory,
			"the kernel's memory for blocks was full: one in %u of them "
			"was kept, and all that is told of them is multiplied by that",
			1U << state.shift);
	if (!err)
		err = pv_aim_times_tell(&survey->aiming.times, memory);
	if (!err && state.thrash)
		err = pv_memory_blind(
			memory,
			"%llu of %llu pools were taken by programs that fill and empty "
			"one pool again and again: these are left out",
			(unsigned long long)state.thrash, (unsigned long long)state.new_pools);
	if (!err && survey->n_full)
		err = pv_memory_blind(
			memory,
			"for about %zu s of %llu s the rung %s watched nothing more, since "
			"%u blocks that it had seen were still there, as many as are looked at: "
			"what was allocated meanwhile is told by what was seen before",
			survey->n_full, (unsigned long long)(rung->took_ns / 1000000000),
			pv_rung_name(which), survivors_max(survey));
	if (err)
		return err;
	if (survey->over_budget)
		return pv_memory_rung_is(memory, which, PV_RUNG_PARTLY,
					 "it cost the target more than it may, and was taken out");
	if (survey->n_waited)
		return pv_memory_rung_is(memory, which, PV_RUNG_PARTLY,
					 "while its control group had less than %d MB left nothing "
					 "was watched",
					 PV_PROBES_ROOM_MB);
	if (survey->n_full)
		return pv_memory_rung_is(
			memory, which, PV_RUNG_PARTLY,
			"while %u blocks that it had seen were still there nothing "
			"more was watched",
			survivors_max(survey));
	return pv_memory_rung_is(memory, which, PV_RUNG_CLIMBED, NULL);
}

struct weighing {
	const struct pv_survey *survey;
	uint64_t took_ns;
};

static double weight(void *ctx, enum pv_memory_domain domain, uint64_t bytes)
{
	const struct weighing *weighing = ctx;
	uint64_t ns = pv_aim_times_of(&weighing->survey->aiming.times, domain, bytes);

	return ns ? (double)weighing->took_ns / (double)ns : 1;
}

struct pv_err *pv_survey_finish(struct pv_survey *survey)
{
	struct weighing weighing = { .survey = survey };
	struct pv_err *err;

	if (survey->finished)
		return NULL;
	survey->finished = true;
	err = pv_survey_close(survey);
	if (!err && survey->n_windows)
		err = look(survey);
	/* what has ended has no memory any more: the last look is the one before */
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		err = NULL;
	}
	weighing.took_ns = pv_now_ns() - survey->created_ns;
	pv_survey_sites_weigh(survey->sites, weight, &weighing);
	if (!err)
		err = pv_allocs_losses(survey->allocs,
				       survey->options.memory->profile->losses.count);
	return err ? err : tell(survey);
}

size_t pv_survey_windows(const struct pv_survey *survey)
{
	return survey->n_windows;
}
