/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts CPU time.  Input: /proc/PID/task and births.  Output: perf counters.
 *
 * inherit_thread (Linux 5.13) keeps forked children out.  /proc cannot say it:
 * what has ended is gone from there.
 */
#include "collect/clocks.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "target/process.h"

struct pv_clocks {
	bool children;
	struct pv_vec fds;   /* int */
	struct pv_map since; /* tid -> when its counter was there, ns */
};

struct pv_err *pv_clocks_create(bool children, struct pv_clocks **ret)
{
	struct pv_clocks *clocks = calloc(1, sizeof(*clocks));
	struct rlimit limit;

	if (!clocks)
		return &pv_enomem;
	clocks->children = children;
	clocks->fds = (struct pv_vec)PV_VEC(int);
	/* a descriptor a thread: programs with thousands of them exist */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	*ret = clocks;
	return NULL;
}

void pv_clocks_destroy(struct pv_clocks *clocks)
{
	size_t i;

	if (!clocks)
		return;
	for (i = 0; i < clocks->fds.n; i++)
		close(*(int *)pv_vec_at(&clocks->fds, i));
	pv_vec_deinit(&clocks->fds);
	pv_map_deinit(&clocks->since);
	free(clocks);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* A thread that is gone meanwhile is no error. */
static struct pv_err *add_thread(struct pv_clocks *clocks, pid_t tid)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.inherit = 1,
		.inherit_thread = !clocks->children,
	};
	int fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	/* from here on it is inherited */
	uint64_t since = now_ns();
	struct pv_err *err;

	if (fd < 0) {
		if (errno == ESRCH)
			return NULL;
		if (errno == EMFILE)
			return pv_err_create(PV_ERR_FAILED,
					     "cannot count the CPU time of thread %d: too many "
					     "open files; raise `ulimit -n`",
					     tid);
		return pv_err_errno(errno, "cannot count the CPU time of thread %d", tid);
	}
	err = pv_vec_append(&clocks->fds, &fd, 1, NULL);
	if (err) {
		close(fd);
		return err;
	}
	return pv_map_set(&clocks->since, tid, since);
}

struct pv_err *pv_clocks_add(struct pv_clocks *clocks, pid_t pid)
{
	_pv_free_ pid_t *tids = NULL;
	size_t n = 0, i;
	struct pv_err *err = pv_process_tids(pid, &tids, &n);

	for (i = 0; !err && i < n; i++) {
		uint64_t since;

		/* one that a FORK event has told of already */
		if (!pv_map_get(&clocks->since, tids[i], &since))
			err = add_thread(clocks, tids[i]);
	}
	return err;
}

struct pv_err *pv_clocks_event(struct pv_clocks *clocks, const struct pv_side_event *event)
{
	uint64_t since;

	if (event->type == PV_SIDE_EXIT)
		pv_map_remove(&clocks->since, event->tid);
	if (event->type != PV_SIDE_FORK || (event->pid != event->parent_pid && !clocks->children))
		return NULL;
	/* one that the first scan has found */
	if (pv_map_get(&clocks->since, event->tid, &since))
		return NULL;
	if (pv_map_get(&clocks->since, event->parent_tid, &since) && since <= event->time_ns)
		return pv_map_set(&clocks->since, event->tid, event->time_ns);
	return add_thread(clocks, event->tid);
}

struct pv_err *pv_clocks_read(struct pv_clocks *clocks, uint64_t *ret)
{
	uint64_t sum = 0, value;
	size_t i;

	for (i = 0; i < clocks->fds.n; i++) {
		if (read(*(int *)pv_vec_at(&clocks->fds, i), &value, 8) != 8)
			return pv_err_errno(errno, "cannot read the CPU time of a thread");
		sum += value;
	}
	*ret = sum;
	return NULL;
}
