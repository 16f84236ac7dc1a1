/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bpf engine: loading, attaching, draining, counting.  Input: skeletons,
 * images.  Output: records by callback.
 */
#include "collect/collect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "abi/event.h"
#include "abi/process.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/arena.h"
#include "collect/features.h"
#include "collect/load.h"
#include "collect/sampler.h"
#include "collect/sideband.h"
#include "collect/slots.h"
#include "snap/image.h"
#include "target/place.h"

#include "sample.skel.h"
#include "stack.skel.h"

enum {
	EVENTS_MAX = 64,  /* of epoll, at once */
	PACE_NS = 500000, /* between two that wake us */
};

struct pv_collect {
	struct pv_collect_options options;
	struct sample_bpf *sample; /* one of the two */
	struct stack_bpf *stack;
	struct bpf_object *object; /* of the one */
	struct ring_buffer *ring;
	struct pv_arena *arena;
	struct pv_slots *slots;
	struct pv_sideband *sideband; /* or NULL */
	struct pv_sampler *sampler;   /* or NULL */
	bool in_namespace;            /* a PID namespace that is not the host's */
	int epoll_fd;
	uint64_t woken_ns;
	const struct pv_collect_handlers *handlers; /* while draining */
	struct pv_err *handler_err;
};

static int on_record(void *ctx, void *data, size_t size)
{
	struct pv_collect *collect = ctx;
	const struct pv_event *event = data;

	if (collect->handler_err || size < sizeof(*event))
		return 0;
	collect->handler_err = collect->handlers->event(collect->handlers->ctx, event, size);
	return collect->handler_err ? -ECANCELED : 0;
}

static struct pv_err *open_object(struct pv_collect *collect)
{
	if (collect->options.snapshot) {
		collect->stack = stack_bpf__open();
		if (!collect->stack)
			return pv_err_errno(errno, "cannot open the BPF iterator");
		collect->stack->rodata->with_tasks = collect->options.tasks;
		collect->stack->rodata->target_pid = collect->options.snapshot_pid;
		collect->stack->rodata->in_namespace = collect->in_namespace;
		bpf_program__set_autoload(collect->stack->progs.find_namespace,
					  collect->in_namespace);
		collect->object = collect->stack->obj;
	} else {
		collect->sample = sample_bpf__open();
		if (!collect->sample)
			return pv_err_errno(errno, "cannot open the BPF sampler");
		collect->sample->rodata->with_tasks = collect->options.tasks;
		collect->sample->rodata->with_kernel = !collect->options.no_kernel;
		collect->sample->rodata->with_native = !collect->options.no_native;
		collect->sample->rodata->in_namespace = collect->in_namespace;
		bpf_program__set_autoload(collect->sample->progs.find_namespace,
					  collect->in_namespace);
		bpf_program__set_autoload(collect->sample->progs.on_exit, collect->in_namespace);
		collect->object = collect->sample->obj;
	}
	return NULL;
}

/* Loads the programs; the only part that needs privileges. */
static struct pv_err *load_object(struct pv_collect *collect)
{
	struct bpf_map *scratch = bpf_object__find_map_by_name(collect->object, "scratch");
	int cpus = collect->options.snapshot ? 1 : libbpf_num_possible_cpus(), error;

	error = cpus < 0 ? cpus : bpf_map__set_max_entries(scratch, cpus);
	if (!error)
		error = collect->stack ? stack_bpf__load(collect->stack)
				       : sample_bpf__load(collect->sample);
	if (error)
		return pv_load_error(error);
	if (!collect->in_namespace)
		return NULL;
	return pv_load_namespace(bpf_program__fd(collect->stack
							 ? collect->stack->progs.find_namespace
							 : collect->sample->progs.find_namespace));
}

static struct pv_err *open_ring(struct pv_collect *collect)
{
	struct bpf_map *ring = bpf_object__find_map_by_name(collect->object, "ring");
	struct epoll_event watch = { .events = EPOLLIN };
	int fd;

	collect->ring = ring_buffer__new(bpf_map__fd(ring), on_record, collect, NULL);
	if (!collect->ring)
		return pv_err_errno(errno, "cannot map the BPF ring buffer");
	fd = ring_buffer__epoll_fd(collect->ring);
	watch.data.fd = fd;
	if (epoll_ctl(collect->epoll_fd, EPOLL_CTL_ADD, fd, &watch))
		return pv_err_errno(errno, "cannot watch the BPF ring buffer");
	return NULL;
}

struct pv_err *pv_collect_create(const struct pv_collect_options *options, struct pv_collect **ret)
{
	struct pv_collect *collect;
	struct pv_err *err = pv_place_check();

	if (err)
		return err;
	collect = calloc(1, sizeof(*collect));
	if (!collect)
		return &pv_enomem;
	collect->options = *options;
	collect->in_namespace = pv_place_own_pids();
	collect->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (collect->epoll_fd < 0) {
		free(collect);
		return pv_err_errno(errno, "cannot make an epoll descriptor");
	}
	*ret = collect;
	return NULL;
}

struct pv_err *pv_collect_load(struct pv_collect *collect)
{
	struct pv_err *err;

	pv_load_quiet();
	err = open_object(collect);
	if (!err)
		err = load_object(collect);
	if (!err)
		err = open_ring(collect);
	if (!err)
		err = pv_arena_create(collect->object, &collect->arena);
	if (!err)
		err = pv_slots_create(collect->object, &collect->slots);
	return err;
}

void pv_collect_destroy(struct pv_collect *collect)
{
	if (!collect)
		return;
	pv_sampler_destroy(collect->sampler);
	pv_sideband_destroy(collect->sideband);
	pv_slots_destroy(collect->slots);
	pv_arena_destroy(collect->arena);
	ring_buffer__free(collect->ring);
	sample_bpf__destroy(collect->sample);
	stack_bpf__destroy(collect->stack);
	if (collect->epoll_fd >= 0)
		close(collect->epoll_fd);
	free(collect);
}

struct pv_err *pv_collect_open_side(struct pv_collect *collect)
{
	struct pv_err *err;

	if (!pv_features_privileged())
		return pv_load_permission();
	err = pv_sideband_create(collect->epoll_fd, &collect->sideband);
	if (!err || (err->errnum != EPERM && err->errnum != EACCES) || !pv_place_own_users())
		return err;
	pv_err_destroy(err);
	return pv_load_permission();
}

struct pv_err *pv_collect_follow(struct pv_collect *collect)
{
	struct sample_bpf *sample = collect->sample;

	sample->links.on_fork = bpf_program__attach(sample->progs.on_fork);
	if (!sample->links.on_fork)
		return pv_err_errno(errno, "cannot follow forks");
	sample->links.on_exec = bpf_program__attach(sample->progs.on_exec);
	if (!sample->links.on_exec)
		return pv_err_errno(errno, "cannot follow execs");
	sample->links.on_free = bpf_program__attach(sample->progs.on_free);
	if (sample->links.on_free && collect->in_namespace) {
		sample->links.on_exit = bpf_program__attach(sample->progs.on_exit);
		if (!sample->links.on_exit)
			return pv_err_errno(errno, "cannot follow ends of threads");
	}
	return sample->links.on_free ? NULL : pv_err_errno(errno, "cannot follow exits");
}

struct pv_err *pv_collect_add(struct pv_collect *collect, pid_t pid, bool *added_ret)
{
	return pv_slots_add(collect->slots, pid, collect->options.children, added_ret);
}

void pv_collect_remove(struct pv_collect *collect, pid_t pid)
{
	pv_slots_remove(collect->slots, pid);
}

void pv_collect_forget(struct pv_collect *collect, pid_t pid)
{
	pv_slots_forget(collect->slots, pid);
}

bool pv_collect_watched(struct pv_collect *collect, pid_t pid, struct pv_watch *ret)
{
	return pv_slots_watched(collect->slots, pid, ret);
}

struct pv_err *pv_collect_list(struct pv_collect *collect, struct pv_vec *pids)
{
	return pv_slots_list(collect->slots, pids);
}

struct pv_err *pv_collect_put(struct pv_collect *collect, const struct pv_image *image,
			      const struct pv_objects *objects, uint32_t generation)
{
	return pv_slots_put(collect->slots, collect->arena, image, objects, generation);
}

struct pv_err *pv_collect_share(struct pv_collect *collect, pid_t parent, pid_t child,
				uint32_t generation, bool *shared_ret)
{
	return pv_slots_share(collect->slots, parent, child, generation, shared_ret);
}

struct pv_err *pv_collect_start(struct pv_collect *collect)
{
	return pv_sampler_create(bpf_program__fd(collect->sample->progs.on_tick),
				 collect->options.frequency, &collect->sampler);
}

void pv_collect_detach(struct pv_collect *collect)
{
	pv_sampler_destroy(collect->sampler);
	collect->sampler = NULL;
}

struct pv_err *pv_collect_watch(struct pv_collect *collect, int fd)
{
	struct epoll_event watch = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(collect->epoll_fd, EPOLL_CTL_ADD, fd, &watch))
		return pv_err_errno(errno, "cannot watch a descriptor");
	return NULL;
}

struct pv_err *pv_collect_unwatch(struct pv_collect *collect, int fd)
{
	if (epoll_ctl(collect->epoll_fd, EPOLL_CTL_DEL, fd, NULL))
		return pv_err_errno(errno, "cannot stop watching a descriptor");
	return NULL;
}

struct pv_err *pv_collect_drain_side(struct pv_collect *collect,
				     const struct pv_collect_handlers *handlers)
{
	return collect->sideband ? pv_sideband_drain(collect->sideband, handlers) : NULL;
}

/*
 * Anything wakes us at once, but not again at once: a program that starts has
 * half a dozen side-band records in a millisecond, on all of the machine.
 */
static void wait_for_any(struct pv_collect *collect, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t since_ns = pv_now_ns() - collect->woken_ns;
	struct timespec rest = { .tv_nsec = PACE_NS - since_ns };

	if (since_ns < PACE_NS)
		nanosleep(&rest, NULL);
	if (epoll_wait(collect->epoll_fd, events, EVENTS_MAX, timeout_ms) > 0)
		collect->woken_ns = pv_now_ns();
}

struct pv_err *pv_collect_drain(struct pv_collect *collect, int timeout_ms,
				const struct pv_collect_handlers *handlers)
{
	struct pv_err *err = NULL;
	int error;

	if (timeout_ms)
		wait_for_any(collect, timeout_ms);
	collect->handlers = handlers;
	collect->handler_err = NULL;
	/* births and mappings first: they explain the samples */
	err = pv_collect_drain_side(collect, handlers);
	if (err)
		return err;
	error = ring_buffer__consume(collect->ring);
	if (collect->handler_err)
		return collect->handler_err;
	return error < 0 ? pv_err_errno(-error, "cannot read the BPF ring buffer") : NULL;
}

struct pv_err *pv_collect_snapshot(struct pv_collect *collect)
{
	union bpf_iter_link_info info = { .task.pid = collect->options.snapshot_pid };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	struct pv_err *err = NULL;
	char buffer[256];
	ssize_t n;
	int fd;

	link = bpf_program__attach_iter(collect->stack->progs.on_task, &opts);
	if (!link)
		return pv_err_errno(errno, "cannot attach the task iterator");
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = pv_err_errno(-fd, "cannot start the task iterator");
	while (!err && (n = read(fd, buffer, sizeof(buffer)))) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			err = pv_err_errno(errno, "the task iterator failed");
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

/* Sums a per-CPU value of n u64s over all CPUs into sum[n]. */
static struct pv_err *sum_per_cpu(struct pv_collect *collect, const char *name, uint32_t key,
				  size_t n, uint64_t *sum)
{
	int fd = bpf_object__find_map_fd_by_name(collect->object, name);
	int cpus = libbpf_num_possible_cpus(), cpu;
	_pv_free_ uint64_t *values = NULL;
	size_t i;

	if (cpus < 0)
		return pv_err_errno(-cpus, "cannot count the CPUs");
	values = calloc(cpus, 8 * n);
	if (!values)
		return &pv_enomem;
	if (bpf_map_lookup_elem(fd, &key, values))
		return pv_err_errno(errno, "cannot read the counters of the BPF program");
	for (cpu = 0; cpu < cpus; cpu++) {
		for (i = 0; i < n; i++)
			sum[i] += values[cpu * n + i];
	}
	return NULL;
}

struct pv_err *pv_collect_losses(struct pv_collect *collect, uint64_t *counts)
{
	struct pv_err *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < PV_LOSS_MAX; i++)
		err = sum_per_cpu(collect, "losses", i, 1, &counts[i]);
	if (collect->sideband)
		counts[PV_LOSS_SIDEBAND] += pv_sideband_lost(collect->sideband);
	return err;
}

struct pv_err *pv_collect_cost(struct pv_collect *collect, uint64_t *ns_ret, uint64_t *runs_ret)
{
	uint64_t sum[sizeof(struct pv_cost) / 8] = {};
	struct pv_err *err = sum_per_cpu(collect, "cost", 0, 2, sum);

	if (err)
		return err;
	*runs_ret = sum[0];
	*ns_ret = sum[1];
	return NULL;
}

uint64_t pv_collect_map_bytes(const struct pv_collect *collect)
{
	uint64_t bytes = pv_arena_bytes(collect->arena);
	struct bpf_map *map;

	bpf_object__for_each_map(map, collect->object)
	{
		uint64_t size = (uint64_t)bpf_map__key_size(map) + bpf_map__value_size(map);

		bytes += bpf_map__max_entries(map) *
			 (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF ? 1 : size);
	}
	return bytes;
}
