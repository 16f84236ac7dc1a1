/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the garbage collector.
 * Input: a pv_heap, memory.  Output: whether it is off, counts.
 *
 * Sources: struct _gc_runtime_state of CPython 3.7 to 3.15 (Include/internal/pycore_gc.h,
 * pycore_interp_structs.h; struct gc_stats of 3.15); gc_isenabled() of 2.7 and 3.6
 * (Modules/gcmodule.c), whose switch is a static variable, as are their counts (3.6), which are not
 * read.
 */
#include "heap/collecting.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "heap/gclist.h"
#include "heap/names.h"
#include "heap/object.h"
#include "model/memory.h"
#include "python/detect.h"
#include "python/layout.h"
#include "target/mem.h"

enum {
	BEFORE = 20,  /* a pointer and the depth of destructors, the switch, debug, the lists */
	ENABLED = 12, /* the switch, then */
	NEITHER = 8,  /* the switch, debug, the lists: 3.15 */
	METHOD = 16,  /* PyCFunctionObject.m_ml */
	FUNCTION = 8, /* PyMethodDef.ml_meth */
	LOAD = 7,     /* bytes of movslq enabled(%rip),%rdi */
	ENTRY = 4,    /* of endbr64 */
	CODE = ENTRY + LOAD,
	/* struct gc_generation_stats: up to 3.14 collections, collected, uncollectable */
	COLLECTED = 8,
	STATS_BYTES = 64, /* 3.15: two times, collections, collected ... */
	STATS_COLLECTIONS = 16,
	STATS_N = 3,
	COUNT_BITS = 40,
};

/* The switch's offset in the collector's state; < 0: not known. */
static int switch_at(const struct pv_heaplayout *at)
{
	unsigned int lists = at->gc_generation0 != PV_OFF_NONE
				     ? at->gc_generation0 - PV_GC_GENERATIONS * at->gc_stride
				     : at->gc_generations;

	return lists >= BEFORE ? ENABLED : lists == NEITHER ? 0 : -1;
}

/* struct gc_generation: its list, then the threshold.  0: nothing is ever collected by itself. */
static bool is_without_threshold(struct pv_heap *heap, uint64_t state)
{
	const struct pv_heaplayout *at = pv_heap_layout(heap);
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t first = state + at->gc_generations;
	uint32_t threshold;

	if (at->gc_generation0 != PV_OFF_NONE &&
	    pv_mem_read_u64(mem, state + at->gc_generation0, &first))
		return false;
	return !pv_mem_read_u32(mem, first + at->gc_head, &threshold) && !threshold;
}

/* By what gc.isenabled() reads; who disables the collector has imported gc. */
static bool old_switch(struct pv_heap *heap, pid_t pid, uint64_t *ret)
{
	static const uint8_t entry[ENTRY] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t load[3] = { 0x48, 0x63, 0x3d };
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t function, method, at;
	uint8_t code[CODE];
	size_t begin;
	int32_t far;
	struct pv_err *err = pv_names_resolve(heap, pid, "gc.isenabled", &function);

	if (err) {
		pv_err_destroy(err);
		return false;
	}
	if (pv_mem_read_u64(mem, function + METHOD, &method) ||
	    pv_mem_read_u64(mem, method + FUNCTION, &at) || pv_mem_read(mem, code, CODE, at))
		return false;
	begin = memcmp(code, entry, ENTRY) ? 0 : ENTRY;
	if (memcmp(code + begin, load, sizeof(load)))
		return false;
	memcpy(&far, code + begin + sizeof(load), sizeof(far));
	*ret = at + begin + LOAD + (uint64_t)(int64_t)far;
	return true;
}

/* Adds two numbers that lie one behind the other, if they can be counts. */
static bool add_two(struct pv_mem *mem, uint64_t at, uint64_t *first, uint64_t *second)
{
	uint64_t words[2];

	if (pv_mem_read(mem, words, sizeof(words), at) || words[0] >> COUNT_BITS ||
	    words[1] >> COUNT_BITS)
		return false;
	*first += words[0];
	*second += words[1];
	return true;
}

static bool add_counts(struct pv_heap *heap, uint64_t state, struct pv_memory_collector *ret)
{
	const struct pv_heaplayout *at = pv_heap_layout(heap);
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t stats = 0;
	int8_t index = 0;

	if (at->gc_full == PV_OFF_NONE)
		return false;
	if (at->gc_stats == PV_OFF_NONE)
		return add_two(mem, state + at->gc_full, &ret->full, &ret->collected);
	if (pv_mem_read_u64(mem, state + at->gc_stats, &stats) || !stats)
		return false;
	stats += at->gc_full;
	if (pv_mem_read(mem, &index, 1, stats + at->gc_stats_index) || index < 0 ||
	    index >= STATS_N)
		return false;
	return add_two(mem, stats + (uint64_t)index * STATS_BYTES + STATS_COLLECTIONS, &ret->full,
		       &ret->collected);
}

static bool is_off(struct pv_heap *heap, uint64_t state)
{
	int offset = switch_at(pv_heap_layout(heap));
	uint32_t enabled;

	if (offset < 0)
		return false;
	return (!pv_mem_read_u32(pv_heap_mem(heap), state + (uint64_t)offset, &enabled) &&
		!enabled) ||
	       is_without_threshold(heap, state);
}

static void add_state(struct pv_heap *heap, uint64_t state, struct pv_memory_collector *ret)
{
	const struct pv_heaplayout *at = pv_heap_layout(heap);

	ret->disabled = is_off(heap, state);
	ret->counted &= add_counts(heap, state, ret);
	ret->aged &=
		at->gc_long_lived != PV_OFF_NONE &&
		add_two(pv_heap_mem(heap), state + at->gc_long_lived, &ret->old, &ret->pending);
}

/* The newest interpreter comes first, and the main one is the last. */
static bool add_interpreters(struct pv_heap *heap, struct pv_memory_collector *ret)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t interp;

	if (pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp) || !interp)
		return false;
	for (int i = 0; interp && i < PV_INTERPRETERS_MAX; i++) {
		add_state(heap, interp + proc->py.is_gc, ret);
		if (pv_mem_read_u64(mem, interp + proc->py.is_next, &interp))
			break;
	}
	return true;
}

void pv_heap_collector_read(struct pv_heap *heap, pid_t pid, struct pv_memory_collector *ret)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	struct pv_memory_collector one = { .counted = true, .aged = true };
	uint32_t enabled;
	uint64_t at;

	*ret = (struct pv_memory_collector){ 0 };
	if (proc->py.rt_gc) {
		add_state(heap, proc->runtime + proc->py.rt_gc, &one);
		*ret = one;
	} else if (proc->py.is_gc != PV_OFF_NONE) {
		if (add_interpreters(heap, &one))
			*ret = one;
	} else if (old_switch(heap, pid, &at)) {
		ret->disabled = !pv_mem_read_u32(pv_heap_mem(heap), at, &enabled) && !enabled;
	}
}
