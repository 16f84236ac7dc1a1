/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walkers' maps of one object.  Input: an image.  Output: filled maps, records of the ring.
 */
#include "collect/walkers.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "abi/process.h"
#include "base/cleanup.h"
#include "collect/arena.h"
#include "collect/slots.h"

enum { SPARE_SCRATCH = 2 }; /* besides one a CPU: a walk can be preempted */

struct pv_walkers {
	struct bpf_object *object;
	struct pv_arena *arena;
	struct pv_slots *slots;
	struct ring_buffer *ring;
	/* while draining */
	struct pv_err *(*fn)(void *ctx, const struct pv_event *event, size_t size);
	void *ctx;
	struct pv_err *err;
};

static int set_entries(struct bpf_object *object, const char *name, uint32_t n)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map ? bpf_map__set_max_entries(map, n) : -ENOENT;
}

struct pv_err *pv_walkers_size(struct bpf_object *object, uint32_t *n_ret)
{
	int cpus = libbpf_num_possible_cpus(), error;
	uint32_t n;

	if (cpus < 0)
		return pv_err_errno(-cpus, "cannot count the CPUs");
	n = (uint32_t)cpus + SPARE_SCRATCH;
	error = set_entries(object, "scratch", n);
	if (!error)
		error = set_entries(object, "claims", n);
	if (error)
		return pv_err_errno(-error, "cannot size the BPF maps");
	*n_ret = n;
	return NULL;
}

static int on_record(void *ctx, void *data, size_t size)
{
	const struct pv_event *event = data;
	struct pv_walkers *walkers = ctx;

	if (walkers->err || size < sizeof(*event) || event->size > size)
		return 0;
	walkers->err = walkers->fn(walkers->ctx, event, size);
	return walkers->err ? -ECANCELED : 0;
}

static struct pv_err *create(struct pv_walkers *walkers)
{
	int fd = bpf_object__find_map_fd_by_name(walkers->object, "ring");
	struct pv_err *err = pv_arena_create(walkers->object, &walkers->arena);

	if (!err)
		err = pv_slots_create(walkers->object, &walkers->slots);
	if (err)
		return err;
	walkers->ring = ring_buffer__new(fd, on_record, walkers, NULL);
	return walkers->ring ? NULL : pv_err_errno(errno, "cannot map the BPF ring buffer");
}

struct pv_err *pv_walkers_create(struct bpf_object *object, struct pv_walkers **ret)
{
	struct pv_walkers *walkers = calloc(1, sizeof(*walkers));
	struct pv_err *err;

	if (!walkers)
		return &pv_enomem;
	walkers->object = object;
	err = create(walkers);
	if (err) {
		pv_walkers_destroy(walkers);
		return err;
	}
	*ret = walkers;
	return NULL;
}

void pv_walkers_destroy(struct pv_walkers *walkers)
{
	if (!walkers)
		return;
	ring_buffer__free(walkers->ring);
	pv_slots_destroy(walkers->slots);
	pv_arena_destroy(walkers->arena);
	free(walkers);
}

struct pv_err *pv_walkers_put(struct pv_walkers *walkers, const struct pv_image *image,
			      const struct pv_objects *objects)
{
	return pv_slots_put(walkers->slots, walkers->arena, image, objects, PV_GENERATION_FIRST);
}

int pv_walkers_fd(const struct pv_walkers *walkers)
{
	return ring_buffer__epoll_fd(walkers->ring);
}

struct pv_err *pv_walkers_drain(struct pv_walkers *walkers,
				struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
						     size_t size),
				void *ctx)
{
	int error;

	walkers->fn = fn;
	walkers->ctx = ctx;
	walkers->err = NULL;
	error = ring_buffer__consume(walkers->ring);
	if (walkers->err)
		return walkers->err;
	return error < 0 ? pv_err_errno(-error, "cannot read the BPF ring buffer") : NULL;
}

struct pv_err *pv_walkers_losses(const struct pv_walkers *walkers, uint64_t *counts)
{
	int fd = bpf_object__find_map_fd_by_name(walkers->object, "losses");
	int cpus = libbpf_num_possible_cpus();
	_pv_free_ uint64_t *values = NULL;

	if (cpus < 0)
		return pv_err_errno(-cpus, "cannot count the CPUs");
	values = calloc((size_t)cpus, 8);
	if (!values)
		return &pv_enomem;
	for (uint32_t i = 0; i < PV_LOSS_MAX; i++) {
		if (bpf_map_lookup_elem(fd, &i, values))
			return pv_err_errno(errno, "cannot read the counters of the BPF program");
		for (int cpu = 0; cpu < cpus; cpu++)
			counts[i] += values[cpu];
	}
	return NULL;
}

/* What the kernel itself says that a map takes, its own overhead with it; 0: it does not say. */
static uint64_t told_bytes(int fd)
{
	_pv_fclose_ FILE *file = NULL;
	unsigned long long bytes = 0;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && !bytes && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) != 1)
			bytes = 0;
	}
	return bytes;
}

uint64_t pv_walkers_map_bytes(const struct pv_walkers *walkers)
{
	uint64_t bytes = pv_arena_bytes(walkers->arena);
	struct bpf_map *map;

	bpf_object__for_each_map(map, walkers->object)
	{
		if (bpf_map__fd(map) >= 0)
			bytes += told_bytes(bpf_map__fd(map));
	}
	return bytes;
}
