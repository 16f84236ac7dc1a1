/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rungs that watch allocations: when each begins and ends.  Input: a hunt.  Output: surveys,
 * stepped.
 */
#include <stdint.h>

#include "base/clock.h"
#include "session/bursts.h"
#include "session/growth.h"
#include "session/ladder.h"
#include "session/looks.h"
#include "session/survey.h"

/* Of the plan: so long what extends the heap is watched alone; when all has been watched enough. */
static const double GROWTH_ALONE = 0.08, BURSTS_UNTIL = 0.85;

static struct pv_heap *heap_of(const struct pv_hunt *hunt)
{
	return hunt->looks ? pv_looks_heap(hunt->looks) : NULL;
}

static struct pv_err *create_survey(struct pv_hunt *hunt, enum pv_rung rung, struct pv_survey **ret)
{
	const struct pv_vec *caches = NULL, *states = NULL;

	if (hunt->looks)
		pv_looks_caches(hunt->looks, &caches, &states);
	const struct pv_bursts_options bursts = {
		.probed = &hunt->probed,
		.memory = hunt->memory,
		.heap = heap_of(hunt),
		.caches = caches,
		.states = states,
		.start_ns = hunt->start_ns,
		.start_cpu_ns = hunt->start_cpu_ns,
	};
	const struct pv_growth_options growth = {
		.probed = &hunt->probed,
		.memory = hunt->memory,
		.heap = heap_of(hunt),
		.start_ns = hunt->start_ns,
		.start_cpu_ns = hunt->start_cpu_ns,
	};

	if (rung == PV_RUNG_GROWTH)
		return pv_growth_create(&growth, ret);
	if (rung == PV_RUNG_BURSTS)
		return pv_bursts_create(&bursts, ret);
	return pv_bursts_create_all(&bursts, hunt->options.budget, ret);
}

struct pv_err *pv_climb_finish(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung)
{
	struct pv_err *why;

	if (!climb->survey)
		return NULL;
	why = pv_survey_finish(climb->survey);
	pv_survey_destroy(climb->survey);
	climb->survey = NULL;
	return why ? pv_hunt_refuse(hunt, rung, why) : NULL;
}

static struct pv_err *begin_climb(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung,
				  uint64_t until_ns)
{
	struct pv_err *why;

	climb->begun = true;
	climb->begun_ns = pv_now_ns();
	climb->until_ns = until_ns;
	why = create_survey(hunt, rung, &climb->survey);
	if (why)
		return pv_hunt_refuse(hunt, rung, why);
	return rung == PV_RUNG_BURSTS ? pv_hunt_aim(hunt) : NULL;
}

/* A rung that failed is over, the others go on.  Of a process that has ended it tells what it saw.
 */
static struct pv_err *give_up(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung,
			      struct pv_err *why)
{
	struct pv_err *err = pv_hunt_refuse(hunt, rung, why);

	if (hunt->gone)
		return err;
	pv_survey_destroy(climb->survey);
	climb->survey = NULL;
	return err;
}

struct pv_err *pv_climb_close(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung)
{
	struct pv_err *why;

	if (!climb->survey || climb->closed)
		return NULL;
	climb->closed = true;
	why = pv_survey_close(climb->survey);
	return why ? give_up(hunt, climb, rung, why) : NULL;
}

struct pv_err *pv_climb_step(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung)
{
	enum pv_survey_end end = PV_SURVEY_RUNS;
	struct pv_err *why = NULL;

	if (pv_now_ns() >= climb->until_ns)
		why = pv_climb_close(hunt, climb, rung);
	if (why || !climb->survey || hunt->gone)
		return why;
	why = pv_survey_step(climb->survey, &end);
	if (why)
		return give_up(hunt, climb, rung, why);
	hunt->replaced |= end == PV_SURVEY_REPLACED;
	hunt->over_budget |= end == PV_SURVEY_BUDGET;
	return NULL;
}

/* Is it time for a rung?  Asked for by name at once; else when something rises. */
static bool is_time(const struct pv_hunt *hunt, const struct climb *climb, enum pv_rung rung)
{
	bool readable = hunt->look.n || hunt->no_looks || !hunt->probed.image.python.found;

	if (climb->begun || !readable)
		return false;
	return hunt->options.rungs ? pv_hunt_is_asked(hunt, rung) : hunt->suspected;
}

struct pv_err *pv_climbs_step(struct pv_hunt *hunt)
{
	uint64_t alone_ns = (uint64_t)((double)hunt->plan_ns * GROWTH_ALONE);
	struct pv_err *err = NULL;

	/* by itself only on demand: it costs a great deal */
	if (pv_hunt_is_asked(hunt, PV_RUNG_ALL) && is_time(hunt, &hunt->all, PV_RUNG_ALL))
		err = begin_climb(hunt, &hunt->all, PV_RUNG_ALL, UINT64_MAX);
	if (!err && is_time(hunt, &hunt->growth, PV_RUNG_GROWTH))
		err = begin_climb(hunt, &hunt->growth, PV_RUNG_GROWTH,
				  pv_hunt_plan_at(hunt, BURSTS_UNTIL));
	/*
	 * Pools are few, and the stacks of those that stay tell the most for the least: they are
	 * looked at to the end.  Before the bursts for a while alone, so that what is dear is
	 * begun when something is known.
	 */
	if (!err && is_time(hunt, &hunt->bursts, PV_RUNG_BURSTS) &&
	    (hunt->options.rungs || !hunt->growth.survey ||
	     pv_now_ns() >= hunt->growth.begun_ns + alone_ns))
		err = begin_climb(hunt, &hunt->bursts, PV_RUNG_BURSTS,
				  pv_hunt_plan_at(hunt, BURSTS_UNTIL));
	if (!err)
		err = pv_climb_step(hunt, &hunt->growth, PV_RUNG_GROWTH);
	if (!err)
		err = pv_climb_step(hunt, &hunt->bursts, PV_RUNG_BURSTS);
	return err ? err : pv_climb_step(hunt, &hunt->all, PV_RUNG_ALL);
}
