/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What makes one process's memory grow: page faults, brk(), mmap() and mremap() of
 * anonymous memory, munmap().  Input: the end of each system call, the page fault event of
 * each CPU; nothing is placed in the target.  Output: counts of all of
 * them, and in `ring` the stacks of some, a PV_EVENT_SAMPLE and a PV_EVENT_TREND each.
 *
 * A stack costs the target as much as some page faults, so there are so many a slice of
 * time; each stands for all of its kind since the last.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/trend.h"
#include "bpf/own.bpf.h"
#include "walk/walk.h"

#include "bpf/here.bpf.h"
#include "bpf/home.bpf.h"
#include "bpf/probe.bpf.h"

enum {
	MAP_ANONYMOUS = 0x20, /* include/uapi/asm-generic/mman-common.h */
	ERRNO_MAX = 4095,
	/* arch/x86/entry/syscalls/syscall_64.tbl */
	NR_MMAP = 9,
	NR_MUNMAP = 11,
	NR_BRK = 12,
	NR_MREMAP = 25,
};

struct pv_trend_state trend; /* in .bss, read by user space where it stands */

static inline bool is_due(__u64 now_ns)
{
	__u64 slice = now_ns / PV_TREND_SLICE_NS;

	if (slice != trend.slice) {
		trend.slice = slice;
		trend.sent = 0;
	}
	return __sync_fetch_and_add(&trend.sent, 1) < PV_TREND_STACKS_A_SLICE;
}

/*
 * The stack that the thread has now, and what it stands for.  Global: the verifier looks at it
 * once.  The task's registers are those that it entered the kernel with.
 */
__noinline int send_growth(__u32 kind, __u64 at, __u32 tid)
{
	struct pv_event_trend event = {
		.hdr.type = PV_EVENT_TREND,
		.hdr.size = sizeof(event),
		.kind = kind,
		.tid = tid,
		.at = at,
	};
	struct pv_ctx c = {};
	__u32 index = 0;

	if (kind >= PV_TREND_KINDS)
		return 0;
	c.proc = find_target();
	c.w = claim(&index, &trend.lost);
	if (c.w && c.proc) {
		walk_here(&c, tid);
		pv_emit_sample(&c, pv_ring_flags());
		event.time_ns = c.w->sample.time_ns;
		event.count = __sync_lock_test_and_set(&trend.pending[kind], 0);
		event.bytes = __sync_lock_test_and_set(&trend.pending_bytes[kind], 0);
		if (bpf_ringbuf_output(&ring, &event, sizeof(event), pv_ring_flags()))
			count(&trend.lost);
		__sync_fetch_and_add(&trend.spent_ns, bpf_ktime_get_ns() - event.time_ns);
	}
	if (c.w)
		release(index);
	return 0;
}

static inline void grow(__u32 kind, __u64 bytes, __u64 at, __u32 tid)
{
	__sync_fetch_and_add(&trend.count[kind], 1);
	__sync_fetch_and_add(&trend.bytes[kind], bytes);
	__sync_fetch_and_add(&trend.pending[kind], 1);
	__sync_fetch_and_add(&trend.pending_bytes[kind], bytes);
	if (is_due(bpf_ktime_get_ns()))
		send_growth(kind, at, tid);
}

static inline bool is_target(__u32 *tid_ret)
{
	__u64 ids = pv_current_ids();

	*tid_ret = (__u32)ids;
	return ids >> 32 == probe.tgid;
}

SEC("perf_event")
int on_fault(struct bpf_perf_event_data *ctx)
{
	__u32 tid;

	if (is_target(&tid))
		grow(PV_TREND_FAULT, PV_TREND_PAGE, ctx->addr, tid);
	return 0;
}

static inline bool failed(long result)
{
	return (__u64)result >= (__u64)-ERRNO_MAX;
}

static inline void take_brk(__u64 end, __u32 tid)
{
	__u64 before = trend.brk_at;

	trend.brk_at = end;
	if (before && end > before)
		grow(PV_TREND_BRK, end - before, 0, tid);
}

/*
 * The end of any system call of anybody: its number is still there, and so are its arguments.
 * The kernel's own tracepoint, since not every kernel has probes on its functions.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_call, struct pt_regs *regs, long result)
{
	__u32 number = (__u32)regs->orig_ax, tid;

	if (number != NR_BRK && number != NR_MMAP && number != NR_MREMAP && number != NR_MUNMAP)
		return 0;
	if (!is_target(&tid) || failed(result))
		return 0;
	if (number == NR_BRK)
		take_brk((__u64)result, tid);
	else if (number == NR_MUNMAP)
		grow(PV_TREND_MUNMAP, regs->si, regs->di, tid);
	else if (number == NR_MMAP && regs->r10 & MAP_ANONYMOUS)
		grow(PV_TREND_MMAP, regs->si, (__u64)result, tid);
	else if (number == NR_MREMAP && regs->dx > regs->si)
		grow(PV_TREND_MMAP, regs->dx - regs->si, (__u64)result, tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
