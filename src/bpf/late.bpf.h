/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Executions that began while nothing but their function was probed: `late` ones.  Input: hits
 * of their threads, once all is probed.  Output: what was under way by then joins them; those
 * that have ended unseen are told as gone.
 *
 * Between its beginning and the first hit that counts a late one may have ended, and its frame's
 * place may be another's.  So nothing is taken for its own until a chain of frames that is alive
 * has led to it: it has still the function's code, and a new call of the function at its place
 * would have been seen, since what tells of its beginnings is never taken away before all is
 * probed.
 */
#ifndef PV_BPF_LATE_BPF_H
#define PV_BPF_LATE_BPF_H

#include "bpf/vmlinux.h"

#include "abi/trace.h"
#include "bpf/execution.bpf.h"

/* Greenlets: a chain of frames that does not lead to it is not the only one of the thread. */
const volatile bool chains_move;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PV_TRACE_RUNS_MAX);
	__type(key, __u32);
	__type(value, struct pv_trace_chain);
} late_chains SEC(".maps");

/* From a frame that is alive up to the run's, or to the outermost. */
struct late_walk {
	__u64 frame; /* the next one; 0: that was all */
	__u32 n;     /* functions in the chain */
	__u32 found;
};

static struct late_walk late_walks[PV_TRACE_RUNS_MAX]; /* as joinings */

static inline struct late_walk *late_walk_at(__u32 i)
{
	return &late_walks[pv_masked(i, PV_TRACE_RUNS_MAX)];
}

/*
 * The late run of a thread, which has one at most: its index, plus one; 0: none.  Global, as those
 * below: the verifier looks at each once.
 */
__noinline int late_find(__u32 tid)
{
	struct pv_trace_run *run;
	__u32 i;

	if (!trace_state.late_open || !bpf_map_lookup_elem(&busy, &tid))
		return 0;
	for (i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		run = &trace_state.runs[i];
		if (run->number && run->late && run->tid == tid)
			return i + 1;
	}
	return 0;
}

/* It has ended unseen. */
__noinline int late_gone(__u32 index)
{
	struct pv_trace_run *run = run_at(index);
	struct pv_trace_inside *root;
	__u64 frame = run->root, key;
	__u32 tid = run->tid;

	root = bpf_map_lookup_elem(&inside, &frame);
	if (root && root->number == run->number) {
		key = pv_caller_key(root->previous, tid);
		leave_inside(frame, root);
		if (with_callees())
			bpf_map_delete_elem(&callees, &key);
	}
	send(run, index, 0, frame, 0, 0,
	     PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_GONE, 0);
	count(&trace_state.gone);
	end_run(run, tid);
	return 0;
}

/* All that is to come of it will be seen. */
static inline void late_alive(struct pv_trace_run *run)
{
	run->late = 0;
	__sync_fetch_and_add(&trace_state.late_open, -1);
}

/* All is probed, and the watchpoint tells of a call of the function: in the place of a late one? */
static inline void late_again(__u32 tid, __u64 frame)
{
	__u32 found = late_find(tid);
	struct pv_trace_run *run = run_at(found - 1);

	if (found && run->root == frame)
		run->again = 1;
}

static long late_walk_one(__u32 i, __u32 *at)
{
	__u32 index = *at;
	struct late_walk *walk = late_walk_at(index);
	struct pv_trace_run *run = run_at(index);
	struct pv_trace_chain *chain = bpf_map_lookup_elem(&late_chains, &index);
	__u64 frame = walk->frame, code = 0, previous = 0;

	/* what cannot be read now is not the end of the chain: it is walked again at another hit */
	if (!frame || !chain ||
	    bpf_probe_read_user(&code, 8, (const void *)(frame + probe.layout.fr_code)) ||
	    bpf_probe_read_user(&previous, 8, (const void *)(frame + probe.layout.fr_previous)))
		return 1;
	if (frame == run->root) {
		walk->found = (code & ~(__u64)probe.layout.code_tag_mask) == run->code;
		walk->frame = 0;
		return 1;
	}
	if (!is_boundary(frame)) {
		if (walk->n >= PV_TRACE_CHAIN_MAX)
			return 1;
		chain->frames[pv_masked(walk->n, PV_TRACE_CHAIN_MAX)] = frame;
		walk->n++;
	}
	walk->frame = previous;
	return 0;
}

static inline bool late_walk(__u32 index, __u64 frame)
{
	struct late_walk *walk = late_walk_at(index);

	walk->frame = frame;
	walk->n = walk->found = 0;
	bpf_loop(PV_TRACE_CHAIN_STEPS, late_walk_one, &index, 0);
	return walk->found;
}

/*
 * A thread is met: by a frame that is alive, whose callers are so.  begun: the frame whose
 * beginning that is, 0: it is none's.  Index + 1 of the run that late_join() is for, 0: of none.
 */
__noinline int late_meet(__u32 tid, __u64 frame, __u64 begun)
{
	__u32 found = late_find(tid), index = found - 1;
	struct pv_trace_run *run = run_at(index);
	struct pv_trace_inside *root, *as;
	__u64 at = run->root;

	if (!found || !at || !(frame | begun))
		return 0;
	if (begun == at) {
		/* the thread did not run between the watchpoint and its RESUME's place */
		if (trace_state.watching && !run->again) {
			late_alive(run);
			run->begun = begun;
		} else {
			late_gone(index);
		}
		return 0;
	}
	root = late_walk(index, frame) ? bpf_map_lookup_elem(&inside, &at) : NULL;
	if (!root) {
		if ((!late_walk_at(index)->frame && !chains_move) ||
		    ++run->tries > PV_TRACE_CHAIN_TRIES)
			late_gone(index);
		return 0;
	}
	late_alive(run);
	as = &joining_at(index)->as;
	*as = *root;
	as->caller = at;
	return found;
}

/*
 * Nothing but the function is probed, and it begins: is that a new execution?  Not if it is
 * within the one that the thread is in.
 */
__noinline int late_begins(__u32 tid, __u64 frame, __u64 previous)
{
	__u32 found = late_find(tid), index = found - 1;

	if (!found)
		return true;
	if (frame != run_at(index)->root && late_walk(index, previous))
		return false;
	late_gone(index);
	return true;
}

/* Those that are under way begin now, the outermost first. */
static long late_join_one(__u32 i, __u32 *at)
{
	__u32 index = *at, n = late_walk_at(index)->n;
	struct pv_trace_chain *chain = bpf_map_lookup_elem(&late_chains, &index);
	struct pv_trace_inside *as = &joining_at(index)->as, *caller;
	struct call *call = &joining_at(index)->missed;
	__u64 key;

	if (!chain || i >= n)
		return 1;
	call->frame = chain->frames[pv_masked(n - 1 - i, PV_TRACE_CHAIN_MAX)];
	call->code = code_of(call->frame);
	if (is_cleanup(call->code))
		return 0;
	call->start_ns = bpf_ktime_get_ns();
	as->previous = read_u64(call->frame + probe.layout.fr_previous);
	as->depth++;
	caller = with_callees() ? bpf_map_lookup_elem(&inside, &as->caller) : NULL;
	if (caller && as->caller == as->previous)
		caller->callee = call->frame;
	key = find_key(call->code, index);
	if (join(index, call->frame) == JOIN_TELL)
		tell_joined(index, call, key);
	as->caller = call->frame;
	return 0;
}

/* What late_meet() has prepared: as begin_call(), it goes deep. */
static inline void late_join(__u32 index)
{
	struct call *call = &joining_at(index)->missed;

	call->tid = run_at(index)->tid;
	call->flags = PV_CALL_EVENT_UNBEGUN;
	bpf_loop(PV_TRACE_CHAIN_MAX, late_join_one, &index, 0);
	run_at(index)->begun = 0;
}

#endif
