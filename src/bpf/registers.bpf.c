/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The registers of every thread of one process, without stopping it: the kernel saved
 * them when the thread last came in.  Input: tasks by an iterator.  Output: one struct
 * pv_registers a thread, to be read from the iterator.
 *
 * The entry code saves all of them, for system calls and for interrupts alike (arch/x86/
 * entry/calling.h, PUSH_AND_CLEAR_REGS).  Those of a thread that runs are as old as its
 * last interrupt, a few ms.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/registers.h"
#include "bpf/pids.bpf.h"

const volatile __u32 target_pid;

SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct pv_registers out = {};
	struct pt_regs *regs;

	if (!task || pv_tgid(task) != target_pid)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	out.tid = pv_tid(task);
	out.running = task->on_cpu || !task->__state;
	out.switches = task->nvcsw + task->nivcsw;
	out.ip = regs->ip;
	out.sp = regs->sp;
	out.fsbase = task->thread.fsbase;
	out.words[0] = regs->ax;
	out.words[1] = regs->bx;
	out.words[2] = regs->cx;
	out.words[3] = regs->dx;
	out.words[4] = regs->si;
	out.words[5] = regs->di;
	out.words[6] = regs->bp;
	out.words[7] = regs->r8;
	out.words[8] = regs->r9;
	out.words[9] = regs->r10;
	out.words[10] = regs->r11;
	out.words[11] = regs->r12;
	out.words[12] = regs->r13;
	out.words[13] = regs->r14;
	out.words[14] = regs->r15;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
