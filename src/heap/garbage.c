/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the collector would free.
 * Input: the collector's lists, references of heap/graph.h.  Output: counts by type.
 *
 * Sources: CPython Modules/gcmodule.c and Python/gc.c: update_refs(), subtract_refs(),
 * move_unreachable().
 */
#include "heap/garbage.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "heap/copy.h"
#include "heap/gclist.h"
#include "heap/graph.h"
#include "heap/object.h"
#include "target/mem.h"

enum {
	OBJECTS_MAX = 16 << 20,
	REFERENCES_MAX = 128 << 20,
	TRIES = 4, /* to follow lists that change */
};
#define COPY_MAX (512ULL << 20) /* bytes of the process's memory that are kept */
#define LIMIT_NS 10000000000ULL /* what says that it has 2^32 items may lie */

struct object {
	uint64_t address;
	int64_t left;   /* of its count, without what others of the lists have */
	uint64_t first; /* of its references; those of the next begin where they end */
	const struct pv_heap_type *type; /* NULL: it is gone */
	bool held;
	bool frozen; /* by gc.freeze(): the collector never looks at it */
};

struct reckoning {
	struct pv_heap *heap;
	struct pv_vec objects;    /* struct object */
	struct pv_map index;      /* address -> index */
	struct pv_vec references; /* uint32_t: indices */
	struct pv_vec stack;      /* uint32_t */
	struct pv_map hanging;    /* address of what is in no list -> count that is left */
	struct pv_vec found;      /* uint64_t: of these, garbage */
	struct pv_vec counts;     /* struct pv_garbage_type, by the types' numbers */
	uint64_t until_ns;        /* CLOCK_MONOTONIC */
	bool full;                /* of objects or references, or of time */
};

static struct object *object_at(const struct reckoning *r, size_t i)
{
	return pv_vec_at(&r->objects, i);
}

static struct pv_err *on_object(void *ctx, unsigned int list, uint64_t address)
{
	struct reckoning *r = ctx;
	struct object one = { .address = address, .frozen = list == PV_GC_PERMANENT };
	uint64_t there;
	struct pv_err *err;

	if (pv_map_get(&r->index, address, &there))
		return NULL;
	if (r->objects.n >= OBJECTS_MAX) {
		r->full = true;
		return NULL;
	}
	err = pv_map_set(&r->index, address, r->objects.n);
	return err ? err : pv_vec_append(&r->objects, &one, 1, NULL);
}

/* Its count, and its type; false: it is none any more. */
static bool read_object(struct reckoning *r, uint64_t address, const struct pv_heap_type **type_ret,
			uint64_t *count_ret)
{
	struct pv_mem *mem = pv_heap_mem(r->heap);
	bool immortal = false;
	uint64_t head[3];

	*type_ret = pv_graph_type(r->heap, address);
	if (!*type_ret || pv_mem_read(mem, head, sizeof(head), address) ||
	    !pv_heap_refcount(r->heap, head, count_ret, &immortal))
		return false;
	/* what is immortal is somebody's for ever */
	if (immortal)
		*count_ret = INT64_MAX / 2;
	return true;
}

static struct pv_err *on_reference(void *ctx, const struct pv_edge *edge)
{
	struct reckoning *r = ctx;
	uint64_t i;
	uint32_t to;

	if (!pv_map_get(&r->index, edge->target, &i))
		return NULL;
	if (r->references.n >= REFERENCES_MAX) {
		r->full = true;
		return NULL;
	}
	object_at(r, i)->left--;
	to = (uint32_t)i;
	return pv_vec_append(&r->references, &to, 1, NULL);
}

static struct pv_err *take_away(struct reckoning *r)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; i < r->objects.n; i++) {
		struct object *one = object_at(r, i);
		uint64_t count;

		if (read_object(r, one->address, &one->type, &count))
			one->left += (int64_t)count;
	}
	for (size_t i = 0; !err && i < r->objects.n && !r->full; i++) {
		struct object *one = object_at(r, i);

		r->full = r->full || pv_now_ns() > r->until_ns;
		one->first = r->references.n;
		if (one->type)
			err = pv_graph_references(r->heap, one->address, one->type, r->until_ns,
						  on_reference, r);
	}
	return err;
}

static struct pv_err *hold(struct reckoning *r, uint32_t i)
{
	if (object_at(r, i)->held)
		return NULL;
	object_at(r, i)->held = true;
	return pv_vec_append(&r->stack, &i, 1, NULL);
}

static struct pv_err *spread(struct reckoning *r)
{
	struct pv_err *err = NULL;

	/* one that has more references than its count is one that we misread */
	for (uint32_t i = 0; !err && i < r->objects.n; i++) {
		if (object_at(r, i)->type && (object_at(r, i)->left || object_at(r, i)->frozen))
			err = hold(r, i);
	}
	while (!err && r->stack.n) {
		uint32_t i = *(uint32_t *)pv_vec_at(&r->stack, --r->stack.n);
		uint64_t end = i + 1 < r->objects.n ? object_at(r, i + 1)->first : r->references.n;

		for (uint64_t k = object_at(r, i)->first; !err && k < end; k++)
			err = hold(r, *(uint32_t *)pv_vec_at(&r->references, k));
	}
	return err;
}

/* What is in no list, and only garbage has it: texts, numbers, tuples of such. */
static struct pv_err *on_hanging(void *ctx, const struct pv_edge *edge)
{
	struct reckoning *r = ctx;
	const struct pv_heap_type *type;
	uint64_t there, left;
	struct pv_err *err;

	if (pv_map_get(&r->index, edge->target, &there))
		return NULL;
	if (!pv_map_get(&r->hanging, edge->target, &left) &&
	    !read_object(r, edge->target, &type, &left))
		return NULL;
	/* one that has no count left was found already */
	if (!left)
		return NULL;
	err = pv_map_set(&r->hanging, edge->target, left - 1);
	return err || left > 1 ? err : pv_vec_append(&r->found, &edge->target, 1, NULL);
}

static struct pv_err *count(struct reckoning *r, const struct pv_heap_type *type, bool garbage,
			    bool tracked)
{
	struct pv_garbage_type *one;
	struct pv_err *err = NULL;

	if (type->number >= r->counts.n)
		err = pv_vec_append(&r->counts, NULL, type->number + 1 - r->counts.n, NULL);
	if (err)
		return err;
	one = pv_vec_at(&r->counts, type->number);
	one->type = type->address;
	one->n += garbage;
	one->n_tracked += tracked;
	return NULL;
}

static struct pv_err *count_all(struct reckoning *r)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < r->objects.n && !r->full; i++) {
		struct object *one = object_at(r, i);

		if (!one->type)
			continue;
		r->full |= pv_now_ns() > r->until_ns;
		err = count(r, one->type, !one->held, true);
		if (!err && !one->held)
			err = pv_graph_references(r->heap, one->address, one->type, r->until_ns,
						  on_hanging, r);
	}
	/* grows while it is gone through */
	for (size_t i = 0; !err && i < r->found.n && !r->full; i++) {
		uint64_t address = *(uint64_t *)pv_vec_at(&r->found, i);
		const struct pv_heap_type *type = pv_graph_type(r->heap, address);

		if (!type)
			continue;
		r->full |= pv_now_ns() > r->until_ns;
		err = count(r, type, true, false);
		if (!err && !pv_graph_is_leaf(type))
			err = pv_graph_references(r->heap, address, type, r->until_ns, on_hanging,
						  r);
	}
	return err;
}

/* What is missing of a list would be somebody who has the others: they are followed again. */
static struct pv_err *reckon(struct reckoning *r, bool *changed_ret)
{
	struct pv_gclist_counts lists;
	struct pv_err *err = pv_gclist_walk(r->heap, pv_heap_mem(r->heap), on_object, r, &lists);

	if (err)
		return err;
	*changed_ret = lists.n_collecting || lists.n_broken;
	if (*changed_ret)
		return NULL;
	err = take_away(r);
	if (!err && !r->full)
		err = spread(r);
	if (!err && !r->full)
		err = count_all(r);
	return err || !r->full ? err : pv_err_create(PV_ERR_NOPROC, "there are too many objects");
}

static struct pv_err *fill(const struct reckoning *r, struct pv_garbage *ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < r->counts.n; i++) {
		const struct pv_garbage_type *one = pv_vec_at(&r->counts, i);

		if (!one->n)
			continue;
		ret->n += one->n;
		err = pv_vec_append(&ret->types, one, 1, NULL);
	}
	return err;
}

static void reckoning_deinit(struct reckoning *r)
{
	pv_vec_deinit(&r->objects);
	pv_map_deinit(&r->index);
	pv_vec_deinit(&r->references);
	pv_vec_deinit(&r->stack);
	pv_map_deinit(&r->hanging);
	pv_vec_deinit(&r->found);
	pv_vec_deinit(&r->counts);
}

/* By a copy of its own, since another try is one of another moment. */
static struct pv_err *find(struct pv_heap *heap, pid_t pid, const struct pv_maps *maps,
			   bool *changed_ret, struct pv_garbage *ret)
{
	PV_CLEANUP(reckoning_deinit)
	struct reckoning r = {
		.heap = heap,
		.until_ns = pv_now_ns() + LIMIT_NS,
		.objects = PV_VEC(struct object),
		.references = PV_VEC(uint32_t),
		.stack = PV_VEC(uint32_t),
		.found = PV_VEC(uint64_t),
		.counts = PV_VEC(struct pv_garbage_type),
	};
	struct pv_mem *live = pv_heap_mem(heap), *copy;
	struct pv_err *err = pid ? pv_copy_create_touched(live, COPY_MAX, pid, maps, &copy)
				 : pv_copy_create(live, COPY_MAX, &copy);

	if (err)
		return err;
	pv_heap_set_mem(heap, copy);
	err = reckon(&r, changed_ret);
	pv_heap_set_mem(heap, live);
	pv_mem_destroy(copy);
	return err || *changed_ret ? err : fill(&r, ret);
}

struct pv_err *pv_garbage_find(struct pv_heap *heap, pid_t pid, const struct pv_maps *maps,
			       struct pv_garbage *ret)
{
	struct pv_garbage garbage = { .types = PV_VEC(struct pv_garbage_type) };
	struct pv_err *err = NULL;
	bool changed = true;

	for (int i = 0; !err && changed && i < TRIES; i++)
		err = find(heap, pid, maps, &changed, &garbage);
	if (!err && changed)
		err = pv_err_create(PV_ERR_NOPROC,
				    "the garbage collector's lists change all the time");
	if (err) {
		pv_garbage_deinit(&garbage);
		return err;
	}
	*ret = garbage;
	return NULL;
}

void pv_garbage_deinit(struct pv_garbage *garbage)
{
	pv_vec_deinit(&garbage->types);
}
