/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Calls of native functions: entries, and the places that they return to.  Input: hits
 * of PV_PROBE_NATIVE_ENTER and PV_PROBE_NATIVE_LEAVE.  Output: native_ended() and
 * native_lost() of the unit that includes this; a record in `events` of each address
 * that calls return to, for user space to probe it.
 *
 * No uretprobe: it puts another return address on the stack, on which C++ exceptions
 * and switched stacks (ucontext, greenlet) die.
 */
#ifndef PV_BPF_NATIVE_BPF_H
#define PV_BPF_NATIVE_BPF_H

#include "bpf/probe.bpf.h"

#include "abi/native.h"

const volatile bool stacks_move; /* greenlets: several stacks at the same addresses */
const volatile struct pv_native_path frame_path; /* for them */

struct pv_native_counts native_counts; /* in .bss */

enum { MMAPABLE = 1 << 10 }; /* include/uapi/linux/bpf.h: BPF_F_MMAPABLE */

/* Calls under way. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, MMAPABLE);
	__uint(max_entries, PV_NATIVE_BUCKETS);
	__type(key, __u32);
	__type(value, struct pv_native_bucket);
} native_open SEC(".maps");

/* enum pv_native_return, by address in the process. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_NATIVE_RETURNS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} native_returns SEC(".maps");

/* They are defined behind this header, by the unit that includes it. */
#pragma clang diagnostic ignored "-Wundefined-internal"

/*
 * Of the unit: what it makes of the ends at one place; by, which tells calls apart; an end; a call
 * whose end was not seen, for a reason.
 */
struct native_ends;
static inline __u64 native_by(__u64 returns_to, __u32 tid);
static inline void native_ended(struct pv_native_call *call, __u64 ns, __u64 off_ns,
				struct native_ends *ends);
static inline void native_lost(struct pv_native_call *call);

static inline void native_free(struct pv_native_call *call)
{
	call->sp = 0;
	barrier();
	call->start_ns = 0;
}

static inline void native_drop(struct pv_native_call *call)
{
	count(call->flags & PV_NATIVE_EARLY ? &native_counts.unreturned : &native_counts.unended);
	native_lost(call);
	native_free(call);
}

/* The frame of the Python function that called; 0: none, or it is not known. */
static inline __u64 native_frame(void)
{
	struct task_struct *task;
	__u64 at;
	__u32 i;

	if (!frame_path.n)
		return 0;
	task = bpf_get_current_task_btf();
	at = task->thread.fsbase;
	for (i = 0; i < PV_NATIVE_PATH_MAX && i < frame_path.n && at; i++)
		at = read_u64(at + frame_path.offsets[i]);
	return at;
}

/*
 * Those that a callee saves (System V psABI, 3.2.1), and the caller's Python frame: the same
 * when it returns.
 */
static inline __u64 native_registers(struct pt_regs *ctx, __u64 frame)
{
	const __u64 prime = 0x9e3779b97f4a7c15;
	__u64 sum = ctx->bx ^ frame << 1;

	sum = (sum ^ sum >> 29) * prime + ctx->bp;
	sum = (sum ^ sum >> 29) * prime + ctx->r12;
	sum = (sum ^ sum >> 29) * prime + ctx->r13;
	sum = (sum ^ sum >> 29) * prime + ctx->r14;
	return (sum ^ sum >> 29) * prime + ctx->r15;
}

static inline __u64 native_sp(struct pt_regs *ctx, __u64 cookie)
{
	return ctx->sp + 8 * (cookie >> PV_NATIVE_PUSHED_SHIFT & PV_NATIVE_PUSHED_MASK);
}

/*
 * Which bucket, and which way in it is tried first.  The address alone decides, so that the same
 * place of a stack has the same memory each time, but where many stacks share addresses.
 */
static inline __u64 native_hash(const struct pv_native_call *call)
{
	return (stacks_move ? call->sp ^ call->registers : call->sp) * 0x9e3779b97f4a7c15;
}

static inline struct pv_native_call *native_first(struct pv_native_bucket *bucket,
						  const struct pv_native_call *call)
{
	return &bucket->calls[native_hash(call) >> 48 & (PV_NATIVE_WAYS - 1)];
}

/*
 * Tells user space of a place that is new; false: no end will be seen.  first: what the call
 * before has left in its place, often one from the same place.
 */
static inline bool native_place(const struct pv_native_call *first, struct pv_native_call *call)
{
	__u64 returns_to = call->returns_to;
	struct pv_probe_address event = {
		.type = PV_PROBE_EVENT_RETURN,
		.address = returns_to,
	};
	__u32 *known, told;

	call->forgotten = native_counts.forgotten;
	if (first->returns_to == returns_to && first->flags & PV_NATIVE_PROBED &&
	    first->forgotten == call->forgotten) {
		call->flags |= PV_NATIVE_PROBED;
		return true;
	}
	known = bpf_map_lookup_elem(&native_returns, &returns_to);
	if (known && *known == PV_NATIVE_RETURN_PROBED) {
		call->flags |= PV_NATIVE_PROBED;
		return true;
	}
	if (known && *known == PV_NATIVE_RETURN_NEVER)
		return false;
	call->flags |= PV_NATIVE_EARLY;
	told = PV_NATIVE_RETURN_TOLD;
	if (known)
		return true;
	if (bpf_map_update_elem(&native_returns, &returns_to, &told, BPF_NOEXIST))
		return true; /* another thread was faster, or there is no room: it stays early */
	/* if it cannot be told now, the next call tries again */
	if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP))
		bpf_map_delete_elem(&native_returns, &returns_to);
	return true;
}

static inline struct pv_native_bucket *native_bucket(const struct pv_native_call *call)
{
	__u32 index = native_hash(call) >> 51 & (PV_NATIVE_BUCKETS - 1);

	return bpf_map_lookup_elem(&native_open, &index);
}

static inline bool native_same(const struct pv_native_call *one, const struct pv_native_call *call)
{
	return one->sp == call->sp && one->registers == call->registers;
}

enum native_before {
	NATIVE_GOES_ON, /* it has jumped to its own beginning */
	NATIVE_JUMPED,  /* it ends where the one that begins now does */
	NATIVE_OVER,    /* by an exception or longjmp: the same place calls again */
};

/*
 * Another is open with its return address in the same place.  Where stacks do not share
 * addresses there is one at a time, and one that jumps leaves the registers as they were.
 */
static inline enum native_before native_before(const struct pv_native_call *before,
					       const struct pv_native_call *call)
{
	if (before->returns_to != call->returns_to || before->registers != call->registers)
		return NATIVE_OVER;
	if (before->function == call->function)
		return before->flags & PV_NATIVE_LOOPS ? NATIVE_GOES_ON : NATIVE_OVER;
	return before->flags & PV_NATIVE_TAILS ? NATIVE_JUMPED : NATIVE_OVER;
}

/* How many of a bucket's calls have their return address there.  Without branches: the verifier. */
static inline __u64 native_count(const struct pv_native_bucket *bucket, __u64 sp)
{
	__u64 n = 0;
	int i;

#pragma unroll
	for (i = 0; i < PV_NATIVE_WAYS; i++) {
		__u64 differs = bucket->calls[i].sp ^ sp;

		n += ((differs | -differs) >> 63) ^ 1;
	}
	return n;
}

/* What a walk through a bucket goes on with; bpf_loop(), since the verifier would unroll a loop. */
struct native_scan {
	struct pv_native_bucket *bucket;
	struct pv_native_call *call;
	struct native_ends *ends;
	__u64 now, frame;
	__u32 found, tid;
	bool known;
};

static long native_claim_one(__u32 i, struct native_scan *scan)
{
	struct pv_native_call *one;

	if (i >= PV_NATIVE_WAYS)
		return 1;
	one = &scan->bucket->calls[i];
	if (stacks_move ? native_same(one, scan->call) : one->sp == scan->call->sp) {
		switch (native_before(one, scan->call)) {
		case NATIVE_GOES_ON:
			scan->known = true;
			return 1;
		case NATIVE_JUMPED:
			one->flags |= PV_NATIVE_CHAINED;
			scan->call->flags |= PV_NATIVE_CHAINED;
			return 0;
		case NATIVE_OVER:
			native_drop(one);
			/* a Python frame runs in one greenlet alone */
			if (stacks_move && !scan->frame)
				scan->call->flags |= PV_NATIVE_DOUBTFUL;
		}
	}
	if (scan->found >= PV_NATIVE_WAYS && !one->start_ns &&
	    !__sync_val_compare_and_swap(&one->start_ns, 0, scan->call->start_ns))
		scan->found = i;
	return 0;
}

static inline struct pv_native_call *native_search(struct pv_native_bucket *bucket,
						   struct pv_native_call *call, __u64 frame)
{
	struct native_scan scan = {
		.bucket = bucket,
		.call = call,
		.frame = frame,
		.found = PV_NATIVE_WAYS,
	};

	bpf_loop(PV_NATIVE_WAYS, native_claim_one, &scan, 0);
	if (scan.known) {
		if (scan.found < PV_NATIVE_WAYS)
			bucket->calls[scan.found].start_ns = 0;
		return NULL;
	}
	if (scan.found < PV_NATIVE_WAYS)
		return &bucket->calls[scan.found];
	count(&native_counts.no_room);
	native_lost(call);
	return NULL;
}

/* A place for the call; NULL: it is known already, or there is none. */
static inline struct pv_native_call *native_claim(struct pv_native_bucket *bucket,
						  struct pv_native_call *call, __u64 frame)
{
	struct pv_native_call *first = native_first(bucket, call);

	if (!native_count(bucket, call->sp) && !first->start_ns &&
	    !__sync_val_compare_and_swap(&first->start_ns, 0, call->start_ns))
		return first;
	return native_search(bucket, call, frame);
}

static inline void native_enter(struct pt_regs *ctx, __u32 tid)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), frame = native_frame();
	struct pv_native_call call = {
		.sp = native_sp(ctx, cookie),
		.registers = native_registers(ctx, frame),
		.function = cookie >> PV_NATIVE_FUNCTION_SHIFT & PV_NATIVE_FUNCTION_MASK,
		.flags = cookie >> PV_NATIVE_FLAGS_SHIFT & (PV_NATIVE_TAILS | PV_NATIVE_LOOPS),
		.tid = tid,
	};
	struct pv_native_bucket *bucket = native_bucket(&call);
	struct pv_native_call *place;

	if (!bucket)
		return;
	call.returns_to = read_u64(call.sp);
	call.by = native_by(call.returns_to, tid);
	if (!native_place(native_first(bucket, &call), &call)) {
		count(&native_counts.unplaced);
		native_lost(&call);
		return;
	}
	call.off_ns = off_cpu(tid);
	call.start_ns = bpf_ktime_get_ns();
	place = native_claim(bucket, &call, frame);
	if (!place)
		return;
	place->registers = call.registers;
	place->returns_to = call.returns_to;
	place->off_ns = call.off_ns;
	place->by = call.by;
	place->function = call.function;
	place->tid = call.tid;
	place->flags = call.flags;
	place->forgotten = call.forgotten;
	barrier();
	place->sp = call.sp;
}

static inline void native_end(struct pv_native_call *call, __u64 now, __u32 tid,
			      struct native_ends *ends)
{
	__u64 ns = now - call->start_ns, off_now, off_ns = 0;

	if (call->flags & PV_NATIVE_DOUBTFUL) {
		count(&native_counts.doubtful);
		native_lost(call);
		return;
	}
	off_now = off_cpu(tid);
	if (call->tid == tid && off_now > call->off_ns)
		off_ns = off_now - call->off_ns;
	native_ended(call, ns, off_ns < ns ? off_ns : ns, ends);
}

static long native_leave_one(__u32 i, struct native_scan *scan)
{
	struct pv_native_call *one;

	if (i >= PV_NATIVE_WAYS)
		return 1;
	one = &scan->bucket->calls[i];
	if (native_same(one, scan->call)) {
		native_end(one, scan->now, scan->tid, scan->ends);
		native_free(one);
	}
	return 0;
}

/* A place that calls return to: is it one that we know of?  Often it is another function's. */
static inline void native_leave(struct pt_regs *ctx, __u32 tid, struct native_ends *ends)
{
	__u64 now = bpf_ktime_get_ns(), frame = native_frame();
	struct pv_native_call call = {
		.sp = native_sp(ctx, bpf_get_attach_cookie(ctx)) - 8,
		.registers = native_registers(ctx, frame),
	};
	struct native_scan scan = {
		.bucket = native_bucket(&call),
		.call = &call,
		.ends = ends,
		.now = now,
		.tid = tid,
	};
	struct pv_native_call *first;

	if (!scan.bucket)
		return;
	first = native_first(scan.bucket, &call);
	if (native_same(first, &call) && !(first->flags & PV_NATIVE_CHAINED)) {
		native_end(first, now, tid, ends);
		native_free(first);
		return;
	}
	if (native_count(scan.bucket, call.sp))
		bpf_loop(PV_NATIVE_WAYS, native_leave_one, &scan, 0);
}

#endif
