/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens to the watched processes: births, execs, ends.  Input: side-band
 * events.  Output: pv_watched, and what the BPF side need not keep any more.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/process.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collect.h"
#include "session/kin.h"
#include "symbol/python.h"
#include "target/process.h"

enum {
	/* what has ended is kept until its last samples have come */
	ENDED_DRAINS = 8,
	ENDED_NS = 20000000,
};

struct pv_err *pv_kin_set_ended(struct pv_family *family, struct pv_watched *watched)
{
	uint64_t cpu_ns;

	if (watched->ended)
		return NULL;
	watched->ended = true;
	watched->ended_ns = pv_now_ns();
	/* should its number be another's before it has gone, this was most of it */
	pv_kin_cpu_ns(family, watched, &cpu_ns);
	return pv_vec_append(&family->ended, &watched->pid, 1, NULL);
}

struct pv_err *pv_kin_thread_born(struct pv_family *family, struct pv_watched *watched, pid_t tid)
{
	uint64_t pid;

	if (pv_map_get(&family->threads, tid, &pid) && (pid_t)pid == watched->pid)
		return NULL;
	watched->n_threads++;
	/* the number had another thread's name */
	pv_map_remove(&watched->names, tid);
	return pv_map_set(&family->threads, tid, watched->pid);
}

/* Counts the threads that a process has now; one that has none has ended. */
struct pv_err *pv_kin_find_threads(struct pv_family *family, struct pv_watched *watched)
{
	_pv_free_ pid_t *tids = NULL;
	struct pv_err *err = NULL;
	size_t n = 0, i;

	if (!pv_process_alive(watched->pid))
		return pv_kin_set_ended(family, watched);
	err = pv_process_tids(watched->pid, &tids, &n);
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		return pv_kin_set_ended(family, watched);
	}
	for (i = 0; !err && i < n; i++)
		err = pv_map_set(&family->threads, tids[i], watched->pid);
	watched->n_threads = n;
	return err;
}

static struct pv_err *thread_ended(struct pv_family *family, struct pv_watched *watched, pid_t tid)
{
	uint64_t pid;

	if (!pv_map_get(&family->threads, tid, &pid) || (pid_t)pid != watched->pid)
		return NULL;
	pv_map_remove(&family->threads, tid);
	if (--watched->n_threads)
		return NULL;
	/* where a birth was lost, it is too early to believe that */
	return pv_kin_find_threads(family, watched);
}

/*
 * Its number is another process's, or about to be.  One that was named stays, for
 * what is to be said of it at the end.
 */
static struct pv_err *give_up_number(struct pv_family *family, struct pv_watched *watched)
{
	watched->settled = true;
	pv_codes_forget(family->parts.codes, watched->pid);
	pv_map_remove(&family->by_pid, watched->pid);
	return pv_map_set(&family->numbers, watched->pid, pv_watched_now(watched)->number);
}

/* The process is forgotten. */
static struct pv_err *let_go_of(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_program_run *run;
	struct pv_err *err = NULL;
	uint64_t cpu_ns = 0;
	size_t i;

	pv_kin_cpu_ns(family, watched, &cpu_ns);
	family->ended_cpu_ns += cpu_ns;
	for (i = 0; !err && i < watched->programs.n; i++) {
		run = pv_vec_at(&watched->programs, i);
		if (run->process != PV_NOT_IN_PROFILE)
			err = pv_watched_describe(watched, run, family->parts.frames,
						  family->parts.profile);
	}
	if (!err)
		err = give_up_number(family, watched);
	for (i = 0; pv_kin_at(family, i) != watched; i++)
		;
	memmove(pv_vec_at(&family->all, i), pv_vec_at(&family->all, i + 1),
		(family->all.n - i - 1) * sizeof(watched));
	family->all.n--;
	pv_watched_destroy(watched);
	return err;
}

/* A child that the BPF side has taken in, or that was born before that knew its parent. */
static struct pv_err *child_born(struct pv_family *family, struct pv_watched *parent,
				 const struct pv_side_event *event)
{
	struct pv_watched *watched = pv_family_get(family, event->pid);
	struct pv_err *err = NULL;
	bool shared;

	/* found in the list of all, or: this number was another process's */
	if (watched && !watched->ended)
		return NULL;
	if (watched) {
		pv_collect_forget(family->parts.collect, watched->pid);
		watched->settled = true;
		err = watched->named ? give_up_number(family, watched) : let_go_of(family, watched);
	}
	if (!err)
		err = pv_watched_create(event->pid, parent->pid, "", &watched);
	if (!err)
		err = pv_kin_insert(family, watched);
	if (!err)
		err = pv_watched_inherit(watched, parent);
	if (!err)
		err = pv_kin_thread_born(family, watched, event->tid);
	if (err)
		return err;
	/* gunicorn's worker tells what it is when it has begun */
	watched->named_anew = true;
	watched->since_ns = event->time_ns;
	if (event->time_ns < parent->since_ns) {
		pv_watched_now(watched)->generation = PV_GENERATION_FIRST;
		err = pv_kin_hand_over(family, watched);
	}
	if (!err)
		err = pv_collect_share(family->parts.collect, parent->pid, watched->pid,
				       pv_watched_now(watched)->generation, &shared);
	return err || shared ? err : pv_kin_set_stale(family, watched);
}

static struct pv_err *on_fork(struct pv_family *family, const struct pv_side_event *event)
{
	struct pv_watched *parent = pv_family_get(family, event->parent_pid);

	if (!parent)
		return NULL;
	if (event->pid == event->parent_pid)
		return pv_kin_thread_born(family, parent, event->tid);
	return family->parts.children ? child_born(family, parent, event) : NULL;
}

/* An exec leaves one thread, whose id is the process's. */
static struct pv_err *on_exec(struct pv_family *family, struct pv_watched *watched,
			      const struct pv_side_event *event)
{
	struct pv_err *err = NULL;

	watched->named_anew = true;
	if (event->time_ns < watched->since_ns)
		/* before anybody counted: it was this program when we first looked, or is now */
		pv_watched_rename(watched, event->name);
	else
		err = pv_watched_exec(watched, pv_watched_now(watched)->generation + 1,
				      event->time_ns, event->name);
	if (!err) {
		watched->n_threads = 1;
		err = pv_map_set(&family->threads, watched->pid, watched->pid);
	}
	return err ? err : pv_kin_set_stale(family, watched);
}

struct pv_err *pv_family_side(struct pv_family *family, const struct pv_side_event *event)
{
	pid_t pid = event->type == PV_SIDE_FORK ? event->parent_pid : event->pid;
	struct pv_watched *watched = pv_family_get(family, pid);
	struct pv_err *err = NULL;

	if (event->type == PV_SIDE_LOST)
		family->lost = true;
	if (!watched)
		return NULL;
	switch (event->type) {
	case PV_SIDE_FORK:
		err = on_fork(family, event);
		break;
	case PV_SIDE_EXIT:
		err = thread_ended(family, watched, event->tid);
		break;
	case PV_SIDE_EXEC:
		err = on_exec(family, watched, event);
		break;
	case PV_SIDE_MMAP:
		err = pv_kin_set_stale(family, watched);
		break;
	case PV_SIDE_NAME:
		if (event->tid == watched->pid)
			pv_watched_rename(watched, event->name);
		err = pv_watched_name_thread(watched, event->tid, event->name,
					     family->parts.profile);
		break;
	default:
		break;
	}
	return err;
}

/* Those whose birth was lost, and perhaps their end. */
static struct pv_err *find_unknown(struct pv_family *family)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err = pv_collect_list(family->parts.collect, &pids);
	struct pv_watched *watched;
	size_t i;

	for (i = 0; !err && i < pids.n; i++) {
		pid_t pid = *(pid_t *)pv_vec_at(&pids, i);

		if (!pv_family_get(family, pid))
			err = pv_kin_adopt(family, pid, &watched);
	}
	return err;
}

/* Events were lost: who lives, and what has it become? */
static struct pv_err *look_at_all(struct pv_family *family)
{
	struct pv_err *err = NULL;
	size_t i;

	family->lost = false;
	err = find_unknown(family);
	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = pv_kin_at(family, i);

		if (!watched->ended)
			err = pv_kin_find_threads(family, watched);
		if (!err)
			err = pv_kin_set_stale(family, watched);
	}
	return err;
}

/*
 * Have its last samples come?  The end of its threads is told before its memory
 * is taken down (Linux 6.16), which may take a while and is its time, too.
 */
static bool can_go(const struct pv_family *family, struct pv_watched *watched, uint64_t now)
{
	uint64_t cpu_ns;

	if (watched->named || ++watched->drains < ENDED_DRAINS ||
	    now - watched->ended_ns < ENDED_NS)
		return false;
	if (!watched->over) {
		watched->over = pv_process_over(watched->pid);
		watched->drains = 0;
		watched->ended_ns = now;
		return false;
	}
	/* the kernel frees it a grace period later, or it is a zombie until its parent asks */
	return pv_kin_cpu_ns(family, watched, &cpu_ns) || now - watched->ended_ns > PV_KIN_FREED_NS;
}

static struct pv_err *let_go(struct pv_family *family)
{
	pid_t *ended = family->ended.data;
	uint64_t now = family->ended.n ? pv_now_ns() : 0;
	struct pv_err *err = NULL;
	size_t i, n = 0;

	for (i = 0; i < family->ended.n; i++) {
		struct pv_watched *watched = pv_family_get(family, ended[i]);

		if (!watched || !watched->ended)
			continue;
		if (err || !can_go(family, watched, now)) {
			ended[n++] = ended[i];
			continue;
		}
		pv_collect_remove(family->parts.collect, watched->pid);
		err = let_go_of(family, watched);
	}
	family->ended.n = n;
	return err;
}

struct pv_err *pv_family_rest(struct pv_family *family)
{
	struct pv_err *err = family->lost ? look_at_all(family) : NULL;
	size_t i;

	for (i = 0; i < family->touched.n; i++) {
		struct pv_watched *watched =
			pv_family_get(family, *(pid_t *)pv_vec_at(&family->touched, i));

		if (watched)
			pv_watched_touch(watched);
	}
	family->touched.n = 0;
	return err ? err : let_go(family);
}
