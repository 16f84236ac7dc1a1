/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walkers compiled for the host.  Input: struct pv_mem and plain arrays.
 * Output: a sample, and events of code objects through the handlers.
 */
#include "snap/snap.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/mem.h"
#include "walk/walk.h"

struct pv_snap {
	struct pv_walk walk;
	struct pv_snap_source source;
	struct pv_snap_handlers handlers;
	struct pv_map codes; /* states of code objects, by key */
	__u64 cell;          /* the last one that was asked for */
	struct pv_err *err;  /* the first one of this walk */
};

static inline long pv_read(struct pv_ctx *c, void *dst, __u32 n, __u64 addr)
{
	struct pv_snap *snap = c->home;

	return pv_mem_read(snap->source.mem, dst, n, addr);
}

static inline long pv_read_stack(struct pv_ctx *c, __u64 *words, __u32 n, __u64 addr)
{
	return pv_read(c, words, 8 * n, addr);
}

static inline long pv_loop(__u32 n, long (*fn)(__u32 i, void *ctx), struct pv_ctx *c)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		if (fn(i, c))
			return i + 1;
	}
	return n;
}

static inline const struct pv_mapping *pv_env_mapping(struct pv_ctx *c, __u32 index)
{
	const struct pv_snap *snap = c->home;

	return index < snap->source.n_mappings ? &snap->source.mappings[index] : NULL;
}

static inline const __u64 *pv_env_cell(struct pv_ctx *c, __u32 segment, __u32 index)
{
	struct pv_snap *snap = c->home;
	uint64_t value;

	if (!snap->source.cell(snap->source.cell_ctx, segment, index, &value))
		return NULL;
	snap->cell = value;
	return &snap->cell;
}

static inline __u32 pv_env_code_state(struct pv_ctx *c, __u64 key)
{
	const struct pv_snap *snap = c->home;
	uint64_t state = 0;

	pv_map_get(&snap->codes, key, &state);
	return (__u32)state;
}

static void keep_first(struct pv_snap *snap, struct pv_err *err)
{
	if (!snap->err)
		snap->err = err;
	else
		pv_err_destroy(err);
}

static inline void pv_env_code_mark(struct pv_ctx *c, __u64 key, __u32 state)
{
	struct pv_snap *snap = c->home;

	keep_first(snap, pv_map_set(&snap->codes, key, state));
}

static inline void pv_env_code_forget(struct pv_ctx *c, __u64 key)
{
	struct pv_snap *snap = c->home;

	pv_map_remove(&snap->codes, key);
}

static inline long pv_env_emit(struct pv_ctx *c, void *record, __u32 size)
{
	struct pv_snap *snap = c->home;
	struct pv_err *err;

	if (!snap->handlers.event)
		return 0;
	err = snap->handlers.event(snap->handlers.ctx, record, size);
	if (!err)
		return 0;
	keep_first(snap, err);
	return -1;
}

static inline bool pv_env_tasks(struct pv_ctx *c)
{
	return c->proc->tasks.kind != PV_TASKS_NONE;
}

static inline void pv_env_lost(struct pv_ctx *c, __u32 loss)
{
	const struct pv_snap *snap = c->home;

	if (snap->handlers.lost)
		snap->handlers.lost(snap->handlers.ctx, loss);
}

#include "walk/native.h"
#include "walk/python.h"

struct pv_err *pv_snap_create(const struct pv_snap_source *source,
			      const struct pv_snap_handlers *handlers, struct pv_snap **ret)
{
	struct pv_snap *snap = calloc(1, sizeof(*snap));

	if (!snap)
		return &pv_enomem;
	snap->source = *source;
	snap->source.proc.maps_first = 0;
	snap->source.proc.maps_n = source->n_mappings;
	snap->source.proc.serial = 1;
	if (handlers)
		snap->handlers = *handlers;
	*ret = snap;
	return NULL;
}

void pv_snap_destroy(struct pv_snap *snap)
{
	if (!snap)
		return;
	pv_map_deinit(&snap->codes);
	free(snap);
}

struct pv_err *pv_snap_walk(struct pv_snap *snap, const struct pv_snap_thread *thread,
			    const struct pv_event_sample **ret)
{
	struct pv_walk *w = &snap->walk;
	struct pv_ctx c = { .w = w, .proc = &snap->source.proc, .home = snap };
	struct pv_err *err;

	pv_walk_begin(w);
	w->sample.time_ns = pv_now_ns();
	w->sample.pid = thread->pid;
	w->sample.tid = thread->tid;
	w->sample.generation = snap->source.proc.generation;
	w->sample.cpu = 0;
	w->pc = thread->pc;
	w->sp = thread->sp;
	w->bp = thread->bp;
	w->fsbase = thread->fsbase;

	pv_walk_python(&c);
	pv_walk_native(&c);

	w->sample.hdr.type = PV_EVENT_SAMPLE;
	w->sample.hdr.reserved = 0;
	w->sample.hdr.size = pv_walk_size(w);
	err = snap->err;
	snap->err = NULL;
	if (!err)
		*ret = &w->sample;
	return err;
}

static void begin_object(struct pv_snap *snap, uint32_t pid)
{
	pv_walk_begin(&snap->walk);
	snap->walk.sample.pid = pid;
	snap->walk.sample.generation = snap->source.proc.generation;
}

static struct pv_err *end_object(struct pv_snap *snap)
{
	struct pv_err *err = snap->err;

	snap->err = NULL;
	return err;
}

struct pv_err *pv_snap_code(struct pv_snap *snap, uint32_t pid, uint64_t address, uint64_t *ret)
{
	struct pv_ctx c = { .w = &snap->walk, .proc = &snap->source.proc, .home = snap };
	const struct pv_walk_code *code;
	struct pv_err *err;
	uint64_t key;

	begin_object(snap, pid);
	code = pv_code_see(&c, address);
	key = code->bad ? 0 : code->key;
	pv_code_copy_new(&c);
	err = end_object(snap);
	if (!err)
		*ret = key;
	return err;
}

struct pv_err *pv_snap_task_name(struct pv_snap *snap, uint32_t pid, uint64_t address,
				 uint64_t *ret)
{
	struct pv_ctx c = { .w = &snap->walk, .proc = &snap->source.proc, .home = snap };
	struct pv_err *err;
	uint64_t key;

	begin_object(snap, pid);
	key = pv_tasks_name(&c, address);
	err = end_object(snap);
	if (!err)
		*ret = key;
	return err;
}

const struct pv_proc *pv_snap_proc(const struct pv_snap *snap)
{
	return &snap->source.proc;
}

struct pv_err *pv_snap_mappings(const struct pv_image *image, struct pv_mapping **ret)
{
	struct pv_mapping *mappings = calloc(image->n_mappings + 1, sizeof(*mappings));
	size_t i;

	if (!mappings)
		return &pv_enomem;
	for (i = 0; i < image->n_mappings; i++) {
		mappings[i] = image->mappings[i];
		mappings[i].segment = mappings[i].object;
		mappings[i].cell = 0;
	}
	*ret = mappings;
	return NULL;
}

bool pv_snap_object_cell(void *objects, uint32_t segment, uint32_t index, uint64_t *ret)
{
	const struct pv_object *object = pv_objects_get(objects, segment);

	if (!object || index >= (uint64_t)object->unwind.npages + object->unwind.nrows)
		return false;
	*ret = object->unwind.cells[index];
	return true;
}
