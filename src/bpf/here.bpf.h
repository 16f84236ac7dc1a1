/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Walks of a thread that has hit a probe of ours, from within.  Input: its registers, the
 * target's process entry.  Output: the walk, in a scratch that is claimed meanwhile.
 */
#ifndef PV_BPF_HERE_BPF_H
#define PV_BPF_HERE_BPF_H

#include "bpf/own.bpf.h"
#include "walk/walk.h"

/* Of tasks no stack at a probe tells: what is known when it is compiled needs no room on ours. */
static inline bool pv_env_tasks(struct pv_ctx *c)
{
	(void)c;
	return false;
}

#include "bpf/home.bpf.h"
#include "bpf/probe.bpf.h"
#include "walk/native.h"
#include "walk/python.h"

const volatile __u32 n_scratch; /* elements of `scratch` */

/* Which of scratch are in use: a thread may be preempted amid a program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} claims SEC(".maps");

/* NULL: all that could be are in use, which is counted. */
static inline struct pv_walk *claim(__u32 *index_ret, __u64 *none)
{
	__u32 index = bpf_get_smp_processor_id(), *taken;
	int i;

	for (i = 0; i < 3; i++) {
		taken = bpf_map_lookup_elem(&claims, &index);
		if (taken && !__sync_val_compare_and_swap(taken, 0, 1)) {
			*index_ret = index;
			return bpf_map_lookup_elem(&scratch, &index);
		}
		/* the last ones are for such cases */
		index = n_scratch - 1 - i;
	}
	count(none);
	return NULL;
}

static inline void release(__u32 index)
{
	__u32 *taken = bpf_map_lookup_elem(&claims, &index);

	if (taken)
		*taken = 0;
}

static inline struct pv_proc *find_target(void)
{
	bool read;

	return pv_find_proc(probe.tgid, PV_GENERATION_FIRST, 0, &read);
}

/* The stack that the thread has with these registers, into the sample of the scratch. */
static inline void walk_at(struct pv_ctx *c, __u64 ip, __u64 sp, __u64 bp, __u32 tid)
{
	pv_walk_begin(c->w);
	c->w->sample.pid = probe.tgid;
	c->w->sample.tid = tid;
	c->w->sample.generation = PV_GENERATION_FIRST;
	c->w->sample.cpu = 0;
	c->w->sample.time_ns = bpf_ktime_get_ns();
	c->w->pc = ip;
	c->w->sp = sp;
	c->w->bp = bp;
	c->w->fsbase = bpf_get_current_task_btf()->thread.fsbase;
	pv_walk_python(c);
	pv_walk_native(c);
}

/* The stack that it has now: at a probe the task's registers are the ones that the probe has. */
static inline void walk_here(struct pv_ctx *c, __u32 tid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	walk_at(c, regs->ip, regs->sp, regs->bp, tid);
}

/*
 * The frame that a thread executes.  Where throw() enters eval from 3.12 on the generator's
 * previous one is not set yet (CPython 3.12 Python/ceval.c, _PyEval_EvalFrameDefault).
 */
static inline __u64 current_frame(__u64 tstate)
{
	__u64 current = read_u64(tstate + probe.layout.ts_frame);

	return probe.layout.ts_frame_by_cframe ? read_u64(current + probe.layout.cf_frame)
					       : current;
}

#endif
