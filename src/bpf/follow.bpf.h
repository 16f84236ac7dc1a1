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
#include "bpf/pids.bpf.h"

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
	__u32 tgid, child_tgid;

	if (parent->tgid == child->tgid)
		return 0;
	tgid = pv_tgid(parent);
	child_tgid = pv_tgid(child);
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
	__u32 tgid = pv_tgid(task);
	struct pv_watch *watch = bpf_map_lookup_elem(&watched, &tgid);

	if (!watch)
		return 0;
	watch->origin = 0;
	watch->generation++;
	return 0;
}

/*
 * When a process is freed it has lost the numbers of its namespaces: they are
 * kept from the end of a thread of it on, while it still has them.  Only loaded
 * inside a namespace.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_WATCHED_MAX);
	__type(key, __u32); /* the host's tgid */
	__type(value, __u32);
} ending SEC(".maps");

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 outer = task->tgid, tgid = pv_tgid(task);

	/* where there is no room user space reads its clock in time, or says that it did not */
	if (bpf_map_lookup_elem(&watched, &tgid))
		bpf_map_update_elem(&ending, &outer, &tgid, BPF_ANY);
	return 0;
}

enum { PV_SIGNAL_GROUP_EXIT = 4 }; /* include/linux/sched/signal.h: SIGNAL_GROUP_EXIT */

/* The number of a process that is being freed; 0: it is none of ours. */
static inline __u32 pv_freed_tgid(const struct task_struct *task)
{
	__u32 outer = task->tgid, tgid = 0, *number;

	if (!in_namespace)
		return outer;
	number = bpf_map_lookup_elem(&ending, &outer);
	if (!number)
		return 0;
	tgid = *number;
	bpf_map_delete_elem(&ending, &outer);
	return tgid;
}

/*
 * Nobody has the process any more: what it has used is final, its end in the
 * kernel included.  The kernel adds up each thread as it is let go, the first last.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *task)
{
	struct pv_watch *watch;
	__u32 tgid;

	if (task->pid != task->tgid)
		return 0;
	tgid = pv_freed_tgid(task);
	watch = bpf_map_lookup_elem(&watched, &tgid);
	if (!watch)
		return 0;
	watch->ended_ns = task->signal->sum_sched_runtime;
	/* as kernel/exit.c, wait_task_zombie(): the first thread may have ended by itself before */
	watch->exit_code = task->signal->flags & PV_SIGNAL_GROUP_EXIT
				   ? task->signal->group_exit_code
				   : task->exit_code;
	watch->freed = 1;
	return 0;
}

#endif
