/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The snapshot: the merged stack of every thread of one process, taken from
 * outside while they sleep.  Input: tasks by a sleepable iterator, which may
 * fault pages in.  Output: one PV_EVENT_SAMPLE a thread; PV_SAMPLE_RUNNING
 * where the thread ran meanwhile and nothing in it can be trusted.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "walk/walk.h"

static inline long pv_read(struct pv_ctx *c, void *dst, __u32 n, __u64 addr)
{
	return bpf_copy_from_user_task(dst, n, (const void *)addr, c->home, 0);
}

static inline long pv_read_stack(struct pv_ctx *c, __u64 *words, __u32 n, __u64 addr)
{
	return pv_read(c, words, 8 * n, addr);
}

#include "bpf/tasks.bpf.h"
#include "bpf/home.bpf.h"
#include "bpf/pids.bpf.h"
#include "walk/native.h"
#include "walk/python.h"

const volatile __u32 target_pid;

static inline void read_kernel_stack(struct task_struct *task, struct pv_walk *w)
{
	__u32 at = 2 * (__u32)w->sample.n_python;
	long n;

	if (at > 2 * PV_PYTHON_FRAMES_MAX)
		return;
	n = bpf_get_task_stack(task, &w->words[at], 8 * PV_KERNEL_FRAMES_MAX, 0);
	if (n > 0)
		w->sample.n_kernel = n / 8;
}

SEC("iter.s/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct pv_ctx c = {};
	struct pt_regs *regs;
	__u64 switches;
	__u32 zero = 0, pid;
	bool read = false;

	if (!task)
		return 0;
	pid = pv_tgid(task);
	if (pid != target_pid)
		return 0;
	c.home = task;
	c.proc = pv_find_proc(pid, PV_GENERATION_FIRST, 0, &read);
	c.w = bpf_map_lookup_elem(&scratch, &zero);
	if (!c.w || !c.proc || !read)
		return 0;
	pv_walk_begin(c.w);
	c.w->sample.time_ns = bpf_ktime_get_ns();
	c.w->sample.pid = pid;
	c.w->sample.tid = pv_tid(task);
	c.w->sample.generation = PV_GENERATION_FIRST;
	c.w->sample.cpu = 0;
	c.w->sample.task_state = task->__state;
	switches = task->nvcsw + task->nivcsw;
	if (task->on_cpu || !task->__state) {
		c.w->sample.flags |= PV_SAMPLE_RUNNING;
	} else {
		c.w->sample.flags |= PV_SAMPLE_KERNEL;
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
		c.w->pc = regs->ip;
		c.w->sp = regs->sp;
		c.w->bp = regs->bp;
		c.w->fsbase = task->thread.fsbase;
		pv_walk_python(&c);
		read_kernel_stack(task, c.w);
		pv_walk_native(&c);
		if (task->on_cpu || task->nvcsw + task->nivcsw != switches)
			c.w->sample.flags |= PV_SAMPLE_RUNNING;
	}
	pv_emit_sample(&c, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
