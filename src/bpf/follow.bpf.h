/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Forks and execs of watched processes, taken in before the child or the new
 * program has run its first instruction, and the CPU time of what has ended.
 * Input: the kernel's own tracepoints.  Output: `watched` (bpf/maps.bpf.h).
 * User space learns of them later, by side-band records.
 */
#ifndef PV_BPF_FOLLOW_BPF_H
#define PV_BPF_FOLLOW_BPF_H

#include "bpf/maps.bpf.h"

#include <bpf/bpf_tracing.h>

struct linux_binprm;

static inline void pv_count(__u32 loss)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &loss);

	if (count)
		*count += 1;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct pv_program program = {};
	struct pv_watch *above, watch = {};
	__u32 tgid = parent->tgid, child_tgid = child->tgid;

	if (tgid == child_tgid)
		return 0;
	above = bpf_map_lookup_elem(&watched, &tgid);
	if (!above || !above->follow) {
		/* what is left of a process that had this number before is not this one's */
		if (bpf_map_lookup_elem(&watched, &child_tgid))
			bpf_map_delete_elem(&watched, &child_tgid);
		return 0;
	}
	program.tgid = tgid;
	program.generation = above->generation;
	watch.generation = above->generation;
	watch.origin = bpf_map_lookup_elem(&programs, &program) ? tgid : above->origin;
	watch.parent = tgid;
	watch.follow = 1;
	if (bpf_map_update_elem(&watched, &child_tgid, &watch, BPF_ANY))
		pv_count(PV_LOSS_CHILD);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	__u32 tgid = task->tgid;
	struct pv_watch *watch = bpf_map_lookup_elem(&watched, &tgid);

	if (!watch)
		return 0;
	watch->origin = 0;
	watch->generation++;
	return 0;
}

/*
 * Nobody has the process any more: what it has used is final, its end in the
 * kernel included.  The kernel adds up each thread as it is let go, the first last.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	struct pv_watch *watch;

	if (task->pid != task->tgid)
		return 0;
	watch = bpf_map_lookup_elem(&watched, &tgid);
	if (!watch)
		return 0;
	watch->ended_ns = task->signal->sum_sched_runtime;
	watch->freed = 1;
	return 0;
}

#endif
