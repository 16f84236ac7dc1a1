/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is watched.  Input: process ids, the list of all processes.  Output:
 * pv_watched; what the profile says of them, and their CPU time.
 *
 * The BPF side takes in forks and execs at once and by itself; here they are
 * told a little later, in the order of what led to what.
 */
#include "session/family.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi/loss.h"
#include "abi/process.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "python/tasks.h"
#include "session/kin.h"
#include "target/process.h"

struct pv_err *pv_family_create(const struct pv_family_parts *parts, struct pv_family **ret)
{
	struct pv_family *family = calloc(1, sizeof(*family));

	if (!family)
		return &pv_enomem;
	family->parts = *parts;
	family->all = (struct pv_vec)PV_VEC(struct pv_watched *);
	family->stale = family->touched = family->ended = (struct pv_vec)PV_VEC(pid_t);
	*ret = family;
	return NULL;
}

void pv_family_destroy(struct pv_family *family)
{
	size_t i;

	if (!family)
		return;
	for (i = 0; i < family->all.n; i++)
		pv_watched_destroy(pv_kin_at(family, i));
	pv_vec_deinit(&family->all);
	pv_map_deinit(&family->by_pid);
	pv_map_deinit(&family->threads);
	pv_map_deinit(&family->numbers);
	pv_vec_deinit(&family->stale);
	pv_vec_deinit(&family->touched);
	pv_vec_deinit(&family->ended);
	free(family);
}

struct pv_watched *pv_family_get(const struct pv_family *family, pid_t pid)
{
	uint64_t value;

	return pv_map_get(&family->by_pid, pid, &value) ? (struct pv_watched *)value : NULL;
}

struct pv_watched *pv_family_killed(const struct pv_family *family, size_t *i)
{
	while (*i < family->all.n) {
		struct pv_watched *watched = pv_kin_at(family, (*i)++);

		if (watched->named && watched->signal)
			return watched;
	}
	return NULL;
}

struct pv_watched *pv_family_first(const struct pv_family *family)
{
	return pv_kin_at(family, 0);
}

struct pv_err *pv_kin_insert(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_err *err = pv_vec_append(&family->all, &watched, 1, NULL);
	uint64_t before;

	if (err) {
		pv_watched_destroy(watched);
		return err;
	}
	if (pv_map_get(&family->numbers, watched->pid, &before))
		pv_watched_now(watched)->number += before;
	return pv_map_set(&family->by_pid, watched->pid, (uint64_t)watched);
}

bool pv_kin_cpu_ns(const struct pv_family *family, struct pv_watched *watched, uint64_t *ret)
{
	struct pv_watch watch = {};
	uint64_t ns = 0;
	/* in this order: what the BPF side still watches when the time is read is no other's */
	bool there = pv_process_cpu_ns(watched->pid, &ns);

	if (!watched->settled && pv_collect_watched(family->parts.collect, watched->pid, &watch)) {
		if (!watch.freed && !there)
			return false;
		watched->cpu_ns = watch.freed ? watch.ended_ns : ns;
		if (watch.freed)
			watched->signal = (int)watch.exit_code & 0x7f;
	}
	*ret = watched->cpu_ns > watched->start_cpu_ns ? watched->cpu_ns - watched->start_cpu_ns
						       : 0;
	return true;
}

struct pv_err *pv_family_add(struct pv_family *family, pid_t pid)
{
	struct pv_watched *watched;
	struct pv_process process;
	struct pv_err *err;

	if (pv_family_get(family, pid))
		return NULL;
	err = pv_process_read(pid, &process);
	if (err)
		return err;
	err = pv_process_check(&process);
	if (!err)
		err = pv_watched_create(pid, process.parent, process.name, &watched);
	pv_process_deinit(&process);
	if (!err)
		err = pv_kin_insert(family, watched);
	if (err)
		return err;
	watched->named = true;
	watched->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (watched->pidfd < 0)
		return pv_err_errno(errno, "cannot watch process %d", pid);
	err = pv_watched_read_title(watched);
	if (!err)
		err = pv_collect_watch(family->parts.collect, watched->pidfd);
	return err ? err
		   : pv_watched_describe(watched, pv_watched_now(watched), false,
					 family->parts.profile);
}

struct pv_err *pv_family_read(struct pv_family *family)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);
		const char *why;

		err = pv_watched_read(watched, PV_GENERATION_FIRST, NULL, family->parts.objects,
				      family->parts.tasks);
		why = err ? NULL : pv_watched_refused(watched, family->parts.objects);
		if (why)
			err = pv_err_create(PV_ERR_NOPROC, "cannot look into %d (%s): %s",
					    watched->pid, pv_watched_now(watched)->name, why);
		why = err || !family->parts.tasks ? NULL
						  : pv_python_tasks_refused(&watched->image.python);
		if (why)
			err = pv_err_create(
				PV_ERR_NOPROC,
				"no --tasks of %d (%s, CPython %s): %s; leave the option out",
				watched->pid, pv_watched_now(watched)->name,
				watched->image.python.version, why);
	}
	return err;
}

struct pv_err *pv_kin_hand_over(struct pv_family *family, struct pv_watched *watched)
{
	bool added = false;
	struct pv_err *err = pv_collect_add(family->parts.collect, watched->pid, &added);

	watched->since_ns = pv_now_ns();
	if (err || added)
		return err;
	if (watched->named)
		return pv_err_create(PV_ERR_FAILED,
				     "cannot watch process %d: %d others are watched already, "
				     "which is the limit",
				     watched->pid, PV_WATCHED_MAX);
	/* nothing of it will be seen, and nothing of what it starts */
	family->parts.profile->losses.count[PV_LOSS_CHILD]++;
	return NULL;
}

/* One that was there before the capture. */
static struct pv_err *take_over(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_err *err = pv_kin_hand_over(family, watched);

	pv_process_cpu_ns(watched->pid, &watched->start_cpu_ns);
	return err ? err : pv_kin_find_threads(family, watched);
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	return pv_family_side(ctx, event);
}

static struct pv_err *drain_side(struct pv_family *family)
{
	struct pv_collect_handlers handlers = { .ctx = family, .side = on_side };

	return pv_collect_drain_side(family->parts.collect, &handlers);
}

/* Adds the processes of a list whose parent is watched and that are not. */
static struct pv_err *add_children(struct pv_family *family, const struct pv_vec *lines,
				   bool *found_ret)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < lines->n; i++) {
		const struct pv_process_line *line = pv_vec_at(lines, i);
		struct pv_watched *watched;

		if (line->state == 'Z' || line->kernel_thread || line->pid == getpid() ||
		    !pv_family_get(family, line->parent) || pv_family_get(family, line->pid))
			continue;
		*found_ret = true;
		err = pv_watched_create(line->pid, line->parent, line->name, &watched);
		if (!err)
			err = pv_kin_insert(family, watched);
		if (!err)
			err = take_over(family, watched);
		if (err)
			break;
		watched->named_anew = true;
		err = pv_kin_set_stale(family, watched);
	}
	return err;
}

/*
 * All descendants.  One that forks while we look is missed by the BPF side and
 * by the list, so look until there is nothing new; what was born after that has
 * a parent that is known.
 */
static struct pv_err *find_descendants(struct pv_family *family)
{
	struct pv_err *err = NULL;
	bool found = true;

	while (!err && found) {
		PV_CLEANUP(pv_vec_deinit) struct pv_vec lines = {};

		found = false;
		err = pv_process_list(&lines);
		/* those that the BPF side has taken in by itself come first */
		if (!err)
			err = drain_side(family);
		if (!err)
			err = add_children(family, &lines, &found);
	}
	return err ? err : pv_family_refresh(family);
}

struct pv_err *pv_family_attach(struct pv_family *family)
{
	struct pv_err *err = pv_collect_follow(family->parts.collect);
	size_t i, n = family->all.n;

	for (i = 0; !err && i < n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);

		err = take_over(family, watched);
		if (!err)
			err = pv_collect_put(family->parts.collect, &watched->image,
					     family->parts.objects, PV_GENERATION_FIRST);
	}
	if (!err && family->parts.children)
		err = find_descendants(family);
	return err;
}

/*
 * Which signal has ended it, as long as its parent has not been told; else the BPF side says it
 * a little later, see pv_kin_cpu_ns().  That it still has its number is asked after.
 */
static int signal_of(const struct pv_watched *watched)
{
	int code;

	if (!pv_process_exit_code(watched->pid, &code) ||
	    syscall(SYS_pidfd_send_signal, watched->pidfd, 0, NULL, 0))
		return 0;
	return code & 0x7f;
}

struct pv_err *pv_family_ended(struct pv_family *family, bool *ret)
{
	struct pv_err *err = NULL;
	bool all = true;
	size_t i;

	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);
		struct pollfd poll_fd = { .fd = watched->pidfd, .events = POLLIN };

		if (!watched->named || watched->gone)
			continue;
		if (poll(&poll_fd, 1, 0) > 0) {
			watched->gone = true;
			watched->signal = signal_of(watched);
			err = pv_collect_unwatch(family->parts.collect, watched->pidfd);
		} else {
			all = false;
		}
	}
	if (!err)
		*ret = all;
	return err;
}

/* One that the BPF side watches, and that no event has told of: it was lost. */
struct pv_err *pv_kin_adopt(struct pv_family *family, pid_t pid, struct pv_watched **ret)
{
	struct pv_watched *watched, *parent;
	struct pv_watch watch;
	struct pv_err *err;

	*ret = NULL;
	if (!pv_collect_watched(family->parts.collect, pid, &watch))
		return NULL;
	err = pv_watched_create(pid, watch.parent, "[lost]", &watched);
	if (!err)
		err = pv_kin_insert(family, watched);
	if (err)
		return err;
	parent = pv_family_get(family, watch.parent);
	if (parent)
		err = pv_watched_inherit(watched, parent);
	pv_watched_now(watched)->generation = watch.generation;
	watched->since_ns = pv_now_ns();
	watched->named_anew = true;
	if (!err)
		err = pv_kin_set_stale(family, watched);
	if (!err)
		err = pv_kin_find_threads(family, watched);
	if (!err)
		*ret = watched;
	return err;
}

struct pv_err *pv_family_find(struct pv_family *family, pid_t pid, uint32_t generation,
			      uint64_t time_ns, struct pv_watched **ret)
{
	struct pv_watched *watched = pv_family_get(family, pid);
	struct pv_err *err = NULL;

	if (!watched || pv_watched_now(watched)->generation < generation) {
		/* what led to the sample is there by now */
		err = drain_side(family);
		watched = pv_family_get(family, pid);
	}
	if (!err && !watched)
		err = pv_kin_adopt(family, pid, &watched);
	if (!err && watched && pv_watched_now(watched)->generation < generation) {
		watched->named_anew = true;
		err = pv_watched_exec(watched, generation, time_ns, pv_watched_now(watched)->name);
		if (!err)
			err = pv_kin_set_stale(family, watched);
	}
	if (!err)
		*ret = watched;
	return err;
}

struct pv_err *pv_family_describe(struct pv_family *family)
{
	struct pv_err *err = NULL;
	size_t i, k;

	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);

		err = pv_family_name(family, watched);
		for (k = 0; !err && k < watched->programs.n; k++) {
			struct pv_program_run *run = pv_vec_at(&watched->programs, k);

			if (run->process != PV_NOT_IN_PROFILE)
				err = pv_watched_describe(watched, run,
							  run->loc != PV_NOT_IN_PROFILE,
							  family->parts.profile);
		}
	}
	return err;
}

void pv_family_start_cpu(struct pv_family *family)
{
	size_t i;

	for (i = 0; i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);

		if (watched->start_cpu_ns)
			pv_process_cpu_ns(watched->pid, &watched->start_cpu_ns);
	}
}

static bool is_over(const struct pv_watched *watched)
{
	return watched->gone || watched->ended || watched->over;
}

static struct pv_err *find_parents(const struct pv_family *family, struct pv_map *ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < family->all.n; i++) {
		const struct pv_watched *watched = pv_kin_at(family, i);

		if (!is_over(watched))
			err = pv_map_set(ret, watched->parent, 1);
	}
	return err;
}

struct pv_err *pv_family_telling(const struct pv_family *family, struct pv_watched **ret,
				 uint32_t *n_ret)
{
	struct pv_map parents PV_CLEANUP(pv_map_deinit) = {};
	struct pv_watched *best = pv_family_first(family);
	struct pv_err *err = find_parents(family, &parents);
	unsigned int best_rank = 0;
	uint64_t best_ns = 0;
	uint32_t n = 0;

	for (size_t i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);
		unsigned int rank = 1;
		uint64_t ns = 0, known;

		if (is_over(watched))
			continue;
		n++;
		rank += 2 * !!*pv_watched_now(watched)->interpreter;
		rank += !pv_map_get(&parents, watched->pid, &known);
		pv_kin_cpu_ns(family, watched, &ns);
		if (rank < best_rank || (rank == best_rank && ns <= best_ns))
			continue;
		best = watched;
		best_rank = rank;
		best_ns = ns;
	}
	*ret = best;
	*n_ret = n;
	return err;
}

uint64_t pv_family_cpu_ns(const struct pv_family *family, bool wait)
{
	struct timespec moment = { .tv_nsec = 5000000 };
	uint64_t sum = family->ended_cpu_ns, until = pv_now_ns() + PV_KIN_FREED_NS;
	size_t i;

	for (i = 0; i < family->all.n; i++) {
		uint64_t ns = 0;

		while (!pv_kin_cpu_ns(family, pv_kin_at(family, i), &ns) && wait &&
		       pv_now_ns() < until)
			nanosleep(&moment, NULL);
		sum += ns;
	}
	return sum;
}
