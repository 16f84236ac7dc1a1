/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner of the kernel side: loads the BPF programs, fills their maps,
 * attaches them, drains what they send.  Input: images of processes.
 * Output: pv_event records and side-band events, by callback.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes programs, events and maps away.
 */
#ifndef PV_COLLECT_COLLECT_H
#define PV_COLLECT_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/loss.h"
#include "base/err.h"

struct pv_event;
struct pv_image;
struct pv_objects;
struct pv_vec;
struct pv_watch;

enum pv_side_type {
	PV_SIDE_MMAP, /* pid has a new executable mapping */
	PV_SIDE_EXEC, /* pid has become another program, called name */
	PV_SIDE_NAME, /* pid:tid calls itself name */
	PV_SIDE_FORK, /* pid:tid was born of parent_pid:parent_tid */
	PV_SIDE_EXIT, /* pid:tid is gone */
	PV_SIDE_LOST, /* there were others that the kernel could not keep; all else is 0 */
};

struct pv_side_event {
	enum pv_side_type type;
	pid_t pid, tid, parent_pid, parent_tid;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	char name[16];    /* any bytes, NUL-terminated */
};

struct pv_collect_options {
	unsigned int frequency; /* samples a second and CPU */
	bool children;          /* what watched processes fork is watched, too */
	bool no_kernel, no_native;
	bool tasks;    /* names of asyncio tasks, where pv_proc.tasks says where they are */
	bool snapshot; /* load the task iterator in place of the sampler */
	pid_t snapshot_pid;
};

struct pv_collect_handlers {
	void *ctx;
	/* An error stops the drain and is passed on. */
	struct pv_err *(*event)(void *ctx, const struct pv_event *event, size_t size);
	struct pv_err *(*side)(void *ctx, const struct pv_side_event *event);
};

struct pv_collect;

/* PV_ERR_PERMISSION without the privileges; a kernel that lacks something: which. */
struct pv_err *pv_collect_create(const struct pv_collect_options *options, struct pv_collect **ret);
void pv_collect_destroy(struct pv_collect *collect);

/* Begins to receive side-band events of the whole machine. */
struct pv_err *pv_collect_open_side(struct pv_collect *collect);

/*
 * Loads the BPF programs and makes their maps: all that follows needs it.  It
 * takes tens of milliseconds and may run in a thread of its own meanwhile.
 * PV_ERR_PERMISSION without the privileges; a kernel that lacks something: which.
 */
struct pv_err *pv_collect_load(struct pv_collect *collect);

/* From here on the kernel's side takes in forks, execs and ends of watched processes at once. */
struct pv_err *pv_collect_follow(struct pv_collect *collect);

/*
 * A process that is to be sampled; until its image is put its samples are marked.
 * added_ret: false, PV_WATCHED_MAX others are.
 */
struct pv_err *pv_collect_add(struct pv_collect *collect, pid_t pid, bool *added_ret);

/* It has ended: its number means nothing any more. */
void pv_collect_remove(struct pv_collect *collect, pid_t pid);

/* Takes its image from the walkers only: the number is a new child's, which is watched already. */
void pv_collect_forget(struct pv_collect *collect, pid_t pid);

/* What the kernel's side knows of a process now; false: it is not watched. */
bool pv_collect_watched(struct pv_collect *collect, pid_t pid, struct pv_watch *ret);

/* Appends the ids of all that it watches to pids, pid_t. */
struct pv_err *pv_collect_list(struct pv_collect *collect, struct pv_vec *pids);

/*
 * Hands a process's image to the walkers, or replaces it; tables of objects go
 * up once.  What the walkers learned of the same generation is kept.
 */
struct pv_err *pv_collect_put(struct pv_collect *collect, const struct pv_image *image,
			      const struct pv_objects *objects, uint32_t generation);

/* Gives a forked child its parent's image; shared_ret: false, that one has none, or all are taken.
 */
struct pv_err *pv_collect_share(struct pv_collect *collect, pid_t parent, pid_t child,
				uint32_t generation, bool *shared_ret);

/* Samples are taken from here on. */
struct pv_err *pv_collect_start(struct pv_collect *collect);

/* Waits up to timeout_ms for anything, then hands over all that there is. */
struct pv_err *pv_collect_drain(struct pv_collect *collect, int timeout_ms,
				const struct pv_collect_handlers *handlers);

/*
 * Hands over the side-band events that there are.  When a record names a process
 * that is not known this brings its birth: what led to a record is there before it.
 */
struct pv_err *pv_collect_drain_side(struct pv_collect *collect,
				     const struct pv_collect_handlers *handlers);

/* A descriptor to be woken by (signals, pidfd); readable = pv_collect_drain() returns. */
struct pv_err *pv_collect_watch(struct pv_collect *collect, int fd);

/* One that stays readable (a pidfd) is taken out again, or there is no waiting any more. */
struct pv_err *pv_collect_unwatch(struct pv_collect *collect, int fd);

/* Takes one sample of every thread of snapshot_pid by the iterator. */
struct pv_err *pv_collect_snapshot(struct pv_collect *collect);

/* No sample is taken from here on; what is in the ring can still be drained. */
void pv_collect_detach(struct pv_collect *collect);

/* Losses counted in the kernel and by the side-band, added to counts[PV_LOSS_MAX]. */
struct pv_err *pv_collect_losses(struct pv_collect *collect, uint64_t *counts);

/* Run time and runs of the programs so far. */
struct pv_err *pv_collect_cost(struct pv_collect *collect, uint64_t *ns_ret, uint64_t *runs_ret);

/* Bytes of all BPF maps. */
uint64_t pv_collect_map_bytes(const struct pv_collect *collect);

#endif
