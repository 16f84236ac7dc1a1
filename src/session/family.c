/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watched processes: births, execs and ends.  Input: side-band events,
 * /proc.  Output: pv_watched; process entries by way of collect/.
 *
 * The BPF side takes in forks and execs at once and by itself; here they are
 * told a little later, in the order of what led to what.  Which program a
 * process is running, the BPF side says (pv_watch.generation).
 */
#include "session/family.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi/process.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "session/watched.h"
#include "symbol/python.h"
#include "target/process.h"

enum {
	/* what has ended is kept until its last samples have come */
	ENDED_DRAINS = 8,
	ENDED_NS = 20000000,
	FREED_NS = 1000000000, /* the kernel is waited for */
	LOOK_NS = 100000000,   /* between looks for a mapping that no event has told of */
};

struct pv_family {
	struct pv_family_parts parts;
	struct pv_vec all;     /* struct pv_watched * */
	struct pv_map by_pid;  /* pid -> struct pv_watched * */
	struct pv_map threads; /* tid -> pid */
	struct pv_map numbers; /* pid -> programs that other processes of this number have run */
	struct pv_vec stale, touched, ended; /* pid_t: those that have something to be done */
	bool lost;                           /* side-band events were lost */
	uint64_t ended_cpu_ns;               /* CPU time of those that were let go */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

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

static struct pv_watched *at(const struct pv_family *family, size_t i)
{
	return *(struct pv_watched **)pv_vec_at(&family->all, i);
}

void pv_family_destroy(struct pv_family *family)
{
	size_t i;

	if (!family)
		return;
	for (i = 0; i < family->all.n; i++)
		pv_watched_destroy(at(family, i));
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

struct pv_watched *pv_family_first(const struct pv_family *family)
{
	return at(family, 0);
}

static struct pv_err *insert(struct pv_family *family, struct pv_watched *watched)
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

static struct pv_err *set_stale(struct pv_family *family, struct pv_watched *watched)
{
	if (watched->stale || watched->ended)
		return NULL;
	watched->stale = true;
	return pv_vec_append(&family->stale, &watched->pid, 1, NULL);
}

static struct pv_err *set_ended(struct pv_family *family, struct pv_watched *watched)
{
	if (watched->ended)
		return NULL;
	watched->ended = true;
	watched->ended_ns = now_ns();
	return pv_vec_append(&family->ended, &watched->pid, 1, NULL);
}

static struct pv_err *thread_born(struct pv_family *family, struct pv_watched *watched, pid_t tid)
{
	uint64_t pid;

	if (pv_map_get(&family->threads, tid, &pid) && (pid_t)pid == watched->pid)
		return NULL;
	watched->n_threads++;
	return pv_map_set(&family->threads, tid, watched->pid);
}

/* Counts the threads that a process has now; one that has none has ended. */
static struct pv_err *find_threads(struct pv_family *family, struct pv_watched *watched)
{
	_pv_free_ pid_t *tids = NULL;
	struct pv_err *err = NULL;
	size_t n = 0, i;

	if (!pv_process_alive(watched->pid))
		return set_ended(family, watched);
	err = pv_process_tids(watched->pid, &tids, &n);
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		return set_ended(family, watched);
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
	return find_threads(family, watched);
}

/* CPU time since the capture began; false: it has just gone, and that is not told yet. */
static bool cpu_since_start(const struct pv_family *family, const struct pv_watched *watched,
			    uint64_t *ret)
{
	struct pv_watch watch = {};
	uint64_t ns;

	if (!pv_process_cpu_ns(watched->pid, &ns)) {
		pv_collect_watched(family->parts.collect, watched->pid, &watch);
		ns = watch.ended_ns;
		if (!watch.freed)
			return false;
	}
	*ret = ns > watched->start_cpu_ns ? ns - watched->start_cpu_ns : 0;
	return true;
}

/* The process is forgotten, also by the BPF side. */
static struct pv_err *release(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_program_run *run;
	struct pv_err *err = NULL;
	uint64_t cpu_ns = 0;
	size_t i;

	cpu_since_start(family, watched, &cpu_ns);
	family->ended_cpu_ns += cpu_ns;
	for (i = 0; !err && i < watched->programs.n; i++) {
		run = pv_vec_at(&watched->programs, i);
		if (run->process != PV_NOT_IN_PROFILE)
			err = pv_watched_describe(watched, run, family->parts.frames,
						  family->parts.profile);
	}
	if (!err)
		err = pv_map_set(&family->numbers, watched->pid, pv_watched_now(watched)->number);
	pv_collect_remove(family->parts.collect, watched->pid);
	pv_codes_forget(family->parts.codes, watched->pid);
	pv_map_remove(&family->by_pid, watched->pid);
	for (i = 0; at(family, i) != watched; i++)
		;
	memmove(pv_vec_at(&family->all, i), pv_vec_at(&family->all, i + 1),
		(family->all.n - i - 1) * sizeof(watched));
	family->all.n--;
	pv_watched_destroy(watched);
	return err;
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
		err = insert(family, watched);
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
		struct pv_watched *watched = at(family, i);
		const char *why;

		err = pv_watched_read(watched, PV_GENERATION_FIRST, NULL, family->parts.objects);
		why = err ? NULL : pv_watched_refused(watched, family->parts.objects);
		if (why)
			err = pv_err_create(PV_ERR_NOPROC, "cannot look into %d (%s): %s",
					    watched->pid, pv_watched_now(watched)->name, why);
	}
	return err;
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
	/* in the midst of its exec: the new program is not all there yet */
	if (before.generation < generation)
		return NULL;
	generation = before.generation;
	watched->stale = false;
	err = pv_watched_read(watched, generation, known_image(family, watched, generation),
			      family->parts.objects);
	if (!err && watched->named_anew)
		err = pv_watched_read_title(watched);
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
	return err && err != &pv_enomem ? failed(family, watched, err) : err;
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

/* Makes a process known to the BPF side, from where on that counts its execs. */
static struct pv_err *hand_over(struct pv_family *family, struct pv_watched *watched)
{
	struct pv_err *err = pv_collect_add(family->parts.collect, watched->pid);

	watched->since_ns = now_ns();
	pv_process_cpu_ns(watched->pid, &watched->start_cpu_ns);
	return err ? err : find_threads(family, watched);
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
			err = insert(family, watched);
		if (!err)
			err = hand_over(family, watched);
		watched->named_anew = true;
		if (!err)
			err = set_stale(family, watched);
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
		struct pv_watched *watched = at(family, i);

		err = hand_over(family, watched);
		if (!err)
			err = pv_collect_put(family->parts.collect, &watched->image,
					     family->parts.objects, PV_GENERATION_FIRST);
	}
	if (!err && family->parts.children)
		err = find_descendants(family);
	return err;
}

struct pv_err *pv_family_ended(struct pv_family *family, bool *ret)
{
	struct pv_err *err = NULL;
	bool all = true;
	size_t i;

	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = at(family, i);
		struct pollfd poll_fd = { .fd = watched->pidfd, .events = POLLIN };

		if (!watched->named || watched->gone)
			continue;
		if (poll(&poll_fd, 1, 0) > 0) {
			watched->gone = true;
			err = pv_collect_unwatch(family->parts.collect, watched->pidfd);
		} else {
			all = false;
		}
	}
	if (!err)
		*ret = all;
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
	if (watched)
		err = release(family, watched);
	if (!err)
		err = pv_watched_create(event->pid, parent->pid, "", &watched);
	if (!err)
		err = insert(family, watched);
	if (!err)
		err = pv_watched_inherit(watched, parent);
	if (!err)
		err = thread_born(family, watched, event->tid);
	if (err)
		return err;
	/* gunicorn's worker tells what it is when it has begun */
	watched->named_anew = true;
	watched->since_ns = event->time_ns;
	if (event->time_ns < parent->since_ns) {
		pv_watched_now(watched)->generation = PV_GENERATION_FIRST;
		err = pv_collect_add(family->parts.collect, watched->pid);
		watched->since_ns = now_ns();
	}
	if (!err)
		err = pv_collect_share(family->parts.collect, parent->pid, watched->pid,
				       pv_watched_now(watched)->generation, &shared);
	return err || shared ? err : set_stale(family, watched);
}

static struct pv_err *on_fork(struct pv_family *family, const struct pv_side_event *event)
{
	struct pv_watched *parent = pv_family_get(family, event->parent_pid);

	if (!parent)
		return NULL;
	if (event->pid == event->parent_pid)
		return thread_born(family, parent, event->tid);
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
	return err ? err : set_stale(family, watched);
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
		err = set_stale(family, watched);
		break;
	case PV_SIDE_NAME:
		if (event->tid == watched->pid)
			pv_watched_rename(watched, event->name);
		break;
	default:
		break;
	}
	return err;
}

/* One that the BPF side watches, and that no event has told of: it was lost. */
static struct pv_err *adopt(struct pv_family *family, pid_t pid, struct pv_watched **ret)
{
	struct pv_watched *watched, *parent;
	struct pv_watch watch;
	struct pv_err *err;

	*ret = NULL;
	if (!pv_collect_watched(family->parts.collect, pid, &watch))
		return NULL;
	err = pv_watched_create(pid, watch.parent, "[lost]", &watched);
	if (!err)
		err = insert(family, watched);
	if (err)
		return err;
	parent = pv_family_get(family, watch.parent);
	if (parent)
		err = pv_watched_inherit(watched, parent);
	pv_watched_now(watched)->generation = watch.generation;
	watched->since_ns = now_ns();
	watched->named_anew = true;
	if (!err)
		err = set_stale(family, watched);
	if (!err)
		err = find_threads(family, watched);
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
		err = adopt(family, pid, &watched);
	if (!err && watched && pv_watched_now(watched)->generation < generation) {
		watched->named_anew = true;
		err = pv_watched_exec(watched, generation, time_ns, pv_watched_now(watched)->name);
		if (!err)
			err = set_stale(family, watched);
	}
	if (!err)
		*ret = watched;
	return err;
}

struct pv_err *pv_family_look(struct pv_family *family, struct pv_watched *watched)
{
	uint64_t now = now_ns();

	/* a mapping without a file, or a wild address, stays what it is */
	if (now - watched->looked_ns < LOOK_NS)
		return NULL;
	watched->looked_ns = now;
	return set_stale(family, watched);
}

struct pv_err *pv_family_touch(struct pv_family *family, struct pv_watched *watched, uint64_t addr)
{
	if (watched->n_touch == PV_TOUCH_MAX)
		return NULL;
	watched->touch[watched->n_touch++] = addr;
	return watched->n_touch == 1 ? pv_vec_append(&family->touched, &watched->pid, 1, NULL)
				     : NULL;
}

/* Events were lost: who lives, and what has it become? */
static struct pv_err *look_at_all(struct pv_family *family)
{
	struct pv_err *err = NULL;
	size_t i;

	family->lost = false;
	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = at(family, i);

		if (!watched->ended)
			err = find_threads(family, watched);
		if (!err)
			err = set_stale(family, watched);
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
	return cpu_since_start(family, watched, &cpu_ns) || now - watched->ended_ns > FREED_NS;
}

static struct pv_err *let_go(struct pv_family *family)
{
	pid_t *ended = family->ended.data;
	uint64_t now = family->ended.n ? now_ns() : 0;
	struct pv_err *err = NULL;
	size_t i, n = 0;

	for (i = 0; i < family->ended.n; i++) {
		struct pv_watched *watched = pv_family_get(family, ended[i]);

		if (!watched || !watched->ended)
			continue;
		if (!err && can_go(family, watched, now))
			err = release(family, watched);
		else
			ended[n++] = ended[i];
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

struct pv_err *pv_family_describe(struct pv_family *family)
{
	struct pv_err *err = NULL;
	size_t i, k;

	for (i = 0; !err && i < family->all.n; i++) {
		struct pv_watched *watched = at(family, i);

		if (watched->named_anew && pv_watched_now(watched)->loc == PV_NOT_IN_PROFILE)
			err = pv_watched_read_title(watched);
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
		struct pv_watched *watched = at(family, i);

		if (watched->start_cpu_ns)
			pv_process_cpu_ns(watched->pid, &watched->start_cpu_ns);
	}
}

uint64_t pv_family_cpu_ns(const struct pv_family *family, bool wait)
{
	struct timespec moment = { .tv_nsec = 5000000 };
	uint64_t sum = family->ended_cpu_ns, until = now_ns() + FREED_NS;
	size_t i;

	for (i = 0; i < family->all.n; i++) {
		uint64_t ns = 0;

		while (!cpu_since_start(family, at(family, i), &ns) && wait && now_ns() < until)
			nanosleep(&moment, NULL);
		sum += ns;
	}
	return sum;
}
