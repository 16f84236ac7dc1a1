/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ladder.  Input: a process, what each rung finds.  Output: a pv_memory, and which rung
 * comes next.
 */
#include "session/hunt.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "analyse/growth.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "heap/census.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/aim.h"
#include "session/holding.h"
#include "session/ladder.h"
#include "session/launch.h"
#include "session/looks.h"
#include "session/losses.h"
#include "session/sources.h"
#include "session/survey.h"
#include "session/trend.h"
#include "target/maps.h"
#include "target/process.h"

enum {
	OPEN_S = 30,       /* the plan's length where there is no end */
	GARBAGE_APART = 2, /* so many times as long as it took, until the next look that tells it */
	START_NS = 200000000, /* between looks for an interpreter that has not started */
};

/*
 * Who holds it comes after the plan's time: no other type is begun after so much more of it, and
 * so many seconds, which three types take on a busy machine.
 */
static const double HOLDERS_MORE = 0.2, HOLDERS_S = 8;

bool pv_hunt_is_asked(const struct pv_hunt *hunt, enum pv_rung rung)
{
	return hunt->options.rungs & 1u << rung;
}

/* The ladder as needed, or this rung by name? */
static bool may_climb(const struct pv_hunt *hunt, enum pv_rung rung)
{
	return !hunt->options.rungs || pv_hunt_is_asked(hunt, rung);
}

/* ---- the start */

/* Also of a Python that is there and cannot be read: why. */
static struct pv_err *describe_python(struct pv_hunt *hunt)
{
	const struct pv_image *image = &hunt->probed.image;
	struct pv_profile *profile = hunt->memory->profile;
	struct pv_probed *probed = &hunt->probed;
	struct pv_err *err = NULL;

	if (image->python.found)
		snprintf(probed->interpreter, sizeof(probed->interpreter), "CPython %s",
			 image->python.version);
	err = pv_strings_add(profile->strings, probed->interpreter, strlen(probed->interpreter),
			     &profile->interpreter);
	if (!err && image->python_error)
		err = pv_strings_add(profile->strings, image->python_error,
				     strlen(image->python_error), &profile->problem);
	hunt->memory->free_threaded = strstr(image->python.version, "free-threaded") != NULL;
	return err;
}

/* A program without Python has one, too, and censuses may be not asked for. */
static struct pv_err *name_allocator(struct pv_hunt *hunt)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_memory *memory = hunt->memory;
	char name[PV_CENSUS_ALLOCATOR_BYTES];
	struct pv_err *err = pv_maps_read(hunt->options.pid, &maps);

	if (err)
		return err;
	memory->other_allocator = pv_census_allocator(&maps, name, sizeof(name));
	return pv_strings_add(memory->profile->strings, name, strlen(name), &memory->allocator);
}

static struct pv_err *launch(struct pv_hunt *hunt)
{
	struct pv_err *err = pv_launch(hunt->options.argv, &hunt->launched);

	if (err)
		return err;
	hunt->held = true;
	hunt->options.pid = hunt->launched;
	err = pv_launch_load(hunt->launched);
	/* it has ended before it was loaded: its status tells, and that nothing was seen */
	if (err && err->errnum == ECHILD)
		hunt->held = false;
	return err;
}

/* Of the program that the process runs now. */
static struct pv_err *begin(struct pv_hunt *hunt)
{
	struct pv_trend_options options = {
		.probed = &hunt->probed,
		.memory = hunt->memory,
		.stacks = true,
	};
	struct pv_err *err;
	uint32_t process;

	hunt->probed.origins = &hunt->origins;
	if (!pv_process_stack_start(hunt->options.pid, &hunt->stack_start))
		hunt->stack_start = 0;
	hunt->start_ns = pv_now_ns();
	(void)pv_process_cpu_ns(hunt->options.pid, &hunt->start_cpu_ns);
	hunt->started_ns = hunt->start_ns;
	hunt->memory->profile->start_unix_ns = pv_clock_ns(CLOCK_REALTIME);
	err = pv_probed_describe(&hunt->probed, hunt->memory->profile, &process);
	if (!err)
		err = describe_python(hunt);
	if (!err)
		err = name_allocator(hunt);
	if (!err)
		err = pv_sources_create(hunt->memory->profile, &hunt->sources);
	options.start_ns = hunt->start_ns;
	if (!err && may_climb(hunt, PV_RUNG_TREND))
		err = pv_trend_create(&options, &hunt->trend);
	/* who may not load programs may not do what follows either, and must be told */
	if (!err && hunt->held) {
		err = pv_launch_release(hunt->launched);
		hunt->held = err != NULL;
	}
	hunt->plan_ns =
		(uint64_t)((hunt->options.duration_s ? hunt->options.duration_s : OPEN_S) * 1e9);
	pv_look_plan_begin(&hunt->look, hunt->start_ns, hunt->plan_ns);
	return err;
}

struct pv_err *pv_hunt_create(const struct pv_hunt_options *options, struct pv_hunt **ret)
{
	struct pv_hunt *hunt = calloc(1, sizeof(*hunt));
	struct pv_err *err;

	if (!hunt)
		return &pv_enomem;
	hunt->options = *options;
	hunt->probed.pid_fd = -1;
	err = pv_memory_create(&hunt->memory);
	if (!err && hunt->options.argv)
		err = launch(hunt);
	if (!err)
		err = pv_probed_open(hunt->options.pid, &hunt->probed);
	if (!err)
		err = begin(hunt);
	if (err) {
		pv_hunt_destroy(hunt);
		return err;
	}
	*ret = hunt;
	return NULL;
}

/* All that begin() and what follows it have made. */
static void end(struct pv_hunt *hunt)
{
	pv_survey_destroy(pv_steal(hunt->growth.survey));
	pv_survey_destroy(pv_steal(hunt->bursts.survey));
	pv_survey_destroy(pv_steal(hunt->all.survey));
	pv_trend_destroy(pv_steal(hunt->trend));
	pv_looks_destroy(pv_steal(hunt->looks));
	pv_sources_destroy(pv_steal(hunt->sources));
	pv_memory_destroy(pv_steal(hunt->memory));
	pv_probed_deinit(&hunt->probed);
	hunt->probed = (struct pv_probed){ .pid_fd = -1 };
	pv_origins_deinit(&hunt->origins);
	pv_held_before_deinit(&hunt->held_before);
}

void pv_hunt_destroy(struct pv_hunt *hunt)
{
	if (!hunt)
		return;
	if (hunt->held)
		pv_err_destroy(pv_launch_release(hunt->launched));
	end(hunt);
	free(hunt);
}

/*
 * What we started, and what was no Python that could be looked at, executes another program (env, a
 * shell): that is the one that is meant, and the hunt begins anew.
 */
static bool may_follow(const struct pv_hunt *hunt)
{
	return hunt->launched && !hunt->look.n;
}

static struct pv_err *follow(struct pv_hunt *hunt)
{
	struct pv_probed probed;
	struct pv_err *err = pv_probed_open(hunt->options.pid, &probed);

	if (err) {
		pv_probed_deinit(&probed);
		return err;
	}
	end(hunt);
	hunt->probed = probed;
	hunt->growth = hunt->bursts = hunt->all = (struct climb){ 0 };
	hunt->held_before = (struct pv_held_before){ 0 };
	hunt->replaced = hunt->no_looks = hunt->suspected = false;
	err = pv_memory_create(&hunt->memory);
	if (!err)
		err = begin(hunt);
	return err ? err
		   : pv_memory_blind(hunt->memory, "what ran until the program executed this one "
						   "is not in the answer");
}

struct pv_hunt_facts pv_hunt_facts(const struct pv_hunt *hunt)
{
	return (struct pv_hunt_facts){
		.pid = hunt->options.pid,
		.name = hunt->probed.process.name,
		.interpreter = hunt->probed.interpreter,
		.doing = hunt->all.survey || hunt->bursts.survey ? "watching allocations"
			 : hunt->growth.survey                   ? "watching the heap grow"
								 : "looking",
		.n_looks = hunt->look.n,
		.ended = hunt->gone,
	};
}

uint64_t pv_hunt_plan_at(const struct pv_hunt *hunt, double share)
{
	/* without an end they go on for as long as the user likes */
	if (!hunt->options.duration_s)
		return UINT64_MAX;
	return hunt->start_ns + (uint64_t)((double)hunt->plan_ns * share);
}

/* ---- the rungs */

/* A program that has just begun may not have its interpreter yet, or not all of it. */
static struct pv_err *look_for_python(struct pv_hunt *hunt)
{
	const struct pv_python *python = &hunt->probed.image.python;
	uint64_t now = pv_now_ns();
	struct pv_err *err;

	if ((python->found && python->initialized) || now - hunt->started_ns < START_NS)
		return NULL;
	/* what runs none after the plan's time will hardly begin one */
	if (now - hunt->start_ns > hunt->plan_ns && !hunt->probed.image.python_pending)
		return NULL;
	hunt->started_ns = now;
	err = pv_probed_refresh(&hunt->probed);
	return err ? err : describe_python(hunt);
}

/* It executes another program: whatever was counted is of the one before. */
static bool was_replaced(const struct pv_hunt *hunt)
{
	uint64_t now;

	return hunt->stack_start && pv_process_stack_start(hunt->options.pid, &now) &&
	       now != hunt->stack_start;
}

struct pv_err *pv_hunt_refuse(struct pv_hunt *hunt, enum pv_rung rung, struct pv_err *why)
{
	struct pv_err *err;
	bool gone = false;

	why = pv_probed_unless_ended(&hunt->probed, why, &gone);
	hunt->gone |= gone;
	if (!why || why == &pv_enomem)
		return why;
	err = pv_memory_rung_is(hunt->memory, rung,
				why->kind == PV_ERR_NOPROC ? PV_RUNG_REFUSED : PV_RUNG_FAILED, "%s",
				why->message);
	pv_err_destroy(why);
	return err;
}

/* ---- looks */

static struct pv_err *begin_looks(struct pv_hunt *hunt)
{
	const struct pv_image *image = &hunt->probed.image;
	struct pv_err *why = NULL;

	if (hunt->looks || hunt->no_looks || !image->python.found || !image->python.initialized)
		return NULL;
	why = pv_looks_create(&hunt->probed, hunt->memory, hunt->start_ns, &hunt->looks);
	hunt->no_looks = why != NULL;
	return why ? pv_hunt_refuse(hunt, PV_RUNG_CENSUS, why) : NULL;
}

/*
 * Of what grows slowly bursts of everything meet next to nothing.  Its types and sizes are known:
 * so bursts watch blocks of such sizes alone, and leave out the places that never take them; for
 * the same price they are many times as long.  Each look tells anew.
 */
struct pv_err *pv_hunt_aim(struct pv_hunt *hunt)
{
	struct pv_allocs_aim sizes;
	bool any = false;
	struct pv_err *err;

	/* of what is over nothing changes any more, nor is to be said */
	if (!hunt->bursts.survey || hunt->bursts.closed || !hunt->looks)
		return NULL;
	err = pv_aim_of(pv_looks_sizes(hunt->looks), hunt->memory, &sizes, &any);
	if (err)
		return err;
	err = pv_survey_aim(hunt->bursts.survey, any ? &sizes : NULL);
	return err ? pv_hunt_refuse(hunt, PV_RUNG_BURSTS, err) : NULL;
}

/*
 * What rises may be what the collector has not come to yet.  Where there are many objects that
 * takes longer than the look itself, of which there must be enough: then it is told only when
 * something rises, and not at each look, but at the last.
 */
static struct pv_err *look_for_garbage(struct pv_hunt *hunt)
{
	uint64_t began_ns = pv_now_ns();
	struct pv_err *err;

	if (!hunt->suspected && !pv_looks_may_wait(hunt->looks))
		return NULL;
	if (began_ns < hunt->garbage_ns && !hunt->finished)
		return NULL;
	err = pv_looks_garbage(hunt->looks);
	hunt->garbage_ns = pv_now_ns() + (pv_now_ns() - began_ns) * GARBAGE_APART;
	return err;
}

static struct pv_err *take_look(struct pv_hunt *hunt)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map asked = { 0 };
	uint64_t began_ns = pv_now_ns(), took_ns = 0;
	struct pv_err *why =
		hunt->bursts.survey ? pv_survey_ask(hunt->bursts.survey, &asked) : NULL;

	if (!why)
		why = pv_looks_take(hunt->looks, &asked, &took_ns);
	if (why) {
		/* one that is tried again at once would be so all the time */
		pv_look_plan_failed(&hunt->look, began_ns, pv_now_ns() - began_ns);
		hunt->no_looks = !hunt->look.n;
		if (hunt->no_looks) {
			pv_looks_destroy(hunt->looks);
			hunt->looks = NULL;
		}
		return pv_hunt_refuse(hunt, PV_RUNG_CENSUS, why);
	}
	pv_look_plan_made(&hunt->look, began_ns, took_ns);
	if (hunt->bursts.survey)
		pv_survey_answer(hunt->bursts.survey, &asked);
	if (hunt->trend)
		why = pv_trend_pools(hunt->trend, pv_looks_pools(hunt->looks));
	if (!why && hunt->look.n >= PV_LOOKS_FEW && !hunt->suspected)
		why = pv_growth_suspected(hunt->memory, &hunt->suspected);
	if (!why)
		why = look_for_garbage(hunt);
	return why ? why : pv_hunt_aim(hunt);
}

/* Looks are for the other rungs, too, but for holders of a type that the user names. */
static bool wants_looks(const struct pv_hunt *hunt)
{
	return !hunt->options.rungs ||
	       hunt->options.rungs & ~(1u << PV_RUNG_TREND | 1u << PV_RUNG_HOLDERS);
}

/* A type that rises later is not in it.  What fails is left to the end, where it is said. */
static struct pv_err *look_before(struct pv_hunt *hunt)
{
	struct pv_err *err;

	if (!hunt->suspected || hunt->options.holders || !may_climb(hunt, PV_RUNG_HOLDERS))
		return NULL;
	err = pv_held_before_look(hunt->options.pid, hunt->start_ns, hunt->plan_ns,
				  hunt->options.stop_fd, hunt->memory, &hunt->held_before);
	err = pv_probed_unless_ended(&hunt->probed, err, &hunt->gone);
	if (!err || err == &pv_enomem)
		return err;
	pv_err_destroy(err);
	return NULL;
}

static struct pv_err *step_looks(struct pv_hunt *hunt)
{
	struct pv_err *err = wants_looks(hunt) ? begin_looks(hunt) : NULL;

	if (!err && hunt->looks && pv_now_ns() >= hunt->look.next_ns) {
		/* what would not end in time is left to the look at the end */
		if (hunt->look.n && pv_now_ns() + hunt->look.took_ns > pv_hunt_plan_at(hunt, 1))
			hunt->look.next_ns = UINT64_MAX;
		else
			err = take_look(hunt);
		if (!err && hunt->looks)
			err = look_before(hunt);
	}
	/* without looks the mappings alone tell */
	if (!err && !hunt->looks && !hunt->suspected && hunt->memory->points.n > PV_LOOKS_FEW)
		err = pv_growth_suspected(hunt->memory, &hunt->suspected);
	return err;
}

static bool is_urgent(const struct pv_hunt *hunt)
{
	return hunt->bursts.survey && pv_survey_is_urgent(hunt->bursts.survey);
}

static struct pv_err *climb(struct pv_hunt *hunt)
{
	struct pv_err *err = NULL;

	/* a look may take a second, in which the target would trap all the time */
	if (is_urgent(hunt))
		return pv_climb_step(hunt, &hunt->bursts, PV_RUNG_BURSTS);
	if (hunt->trend)
		err = pv_trend_step(hunt->trend);
	if (!err)
		err = look_for_python(hunt);
	if (!err)
		err = step_looks(hunt);
	if (!err)
		err = pv_climbs_step(hunt);
	/* the text that runs now, of what stacks have come to name */
	return err ? err : pv_sources_take(hunt->sources, hunt->options.pid);
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int patience(const struct pv_hunt *hunt, int timeout_ms)
{
	const struct climb *const climbs[] = { &hunt->growth, &hunt->bursts, &hunt->all };
	uint64_t now = pv_now_ns();

	if (is_urgent(hunt))
		return least(timeout_ms, pv_survey_patience(hunt->bursts.survey));
	if (hunt->trend)
		timeout_ms = least(timeout_ms, pv_trend_patience(hunt->trend));
	for (size_t i = 0; i < sizeof(climbs) / sizeof(*climbs); i++) {
		if (climbs[i]->survey)
			timeout_ms = least(timeout_ms, pv_survey_patience(climbs[i]->survey));
	}
	if (hunt->looks && hunt->look.next_ns != UINT64_MAX)
		timeout_ms = least(timeout_ms,
				   now >= hunt->look.next_ns
					   ? 0
					   : (int)((hunt->look.next_ns - now) / 1000000) + 1);
	return timeout_ms;
}

static int fd_of(const struct climb *climb)
{
	return climb->survey ? pv_survey_fd(climb->survey) : -1;
}

/*
 * Who holds something is to be seen at once, and nothing else was asked for.  A program that we
 * start has its time first.
 */
static bool is_of_this_moment(const struct pv_hunt *hunt)
{
	return hunt->options.rungs == 1u << PV_RUNG_HOLDERS && !hunt->launched;
}

struct pv_err *pv_hunt_step(struct pv_hunt *hunt, int timeout_ms, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = hunt->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = hunt->trend && !is_urgent(hunt) ? pv_trend_fd(hunt->trend) : -1,
		  .events = POLLIN },
		{ .fd = is_urgent(hunt) ? -1 : fd_of(&hunt->growth), .events = POLLIN },
		{ .fd = fd_of(&hunt->bursts), .events = POLLIN },
		{ .fd = fd_of(&hunt->all), .events = POLLIN },
	};
	struct pv_err *err = NULL;

	if (poll(fds, sizeof(fds) / sizeof(*fds), patience(hunt, timeout_ms)) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	hunt->gone |= fds[0].revents != 0;
	hunt->replaced |= !hunt->gone && was_replaced(hunt);
	if (!hunt->gone && hunt->replaced && may_follow(hunt))
		err = pv_probed_unless_ended(&hunt->probed, follow(hunt), &hunt->gone);
	else if (!hunt->gone && !hunt->replaced)
		err = pv_probed_unless_ended(&hunt->probed, climb(hunt), &hunt->gone);
	if (!err)
		*ended_ret = hunt->gone || hunt->replaced || hunt->over_budget ||
			     is_of_this_moment(hunt);
	return err;
}

/* ---- the end */

static struct pv_err *fill_totals(struct pv_hunt *hunt, bool stopped)
{
	struct pv_memory *memory = hunt->memory;
	struct pv_profile *profile = memory->profile;
	uint64_t hits_ns = 0;
	struct rusage usage;

	profile->duration_ns = pv_now_ns() - hunt->start_ns;
	profile->ended = hunt->gone;
	if (!getrusage(RUSAGE_SELF, &usage))
		profile->own_cpu_ns =
			(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
	for (int i = 0; i < PV_RUNG_N; i++)
		hits_ns += memory->rungs[i].hits_ns;
	if (profile->duration_ns)
		memory->cost_cpus = (double)hits_ns / (double)profile->duration_ns;
	memory->end = hunt->replaced      ? PV_MEMORY_REPLACED
		      : hunt->gone        ? PV_MEMORY_TARGET_ENDED
		      : hunt->over_budget ? PV_MEMORY_BUDGET
		      : stopped           ? PV_MEMORY_STOPPED
					  : PV_MEMORY_DONE;
	pv_losses_describe(&profile->losses);
	return NULL;
}

/* Rungs of the ladder that nothing asked for. */
static struct pv_err *tell_rest(struct pv_hunt *hunt)
{
	struct pv_err *err = NULL;

	for (int i = 0; i < PV_RUNG_N && !err && !hunt->options.rungs; i++) {
		const struct pv_memory_rung *rung = &hunt->memory->rungs[i];

		if (rung->state != PV_RUNG_NOT_ASKED || i == PV_RUNG_ALL)
			continue;
		if (i == PV_RUNG_CENSUS && !hunt->probed.image.python.found)
			err = pv_memory_rung_is(hunt->memory, PV_RUNG_CENSUS, PV_RUNG_REFUSED,
						"the process runs no CPython");
		else
			err = pv_memory_rung_is(hunt->memory, (enum pv_rung)i, PV_RUNG_NOT_NEEDED,
						NULL);
	}
	return err;
}

/* Who holds what grows, or what was asked for: at the end, when most is known. */
static struct pv_err *look_for_holders(struct pv_hunt *hunt)
{
	const char *text = hunt->options.holders;
	struct pv_err *why;

	if (hunt->gone || hunt->replaced || !hunt->probed.image.python.found ||
	    !may_climb(hunt, PV_RUNG_HOLDERS) || (!text && !hunt->suspected))
		return NULL;
	why = pv_holding_rung(
		hunt->options.pid, text, &hunt->held_before, hunt->start_ns,
		pv_now_ns() + (uint64_t)(HOLDERS_MORE * (double)hunt->plan_ns + HOLDERS_S * 1e9),
		hunt->options.stop_fd, hunt->memory);
	/* a name that the user has to correct */
	if (why && why->kind == PV_ERR_USAGE)
		return why;
	return why ? pv_hunt_refuse(hunt, PV_RUNG_HOLDERS, why) : NULL;
}

static struct pv_err *finish(struct pv_hunt *hunt, bool stopped)
{
	/* a look may take a second, in which the target would trap all the time */
	struct pv_err *err = pv_climb_close(hunt, &hunt->bursts, PV_RUNG_BURSTS);

	/* one that has just ended is the last */
	if (!err && hunt->looks && !hunt->gone && !hunt->replaced &&
	    (!hunt->look.n || pv_now_ns() - hunt->look.ended_ns > hunt->look.gap_ns / 4))
		err = take_look(hunt);
	if (!err)
		err = pv_climb_finish(hunt, &hunt->growth, PV_RUNG_GROWTH);
	if (!err)
		err = pv_climb_finish(hunt, &hunt->bursts, PV_RUNG_BURSTS);
	if (!err)
		err = pv_climb_finish(hunt, &hunt->all, PV_RUNG_ALL);
	if (!err)
		err = look_for_holders(hunt);
	if (!err && hunt->looks)
		err = pv_looks_tell(hunt->looks);
	if (!err && hunt->trend)
		err = pv_trend_stop(hunt->trend);
	if (!err)
		err = tell_rest(hunt);
	if (!err)
		err = pv_origins_tell(&hunt->origins, hunt->probed.objects, hunt->memory);
	return err ? err : fill_totals(hunt, stopped);
}

struct pv_err *pv_hunt_finish(struct pv_hunt *hunt, bool stopped, const struct pv_memory **ret)
{
	struct pv_err *err = NULL;

	if (!hunt->finished) {
		hunt->finished = true;
		err = pv_probed_unless_ended(&hunt->probed, finish(hunt, stopped), &hunt->gone);
		/* it has ended in the midst of it: that is said */
		if (!err && hunt->gone)
			err = fill_totals(hunt, stopped);
	}
	if (!err)
		*ret = hunt->memory;
	return err;
}

struct pv_err *pv_hunt_wait(struct pv_hunt *hunt, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = hunt->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	hunt->gone |= fds[0].revents != 0;
	*ended_ret = hunt->gone;
	return NULL;
}

struct pv_err *pv_hunt_wait_program(struct pv_hunt *hunt, int *status_ret, int *signal_ret)
{
	return pv_launch_wait(hunt->launched, status_ret, signal_ret);
}
