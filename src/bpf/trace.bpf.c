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

/* Is the frame that called not inside, or passed over, so that it cannot tell its callee? */
static inline bool is_apart(const struct pv_trace_inside *call)
{
	return with_callees() && (!call->depth || call->caller != call->previous);
}

enum { JOIN_FAILED, JOIN_TOO_DEEP, JOIN_TELL };

/* A call joins an execution, as the joining says, if there is room for it. */
static __noinline int join(__u32 index, const struct call *call)
{
	struct pv_trace_inside *as = &joining_at(index)->as;
	struct pv_trace_run *run = run_at(index);
	__u64 key = pv_caller_key(as->previous, call->tid);

	as->callee = 0;
	if (bpf_map_update_elem(&inside, &call->frame, as, BPF_ANY) ||
	    (is_apart(as) && bpf_map_update_elem(&callees, &key, &call->frame, BPF_ANY))) {
		/* a number that does not come is an event that is lost */
		run->sequence++;
		return JOIN_FAILED;
	}
	run->begun = call->frame;
	return depth_max && as->depth > depth_max ? JOIN_TOO_DEEP : JOIN_TELL;
}

/* Tells that it has; key: of its code object. */
static __noinline int tell_joined(__u32 index, const struct call *call, __u64 key)
{
	struct pv_trace_run *run = run_at(index);
	__u64 end_ns = send(run, index, joining_at(index)->as.caller, call->frame, call->code, key,
			    call->flags, 0);

	if (end_ns)
		spend(run, call->start_ns, end_ns);
	return 0;
}

static __noinline int tell_arguments(__u32 index, struct call *call, __u64 key)
{
	struct pv_trace_run *run = run_at(index);

	if (call->flags & (PV_CALL_EVENT_RESUMED | PV_CALL_EVENT_UNBEGUN))
		return 0;
	if (key)
		send_names(call->code, key);
	send_arguments(call->frame, run->number, run->sequence);
	call->flags |= PV_CALL_EVENT_VALUES;
	return 0;
}

/* Those that were passed over begin now, the outermost first. */
static __noinline int join_missed(__u32 index, const struct call *begun)
{
	struct joining *joining = joining_at(index);
	struct call *call = &joining->missed;
	__u32 i;

	call->tid = begun->tid;
	call->flags = PV_CALL_EVENT_UNBEGUN;
	call->start_ns = bpf_ktime_get_ns();
	for (i = 0; i < PV_TRACE_CLIMB && i < joining->n_missed; i++) {
		call->frame = missed_at(begun->previous, joining->top, joining->n_missed - 1 - i);
		if (!call->frame)
			break;
		call->code = code_of(call->frame);
		joining->as.previous = read_u64(call->frame + probe.layout.fr_previous);
		if (join(index, call) == JOIN_TELL)
			tell_joined(index, call, find_key(call->code));
		joining->as.caller = call->frame;
		joining->as.depth++;
	}
	return 0;
}

/* The same of an execution's first call. */
static inline bool is_begun(__u64 frame, __u32 tid)
{
	struct pv_trace_inside *call = find_inside(frame, tid);

	return call && !probe.layout.keyed_by_caller && run_at(call->run)->begun == frame;
}

/* Index + 1 of the execution that a call joins, 0: none. */
static inline __u32 prepare_inside(struct pv_trace_inside *caller, const struct climb *path,
				   const struct call *call)
{
	__u32 index = pv_masked(caller->run, PV_TRACE_RUNS_MAX);
	struct joining *joining = joining_at(index);
	struct pv_trace_inside *as = &joining->as;
	struct pv_trace_run *run = run_at(index);

	/* RESUME is executed again where it has just been changed into another kind of it */
	if (run->begun == call->frame && !probe.layout.keyed_by_caller)
		return 0;
	*as = *caller;
	if (!within_join(index, call->sp, path->top, as->sp))
		return 0;
	if (with_natives)
		as->depth = within_depth(within_of(run, index), path->top, as->depth);
	as->depth++;
	as->sp = call->sp;
	as->caller = path->top;
	joining->top = path->top;
	joining->n_missed = path->n_missed;
	if (with_callees())
		caller->callee = call->frame;
	return index + 1;
}

/* The same of the execution that begins with a call, which has PV_CALL_EVENT_ROOT from then on. */
static inline __u32 prepare_run(struct call *call)
{
	__u32 number = __sync_fetch_and_add(&trace_state.begun, 1) + 1, index = 0;
	struct pv_trace_run *run;
	struct joining *joining;

	/* one that had to be skipped is none of the wanted: another takes its place */
	if (runs_max && number > runs_max + trace_state.skipped)
		return 0;
	run = reserve_run(number, call->tid, &index);
	if (!run) {
		count(&trace_state.skipped);
		return 0;
	}
	index = pv_masked(index, PV_TRACE_RUNS_MAX);
	joining = joining_at(index);
	joining->n_missed = 0;
	joining->as.number = number;
	joining->as.run = index;
	joining->as.depth = 0;
	joining->as.caller = call->previous;
	joining->as.sp = call->sp;
	run->root = call->frame;
	run->tid = call->tid;
	run->sequence = 0;
	run->spent_ns = 0;
	run->last = number;
	call->flags |= PV_CALL_EVENT_ROOT;
	add_busy(call->tid, 1);
	return index + 1;
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

/* A call begins: index + 1 of the execution that it joins, 0: none. */
static __noinline __u32 enter(struct call *call)
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
	if (caller) {
		call->flags |= resumed(call->frame);
		return prepare_inside(caller, &path, call);
	}
	if (trigger && is_begun(call->frame, call->tid))
		return 0;
	/* what is left of an earlier one */
	bpf_map_delete_elem(&inside, &call->frame);
	if (!trigger)
		return 0;
	call->flags |= resumed(call->frame);
	return is_met(call) ? prepare_run(call) : 0;
}

/*
 * What enter() has prepared.  All that goes deep begins here, so that no function with much on
 * the stack is between: see struct joining.
 */
static inline void begin_call(struct call *call, __u32 index)
{
	struct joining *joining = joining_at(index);
	__u64 key;
	int joined;

	if (call->flags & PV_CALL_EVENT_ROOT)
		send_stack(call->tid);
	if (joining->n_missed)
		join_missed(index, call);
	joining->as.previous = call->previous;
	joined = join(index, call);
	if (joined == JOIN_TELL) {
		key = find_key(call->code);
		if (with_values)
			tell_arguments(index, call, key);
		tell_joined(index, call, key);
	} else if (joined == JOIN_FAILED && call->flags & PV_CALL_EVENT_ROOT) {
		count(&trace_state.skipped);
		end_run(run_at(index), call->tid);
	}
}

/* A call ends.  False: it is not inside. */
static __noinline bool leave(const struct call *end)
{
	struct pv_trace_inside *call = find_inside(end->frame, end->tid);
	__u32 flags = end->flags | PV_CALL_EVENT_END, index;
	struct pv_trace_run *run;
	__u64 key, start_ns;

	if (!call)
		return false;
	start_ns = bpf_ktime_get_ns();
	index = call->run;
	run = run_at(index);
	run->begun = 0;
	if (run->root == end->frame)
		flags |= PV_CALL_EVENT_ROOT;
	if (end->tstate && read_u64(end->tstate + probe.python.ts_exception))
		flags |= PV_CALL_EVENT_RAISED;
	if (!depth_max || call->depth <= depth_max) {
		if (with_values && !(flags & (PV_CALL_EVENT_RAISED | PV_CALL_EVENT_YIELDED))) {
			send_result(end->frame,
				    probe.layout.keyed_by_caller ? end->object : end->tstate,
				    run->number, run->sequence);
			flags |= PV_CALL_EVENT_VALUES;
		}
		send(run, index, call->caller, end->frame, 0, 0, flags, start_ns);
	}
	if (is_apart(call)) {
		key = pv_caller_key(call->previous, end->tid);
		bpf_map_delete_elem(&callees, &key);
	}
	bpf_map_delete_elem(&inside, &end->frame);
	within_forget(run, index, end->frame);
	spend(run, start_ns, bpf_ktime_get_ns());
	if (flags & PV_CALL_EVENT_ROOT)
		end_run(run, end->tid);
	return true;
}

/*
 * 3.12 and later: a frame that ends and was not seen to begin, in code of the JIT compiler.  As
 * enter(), given its end, of which it makes its beginning.
 */
static __noinline __u32 enter_unbegun(struct call *call)
{
	struct pv_trace_inside *caller;
	struct pv_proc *proc;
	struct climb path;
	__u64 start;

	call->previous = read_u64(call->frame + probe.layout.fr_previous);
	caller = climb(call->previous, call->tid, &path);
	proc = caller ? find_target() : NULL;
	if (!caller || !proc)
		return 0;
	call->code = code_of(call->frame);
	/* it never ran: there was no room on the stack, or too many calls */
	start = call->code + proc->py.co_code_adaptive;
	if (is_cleanup(call->code) || read_u64(call->frame + probe.layout.fr_instr) <= start)
		return 0;
	call->flags = PV_CALL_EVENT_UNBEGUN;
	call->start_ns = bpf_ktime_get_ns();
	return prepare_inside(caller, &path, call);
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
static inline void end_by_caller(struct call *end, __u64 caller)
{
	struct pv_trace_inside *inner = find_inside(caller, end->tid);
	__u64 key = pv_caller_key(caller, end->tid), *found;

	end->frame = inner ? inner->callee : 0;
	if (!end->frame) {
		found = bpf_map_lookup_elem(&callees, &key);
		end->frame = found ? *found : 0;
	}
	if (!end->frame)
		return;
	if (inner)
		inner->callee = 0;
	if (!end->object)
		end->flags = PV_CALL_EVENT_RAISED;
	else if (probe.layout.keyed_by_caller && is_suspended(end->frame))
		end->flags = PV_CALL_EVENT_YIELDED;
}

static inline bool is_inside_root(__u64 frame)
{
	struct pv_trace_inside *call = bpf_map_lookup_elem(&inside, &frame);

	return call && !call->previous;
}

/* Finds the frame that ends, where eval returns an object or NULL. */
static __noinline int end_current(struct pt_regs *ctx, struct call *end)
{
	__u64 tstate = read_u64(probe.layout.tstate_current), current;

	if (!tstate)
		return 0;
	current = current_frame(tstate);
	/* 3.11: all greenlets of a thread begin with frames that none called */
	if (end->flags & PV_CALL_EVENT_RAISED && !current)
		end->frame = PRESERVED_FRAME(ctx, is_inside_root);
	else
		end_by_caller(end, current);
	return 0;
}

/* What begins at a hit; frame 0: nothing. */
static inline void read_beginning(struct pt_regs *ctx, __u32 kind, struct call *call)
{
	if (kind == PV_PROBE_ENTER) {
		call->frame = get_register(ctx, probe.python.frame_register);
		if (is_no_call(call->frame))
			call->frame = 0;
		return;
	}
	if (kind == PV_PROBE_THROW) {
		if (!(__u32)get_register(ctx, 2))
			return;
		if (probe.layout.tell_unbegun)
			call->previous = current_frame(get_register(ctx, 7));
	}
	call->frame = get_register(ctx, probe.python.eval_register);
}

/* What ends at a hit; frame 0: nothing. */
static inline void read_end(struct pt_regs *ctx, __u32 kind, struct call *end)
{
	switch (kind) {
	case PV_PROBE_LEAVE:
		end->frame = get_register(ctx, probe.python.frame_register);
		break;
	case PV_PROBE_YIELD:
		end->frame = get_register(ctx, probe.python.frame_register);
		end->flags = PV_CALL_EVENT_YIELDED;
		break;
	case PV_PROBE_CLEAR:
		end->frame = get_register(ctx, probe.python.clear_register);
		end->tstate = probe.python.tstate_argument ? get_register(ctx, 7)
							   : read_u64(probe.layout.tstate_current);
		break;
	case PV_PROBE_RESULT:
		/* with a callable it is of a function in C */
		if (get_register(ctx, probe.python.result_register))
			break;
		end->object = get_register(ctx, probe.python.value_register);
		end_current(ctx, end);
		break;
	case PV_PROBE_RETURNED:
		end->object = get_register(ctx, 0);
		end_current(ctx, end);
		break;
	case PV_PROBE_FAILED:
		if (get_register(ctx, 0))
			break;
		end->flags = PV_CALL_EVENT_RAISED;
		end_current(ctx, end);
		break;
	}
}

static inline void python_hit(struct pt_regs *ctx, __u32 kind, struct call *call)
{
	__u32 joins = 0;

	if (kind == PV_PROBE_ENTER || kind == PV_PROBE_THROW || kind == PV_PROBE_EVAL) {
		read_beginning(ctx, kind, call);
		call->sp = ctx->sp;
		if (call->frame)
			joins = enter(call);
	} else if (trace_state.open) {
		read_end(ctx, kind, call);
		if (call->frame && !leave(call) && kind == PV_PROBE_CLEAR &&
		    probe.layout.tell_unbegun)
			joins = enter_unbegun(call);
	}
	if (!joins)
		return;
	begin_call(call, joins - 1);
	/* it ends at this very hit */
	if (call->flags & PV_CALL_EVENT_UNBEGUN)
		leave(call);
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	__u64 pid_tid = pv_current_ids();
	__u32 kind = pv_probe_hit(ctx, pid_tid);
	union {
		struct call call;
		struct native_hit native;
	} hit = {};

	if (with_natives && (kind == PV_PROBE_NATIVE_ENTER || kind == PV_PROBE_NATIVE_LEAVE)) {
		hit.native.tid = pid_tid;
		native_hit(ctx, kind == PV_PROBE_NATIVE_ENTER, &hit.native);
	} else {
		hit.call.tid = pid_tid;
		python_hit(ctx, kind, &hit.call);
	}
	return 0;
}

/* A thread that ends inside takes its executions along. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct pv_trace_run *run;
	__u32 tid = pv_tid(task), i;

	if (pv_tgid(task) != probe.tgid || !bpf_map_lookup_elem(&busy, &tid))
		return 0;
	for (i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		run = &trace_state.runs[i];
		if (!run->number || run->tid != tid)
			continue;
		send(run, i, 0, run->root, 0, 0,
		     PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_CUT, 0);
		end_run(run, tid);
	}
	return 0;
}

/* bpf_probe_read_user and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
