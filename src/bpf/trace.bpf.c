/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What happens inside executions of one Python function: each call that it leads
 * to, when it began and when it ended.  Input: probes at the interpreter's places
 * (python/sites.h), the frames they name.  Output: PV_EVENT_CALL in the ring, after
 * the code objects that they name; for each execution one PV_EVENT_SAMPLE, the
 * stack that led to it, before its first event.
 *
 * A call is known by its frame, and is inside if the frame that called it is: so
 * other greenlets of the thread, and other threads, are not, whenever they run.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/execution.bpf.h"
#include "bpf/within.bpf.h"

/* A call that begins. */
struct call {
	__u64 frame, code, previous;
	__u64 pc, sp, bp; /* for the stack */
	__u64 start_ns;   /* of the hit */
	__u32 tid, flags;
};

/* Is the frame that called not inside, or passed over, so that it cannot tell its callee? */
static inline bool is_apart(const struct pv_trace_inside *call)
{
	return with_callees() && (!call->depth || call->caller != call->previous);
}

/* A call joins an execution; false: there is no room for it. */
static inline bool join(struct pv_trace_run *run, __u32 index, const struct call *call,
			struct pv_trace_inside *as)
{
	__u64 key = pv_caller_key(as->previous, call->tid), end_ns;
	__u32 flags = call->flags;

	as->callee = 0;
	if (bpf_map_update_elem(&inside, &call->frame, as, BPF_ANY) ||
	    (is_apart(as) && bpf_map_update_elem(&callees, &key, &call->frame, BPF_ANY))) {
		/* a number that does not come is an event that is lost */
		run->sequence++;
		return false;
	}
	run->begun = call->frame;
	if (depth_max && as->depth > depth_max)
		return true;
	key = find_key(call->code);
	if (with_values && !(flags & (PV_CALL_EVENT_RESUMED | PV_CALL_EVENT_UNBEGUN))) {
		if (key)
			send_names(call->code, key);
		send_arguments(call->frame, run->number, run->sequence);
		flags |= PV_CALL_EVENT_VALUES;
	}
	end_ns = send(run, index, as, call->frame, call->code, key, flags, 0);
	if (end_ns)
		spend(run, call->start_ns, end_ns);
	return true;
}

/* Those that were passed over begin now, the outermost first. */
static inline void join_missed(struct pv_trace_run *run, const struct climb *path,
			       struct pv_trace_inside *as, __u32 tid)
{
	struct call call = {
		.tid = tid,
		.flags = PV_CALL_EVENT_UNBEGUN,
		.start_ns = bpf_ktime_get_ns(),
	};
	__u32 i;

	for (i = 0; i < PV_TRACE_CLIMB && i < path->n_missed; i++) {
		call.frame = path->missed[(path->n_missed - 1 - i) & (PV_TRACE_CLIMB - 1)];
		call.code = code_of(call.frame);
		as->previous = read_u64(call.frame + probe.layout.fr_previous);
		join(run, as->run, &call, as);
		as->caller = call.frame;
		as->depth++;
	}
}

/* The same of an execution's first call. */
static inline bool is_begun(__u64 frame, __u32 tid)
{
	struct pv_trace_inside *call = find_inside(frame, tid);

	return call && !probe.layout.keyed_by_caller && run_at(call->run)->begun == frame;
}

static inline void join_inside(struct pv_trace_inside *caller, const struct climb *path,
			       const struct call *call)
{
	struct pv_trace_inside as = *caller;
	struct pv_trace_run *run = run_at(as.run);

	/* RESUME is executed again where it has just been changed into another kind of it */
	if (run->begun == call->frame && !probe.layout.keyed_by_caller)
		return;
	if (!within_join(as.run, call->sp, path->top, as.sp))
		return;
	if (with_natives)
		as.depth = within_depth(within_of(run, as.run), path->top, as.depth);
	as.depth++;
	as.sp = call->sp;
	as.caller = path->top;
	if (path->n_missed)
		join_missed(run, path, &as, call->tid);
	as.previous = call->previous;
	if (with_callees())
		caller->callee = call->frame;
	join(run, as.run, call, &as);
}

static __always_inline void begin_run(struct call *call)
{
	struct pv_trace_inside as = { .depth = 0 };
	struct pv_trace_run *run;
	__u32 index = 0;

	as.number = __sync_fetch_and_add(&trace_state.begun, 1) + 1;
	/* one that had to be skipped is none of the wanted: another takes its place */
	if (runs_max && as.number > runs_max + trace_state.skipped)
		return;
	run = reserve_run(as.number, call->tid, &index);
	if (!run) {
		count(&trace_state.skipped);
		return;
	}
	as.run = index;
	as.caller = as.previous = call->previous;
	as.sp = call->sp;
	run->root = call->frame;
	run->tid = call->tid;
	run->sequence = 0;
	run->spent_ns = 0;
	run->last = as.number;
	call->flags |= PV_CALL_EVENT_ROOT;
	add_busy(call->tid, 1);
	send_stack(call->pc, call->sp, call->bp, call->tid);
	if (join(run, index, call, &as))
		return;
	count(&trace_state.skipped);
	end_run(run, call->tid);
}

static inline bool is_trigger(__u64 code)
{
	struct pv_trace_trigger *trigger = bpf_map_lookup_elem(&triggers, &code);

	if (!trigger || !trace_state.armed)
		return false;
	if (read_u64(code + probe.layout.co_filename) == trigger->file_at &&
	    read_u64(code + probe.layout.co_name) == trigger->name_at)
		return true;
	count(&trace_state.replaced);
	return false;
}

/* Is it a call of the function that the user wants? */
static inline bool is_met(const struct call *call)
{
	int truth = decide_condition(call->frame);
	__u64 ns;

	if (truth == PV_TRUE)
		return true;
	ns = bpf_ktime_get_ns() - call->start_ns;
	__sync_fetch_and_add(&trace_state.decided_ns, ns);
	probe_state.debt_ns += ns;
	count(truth == PV_FALSE ? &trace_state.unmet : &trace_state.undecided);
	return false;
}

/* A call begins. */
static __noinline int enter(struct call *call)
{
	struct pv_trace_inside *caller = NULL;
	struct climb path;
	bool trigger;

	call->code = code_of(call->frame);
	trigger = is_trigger(call->code);
	if (!trigger && !trace_state.open)
		return 0;
	call->start_ns = bpf_ktime_get_ns();
	if (!call->previous)
		call->previous = read_u64(call->frame + probe.layout.fr_previous);
	if (trace_state.open)
		caller = climb(call->previous, call->tid, &path);
	if (!caller) {
		if (trigger && is_begun(call->frame, call->tid))
			return 0;
		/* what is left of an earlier one */
		bpf_map_delete_elem(&inside, &call->frame);
		if (!trigger)
			return 0;
		call->flags |= resumed(call->frame);
		if (is_met(call))
			begin_run(call);
	} else {
		call->flags |= resumed(call->frame);
		join_inside(caller, &path, call);
	}
	return 0;
}

/*
 * A call ends; tstate: of the thread, if it tells whether by an exception; object: up to 3.10 what
 * it returns.  0: it is not inside.
 */
__noinline int leave(__u64 frame, __u32 tid, __u32 flags, __u64 tstate, __u64 object)
{
	struct pv_trace_inside *call = find_inside(frame, tid), was;
	struct pv_trace_run *run;
	__u64 key, start_ns;

	if (!call)
		return 0;
	start_ns = bpf_ktime_get_ns();
	run = run_at(call->run);
	was = *call;
	run->begun = 0;
	flags |= PV_CALL_EVENT_END;
	if (run->root == frame)
		flags |= PV_CALL_EVENT_ROOT;
	if (tstate && read_u64(tstate + probe.python.ts_exception))
		flags |= PV_CALL_EVENT_RAISED;
	if (!depth_max || was.depth <= depth_max) {
		if (with_values && !(flags & (PV_CALL_EVENT_RAISED | PV_CALL_EVENT_YIELDED))) {
			send_result(frame, probe.layout.keyed_by_caller ? object : tstate,
				    run->number, run->sequence);
			flags |= PV_CALL_EVENT_VALUES;
		}
		send(run, was.run, &was, frame, 0, 0, flags, start_ns);
	}
	if (is_apart(&was)) {
		key = pv_caller_key(was.previous, tid);
		bpf_map_delete_elem(&callees, &key);
	}
	bpf_map_delete_elem(&inside, &frame);
	within_forget(run, was.run, frame);
	spend(run, start_ns, bpf_ktime_get_ns());
	if (flags & PV_CALL_EVENT_ROOT)
		end_run(run, tid);
	return 1;
}

/* 3.12 and later: a frame that ends and was not seen to begin, in code of the JIT compiler. */
static inline void leave_unbegun(__u64 frame, __u32 tid, __u64 tstate)
{
	struct call call = { .frame = frame, .tid = tid };
	struct pv_trace_inside *caller;
	struct pv_proc *proc;
	struct climb path;
	__u64 start;

	call.previous = read_u64(frame + probe.layout.fr_previous);
	caller = climb(call.previous, tid, &path);
	proc = caller ? find_target() : NULL;
	if (!caller || !proc)
		return;
	call.code = code_of(frame);
	/* it never ran: there was no room on the stack, or too many calls */
	start = call.code + proc->py.co_code_adaptive;
	if (is_cleanup(call.code) || read_u64(frame + probe.layout.fr_instr) <= start)
		return;
	call.flags = PV_CALL_EVENT_UNBEGUN;
	call.start_ns = bpf_ktime_get_ns();
	join_inside(caller, &path, &call);
	leave(frame, tid, PV_CALL_EVENT_UNBEGUN, tstate, 0);
}

static inline void clear(struct pt_regs *ctx, __u64 frame, __u32 tid)
{
	__u64 tstate = probe.python.tstate_argument ? get_register(ctx, 7)
						    : read_u64(probe.layout.tstate_current);

	if (!leave(frame, tid, 0, tstate, 0) && probe.layout.tell_unbegun)
		leave_unbegun(frame, tid, tstate);
}

/* Up to 3.10: did eval return for a yield? */
static inline bool is_suspended(__u64 frame)
{
	__s8 state = 0;

	if (!probe.python.suspended_by_state)
		return read_u64(frame + probe.python.fr_suspended);
	bpf_probe_read_user(&state, 1, (const void *)(frame + probe.python.fr_suspended));
	return state == -1; /* FRAME_SUSPENDED: CPython 3.10 Include/cpython/frameobject.h */
}

/* eval returned: the frame that is current now is the caller's. */
static inline void leave_by_caller(__u64 caller, __u64 value, __u32 tid)
{
	struct pv_trace_inside *inner = find_inside(caller, tid);
	__u64 key = pv_caller_key(caller, tid), *found;
	__u64 frame = inner ? inner->callee : 0;
	__u32 flags = value ? 0 : PV_CALL_EVENT_RAISED;

	if (!frame) {
		found = bpf_map_lookup_elem(&callees, &key);
		frame = found ? *found : 0;
	}
	if (!frame)
		return;
	if (inner)
		inner->callee = 0;
	if (value && probe.layout.keyed_by_caller && is_suspended(frame))
		flags = PV_CALL_EVENT_YIELDED;
	leave(frame, tid, flags, 0, value);
}

static inline void leave_current(__u64 value, __u32 tid)
{
	__u64 tstate = read_u64(probe.layout.tstate_current);

	if (tstate)
		leave_by_caller(current_frame(tstate), value, tid);
}

static inline bool is_inside_root(__u64 frame)
{
	struct pv_trace_inside *call = bpf_map_lookup_elem(&inside, &frame);

	return call && !call->previous;
}

/* 3.11: all greenlets of a thread begin with frames that none called. */
static inline void leave_failed(struct pt_regs *ctx, __u32 tid)
{
	__u64 tstate = read_u64(probe.layout.tstate_current);

	if (!tstate)
		return;
	if (current_frame(tstate))
		leave_by_caller(current_frame(tstate), 0, tid);
	else
		leave(PRESERVED_FRAME(ctx, is_inside_root), tid, PV_CALL_EVENT_RAISED, 0, 0);
}

static inline void begin_call(struct pt_regs *ctx, __u64 frame, __u64 previous, __u32 tid)
{
	struct call call = {
		.frame = frame,
		.previous = previous,
		.pc = ctx->ip,
		.sp = ctx->sp,
		.bp = ctx->bp,
		.tid = tid,
	};

	enter(&call);
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	__u64 pid_tid = pv_current_ids(), frame, previous = 0;
	__u32 tid = pid_tid, kind = pv_probe_hit(ctx, pid_tid);

	switch (kind) {
	case PV_PROBE_ENTER:
		frame = get_register(ctx, probe.python.frame_register);
		if (!is_no_call(frame))
			begin_call(ctx, frame, 0, tid);
		return 0;
	case PV_PROBE_THROW:
		if (!(__u32)get_register(ctx, 2))
			return 0;
		if (probe.layout.tell_unbegun)
			previous = current_frame(get_register(ctx, 7));
		begin_call(ctx, get_register(ctx, probe.python.eval_register), previous, tid);
		return 0;
	case PV_PROBE_EVAL:
		begin_call(ctx, get_register(ctx, probe.python.eval_register), 0, tid);
		return 0;
	}
	if (with_natives && (kind == PV_PROBE_NATIVE_ENTER || kind == PV_PROBE_NATIVE_LEAVE)) {
		native_hit(ctx, tid, kind == PV_PROBE_NATIVE_ENTER);
		return 0;
	}
	/* all others are ends */
	if (!trace_state.open)
		return 0;
	switch (kind) {
	case PV_PROBE_LEAVE:
		leave(get_register(ctx, probe.python.frame_register), tid, 0, 0, 0);
		break;
	case PV_PROBE_YIELD:
		leave(get_register(ctx, probe.python.frame_register), tid, PV_CALL_EVENT_YIELDED, 0,
		      0);
		break;
	case PV_PROBE_CLEAR:
		clear(ctx, get_register(ctx, probe.python.clear_register), tid);
		break;
	case PV_PROBE_RESULT:
		/* with a callable it is of a function in C */
		if (!get_register(ctx, probe.python.result_register))
			leave_current(get_register(ctx, probe.python.value_register), tid);
		break;
	case PV_PROBE_RETURNED:
		leave_current(get_register(ctx, 0), tid);
		break;
	case PV_PROBE_FAILED:
		if (!get_register(ctx, 0))
			leave_failed(ctx, tid);
		break;
	}
	return 0;
}

/* A thread that ends inside takes its executions along. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct pv_trace_inside root = {};
	struct pv_trace_run *run;
	__u32 tid = pv_tid(task), i;

	if (pv_tgid(task) != probe.tgid || !bpf_map_lookup_elem(&busy, &tid))
		return 0;
	for (i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		run = &trace_state.runs[i];
		if (!run->number || run->tid != tid)
			continue;
		root.number = run->number;
		send(run, i, &root, run->root, 0, 0,
		     PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_CUT, 0);
		end_run(run, tid);
	}
	return 0;
}

/* bpf_probe_read_user and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
