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
#include "bpf/late.bpf.h"
#include "bpf/within.bpf.h"

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
	__u64 key;
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
		key = find_key(call->code, index);
		if (join(index, call->frame) == JOIN_TELL)
			tell_joined(index, call, key);
		joining->as.caller = call->frame;
		joining->as.depth++;
	}
	return 0;
}

/* The same of an execution's first call. */
static inline bool is_begun(__u64 frame, __u32 tid)
{
	struct pv_trace_inside *call = find_inside(frame, tid);

	return call && !probe.layout.frame_objects && run_at(call->run)->begun == frame;
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
	if (run->begun == call->frame && !probe.layout.frame_objects)
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
	__u32 number = __sync_fetch_and_add(&trace_state.begun, 1) + 1, index;
	struct pv_trace_run *run;
	struct joining *joining;

	call->flags |= late_flag();
	if (!(call->flags & PV_CALL_EVENT_LATE) && !is_run_wanted(number))
		return 0;
	index = reserve_run(number);
	if (!index) {
		count(&trace_state.skipped);
		return 0;
	}
	index = pv_masked(index - 1, PV_TRACE_RUNS_MAX);
	run = run_at(index);
	joining = joining_at(index);
	joining->n_missed = 0;
	joining->as.number = number;
	joining->as.run = index;
	joining->as.depth = 0;
	joining->as.caller = call->previous;
	joining->as.sp = call->sp;
	begin_run_as(run, call->frame, number, call->tid);
	run->code = call->code;
	call->flags |= PV_CALL_EVENT_ROOT;
	add_busy(call->tid, 1);
	return index + 1;
}

static inline bool is_trigger(__u64 code)
{
	struct pv_trace_trigger *trigger = bpf_map_lookup_elem(&triggers, &code);

	if (!trigger || !trace_state.armed)
		return false;
	if (is_named(code, trigger->file_at, trigger->name_at))
		return true;
	count(&trace_state.replaced);
	return false;
}

/* Is it a call of the function that the user wants? */
static inline bool is_met(const struct call *call)
{
	int truth = decide_condition(call->frame);

	if (truth == PV_TRUE)
		return true;
	spend_deciding(call->start_ns, truth);
	return false;
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

/*
 * A generator that waits for another one (`yield from`) does not run while an exception is thrown
 * into that, but 3.9 makes its frame the current one (CPython 3.9 Objects/genobject.c,
 * _gen_throw): as it waits it has no caller, and who threw is the innermost of the thread.
 * 0: it is no such frame, or executions of several greenlets are under way in the thread: then
 * one is missing of each.
 */
__noinline __u64 thrower_of(__u64 waits, __u32 tid)
{
	__u32 *runs = bpf_map_lookup_elem(&busy, &tid), i;
	struct pv_trace_run *run;
	bool only;

	if (!runs || !is_suspended(waits) || read_u64(waits + probe.layout.fr_previous))
		return 0;
	only = *runs == 1;
	for (i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		run = &trace_state.runs[i];
		if (!run->number || run->tid != tid)
			continue;
		if (only)
			return run->current;
		run->sequence++;
	}
	return 0;
}

/* A call begins: index + 1 of the execution that it joins, 0: none. */
__noinline int enter(struct call *call)
{
	struct pv_trace_inside *caller = NULL;
	struct climb path;
	__u64 previous;

	if (!call)
		return 0;
	call->code = read_link(call->frame, &previous);
	if (!call->previous)
		call->previous = previous;
	if (trace_state.open && !trace_state.waiting) {
		if (is_measured())
			call->start_ns = bpf_ktime_get_ns();
		caller = climb(call->previous, call->tid, &path);
		if (!caller && probe.layout.frame_objects && call->previous) {
			path.top = thrower_of(call->previous, call->tid);
			caller = path.top ? find_inside(path.top, call->tid) : NULL;
		}
		if (caller)
			return prepare_inside(caller, &path, call);
		/* what is left of an earlier one */
		if (!is_begun(call->frame, call->tid))
			forget_inside(call->frame);
	}
	if (!is_trigger(call->code) || is_begun(call->frame, call->tid))
		return 0;
	call->start_ns = bpf_ktime_get_ns();
	if (trace_state.waiting && !late_begins(call->tid, call->frame, call->previous))
		return 0;
	return is_met(call) ? prepare_run(call) : 0;
}

/*
 * What enter() has prepared.  All that goes deep begins here, so that no function with much on
 * the stack is between: see struct joining.
 */
static inline void begin_call(struct call *call, __u32 index)
{
	struct joining *joining = joining_at(index);
	__u64 key = 0;
	int joined;

	if (call->flags & PV_CALL_EVENT_ROOT)
		send_stack(call->tid);
	if (joining->n_missed)
		join_missed(index, call);
	joining->as.plain = 0;
	if (!depth_max || joining->as.depth <= depth_max)
		key = find_key(call->code, index);
	if (!joining->as.plain && !(call->flags & PV_CALL_EVENT_UNBEGUN))
		call->flags |= resumed(call->frame);
	joining->as.previous = call->previous;
	joined = join(index, call->frame);
	if (joined == JOIN_TELL) {
		if (with_values)
			tell_arguments(index, call, key);
		tell_joined(index, call, key);
	} else if (joined == JOIN_FAILED && call->flags & PV_CALL_EVENT_ROOT) {
		count(&trace_state.skipped);
		end_run(run_at(index), call->tid);
		return;
	}
	if (call->flags & PV_CALL_EVENT_LATE) {
		run_at(index)->begun = 0;
		run_at(index)->late = 1;
		__sync_fetch_and_add(&trace_state.late_open, 1);
	}
}

/* A call ends.  False: it is not inside. */
__noinline int leave(const struct call *end)
{
	struct pv_trace_inside *call;
	struct pv_trace_run *run;
	__u64 key, start_ns;
	__u32 flags, index;

	call = end ? find_inside(end->frame, end->tid) : NULL;
	if (!call)
		return false;
	flags = end->flags | PV_CALL_EVENT_END;
	start_ns = bpf_ktime_get_ns();
	index = call->run;
	run = run_at(index);
	/* another one's frame is where it was, or it ends while others are being probed */
	if (run->late && (trace_state.waiting || code_of(end->frame) != run->code)) {
		late_gone(index);
		return false;
	}
	run->begun = 0;
	if (run->root == end->frame)
		flags |= PV_CALL_EVENT_ROOT;
	if (probe.layout.frame_objects && !call->plain && !(flags & PV_CALL_EVENT_RAISED) &&
	    is_suspended(end->frame))
		flags |= PV_CALL_EVENT_YIELDED;
	if (end->tstate && read_u64(end->tstate + probe.python.ts_exception))
		flags |= PV_CALL_EVENT_RAISED;
	if (!depth_max || call->depth <= depth_max) {
		if (with_values && !(flags & (PV_CALL_EVENT_RAISED | PV_CALL_EVENT_YIELDED))) {
			send_result(end->frame,
				    probe.layout.frame_objects ? end->object : end->tstate,
				    run->number, run->sequence);
			flags |= PV_CALL_EVENT_VALUES;
		}
		send(run, index, call->caller, end->frame, 0, 0, flags, start_ns);
	}
	if (is_apart(call)) {
		key = pv_caller_key(call->previous, end->tid);
		bpf_map_delete_elem(&callees, &key);
	}
	run->current = call->caller;
	leave_inside(end->frame, call);
	within_forget(run, index, end->frame);
	if (is_measured())
		spend(run, MEASURED * (bpf_ktime_get_ns() - start_ns));
	if (flags & PV_CALL_EVENT_ROOT)
		end_run(run, end->tid);
	return true;
}

/*
 * 3.12 and later: a frame that ends and was not seen to begin, in code of the JIT compiler.  As
 * enter(), given its end, of which it makes its beginning.
 */
__noinline int enter_unbegun(struct call *call)
{
	struct pv_trace_inside *caller;
	struct pv_proc *proc;
	struct climb path;
	__u64 start;

	if (!call)
		return 0;
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

/*
 * eval returned: the frame that is current now is the caller's.  Global, as the next one is, so
 * that it is verified once, and not with each way to it: for Linux 6.1 these are too many.
 */
__noinline __u64 end_by_caller(__u64 caller, __u32 tid)
{
	struct pv_trace_inside *inner = find_inside(caller, tid);
	__u64 key = pv_caller_key(caller, tid), *found, frame = inner ? inner->callee : 0;

	if (!frame) {
		found = bpf_map_lookup_elem(&callees, &key);
		frame = found ? *found : 0;
	}
	if (frame && inner)
		inner->callee = 0;
	return frame;
}

__noinline int is_inside_root(__u64 frame)
{
	struct pv_trace_inside *call = bpf_map_lookup_elem(&inside, &frame);

	return call && call->number && !call->previous;
}

/* The frame of a call that ends where eval returns an object or NULL. */
static __noinline __u64 find_ending(struct pt_regs *ctx, const struct call *end)
{
	__u64 tstate = read_u64(probe.layout.tstate_current), current, frame = 0;
	bool old = probe.layout.keyed_by_caller;

	if (!tstate)
		return 0;
	current = current_frame(tstate);
	/* all greenlets of a thread begin with frames that none called */
	if (!current && (old || end->flags & PV_CALL_EVENT_RAISED))
		frame = PRESERVED_FRAME(ctx, is_inside_root);
	/* where no register has it, it is the thread's last, unless there are greenlets */
	if (current || (!frame && old && !chains_move))
		frame = end_by_caller(current, end->tid);
	return frame;
}

static inline void end_current(struct pt_regs *ctx, struct call *end)
{
	end->frame = probe.python.ended_known ? ended_frame(ctx) : find_ending(ctx, end);
	if (!end->frame)
		return;
	if (!end->object)
		end->flags = PV_CALL_EVENT_RAISED;
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

/* A frame that is alive at a hit; 0: none is known. */
static inline __u64 living(struct pt_regs *ctx, __u32 kind, const struct call *call)
{
	__u64 tstate;

	switch (kind) {
	case PV_PROBE_LEAVE:
	case PV_PROBE_YIELD:
		return get_register(ctx, probe.python.frame_register);
	case PV_PROBE_CLEAR:
		return get_register(ctx, probe.python.clear_register);
	case PV_PROBE_RESULT:
		if (get_register(ctx, probe.python.result_register))
			return 0;
		break;
	case PV_PROBE_RETURNED:
	case PV_PROBE_FAILED:
		break;
	default:
		if (!call->frame)
			return 0;
		return call->previous ? call->previous
				      : read_u64(call->frame + probe.layout.fr_previous);
	}
	if (probe.python.ended_known)
		return ended_frame(ctx);
	tstate = read_u64(probe.layout.tstate_current);
	return tstate ? current_frame(tstate) : 0;
}

/* Late executions are met; before anything else is made of the hit. */
static inline void meet_late(struct pt_regs *ctx, __u32 kind, const struct call *call)
{
	__u32 found;

	if (!trace_state.late_open || trace_state.waiting)
		return;
	found = late_meet(call->tid, living(ctx, kind, call), call->frame);
	if (found)
		late_join(found - 1);
}

static inline void python_hit(struct pt_regs *ctx, __u32 kind, struct call *call)
{
	__u32 joins = 0;

	if (kind == PV_PROBE_CODE_GONE) {
		forget_code(get_register(ctx, 7));
		return;
	}
	if (kind == PV_PROBE_ENTER || kind == PV_PROBE_THROW || kind == PV_PROBE_EVAL) {
		/* what is watched is told at once, and not here, too */
		if (trace_state.waiting == PV_TRACE_WAIT_WATCH)
			return;
		read_beginning(ctx, kind, call);
		call->sp = ctx->sp;
		meet_late(ctx, kind, call);
		if (call->frame)
			joins = enter(call);
	} else if (trace_state.open) {
		meet_late(ctx, kind, call);
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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_WATCHES_MAX);
	__type(key, __u64);
	__type(value, struct pv_trace_watch);
} watches SEC(".maps");

/* Is a frame of the function about to execute the RESUME that is watched? */
static inline bool is_beginning(__u64 frame, const struct pv_trace_watch *watch)
{
	return frame && code_of(frame) == watch->code &&
	       read_u64(frame + probe.layout.fr_instr) < watch->begun_at;
}

/* Its handler reads it, before it makes another kind of it. */
static inline bool is_again(struct pv_trace_watch *watch, __u64 frame, __u32 tid)
{
	bool again = watch->frame == frame && watch->tid == tid;

	if (!watch->twice || watch->opcode != watch->twice)
		return false;
	watch->frame = again ? 0 : frame;
	watch->tid = tid;
	return again;
}

/* The frame that begins at a hit of a watchpoint; 0: none does. */
static __noinline __u64 watched_frame(struct pt_regs *regs, __u64 at)
{
	struct pv_trace_watch *watch = bpf_map_lookup_elem(&watches, &at);
	__u32 tid = pv_current_ids(), i;
	__u8 opcode = 0;
	__u64 frame;

	if (!watch)
		return 0;
	bpf_probe_read_user(&opcode, 1, (const void *)at);
	if (opcode != watch->opcode) {
		watch->opcode = opcode;
		return 0;
	}
	frame = native_frame();
	/*
	 * It may be made the current one some instructions later, and come into the frame register
	 * (Debian's 3.14): then it is in another one, since both are to come.
	 */
	for (i = 0; i < 16 && !is_beginning(frame, watch); i++)
		frame = i == 4 ? 0 : get_register(regs, i);
	if (!is_beginning(frame, watch)) {
		count(&trace_state.watch_strays);
		return 0;
	}
	return is_again(watch, frame, tid) ? 0 : frame;
}

/*
 * Whatever reads or writes a RESUME hits its watchpoint: besides calls, what changes it into
 * another kind of RESUME, and what copies the code.
 */
SEC("perf_event")
int on_watch(struct bpf_perf_event_data *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx;
	__u64 pid_tid = pv_current_ids();
	struct call call = { .tid = pid_tid };
	__u32 joins;

	if (pid_tid >> 32 != probe.tgid)
		return 0;
	pay(__sync_fetch_and_add(&trace_state.watch_hits, 1), trace_state.watch_cost_ns);
	call.frame = watched_frame(regs, ctx->addr);
	if (!call.frame)
		return 0;
	if (trace_state.waiting != PV_TRACE_WAIT_WATCH) {
		if (!trace_state.waiting)
			late_again(call.tid, call.frame);
		return 0;
	}
	call.sp = regs->sp;
	joins = enter(&call);
	if (joins)
		begin_call(&call, joins - 1);
	return 0;
}

/* A run is cut off if its thread is the one that ends.  Global: verified once, not for each run. */
__noinline int cut_run(__u32 index, __u32 tid)
{
	struct pv_trace_run *run = run_at(index);

	if (!run->number || run->tid != tid)
		return 0;
	/* it may have ended before all was probed, and the thread has done nothing since */
	if (run->late) {
		late_gone(index);
		return 0;
	}
	send(run, index, 0, run->root, 0, 0,
	     PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_CUT, 0);
	end_run(run, tid);
	return 0;
}

/* A thread that ends inside takes its executions along. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = pv_tid(task), i;

	if (pv_tgid(task) != probe.tgid || !bpf_map_lookup_elem(&busy, &tid))
		return 0;
	for (i = 0; i < PV_TRACE_RUNS_MAX; i++)
		cut_run(i, tid);
	return 0;
}

/* bpf_probe_read_user and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
