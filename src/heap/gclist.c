/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lists of the garbage collector.
 * Input: the interpreters' states.  Output: the objects in their lists.
 *
 * Sources: CPython Modules/gcmodule.c of 2.7 to 3.12, Include/internal/pycore_gc.h and
 * pycore_interp.h of 3.9 to 3.15.
 */
#include "heap/gclist.h"

#include <string.h>

#include "heap/object.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	LINK_FLAGS = 3, /* lowest bits of both links, from 3.8 on */
	OBJECTS_MAX = 1 << 30,
};

struct walk {
	struct pv_heap *heap;
	struct pv_mem *mem;
	pv_gclist_each *each;
	void *ctx;
	struct pv_gclist_counts *counts;
	uint64_t flags; /* bits of links that are not of the address */
};

/* previous: the other way round.  0: it leads nowhere. */
static uint64_t follow(const struct walk *w, uint64_t head, bool previous)
{
	uint64_t link;

	if (pv_mem_read_u64(w->mem, head + (previous ? 8 : 0), &link))
		return 0;
	link &= ~w->flags;
	return link % 4 ? 0 : link;
}

/* Is a generation's head at address?  Then its neighbours lead back to it. */
static bool is_head(const struct walk *w, uint64_t address)
{
	uint64_t next = follow(w, address, false), previous = follow(w, address, true);

	return next && previous && follow(w, next, true) == address &&
	       follow(w, previous, false) == address;
}

/*
 * One way along a list, from its head as far as `until`.  *end_ret: where that ended: until, or
 * the last object that there was.  A cycle that leaves the head out is met by Brent's way: one
 * that waits at every power of two.
 */
static struct pv_err *walk_way(const struct walk *w, unsigned int list, uint64_t head,
			       uint64_t until, bool previous, uint64_t *end_ret)
{
	const struct pv_heaplayout *at = pv_heap_layout(w->heap);
	uint16_t ob_type = pv_heap_python(w->heap)->proc.py.ob_type;
	uint64_t now = head, waiting = 0, steps = 0, limit = 1, type, next;

	for (;;) {
		next = follow(w, now, previous);
		if (next == until) {
			*end_ret = until;
			return NULL;
		}
		if (!next || next == head || next == waiting || steps >= OBJECTS_MAX ||
		    pv_mem_read_u64(w->mem, next + at->gc_head + ob_type, &type) ||
		    !pv_heap_type(w->heap, type))
			break;
		if (++steps == limit) {
			waiting = next;
			limit *= 2;
		}
		w->counts->n[list]++;
		if (w->each) {
			struct pv_err *err = w->each(w->ctx, list, next + at->gc_head);

			if (err)
				return err;
		}
		now = next;
	}
	*end_ret = now;
	return NULL;
}

static struct pv_err *walk_list(const struct walk *w, unsigned int list, uint64_t head)
{
	uint64_t end;
	struct pv_err *err = walk_way(w, list, head, head, false, &end);

	if (err || end == head)
		return err;
	w->counts->n_broken++;
	return walk_way(w, list, head, end, true, &end);
}

/* first: &generations[0]; permanent: the head of what is frozen, or 0. */
static struct pv_err *walk_lists(const struct walk *w, uint64_t first, uint64_t permanent)
{
	const struct pv_heaplayout *at = pv_heap_layout(w->heap);
	struct pv_err *err = NULL;

	for (unsigned int i = 0; !err && i < PV_GC_GENERATIONS; i++)
		err = walk_list(w, i, first + (uint64_t)i * at->gc_stride);
	if (!err && permanent)
		err = walk_list(w, PV_GC_PERMANENT, permanent);
	w->counts->n_interpreters++;
	return err;
}

/* The state of the collector: a part of _PyRuntime (3.7, 3.8) or of an interpreter. */
static struct pv_err *walk_state(const struct walk *w, uint64_t state)
{
	const struct pv_pylayout *py = &pv_heap_python(w->heap)->proc.py;
	const struct pv_heaplayout *at = pv_heap_layout(w->heap);
	uint64_t first = 0;
	uint32_t collecting = 0;

	if (at->gc_generation0 != PV_OFF_NONE)
		(void)pv_mem_read_u64(w->mem, state + at->gc_generation0, &first);
	else
		first = state + at->gc_generations;
	if (!pv_mem_read_u32(w->mem, state + py->gc_collecting, &collecting) && collecting)
		w->counts->n_collecting++;
	if (!first || first % 4 || (!collecting && !is_head(w, first) && !is_head(w, first)))
		return pv_err_create(
			PV_ERR_NOPROC,
			"the garbage collector's lists of the CPython %s are not where "
			"they must be",
			pv_heap_python(w->heap)->version);
	return walk_lists(w, first, at->gc_permanent == PV_OFF_NONE ? 0 : state + at->gc_permanent);
}

static struct pv_err *walk_interpreters(const struct walk *w)
{
	const struct pv_proc *proc = &pv_heap_python(w->heap)->proc;
	struct pv_err *err = NULL;
	uint64_t interp;

	if (pv_mem_read_u64(w->mem, proc->runtime + proc->py.rt_interpreters_head, &interp) ||
	    !interp)
		return pv_err_create(PV_ERR_NOPROC, "the CPython %s has no interpreter (yet)",
				     pv_heap_python(w->heap)->version);
	for (int i = 0; !err && interp && i < PV_INTERPRETERS_MAX; i++) {
		err = walk_state(w, interp + proc->py.is_gc);
		if (!err && pv_mem_read_u64(w->mem, interp + proc->py.is_next, &interp))
			break;
	}
	return err;
}

struct pv_err *pv_gclist_walk(struct pv_heap *heap, struct pv_mem *mem, pv_gclist_each *each,
			      void *ctx, struct pv_gclist_counts *ret)
{
	const struct pv_python *python = pv_heap_python(heap);
	const struct pv_pylayout *py = &python->proc.py;
	struct pv_gclist_counts counts = { 0 };
	struct walk w = {
		.heap = heap,
		.mem = mem,
		.each = each,
		.ctx = ctx,
		.counts = &counts,
		.flags = py->version_hex >= 0x03080000 ? LINK_FLAGS : 0,
	};
	struct pv_err *err;
	uint64_t first = 0;

	if (py->free_threaded)
		return pv_err_create(PV_ERR_NOPROC,
				     "a free-threaded CPython has no lists of objects");
	if (py->rt_gc) {
		err = walk_state(&w, python->proc.runtime + py->rt_gc);
	} else if (py->is_gc != PV_OFF_NONE) {
		err = walk_interpreters(&w);
	} else if (!python->gc_generation0 ||
		   pv_mem_read_u64(mem, python->gc_generation0, &first) || !first) {
		err = pv_err_create(PV_ERR_NOPROC,
				    "the CPython %s does not tell where the garbage collector's "
				    "lists are",
				    python->version);
	} else {
		err = walk_lists(&w, first, 0);
	}
	if (!err)
		*ret = counts;
	return err;
}
