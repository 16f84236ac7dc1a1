/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The sampler: one merged stack of the current thread at each tick of a perf
 * event, if its process is watched.  Input: the thread's own memory and
 * registers.  Output: one PV_EVENT_SAMPLE in the ring, after the code objects
 * that it names.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/own.bpf.h"
#include "bpf/tasks.bpf.h"
#include "walk/walk.h"

#include "bpf/home.bpf.h"
#include "bpf/follow.bpf.h"
#include "walk/native.h"
#include "walk/python.h"

const volatile bool with_kernel = true;
const volatile bool with_native = true;

static inline void read_kernel_stack(struct bpf_perf_event_data *ctx, struct pv_walk *w)
{
	__u32 at = 2 * (__u32)w->sample.n_python;
	long n;

	/* a u64 load: clang narrows "cs & 3" to a width that the context refuses */
	if (*(volatile __u64 *)&ctx->regs.cs & 3)
		return;
	w->sample.flags |= PV_SAMPLE_KERNEL;
	if (!with_kernel || at > 2 * PV_PYTHON_FRAMES_MAX)
		return;
	n = bpf_get_stack(ctx, &w->words[at], 8 * PV_KERNEL_FRAMES_MAX, 0);
	if (n > 0)
		w->sample.n_kernel = n / 8;
}

/*
 * Is a collection going on in this thread's interpreter?  One of its finalizers may have
 * released the GIL: whether it is this thread's collection its native frames tell.
 */
static inline bool in_collection(struct pv_ctx *c)
{
	const struct pv_pylayout *py = &c->proc->py;
	__u32 collecting = 0;
	__u64 at;

	if (c->w->sample.flags & PV_SAMPLE_NO_TSTATE)
		return false;
	if (py->gc_collecting == PV_OFF_NONE)
		return true; /* 2.7, 3.6: a static variable; it may be */
	if (py->is_gc == PV_OFF_NONE)
		at = c->proc->runtime + py->rt_gc;
	else
		at = PV_FIELD(__u64, c->w->tstate_bytes, PV_WALK_TSTATE, py->ts_interp) + py->is_gc;
	return !pv_read(c, &collecting, sizeof(collecting), at + py->gc_collecting) && collecting;
}

/* Everything of the thread's own memory, and where the kernel's frames go between. */
static inline void walk(struct bpf_perf_event_data *ctx, struct pv_ctx *c, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	c->w->pc = regs->ip;
	c->w->sp = regs->sp;
	c->w->bp = regs->bp;
	c->w->fsbase = task->thread.fsbase;

	pv_walk_python(c);
	read_kernel_stack(ctx, c->w);
	if (with_native || in_collection(c))
		pv_walk_native(c);
}

SEC("perf_event")
int on_tick(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 pid = pv_tgid(task), cpu = bpf_get_smp_processor_id();
	struct pv_watch *watch = bpf_map_lookup_elem(&watched, &pid);
	struct pv_ctx c = {};
	bool read = false;
	__u64 now_ns;

	if (!watch)
		return 0;
	c.proc = pv_find_proc(pid, watch->generation, watch->origin, &read);
	c.w = bpf_map_lookup_elem(&scratch, &cpu);
	if (!c.w || !c.proc)
		return 0;
	now_ns = bpf_ktime_get_ns();
	if (pv_walk_spare(c.w, now_ns)) {
		pv_env_lost(&c, PV_LOSS_SPARED);
		return 0;
	}
	pv_walk_begin(c.w);
	c.w->sample.time_ns = now_ns;
	c.w->sample.pid = pid;
	c.w->sample.tid = pv_tid(task);
	c.w->sample.generation = watch->generation;
	c.w->sample.cpu = cpu;
	if (!task->mm) {
		/* it has given its memory back on its way out: kernel frames are all it has */
		c.w->sample.flags |= PV_SAMPLE_NO_TSTATE | PV_SAMPLE_NAT_END;
		read_kernel_stack(ctx, c.w);
	} else {
		if (!read)
			c.w->sample.flags |= PV_SAMPLE_UNREAD;
		if (task->mm == task->real_parent->mm)
			c.w->sample.flags |= PV_SAMPLE_BORROWED;
		walk(ctx, &c, task);
	}
	pv_emit_sample(&c, pv_ring_flags());
	return 0;
}

/* bpf_probe_read_user, bpf_get_stack and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
