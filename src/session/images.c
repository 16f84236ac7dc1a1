/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the watched processes run, kept up to date.  Input: /proc, their memory.
 * Output: images, by way of collect/ also for the walkers.
 *
 * Which program a process runs the BPF side says, before and after it is read.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/loss.h"
#include "abi/process.h"
#include "base/clock.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "session/kin.h"

enum {
	LOOK_NS = 100000000,  /* between looks for a mapping that no event has told of */
	LOOKS_SHIFT = 6,      /* the longest pause between looks for the same thing: 6.4 s */
	EXEC_NS = 1000000000, /* that long an exec is believed to be under way */
};

struct pv_err *pv_kin_set_stale(struct pv_family *family, struct pv_watched *watched)
{
	if (watched->stale || watched->ended)
		return NULL;
	watched->stale = true;
	return pv_vec_append(&family->stale, &watched->pid, 1, NULL);
}

/* An earlier image of the same program, where its interpreter was found already. */
static const struct pv_image *known_image(const struct pv_family *family,
					  const struct pv_watched *watched, uint32_t generation)
{
	const struct pv_watched *parent = pv_family_get(family, watched->parent);

	if (watched->image_generation == generation)
		return &watched->image;
	/* a child that has not become another program has its parent's memory */
	if (!watched->image_generation && parent && parent->image_generation == generation)
		return &parent->image;
	return NULL;
}

/* A program that cannot be read at all is told once. */
static struct pv_err *refuse(struct pv_family *family, struct pv_watched *watched, const char *why)
{
	struct pv_program_run *run = pv_watched_now(watched);

	if (!run->refused)
		family->parts.profile->losses.count[PV_LOSS_PROCESS]++;
	run->refused = true;
	free(run->problem);
	run->problem = strdup(why);
	return run->problem ? NULL : &pv_enomem;
}

/* A process that ends while its maps are read has ended; other failures are counted. */
static struct pv_err *failed(struct pv_family *family, struct pv_watched *watched,
			     struct pv_err *failure)
{
	struct pv_err *err = NULL;

	if (failure == &pv_enomem)
		return failure;
	if (failure->kind != PV_ERR_NOPROC) {
		/* the tables stay as they are; what they do not cover is marked in each sample */
		if (watched->image_generation)
			family->parts.profile->losses.count[PV_LOSS_IMAGE]++;
		else
			err = refuse(family, watched, failure->message);
	}
	pv_err_destroy(failure);
	return err;
}

/* Is it the program that side-band events have told of last? */
static bool is_told(const struct pv_family *family, const struct pv_watched *watched)
{
	struct pv_watch watch;

	return pv_collect_watched(family->parts.collect, watched->pid, &watch) &&
	       watch.generation == pv_watched_now(watched)->generation;
}

struct pv_err *pv_family_name(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_program_run *run = pv_watched_now(watched);
	char before[PV_TITLE_BYTES];
	struct pv_err *err;

	if (!watched->named_anew || watched->settled || run->loc != PV_NOT_IN_PROFILE ||
	    !is_told(family, watched))
		return NULL;
	memcpy(before, run->title, sizeof(before));
	err = pv_watched_read_title(watched);
	if (!is_told(family, watched))
		memcpy(run->title, before, sizeof(before));
	return err;
}

/* Reads a process again and hands it to the walkers; it may stay stale, see pv_family_hurry(). */
static struct pv_err *renew(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_collect *collect = family->parts.collect;
	uint32_t generation = pv_watched_now(watched)->generation;
	struct pv_watch before, after;
	struct pv_err *err;
	const char *why;

	if (!pv_collect_watched(collect, watched->pid, &before)) {
		watched->stale = false;
		return NULL;
	}
	if (before.generation < generation) {
		/* in the midst of its exec: the new program is not all there yet */
		if (pv_now_ns() - pv_watched_now(watched)->exec_ns < EXEC_NS)
			return NULL;
		pv_watched_now(watched)->generation = before.generation;
	}
	generation = before.generation;
	watched->stale = false;
	err = pv_watched_read(watched, generation, known_image(family, watched, generation),
			      family->parts.objects, family->parts.tasks);
	if (err)
		return failed(family, watched, err);
	if (!pv_collect_watched(collect, watched->pid, &after) || after.generation != generation) {
		/* it became another program meanwhile, which the next events tell */
		watched->image_generation = 0;
		return NULL;
	}
	why = pv_watched_refused(watched, family->parts.objects);
	err = why ? refuse(family, watched, why) : NULL;
	if (!err)
		err = pv_collect_put(collect, &watched->image, family->parts.objects, generation);
	if (err)
		return failed(family, watched, err);
	return pv_family_name(family, watched);
}

struct pv_err *pv_family_refresh(struct pv_family *family)
{
	pid_t *stale = family->stale.data;
	struct pv_err *err = NULL;
	size_t i, n = 0;

	for (i = 0; i < family->stale.n; i++) {
		struct pv_watched *watched = pv_family_get(family, stale[i]);

		if (!watched || !watched->stale)
			continue;
		if (watched->ended)
			watched->stale = false;
		else if (!err)
			err = renew(family, watched);
		if (watched->stale)
			stale[n++] = stale[i];
	}
	family->stale.n = n;
	return err;
}

bool pv_family_hurry(const struct pv_family *family)
{
	return family->stale.n;
}

struct pv_err *pv_family_look(struct pv_family *family, struct pv_watched *watched)
{
	uint64_t now = pv_now_ns();

	/* a mapping without a file, or a wild address, stays what it is */
	if (now - watched->looked_ns < LOOK_NS)
		return NULL;
	watched->looked_ns = now;
	return pv_kin_set_stale(family, watched);
}

struct pv_err *pv_family_wait(struct pv_family *family, struct pv_watched *watched)
{
	uint64_t now = pv_now_ns();

	if (!watched->image.python_pending || now - watched->looked_ns < (uint64_t)LOOK_NS
										 << watched->looks)
		return NULL;
	if (watched->looks < LOOKS_SHIFT)
		watched->looks++;
	watched->looked_ns = now;
	return pv_kin_set_stale(family, watched);
}

struct pv_err *pv_family_look_for_tasks(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_image *image = &watched->image;
	uint8_t kind = image->python.proc.tasks.kind;
	uint64_t now = pv_now_ns();

	if (!family->parts.tasks || !image->python.found || watched->ended ||
	    (kind != PV_TASKS_NONE && kind != PV_TASKS_UNKNOWN) ||
	    now - watched->tasks_looked_ns < (uint64_t)LOOK_NS << watched->tasks_looks)
		return NULL;
	/* it is there, and may stay unknown; a look whether it has come is cheap */
	if (kind == PV_TASKS_UNKNOWN && watched->tasks_looks < LOOKS_SHIFT)
		watched->tasks_looks++;
	watched->tasks_looked_ns = now;
	pv_image_find_tasks(image, family->parts.objects, watched->mem);
	/* asyncio has been imported: the walkers are to know */
	return image->python.proc.tasks.kind == kind ? NULL : pv_kin_set_stale(family, watched);
}

struct pv_err *pv_family_touch(struct pv_family *family, struct pv_watched *watched, uint64_t addr)
{
	if (watched->n_touch == PV_TOUCH_MAX)
		return NULL;
	watched->touch[watched->n_touch++] = addr;
	return watched->n_touch == 1 ? pv_vec_append(&family->touched, &watched->pid, 1, NULL)
				     : NULL;
}
