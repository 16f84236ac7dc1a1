/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times in which allocations of a process are watched, and looks at what of them is still there
 * later: what the rungs growth, bursts and --all have in common (session/growth.h,
 * session/bursts.h).  Input: a process, the kernel's side (collect/allocs.h).  Output: sites, looks
 * and bursts of a pv_memory, with the stacks in its profile.
 */
#ifndef PV_SESSION_SURVEY_H
#define PV_SESSION_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_allocs_aim;
struct pv_heap;
struct pv_map;
struct pv_memory;
struct pv_probed;
struct pv_survey;
struct pv_vec;

enum pv_survey_kind {
	PV_SURVEY_GROWTH, /* pools that are taken */
	PV_SURVEY_BURSTS, /* all allocations of short times */
	PV_SURVEY_ALL,    /* all allocations and frees of one long time */
};

struct pv_survey_options {
	/* none is owned; all must outlive it; the image of probed is renewed */
	struct pv_probed *probed;
	struct pv_memory *memory;
	struct pv_heap *heap; /* NULL: objects are not recognised */
	/* where malloc() keeps free chunks beside: session/survivors.h; NULL: not known */
	const struct pv_vec *caches, *states;
	uint64_t start_ns;     /* CLOCK_MONOTONIC: the hunt's start */
	uint64_t start_cpu_ns; /* the target's CPU time then */
	enum pv_survey_kind kind;
	/*
	 * What the target may lose, a share of its time: of growth and bursts on the mean of all
	 * since the start, of ALL at any time, else it ends.
	 */
	double share;
	uint64_t first_ns;   /* that the first time may cost it, though it was not earned yet */
	uint64_t window_n;   /* allocations of a time; 0: any */
	uint64_t window_ns;  /* how long it is at most */
	uint64_t gap_ns;     /* between two at least */
	uint32_t blocks_max; /* PV_SURVEY_ALL: that the kernel keeps; 0: in 256 MB; for tests */
	/* the others: blocks that stay and are looked at; 0: 400,000; for tests */
	uint32_t survivors_max;
};

/* Finds the places, loads the programs; nothing is in the target yet. */
struct pv_err *pv_survey_create(const struct pv_survey_options *options, struct pv_survey **ret);

/* What is in the target is taken out. */
void pv_survey_destroy(struct pv_survey *survey);

/*
 * From the next time on only blocks of these sizes are watched; NULL: all, as from the start.  No
 * time may be open.  At blocks of pools it waits until there was one of everything.
 */
struct pv_err *pv_survey_aim(struct pv_survey *survey, const struct pv_allocs_aim *aim);

/*
 * Around a census: the blocks of malloc() that are still there by themselves, for struct
 * pv_census_options.asked; then what it tells of them.
 */
struct pv_err *pv_survey_ask(const struct pv_survey *survey, struct pv_map *asked);
void pv_survey_answer(struct pv_survey *survey, const struct pv_map *asked);

/* Readable: there is something for pv_survey_step() to do. */
int pv_survey_fd(const struct pv_survey *survey);

/* How long until there is, at most, ms. */
int pv_survey_patience(const struct pv_survey *survey);

enum pv_survey_end {
	PV_SURVEY_RUNS,
	PV_SURVEY_REPLACED, /* the target is another program now */
	PV_SURVEY_BUDGET,   /* PV_SURVEY_ALL: it cost too much; all is taken out */
};

/* Every allocation traps now: nothing else is to be done until that is over. */
bool pv_survey_is_urgent(const struct pv_survey *survey);

/* Does what is due: opens a time, closes it, looks.  A target that has ended is PV_ERR_NOPROC. */
struct pv_err *pv_survey_step(struct pv_survey *survey, enum pv_survey_end *end_ret);

/* No time begins any more; what is open is closed.  Looks go on. */
struct pv_err *pv_survey_close(struct pv_survey *survey);

/* Once: all is taken out of the target, a last look, and what became of the rung. */
struct pv_err *pv_survey_finish(struct pv_survey *survey);

/* Times that were watched so far. */
size_t pv_survey_windows(const struct pv_survey *survey);

#endif
