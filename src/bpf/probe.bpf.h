/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What all units with probes on calls share: the registers and the memory of a
 * thread that hits one, the budget, forks and execs of the target, time off the
 * CPU.  Input: struct pv_probe_constants, set before the load.  Output: struct
 * pv_probe_state, and a record in `events` when user space must act at once
 * (collect/probes.h).
 */
#ifndef PV_BPF_PROBE_BPF_H
#define PV_BPF_PROBE_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/probe.h"
#include "bpf/pids.bpf.h"
#include "walk/budget.h"

enum { SHIM_STEPS = 2 };

const volatile struct pv_probe_constants probe;
struct pv_probe_state probe_state; /* in .bss, read by user space where it stands */

/* How long each thread of the target has not been on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_PROBE_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct pv_probe_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

static inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static inline void tell(__u32 type, __u32 pid)
{
	struct pv_probe_event event = { .type = type, .pid = pid };

	bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP);
}

/* On its own stack: what goes deep begins where it is called. */
static __noinline int pay_now(__u64 cost_ns)
{
	__u64 limit_ns = probe_state.debt_limit_ns ? probe_state.debt_limit_ns : probe.debt_max_ns;

	if (pv_budget_pay(&probe_state, probe.budget_ppm, limit_ns, bpf_ktime_get_ns(), cost_ns))
		tell(PV_PROBE_EVENT_BUDGET, 0);
	return 0;
}

/*
 * What the hits cost must stay below the budget; a burst may borrow.  Looked at
 * every 64th time, since it wants the time of day.
 */
static inline void pay(__u64 hits, __u64 price)
{
	if (!(hits & 63))
		pay_now(64 * price);
}

#define LOAD(number, field)                                                                        \
	case number:                                                                               \
		__asm__ volatile("%0 = *(u64 *)(%1 + %2)"                                          \
				 : "=r"(value)                                                     \
				 : "r"(ctx), "i"(__builtin_offsetof(struct pt_regs, field)));      \
		return value

/* A load at a constant offset each: the verifier refuses any other of the context. */
static inline __u64 get_register(struct pt_regs *ctx, __u32 number)
{
	__u64 value = 0;

	switch (number) {
		LOAD(0, ax);
		LOAD(1, cx);
		LOAD(2, dx);
		LOAD(3, bx);
		LOAD(4, sp);
		LOAD(5, bp);
		LOAD(6, si);
		LOAD(7, di);
		LOAD(8, r8);
		LOAD(9, r9);
		LOAD(10, r10);
		LOAD(11, r11);
		LOAD(12, r12);
		LOAD(13, r13);
		LOAD(14, r14);
		LOAD(15, r15);
	}
	return value;
}

/*
 * Does test() know a frame that a register holds which calls preserve?  Whoever called eval
 * still has use for the frame when it returns.  0: none.
 */
#define PRESERVED_FRAME(ctx, test)                                                                 \
	((test)(get_register(ctx, 3))    ? get_register(ctx, 3)                                    \
	 : (test)(get_register(ctx, 5))  ? get_register(ctx, 5)                                    \
	 : (test)(get_register(ctx, 12)) ? get_register(ctx, 12)                                   \
	 : (test)(get_register(ctx, 13)) ? get_register(ctx, 13)                                   \
	 : (test)(get_register(ctx, 14)) ? get_register(ctx, 14)                                   \
	 : (test)(get_register(ctx, 15)) ? get_register(ctx, 15)                                   \
					 : 0)

static inline __u64 read_u64(__u64 addr)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)addr);
	return value;
}

/* Does a code object have these co_filename and co_name?  Side by side they are one read. */
static inline bool is_named(__u64 code, __u64 file_at, __u64 name_at)
{
	__u64 words[2] = {};

	if (probe.layout.co_name == probe.layout.co_filename + 8) {
		bpf_probe_read_user(words, sizeof(words),
				    (const void *)(code + probe.layout.co_filename));
	} else {
		words[0] = read_u64(code + probe.layout.co_filename);
		words[1] = read_u64(code + probe.layout.co_name);
	}
	return words[0] == file_at && words[1] == name_at;
}

/* As bpf_get_current_pid_tgid(), but as pitviper's PID namespace has them; 0: not in there. */
static inline __u64 pv_current_ids(void)
{
	struct task_struct *task;

	if (!in_namespace)
		return bpf_get_current_pid_tgid();
	task = bpf_get_current_task_btf();
	return (__u64)pv_tgid(task) << 32 | pv_tid(task);
}

/*
 * A thread that has left its CPU and runs, though it was not seen to come back: a kernel does not
 * tell of each switch (here those that followed some threads of a virtual machine's own were
 * missing).  How long it has run since then the kernel knows, for one that runs as of its last
 * tick.
 */
static __noinline void come_back_unseen(struct pv_probe_thread *thread,
					const struct task_struct *task)
{
	__u64 gone_ns = bpf_ktime_get_ns() - thread->since_ns;
	__u64 ran_ns = task->se.sum_exec_runtime - thread->ran_ns;

	thread->since_ns = 0;
	if (ran_ns < gone_ns)
		thread->off_ns += gone_ns - ran_ns;
}

/*
 * Time that the thread has not been on a CPU, so far.  Global, so that it is verified once: its
 * branches at each call were too many for Linux 6.1.
 */
__noinline __u64 off_cpu(__u32 tid)
{
	struct pv_probe_thread *thread = bpf_map_lookup_elem(&threads, &tid);

	if (!thread)
		return 0;
	if (thread->since_ns && (__u32)pv_current_ids() == tid)
		come_back_unseen(thread, bpf_get_current_task_btf());
	return thread->off_ns;
}

/* The code object of the Python function that a frame was called by; 0: none. */
static inline __u64 caller_of(__u64 frame)
{
	__u8 owner = 0;
	int i;

	for (i = 0; i < SHIM_STEPS && frame; i++) {
		if (probe.layout.owner_boundary == 0xff)
			break;
		bpf_probe_read_user(&owner, 1, (const void *)(frame + probe.layout.fr_owner));
		if (owner < probe.layout.owner_boundary)
			break;
		/* from 3.12 on C that calls Python puts a frame without code between */
		frame = read_u64(frame + probe.layout.fr_previous);
	}
	return frame ? read_u64(frame + probe.layout.fr_code) & ~(__u64)probe.layout.code_tag_mask
		     : 0;
}

/*
 * Where the frame is not to be had where a call ends its caller's is, which
 * calls no other meanwhile.  The outermost of a thread or greenlet has none: see PRESERVED_FRAME.
 */
static inline __u64 pv_open_key(__u64 frame, __u64 previous)
{
	if (!probe.layout.keyed_by_caller)
		return frame;
	return previous ? previous : frame | 1;
}

/* The frame that ends at a RESULT or RETURNED, if `ended_known`. */
static inline __u64 ended_frame(struct pt_regs *ctx)
{
	if (probe.python.ended_register)
		return get_register(ctx, probe.python.ended_register);
	return get_register(ctx, bpf_get_attach_cookie(ctx) >> PV_PROBE_ENDED_SHIFT &
					 PV_PROBE_ENDED_MASK);
}

/* The RESUME that a generator expression has before it is even made (3.15). */
static inline bool is_no_call(__u64 frame)
{
	__u8 unit[2] = {};

	if (!probe.python.skip_oparg)
		return false;
	bpf_probe_read_user(unit, 2, (const void *)read_u64(frame + probe.layout.fr_instr));
	return unit[1] & probe.python.skip_oparg;
}

/* A hit that counts: its kind, which is paid for; PV_PROBE_KINDS: it is none of ours. */
static inline __u32 pv_probe_hit(struct pt_regs *ctx, __u64 pid_tid)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), hits;
	__u64 stepped = !!(cookie & PV_PROBE_STEPPED);
	__u32 kind = cookie & PV_PROBE_KIND_MASK;

	if (pid_tid >> 32 != probe.tgid) {
		count(&probe_state.strangers);
		return PV_PROBE_KINDS;
	}
	/* for a moment there are two links, and each hit comes twice */
	if (kind >= PV_PROBE_KINDS ||
	    (cookie >> PV_PROBE_EPOCH_SHIFT & PV_PROBE_EPOCH_MASK) != probe_state.epoch) {
		count(&probe_state.passed[stepped]);
		return PV_PROBE_KINDS;
	}
	hits = __sync_fetch_and_add(&probe_state.hits[stepped], 1);
	pay(hits, probe_state.cost_ns[stepped]);
	return kind;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *before, struct task_struct *next)
{
	struct pv_probe_thread *thread, first = {};
	__u32 tid;

	if (pv_tgid(before) == probe.tgid) {
		count(&probe_state.switches);
		tid = pv_tid(before);
		thread = tid ? bpf_map_lookup_elem(&threads, &tid) : NULL;
		if (thread && thread->since_ns)
			come_back_unseen(thread, before);
		first.since_ns = bpf_ktime_get_ns();
		first.ran_ns = before->se.sum_exec_runtime;
		if (thread) {
			thread->ran_ns = first.ran_ns;
			thread->since_ns = first.since_ns;
		} else if (tid) {
			bpf_map_update_elem(&threads, &tid, &first, BPF_ANY);
		}
	}
	if (pv_tgid(next) == probe.tgid) {
		count(&probe_state.switches);
		tid = pv_tid(next);
		thread = bpf_map_lookup_elem(&threads, &tid);
		if (thread && thread->since_ns) {
			thread->off_ns += bpf_ktime_get_ns() - thread->since_ns;
			thread->since_ns = 0;
		}
	}
	return 0;
}

/* The child has our breakpoints in its copy of the code. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	/* after vfork() it runs in the parent's memory, where they belong */
	if (pv_tgid(parent) == probe.tgid && child->tgid != parent->tgid && child->mm != parent->mm)
		tell(PV_PROBE_EVENT_FORK, pv_tgid(child));
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	if (pv_tgid(task) == probe.tgid)
		tell(PV_PROBE_EVENT_EXEC, probe.tgid);
	return 0;
}

#endif
