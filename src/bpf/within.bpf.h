/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Native functions in executions of `trace`.  Input: hits of PV_PROBE_NATIVE_ENTER and
 * PV_PROBE_NATIVE_LEAVE; the Python frames that are inside.  Output: PV_EVENT_CALL with
 * PV_CALL_EVENT_NATIVE (abi/within.h).
 *
 * A native call is inside if the Python frame that is current is: so other greenlets of the
 * thread are not.  Without Python, or above its first frame, all that the thread does further down
 * the same stack is.  What is open is a stack, as the thread's own: a call ends where it
 * returns to, or is over when something begins at its place or above it, or when its return
 * address has been overwritten.
 */
#ifndef PV_BPF_WITHIN_BPF_H
#define PV_BPF_WITHIN_BPF_H

#include "bpf/vmlinux.h"

#include "abi/within.h"
#include "bpf/execution.bpf.h"
#include "bpf/native.bpf.h"

const volatile bool with_natives;
const volatile __u32 native_trigger; /* its executions are recorded; or none's */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PV_TRACE_RUNS_MAX);
	__type(key, __u32);
	__type(value, struct pv_within);
} within SEC(".maps");

/* A hit at an entry, or where a call returns to. */
struct native_hit {
	__u64 sp, registers, returns_to;
	__u64 frame; /* that is current; an odd number for the thread: none is */
	__u64 start_ns;
	__u64 pc, bp;
	__u64 caller; /* of a call inside: the frame that is */
	__u32 function, tid, flags, event_flags, depth;
};

static inline struct pv_within *within_of(const struct pv_trace_run *run, __u32 index)
{
	struct pv_within *list = bpf_map_lookup_elem(&within, &index);

	if (list && list->number != run->number) {
		list->n = 0;
		list->rooted = 0;
		list->number = run->number;
	}
	return list;
}

static inline struct pv_within_call *within_at(struct pv_within *list, __u32 i)
{
	return &list->calls[i & (PV_WITHIN_MAX - 1)];
}

/* Of the innermost one, if it was called while that frame was current; else of the frame. */
static inline __u32 within_depth(struct pv_within *list, __u64 frame, __u32 depth)
{
	struct pv_within_call *last;

	if (!list || !list->n)
		return depth;
	last = within_at(list, list->n - 1);
	return last->frame == frame ? last->depth : depth;
}

struct within_trim {
	struct pv_within *list;
	__u64 sp, returns_to;
	__u64 over;        /* the outermost that is */
	__u64 home, frame; /* where the current Python frame's stack is; the frame */
	__u32 function;
	bool goes_on; /* the innermost has jumped to its own beginning */
};

/* Too far apart for one stack. */
static inline bool is_far(__u64 a, __u64 b)
{
	return a - b + PV_WITHIN_STACK > 2 * PV_WITHIN_STACK;
}

static long within_trim_one(__u32 i, struct within_trim *trim)
{
	__u32 n = trim->list->n;
	struct pv_within_call *last = within_at(trim->list, n - 1);

	if (!n || n > PV_WITHIN_MAX)
		return 1;
	if (is_far(last->sp, trim->sp)) {
		/*
		 * It waits on a stack of its own if this is its frame's; else this one's is such,
		 * and it has led to it.
		 */
		if (last->frame != trim->frame || is_far(trim->home, trim->sp))
			return 1;
	} else if (last->sp > trim->sp && read_u64(last->sp) == last->returns_to) {
		return 1;
	}
	if (last->sp == trim->sp && last->returns_to == trim->returns_to) {
		trim->goes_on = last->function == trim->function && last->flags & PV_NATIVE_LOOPS;
		if (trim->goes_on ||
		    (last->function != trim->function && last->flags & PV_NATIVE_TAILS))
			return 1;
	}
	trim->over = last->sp;
	trim->list->n = n - 1;
	return 0;
}

enum { WITHIN_OPEN, WITHIN_GOES_ON, WITHIN_RUN_IS_OVER };

/* The execution's first call is a native one, and it has ended. */
static inline void end_native_run(struct pv_trace_run *run)
{
	__u64 frame = run->root;

	bpf_map_delete_elem(&inside, &frame);
	end_run(run, run->tid);
}

/* Something begins: what stands there or below is over. */
static __noinline int within_trim(__u32 index, const struct within_trim *begun)
{
	struct within_trim trim = *begun;
	struct pv_trace_run *run = run_at(index);
	struct pv_trace_inside as = { .number = run->number };
	__u32 flags = PV_CALL_EVENT_END | PV_CALL_EVENT_NATIVE | PV_CALL_EVENT_OVER;

	trim.list = within_of(run, index);
	if (!trim.list || !trim.list->n)
		return WITHIN_OPEN;
	bpf_loop(PV_WITHIN_MAX, within_trim_one, &trim, 0);
	if (!trim.over)
		return trim.goes_on ? WITHIN_GOES_ON : WITHIN_OPEN;
	if (trim.list->rooted && !trim.list->n)
		flags |= PV_CALL_EVENT_ROOT;
	send(run, index, &as, trim.over, 0, 0, flags, 0);
	if (!(flags & PV_CALL_EVENT_ROOT))
		return WITHIN_OPEN;
	end_native_run(run);
	return WITHIN_RUN_IS_OVER;
}

/* A Python call begins; false: there is nothing any more that it could be in. */
static inline bool within_join(__u32 index, __u64 sp, __u64 frame, __u64 home)
{
	struct within_trim begun = {
		.sp = sp,
		.function = PV_WITHIN_NO_FUNCTION,
		.frame = frame,
		.home = home,
	};

	return !with_natives || within_trim(index, &begun) != WITHIN_RUN_IS_OVER;
}

static long within_forget_one(__u32 i, struct within_trim *trim)
{
	__u32 n = trim->list->n;

	if (!n || within_at(trim->list, n - 1)->frame != trim->sp)
		return 1;
	trim->list->n = n - 1;
	return 0;
}

/* A Python frame has ended, and with it what was called while it was current. */
static inline void within_forget(struct pv_trace_run *run, __u32 index, __u64 frame)
{
	struct within_trim trim = { .sp = frame };

	if (!with_natives)
		return;
	trim.list = within_of(run, index);
	if (trim.list && trim.list->n)
		bpf_loop(PV_WITHIN_MAX, within_forget_one, &trim, 0);
}

/* PV_CALL_EVENT_EARLY if the end will not be seen, as far as is known. */
static __noinline __u32 within_place(__u64 returns_to)
{
	struct pv_native_call call = { .returns_to = returns_to };

	/* of none before anything is known */
	if (!native_place(&call, &call) || call.flags & PV_NATIVE_EARLY)
		return PV_CALL_EVENT_EARLY;
	return 0;
}

static inline void within_push(struct pv_trace_run *run, __u32 index, struct pv_within *list,
			       const struct native_hit *hit)
{
	struct pv_trace_inside as = { .caller = hit->caller, .number = run->number };
	struct pv_within_call *call = within_at(list, list->n);
	__u32 flags = PV_CALL_EVENT_NATIVE | hit->event_flags;
	__u64 end_ns;

	/* a number that does not come is an event that is lost */
	if (list->n >= PV_WITHIN_MAX) {
		run->sequence++;
		return;
	}
	call->sp = hit->sp;
	call->registers = hit->registers;
	call->returns_to = hit->returns_to;
	call->frame = hit->caller;
	call->function = hit->function;
	call->flags = hit->flags;
	call->depth = hit->depth;
	list->n++;
	if (depth_max && hit->depth > depth_max)
		return;
	end_ns = send(run, index, &as, hit->sp, hit->function, 0, flags, 0);
	if (end_ns)
		spend(run, hit->start_ns, end_ns);
}

static inline void begin_native_run(struct native_hit *hit)
{
	struct pv_trace_inside as = {};
	struct pv_trace_run *run;
	struct pv_within *list;
	__u32 index = 0;

	as.number = __sync_fetch_and_add(&trace_state.begun, 1) + 1;
	if (runs_max && as.number > runs_max)
		return;
	run = reserve_run(as.number, hit->tid, &index);
	list = run ? within_of(run, index) : NULL;
	as.run = index;
	as.sp = hit->sp;
	if (!list || bpf_map_update_elem(&inside, &hit->frame, &as, BPF_ANY)) {
		if (run)
			run->number = 0;
		count(&trace_state.skipped);
		return;
	}
	run->root = hit->frame;
	run->begun = 0;
	run->tid = hit->tid;
	run->sequence = 0;
	run->spent_ns = 0;
	run->last = as.number;
	list->rooted = 1;
	hit->event_flags |= PV_CALL_EVENT_ROOT;
	add_busy(hit->tid, 1);
	send_stack(hit->pc, hit->sp, hit->bp, hit->tid);
	hit->caller = hit->frame;
	within_push(run, index, list, hit);
}

/* The call of the frame that is current, or of one above it, if it is inside. */
static inline struct pv_trace_inside *within_caller(const struct native_hit *hit,
						    struct climb *path)
{
	path->top = hit->frame;
	return hit->frame & 1 ? find_inside(hit->frame, hit->tid)
			      : climb(hit->frame, hit->tid, path);
}

/* Far from the first call's place it is on another stack: whose, is not known. */
static inline bool is_elsewhere(struct pv_within *list, const struct native_hit *hit)
{
	return hit->frame & 1 && list->rooted && list->n && is_far(list->calls[0].sp, hit->sp);
}

static __noinline int enter_native(struct native_hit *hit)
{
	struct within_trim begun = {
		.sp = hit->sp,
		.returns_to = hit->returns_to,
		.function = hit->function,
	};
	struct pv_trace_inside *caller = NULL;
	struct pv_trace_run *run;
	struct pv_within *list;
	struct climb path;
	__u32 index, depth;

	hit->start_ns = bpf_ktime_get_ns();
	if (trace_state.open)
		caller = within_caller(hit, &path);
	if (caller) {
		index = caller->run;
		depth = caller->depth;
		begun.frame = path.top;
		begun.home = caller->sp;
		run = run_at(index);
		list = within_of(run, index);
		if (!list)
			return 0;
		if (is_elsewhere(list, hit)) {
			count(&trace_state.elsewhere);
			return 0;
		}
		switch (within_trim(index, &begun)) {
		case WITHIN_GOES_ON:
			return 0;
		case WITHIN_RUN_IS_OVER:
			break;
		default:
			hit->event_flags = within_place(hit->returns_to);
			hit->caller = begun.frame;
			hit->depth = within_depth(list, hit->caller, depth) + 1;
			within_push(run, index, list, hit);
			return 0;
		}
	}
	if (hit->function != native_trigger || !trace_state.armed)
		return 0;
	hit->event_flags = within_place(hit->returns_to);
	begin_native_run(hit);
	return 0;
}

struct within_seek {
	struct pv_within *list;
	__u64 sp, registers;
	__u32 found; /* index + 1 */
	__u32 pad;
};

/* Those at the same place stand side by side. */
static long within_seek_one(__u32 i, struct within_seek *seek)
{
	__u32 n = seek->list->n;
	struct pv_within_call *call;

	if (i >= n)
		return 1;
	call = within_at(seek->list, n - 1 - i);
	if (call->sp == seek->sp && call->registers == seek->registers)
		seek->found = n - i;
	else if (seek->found)
		return 1;
	return 0;
}

static __noinline int leave_native(struct native_hit *hit)
{
	struct within_seek seek = { .sp = hit->sp, .registers = hit->registers };
	__u32 flags = PV_CALL_EVENT_END | PV_CALL_EVENT_NATIVE, index, depth;
	struct pv_trace_inside *caller, as = {};
	struct pv_trace_run *run;
	struct climb path;
	__u64 start_ns = bpf_ktime_get_ns();

	caller = within_caller(hit, &path);
	if (!caller)
		return 0;
	index = caller->run;
	run = run_at(index);
	seek.list = within_of(run, index);
	if (!seek.list || !seek.list->n)
		return 0;
	bpf_loop(PV_WITHIN_MAX, within_seek_one, &seek, 0);
	if (!seek.found)
		return 0;
	depth = within_at(seek.list, seek.found - 1)->depth;
	seek.list->n = seek.found - 1;
	as.number = run->number;
	if (seek.list->rooted && seek.found == 1)
		flags |= PV_CALL_EVENT_ROOT;
	if (!depth_max || depth <= depth_max)
		send(run, index, &as, hit->sp, 0, 0, flags, start_ns);
	spend(run, start_ns, bpf_ktime_get_ns());
	if (flags & PV_CALL_EVENT_ROOT)
		end_native_run(run);
	return 0;
}

static inline void native_hit(struct pt_regs *ctx, __u32 tid, bool entry)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct native_hit hit = {
		.function = cookie >> PV_NATIVE_FUNCTION_SHIFT & PV_NATIVE_FUNCTION_MASK,
		.flags = cookie >> PV_NATIVE_FLAGS_SHIFT & (PV_NATIVE_TAILS | PV_NATIVE_LOOPS),
		.tid = tid,
	};
	bool trigger = entry && hit.function == native_trigger;

	if (!trigger && (!trace_state.open || !bpf_map_lookup_elem(&busy, &tid)))
		return;
	hit.frame = native_frame();
	hit.registers = native_registers(ctx, hit.frame);
	hit.sp = native_sp(ctx, cookie);
	if (!hit.frame)
		hit.frame = (__u64)tid << 1 | 1;
	if (!entry) {
		hit.sp -= 8;
		leave_native(&hit);
		return;
	}
	hit.returns_to = read_u64(hit.sp);
	hit.pc = ctx->ip;
	hit.bp = ctx->bp;
	enter_native(&hit);
}

#endif
