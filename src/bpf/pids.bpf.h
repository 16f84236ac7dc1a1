/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Numbers of processes as pitviper's own PID namespace has them: all that goes
 * in and out is in these, as /proc, perf's records and the user have them.
 * Input: the kernel's struct pid.  Output: numbers, 0 = none in our namespace.
 *
 * On the host they are task->tgid and task->pid; in a container's namespace the
 * kernel keeps one number a level, the host's at level 0 (include/linux/pid.h).
 */
#ifndef PV_BPF_PIDS_BPF_H
#define PV_BPF_PIDS_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

const volatile bool in_namespace; /* another one than the host's */

/* Of that namespace; find_namespace() writes them. */
__u32 own_level;
__u64 own_namespace;

/*
 * The number at a level, and whose it is.  pid is an address that was read and not a
 * pointer that was followed: Linux 6.1 allows no arithmetic with those.
 */
static inline bool pv_upid(__u64 pid, __u32 level, struct upid *ret)
{
	pid += bpf_core_field_offset(struct pid, numbers);
	return !bpf_probe_read_kernel(ret, sizeof(*ret),
				      (void *)(pid + level * bpf_core_type_size(struct upid)));
}

static inline __u32 pv_pid_number(__u64 pid)
{
	struct upid upid = {};

	/* none: it was let go of, at the very end of a task */
	if (!pid || BPF_CORE_READ((struct pid *)pid, level) < own_level ||
	    !pv_upid(pid, own_level, &upid) || (__u64)upid.ns != own_namespace)
		return 0;
	return upid.nr;
}

static inline __u32 pv_tgid(const struct task_struct *task)
{
	return in_namespace ? pv_pid_number((__u64)BPF_CORE_READ(task, group_leader, thread_pid))
			    : (__u32)task->tgid;
}

static inline __u32 pv_tid(const struct task_struct *task)
{
	return in_namespace ? pv_pid_number((__u64)BPF_CORE_READ(task, thread_pid))
			    : (__u32)task->pid;
}

/* User space runs this once, in its own name. */
SEC("syscall")
int find_namespace(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 pid = (__u64)BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ((struct pid *)pid, level);
	struct upid upid = {};

	if (!pid || !pv_upid(pid, level, &upid))
		return 1;
	own_level = level;
	own_namespace = (__u64)upid.ns;
	return 0;
}

#endif
