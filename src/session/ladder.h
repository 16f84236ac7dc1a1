/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_hunt, shared by hunt.c, which says what comes next, and climbs.c, which has the rungs
 * that watch allocations.  Input: a process.  Output: the hunt's pv_memory.
 */
#ifndef PV_SESSION_LADDER_H
#define PV_SESSION_LADDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/memory.h"
#include "session/heldbefore.h"
#include "session/hunt.h"
#include "session/lookplan.h"
#include "session/origins.h"
#include "session/probed.h"

struct pv_looks;
struct pv_sources;
struct pv_survey;
struct pv_trend;

/* A rung that watches allocations, while it is climbed. */
struct climb {
	struct pv_survey *survey; /* NULL: not begun, or over */
	bool begun, closed;
	uint64_t begun_ns, until_ns; /* until: when no time begins any more */
};

struct pv_hunt {
	struct pv_hunt_options options;
	struct pv_probed probed;
	struct pv_memory *memory;
	struct pv_sources *sources;
	struct pv_origins origins; /* of the memory's nodes */
	struct pv_trend *trend;
	struct pv_looks *looks; /* NULL: no interpreter yet, or it cannot be read */
	struct climb growth, bursts, all;
	struct pv_held_before held_before;
	pid_t launched; /* by us; 0: none */
	bool held;      /* not released yet */
	bool gone, replaced, over_budget, finished;
	bool no_looks;  /* it was tried in vain */
	bool suspected; /* something rises */
	uint64_t start_ns, plan_ns, stack_start;
	uint64_t start_cpu_ns;    /* the process's CPU time then */
	struct pv_look_plan look; /* when one is due, and how many were made */
	uint64_t garbage_ns;      /* not before it is garbage told apart at a look again */
	uint64_t started_ns;      /* when it was last looked for an interpreter */
};

/* Was this rung asked for by name? */
bool pv_hunt_is_asked(const struct pv_hunt *hunt, enum pv_rung rung);

/* CLOCK_MONOTONIC, ns: when this share of the plan is over; never, where it has no end. */
uint64_t pv_hunt_plan_at(const struct pv_hunt *hunt, double share);

/*
 * What a rung cannot do here is no reason to end the hunt: it is said.  But for what the
 * process itself is at fault for, its end.  Takes why.
 */
struct pv_err *pv_hunt_refuse(struct pv_hunt *hunt, enum pv_rung rung, struct pv_err *why);

/* Tells bursts what the last look says of the sizes that grow. */
struct pv_err *pv_hunt_aim(struct pv_hunt *hunt);

/* Begins the rungs whose time has come, and goes on with all that are climbed. */
struct pv_err *pv_climbs_step(struct pv_hunt *hunt);
struct pv_err *pv_climb_step(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung);

/* Nothing of it is in the target any more; what it saw is looked at to the end. */
struct pv_err *pv_climb_close(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung);

/* The last look of one that is climbed still; it is over then. */
struct pv_err *pv_climb_finish(struct pv_hunt *hunt, struct climb *climb, enum pv_rung rung);

#endif
