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
#include "bpf/late.bpf.h"
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
	__u64 sp, registers;
	__u64 returns_to; /* at an end: what it returns */
	__u64 frame;      /* that is current; an odd number for the thread: none is */
	__u64 start_ns;
	__u64 caller; /* of a call inside: the frame that is */
	__u32 function, tid, flags, event_flags, depth;
	__u32 truth; /* of the condition, if it could begin an execution */
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

/* What begins. */
struct within_begun {
	__u64 sp, returns_to;
	__u64 home, frame; /* where the current Python frame's stack is; the frame */
	__u32 function;
	__u32 pad;
};

static struct within_begun within_begun[PV_TRACE_RUNS_MAX]; /* as joinings */

struct within_trim {
	struct pv_within *list;
	struct within_begun *begun;
	__u64 over;   /* the outermost that is */
	bool goes_on; /* the innermost has jumped to its own beginning */
};

/* Too far apart for one stack. */
static inline bool is_far(__u64 a, __u64 b)
{
	return a - b + PV_WITHIN_STACK > 2 * PV_WITHIN_STACK;
}

static long within_trim_one(__u32 i, struct within_trim *trim)
{
	const struct within_begun *begun = trim->begun;
	__u32 n = trim->list->n;
	struct pv_within_call *last = within_at(trim->list, n - 1);

	if (!n || n > PV_WITHIN_MAX)
		return 1;
	if (is_far(last->sp, begun->sp)) {
		/*
		 * It waits on a stack of its own if this is its frame's; else this one's is such,
		 * and it has led to it.
		 */
		if (last->frame != begun->frame || is_far(begun->home, begun->sp))
			return 1;
	} else if (last->sp > begun->sp && read_u64(last->sp) == last->returns_to) {
		return 1;
	}
	if (last->sp == begun->sp && last->returns_to == begun->returns_to) {
		trim->goes_on = last->function == begun->function && last->flags & PV_NATIVE_LOOPS;
		if (trim->goes_on ||
		    (last->function != begun->function && last->flags & PV_NATIVE_TAILS))
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

	forget_inside(frame);
	end_run(run, run->tid);
}

static inline struct within_begun *within_begun_at(__u32 index)
{
	return &within_begun[pv_masked(index, PV_TRACE_RUNS_MAX)];
}

/* Something begins, see within_begun: what stands there or below is over. */
static __noinline int within_trim(__u32 index)
{
	struct within_trim trim = { .begun = within_begun_at(index) };
	struct pv_trace_run *run = run_at(index);
	__u32 flags = PV_CALL_EVENT_END | PV_CALL_EVENT_NATIVE | PV_CALL_EVENT_OVER;

	trim.list = within_of(run, index);
	if (!trim.list || !trim.list->n)
		return WITHIN_OPEN;
	bpf_loop(PV_WITHIN_MAX, within_trim_one, &trim, 0);
	if (!trim.over)
		return trim.goes_on ? WITHIN_GOES_ON : WITHIN_OPEN;
	if (trim.list->rooted && !trim.list->n)
		flags |= PV_CALL_EVENT_ROOT;
	send(run, index, 0, trim.over, 0, 0, flags, 0);
	if (!(flags & PV_CALL_EVENT_ROOT))
		return WITHIN_OPEN;
	end_native_run(run);
	return WITHIN_RUN_IS_OVER;
}

/* A Python call begins; false: there is nothing any more that it could be in. */
static inline bool within_join(__u32 index, __u64 sp, __u64 frame, __u64 home)
{
	struct within_begun *begun = within_begun_at(index);

	if (!with_natives)
		return true;
	begun->sp = sp;
	begun->returns_to = 0;
	begun->function = PV_WITHIN_NO_FUNCTION;
	begun->frame = frame;
	begun->home = home;
	return within_trim(index) != WITHIN_RUN_IS_OVER;
}

struct within_forget {
	struct pv_within *list;
	__u64 frame;
};

static long within_forget_one(__u32 i, struct within_forget *forget)
{
	__u32 n = forget->list->n;

	if (!n || within_at(forget->list, n - 1)->frame != forget->frame)
		return 1;
	forget->list->n = n - 1;
	return 0;
}

/* A Python frame has ended, and with it what was called while it was current. */
static inline void within_forget(struct pv_trace_run *run, __u32 index, __u64 frame)
{
	struct within_forget forget = { .frame = frame };

	if (!with_natives)
		return;
	forget.list = within_of(run, index);
	if (forget.list && forget.list->n)
		bpf_loop(PV_WITHIN_MAX, within_forget_one, &forget, 0);
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

static __noinline int within_push(__u32 index, const struct native_hit *hit)
{
	struct pv_trace_run *run = run_at(index);
	struct pv_within *list = within_of(run, index);
	__u32 flags = PV_CALL_EVENT_NATIVE | hit->event_flags;
	struct pv_within_call *call;
	__u64 end_ns;

	if (!list)
		return 0;
	/* a number that does not come is an event that is lost */
	if (list->n >= PV_WITHIN_MAX) {
		run->sequence++;
		return 0;
	}
	call = within_at(list, list->n);
	call->sp = hit->sp;
	call->registers = hit->registers;
	call->returns_to = hit->returns_to;
	call->frame = hit->caller;
	call->function = hit->function;
	call->flags = hit->flags;
	call->depth = hit->depth;
	list->n++;
	if (depth_max && hit->depth > depth_max)
		return 0;
	end_ns = send(run, index, hit->caller, hit->sp, hit->function, 0, flags, 0);
	if (end_ns)
		spend(run, end_ns - hit->start_ns);
	return 0;
}

/* Index + 1 of the execution that begins with a call, 0: none. */
static inline __u32 prepare_native_run(struct native_hit *hit)
{
	__u32 number = __sync_fetch_and_add(&trace_state.begun, 1) + 1, index;
	struct pv_trace_run *run;
	struct pv_trace_inside *as;
	struct pv_within *list;

	hit->event_flags |= late_flag();
	if (!(hit->event_flags & PV_CALL_EVENT_LATE) && !is_run_wanted(number))
		return 0;
	index = reserve_run(number);
	run = index ? run_at(index - 1) : NULL;
	index = pv_masked(index - 1, PV_TRACE_RUNS_MAX);
	list = run ? within_of(run, index) : NULL;
	if (list) {
		as = &joining_at(index)->as;
		__builtin_memset(as, 0, sizeof(*as));
		as->number = number;
		as->run = index;
		as->sp = hit->sp;
		if (!put_inside(hit->frame, index))
			list = NULL;
	}
	if (!list) {
		if (run)
			run->number = 0;
		count(&trace_state.skipped);
		return 0;
	}
	begin_run_as(run, hit->frame, number, hit->tid);
	list->rooted = 1;
	hit->event_flags |= PV_CALL_EVENT_ROOT;
	add_busy(hit->tid, 1);
	hit->caller = hit->frame;
	return index + 1;
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

/* A call begins: index + 1 of the execution that is or begins with it, to be pushed; 0: none. */
static __noinline __u32 enter_native(struct native_hit *hit)
{
	struct pv_trace_inside *caller = NULL;
	struct within_begun *begun;
	struct pv_within *list;
	struct climb path;
	__u32 index, depth;

	hit->start_ns = bpf_ktime_get_ns();
	if (trace_state.open)
		caller = within_caller(hit, &path);
	if (caller) {
		index = pv_masked(caller->run, PV_TRACE_RUNS_MAX);
		depth = caller->depth;
		begun = within_begun_at(index);
		begun->sp = hit->sp;
		begun->returns_to = hit->returns_to;
		begun->function = hit->function;
		begun->frame = hit->caller = path.top;
		begun->home = caller->sp;
		list = within_of(run_at(index), index);
		if (!list)
			return 0;
		if (is_elsewhere(list, hit)) {
			count(&trace_state.elsewhere);
			return 0;
		}
		switch (within_trim(index)) {
		case WITHIN_GOES_ON:
			return 0;
		case WITHIN_RUN_IS_OVER:
			break;
		default:
			hit->event_flags = within_place(hit->returns_to);
			hit->depth = within_depth(list, hit->caller, depth) + 1;
			return index + 1;
		}
	}
	if (hit->function != native_trigger || !trace_state.armed)
		return 0;
	if (hit->truth != PV_TRUE) {
		spend_deciding(hit->start_ns, hit->truth);
		return 0;
	}
	hit->event_flags = within_place(hit->returns_to);
	return prepare_native_run(hit);
}

/* The walkers need much of the stack: they are called from as high up as can be. */
static inline void begin_native(struct pt_regs *ctx, struct native_hit *hit, __u32 index)
{
	struct pv_trace_run *run = run_at(index);

	if (hit->event_flags & PV_CALL_EVENT_ROOT)
		send_stack(hit->tid);
	if (with_letters && (!depth_max || hit->depth <= depth_max) &&
	    send_registers(ctx, hit->function, run->number, run->sequence))
		hit->event_flags |= PV_CALL_EVENT_VALUES;
	within_push(index, hit);
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
	__u32 flags = PV_CALL_EVENT_END | PV_CALL_EVENT_NATIVE, index, depth, function;
	struct pv_trace_inside *caller;
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
	function = within_at(seek.list, seek.found - 1)->function;
	seek.list->n = seek.found - 1;
	if (seek.list->rooted && seek.found == 1)
		flags |= PV_CALL_EVENT_ROOT;
	if (!depth_max || depth <= depth_max) {
		if (with_letters &&
		    send_register(hit->returns_to, function, run->number, run->sequence))
			flags |= PV_CALL_EVENT_VALUES;
		send(run, index, 0, hit->sp, 0, 0, flags, start_ns);
	}
	spend(run, bpf_ktime_get_ns() - start_ns);
	if (flags & PV_CALL_EVENT_ROOT)
		end_native_run(run);
	return 0;
}

/* hit: its tid is there already. */
static inline void native_hit(struct pt_regs *ctx, bool entry, struct native_hit *hit)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 begins;

	hit->function = cookie >> PV_NATIVE_FUNCTION_SHIFT & PV_NATIVE_FUNCTION_MASK;
	hit->flags = cookie >> PV_NATIVE_FLAGS_SHIFT & (PV_NATIVE_TAILS | PV_NATIVE_LOOPS);
	if (!(entry && hit->function == native_trigger) &&
	    (!trace_state.open || !bpf_map_lookup_elem(&busy, &hit->tid)))
		return;
	hit->frame = native_frame();
	hit->registers = native_registers(ctx, hit->frame);
	hit->sp = native_sp(ctx, cookie);
	if (hit->frame && trace_state.late_open && !trace_state.waiting) {
		begins = late_meet(hit->tid, hit->frame, 0);
		if (begins)
			late_join(begins - 1);
	}
	if (!hit->frame)
		hit->frame = (__u64)hit->tid << 1 | 1;
	if (!entry) {
		hit->sp -= 8;
		hit->returns_to = ctx->ax; /* what it returns */
		leave_native(hit);
		return;
	}
	hit->returns_to = read_u64(hit->sp);
	if (hit->function == native_trigger)
		hit->truth = decide_registers(ctx);
	begins = enter_native(hit);
	if (begins)
		begin_native(ctx, hit, begins - 1);
}

#endif
