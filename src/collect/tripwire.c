/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware watchpoints by perf events.  Input: addresses, a program.  Output: descriptors.
 */
#include "collect/tripwire.h"

#include <dirent.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"

enum {
	EVENTS_MAX = 4096, /* descriptors */
	LOOKS_MAX = 5,     /* at the threads, until no new one is there */
	BATCHES = 7,
	READS = 32,
};

struct pv_tripwire {
	struct pv_vec fds; /* int */
};

/* inherit_thread: of the children of clone() only threads have it, no processes. */
static struct pv_err *open_one(pid_t tid, uint64_t address, int program_fd, bool inherit,
			       int *fd_ret)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.bp_type = HW_BREAKPOINT_RW,
		.bp_addr = address,
		.bp_len = HW_BREAKPOINT_LEN_1,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.inherit = inherit,
		.inherit_thread = inherit,
	};
	_pv_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == ENOSPC)
		return pv_err_create(PV_ERR_FAILED,
				     "the processor's watchpoints are taken, by a debugger or "
				     "another profiler");
	if (fd < 0 && errno == ESRCH)
		return pv_err_create(PV_ERR_NOPROC, "thread %d has ended", (int)tid);
	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return pv_err_create(PV_ERR_FAILED, "cannot set a watchpoint: %s", strerror(errno));
	*fd_ret = fd;
	fd = -1;
	return NULL;
}

/* One thread: all addresses, or none if it has ended. */
static struct pv_err *watch_thread(struct pv_tripwire *tripwire, pid_t tid, int program_fd,
				   const uint64_t *addresses, size_t n)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++) {
		int fd = -1;

		if (tripwire->fds.n >= EVENTS_MAX)
			return pv_err_create(PV_ERR_FAILED, "there are more than %zu threads",
					     EVENTS_MAX / n);
		err = open_one(tid, addresses[i], program_fd, true, &fd);
		if (!err)
			err = pv_vec_append(&tripwire->fds, &fd, 1, NULL);
		if (err && fd >= 0)
			close(fd);
	}
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		return NULL;
	}
	return err;
}

static void close_all(struct pv_tripwire *tripwire)
{
	for (size_t i = 0; i < tripwire->fds.n; i++)
		close(*(int *)pv_vec_at(&tripwire->fds, i));
	tripwire->fds.n = 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/*
 * All threads that are there.  known: those of the look before; new_ret: some are new.  Watch:
 * whether to watch them.
 */
static struct pv_err *look(struct pv_tripwire *tripwire, pid_t pid, int program_fd,
			   const uint64_t *addresses, size_t n, struct pv_map *known, bool watch,
			   bool *new_ret)
{
	char path[64];
	PV_CLEANUP(close_dir) DIR *dir = NULL;
	struct dirent *entry;
	struct pv_err *err = NULL;
	uint64_t seen;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return pv_err_create(PV_ERR_NOPROC, "process %d has ended", (int)pid);
	*new_ret = false;
	while (!err && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (!tid)
			continue;
		if (!pv_map_get(known, (uint64_t)tid, &seen)) {
			*new_ret = true;
			err = pv_map_set(known, (uint64_t)tid, 1);
		}
		if (!err && watch)
			err = watch_thread(tripwire, tid, program_fd, addresses, n);
	}
	return err;
}

/*
 * A thread that is started while its parent's are being set may have them or not, or without the
 * program: then all is done again.
 */
static struct pv_err *watch_all(struct pv_tripwire *tripwire, pid_t pid, int program_fd,
				const uint64_t *addresses, size_t n)
{
	struct pv_err *err = NULL;
	bool new = true;

	for (int i = 0; i < LOOKS_MAX; i++) {
		PV_CLEANUP(pv_map_deinit) struct pv_map known = { 0 };

		close_all(tripwire);
		err = look(tripwire, pid, program_fd, addresses, n, &known, true, &new);
		if (!err)
			err = look(tripwire, pid, program_fd, addresses, n, &known, false, &new);
		if (err || !new)
			return err;
	}
	return pv_err_create(PV_ERR_FAILED, "its threads come too fast to be watched");
}

struct pv_err *pv_tripwire_create(pid_t pid, int program_fd, const uint64_t *addresses, size_t n,
				  struct pv_tripwire **ret)
{
	struct pv_tripwire *tripwire = calloc(1, sizeof(*tripwire));
	struct pv_err *err;

	if (!tripwire)
		return &pv_enomem;
	tripwire->fds = (struct pv_vec)PV_VEC(int);
	err = watch_all(tripwire, pid, program_fd, addresses, n);
	if (err) {
		pv_tripwire_destroy(tripwire);
		return err;
	}
	*ret = tripwire;
	return NULL;
}

void pv_tripwire_destroy(struct pv_tripwire *tripwire)
{
	if (!tripwire)
		return;
	close_all(tripwire);
	pv_vec_deinit(&tripwire->fds);
	free(tripwire);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of the batches: our CPU may be taken away in some of them. */
struct pv_err *pv_tripwire_price(int program_fd, uint64_t *ret)
{
	uint64_t batches[BATCHES], told = 0;
	volatile uint64_t ours = 0;
	_pv_close_ int fd = -1;
	struct pv_err *err = open_one(0, (uintptr_t)&ours, program_fd, false, &fd);

	if (err)
		return err;
	for (int i = 0; i < BATCHES; i++) {
		uint64_t start_ns = pv_now_ns();

		for (int k = 0; k < READS; k++)
			(void)ours;
		batches[i] = (pv_now_ns() - start_ns) / READS;
	}
	if (read(fd, &told, sizeof(told)) != sizeof(told) || told != BATCHES * READS)
		return pv_err_create(PV_ERR_FAILED,
				     "the processor's watchpoints do not work here: %llu of %d "
				     "hits were told",
				     (unsigned long long)told, BATCHES * READS);
	qsort(batches, BATCHES, sizeof(batches[0]), compare_u64);
	*ret = batches[BATCHES / 2];
	return NULL;
}
