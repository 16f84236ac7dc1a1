/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch of the garbage collector.  Input: a pv_heap, memory.  Output: whether it is off.
 *
 * Sources: struct _gc_runtime_state of CPython 3.7 to 3.15 (Include/internal/pycore_gc.h,
 * pycore_interp_structs.h); gc_isenabled() of 2.7 and 3.6 (Modules/gcmodule.c), whose switch is a
 * static variable.
 */
#include "heap/collecting.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "heap/gclist.h"
#include "heap/names.h"
#include "heap/object.h"
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
};

/* Its offset in the collector's state; < 0: not known. */
static int switch_at(const struct pv_heaplayout *at)
{
	unsigned int lists = at->gc_generation0 != PV_OFF_NONE
				     ? at->gc_generation0 - PV_GC_GENERATIONS * at->gc_stride
				     : at->gc_generations;

	return lists >= BEFORE ? ENABLED : lists == NEITHER ? 0 : -1;
}

static bool state_of(struct pv_heap *heap, uint64_t *ret)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	uint64_t interp;

	if (proc->py.rt_gc) {
		*ret = proc->runtime + proc->py.rt_gc;
		return true;
	}
	if (proc->py.is_gc == PV_OFF_NONE ||
	    pv_mem_read_u64(pv_heap_mem(heap), proc->runtime + proc->py.rt_interpreters_head,
			    &interp) ||
	    !interp)
		return false;
	/* the newest comes first, and the main one is the last */
	for (int i = 0; i < PV_INTERPRETERS_MAX; i++) {
		uint64_t next;

		*ret = interp + proc->py.is_gc;
		if (pv_mem_read_u64(pv_heap_mem(heap), interp + proc->py.is_next, &next) || !next)
			return true;
		interp = next;
	}
	return true;
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

bool pv_heap_gc_disabled(struct pv_heap *heap, pid_t pid)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	int offset = switch_at(pv_heap_layout(heap));
	uint32_t enabled;
	uint64_t at;

	if (py->rt_gc || py->is_gc != PV_OFF_NONE) {
		if (offset < 0 || !state_of(heap, &at))
			return false;
		at += (uint64_t)offset;
	} else if (!old_switch(heap, pid, &at)) {
		return false;
	}
	return !pv_mem_read_u32(pv_heap_mem(heap), at, &enabled) && !enabled;
}
