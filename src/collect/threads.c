/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaches the sampler to threads.  Input: /proc/PID/task and births.  Output:
 * perf events.
 *
 * cpu-clock counts only while its thread is on a CPU, and inherit_thread
 * (Linux 5.13) keeps forked children out.
 */
#include "collect/threads.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "target/process.h"

struct pv_threads {
	int prog_fd;
	uint64_t period_ns;
	struct pv_vec fds;   /* int */
	struct pv_vec pids;  /* pid_t: attached processes */
	struct pv_map since; /* tid -> when its event was there, ns */
};

struct pv_err *pv_threads_create(int prog_fd, unsigned int frequency, struct pv_threads **ret)
{
	struct pv_threads *threads = calloc(1, sizeof(*threads));
	struct rlimit limit;

	if (!threads)
		return &pv_enomem;
	threads->prog_fd = prog_fd;
	threads->period_ns = 1000000000ULL / frequency;
	threads->fds = (struct pv_vec)PV_VEC(int);
	threads->pids = (struct pv_vec)PV_VEC(pid_t);
	/* a descriptor a thread: programs with thousands of them exist */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	*ret = threads;
	return NULL;
}

void pv_threads_destroy(struct pv_threads *threads)
{
	size_t i;

	if (!threads)
		return;
	for (i = 0; i < threads->fds.n; i++)
		close(*(int *)pv_vec_at(&threads->fds, i));
	pv_vec_deinit(&threads->fds);
	pv_vec_deinit(&threads->pids);
	pv_map_deinit(&threads->since);
	free(threads);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* A thread that is gone meanwhile is no error. */
static struct pv_err *attach_thread(struct pv_threads *threads, pid_t tid)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = threads->period_ns,
		.inherit = 1,
		.inherit_thread = 1,
		.disabled = 1,
	};
	struct pv_err *err;
	uint64_t since;
	int fd;

	fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	/* from here on it is inherited, though it is not enabled yet */
	since = now_ns();
	if (fd < 0) {
		if (errno == ESRCH)
			return NULL;
		if (errno == EMFILE)
			return pv_err_create(PV_ERR_FAILED,
					     "cannot sample thread %d: too many open files; raise "
					     "`ulimit -n`",
					     tid);
		return pv_err_errno(errno, "cannot sample thread %d", tid);
	}
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, threads->prog_fd) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		err = pv_err_errno(errno, "cannot run the sampler on thread %d", tid);
		close(fd);
		return err;
	}
	err = pv_vec_append(&threads->fds, &fd, 1, NULL);
	return err ? err : pv_map_set(&threads->since, tid, since);
}

struct pv_err *pv_threads_attach(struct pv_threads *threads, pid_t pid)
{
	_pv_free_ pid_t *tids = NULL;
	size_t n = 0, i;
	struct pv_err *err;

	err = pv_vec_append(&threads->pids, &pid, 1, NULL);
	if (!err)
		err = pv_process_tids(pid, &tids, &n);
	for (i = 0; !err && i < n; i++)
		err = attach_thread(threads, tids[i]);
	return err;
}

struct pv_err *pv_threads_event(struct pv_threads *threads, const struct pv_side_event *event)
{
	uint64_t since;
	size_t i;

	if (event->type == PV_SIDE_EXIT)
		pv_map_remove(&threads->since, event->tid);
	if (event->type != PV_SIDE_FORK)
		return NULL;
	for (i = 0; i < threads->pids.n; i++) {
		if (*(pid_t *)pv_vec_at(&threads->pids, i) == event->pid)
			break;
	}
	/* a new process, or a thread that the first scan has attached already */
	if (i == threads->pids.n || event->parent_pid != event->pid ||
	    pv_map_get(&threads->since, event->tid, &since))
		return NULL;
	if (pv_map_get(&threads->since, event->parent_tid, &since) && since <= event->time_ns)
		return pv_map_set(&threads->since, event->tid, event->time_ns);
	return attach_thread(threads, event->tid);
}
