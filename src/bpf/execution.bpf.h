/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The executions that `trace` records, and what they send.  Input: frames and code objects of the
 * thread that runs.  Output: PV_EVENT_CALL, PV_EVENT_SAMPLE and code objects in the ring.
 */
#ifndef PV_BPF_EXECUTION_BPF_H
#define PV_BPF_EXECUTION_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/trace.h"
#include "bpf/own.bpf.h"
#include "walk/walk.h"

#include "bpf/here.bpf.h"
#include "bpf/frames.bpf.h"
#include "bpf/home.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/values.bpf.h"

const volatile __u32 depth_max;  /* calls deeper than that send nothing; 0: all do */
const volatile __u32 runs_max;   /* executions that are recorded; 0: all are */
const volatile bool with_values; /* arguments and results are wanted */

struct pv_trace_state trace_state; /* in .bss, which user space has, too */

/* What makes an execution begin, by the address of its code object. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_TRIGGERS_MAX);
	__type(key, __u64);
	__type(value, struct pv_trace_trigger);
} triggers SEC(".maps");

/* The calls that have begun in executions, by their frame. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_INSIDE_MAX);
	__type(key, __u64);
	__type(value, struct pv_trace_inside);
} inside SEC(".maps");

/*
 * Up to 3.11: the call among them that a frame is waiting for, by pv_caller_key(), where the
 * frame is not inside itself and can say so.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_INSIDE_MAX);
	__type(key, __u64);
	__type(value, __u64);
} callees SEC(".maps");

/*
 * The keys of code objects that were met, by their address: from 3.12 on, and before that while
 * the places are probed where code objects go.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_TRACE_CODES_MAX);
	__type(key, __u64);
	__type(value, struct pv_trace_code);
} keys SEC(".maps");

/* How many executions are under way in a thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_RUNS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} busy SEC(".maps");

/* A call that begins or ends. */
struct call {
	__u64 frame, code, previous;
	__u64 sp;
	__u64 start_ns; /* of the hit; 0: what it costs is not measured */
	__u64 tstate;   /* at an end: of the thread, if it tells whether by an exception */
	__u64 object;   /* at an end up to 3.10: what it returns */
	__u32 tid, flags;
};

/*
 * What is worked out of a call that joins an execution.  Not on the stack: all that a program's
 * functions have there must fit 512 bytes together, before Linux 6.13.  Only the thread of the
 * execution uses it, and programs at its probes never interrupt each other.
 */
struct joining {
	struct pv_trace_inside as;
	struct call missed;
	__u64 top; /* as in struct climb */
	__u32 n_missed;
	__u32 pad;
};

static struct joining joinings[PV_TRACE_RUNS_MAX]; /* as runs; in .bss */

static inline struct joining *joining_at(__u32 i)
{
	return &joinings[pv_masked(i, PV_TRACE_RUNS_MAX)];
}

static inline bool with_callees(void)
{
	return probe.layout.keyed_by_caller || probe.layout.cf_current_frame;
}

/* One frame has one callee at a time; a thread's outermost call has no caller. */
static inline __u64 pv_caller_key(__u64 caller, __u32 tid)
{
	return caller ? caller : (__u64)tid << 1 | 1;
}

static inline struct pv_trace_run *run_at(__u32 i)
{
	return &trace_state.runs[pv_masked(i, PV_TRACE_RUNS_MAX)];
}

/* The call of a frame if it is of an execution that goes on in this thread. */
static inline struct pv_trace_inside *find_inside(__u64 frame, __u32 tid)
{
	struct pv_trace_inside *found = bpf_map_lookup_elem(&inside, &frame);
	struct pv_trace_run *run = found ? run_at(found->run) : NULL;

	return run && found->number && run->number == found->number && run->tid == tid ? found
										       : NULL;
}

/*
 * A call has ended.  What was its place is kept, since the next one is often at the same address,
 * and making one takes as long as three lookups; not of more than half of all.
 */
static inline void leave_inside(__u64 frame, struct pv_trace_inside *call)
{
	if (trace_state.n_inside <= PV_TRACE_INSIDE_MAX / 2)
		call->number = 0;
	else if (!bpf_map_delete_elem(&inside, &frame))
		__sync_fetch_and_add(&trace_state.n_inside, -1);
}

/*
 * If there is one in a frame, it has: we did not see its end.  Global, as those below: the verifier
 * looks at each once, not once for each way to it.
 */
__noinline int forget_inside(__u64 frame)
{
	struct pv_trace_inside *call = bpf_map_lookup_elem(&inside, &frame);

	if (call && call->number)
		leave_inside(frame, call);
	return 0;
}

/* As a joining says.  False: there is no room. */
__noinline int put_inside(__u64 frame, __u32 index)
{
	struct pv_trace_inside *call = bpf_map_lookup_elem(&inside, &frame);
	struct pv_trace_inside *as = &joining_at(index)->as;

	if (call) {
		*call = *as;
		return true;
	}
	if (bpf_map_update_elem(&inside, &frame, as, BPF_ANY))
		return false;
	__sync_fetch_and_add(&trace_state.n_inside, 1);
	return true;
}

/* All that is needed for a code object alone. */
static inline void begin_key(struct pv_ctx *c)
{
	c->w->serial++;
	c->w->n_new = 0;
	c->w->sample.pid = probe.tgid;
	c->w->sample.generation = PV_GENERATION_FIRST;
}

/* The key of a code object, whose names are copied at its first sight; 0: not now. */
__noinline __u64 key_of(__u64 code)
{
	struct pv_walk_code *known;
	struct pv_ctx c = {};
	__u32 index = 0;
	__u64 key = 0;

	c.proc = find_target();
	c.w = claim(&index, &trace_state.no_scratch);
	if (c.w && c.proc) {
		begin_key(&c);
		known = pv_code_see(&c, code);
		key = known->bad ? 0 : known->key;
		pv_code_copy_new(&c);
	}
	if (c.w)
		release(index);
	return key;
}

/* The stack that the thread has now. */
__noinline int send_stack(__u32 tid)
{
	struct pv_ctx c = {};
	__u32 index = 0;

	c.proc = find_target();
	c.w = claim(&index, &trace_state.no_scratch);
	if (c.w && c.proc) {
		walk_here(&c, tid);
		pv_emit_sample(&c, pv_ring_flags());
	}
	if (c.w)
		release(index);
	return 0;
}

/* Asked of the map of all threads if any has left its CPU since. */
static inline __u64 run_off_cpu(struct pv_trace_run *run)
{
	__u64 switches = *(volatile __u64 *)&probe_state.switches;

	if (run->switches != switches) {
		run->off_ns = off_cpu(run->tid);
		run->switches = switches;
	}
	return run->off_ns;
}

/*
 * now_ns 0: the time when all else is done, so that our own is not the function's.  The time
 * that was sent is returned, 0: none was.
 */
static inline __u64 send(struct pv_trace_run *run, __u32 index, __u64 caller, __u64 frame,
			 __u64 code, __u64 key, __u32 flags, __u64 now_ns)
{
	__u32 sequence = run->sequence++;
	struct pv_event_call *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	const __u32 last = PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END;
	__u64 wake = BPF_RB_NO_WAKEUP;

	/* user space sees it by the number that is missing */
	if (!event)
		return now_ns;
	run->sent++;
	now_ns = now_ns ? now_ns : bpf_ktime_get_ns();
	event->hdr.type = PV_EVENT_CALL;
	event->hdr.reserved = 0;
	event->hdr.size = sizeof(*event);
	event->time_ns = now_ns;
	event->off_ns = run_off_cpu(run);
	event->frame = frame;
	event->caller = caller;
	event->key = key;
	event->address = code;
	event->number = run->number;
	event->sequence = sequence;
	event->tid = run->tid;
	event->run = index;
	event->flags = flags;
	/* how full the ring is need not be asked each time */
	if ((flags & last) == last)
		wake = BPF_RB_FORCE_WAKEUP;
	else if (!(sequence & 63))
		wake = pv_ring_flags();
	bpf_ringbuf_submit(event, wake);
	return now_ns;
}

/* What a hit cost that is more than one that is not wanted does. */
static inline void spend(struct pv_trace_run *run, __u64 ns)
{
	run->spent_ns += ns;
	probe_state.debt_ns += ns;
}

/*
 * Of every seventh hit the cost is measured, and taken for that of seven: it wants the time of
 * day.  An odd number, since beginnings and ends take turns.
 */
enum { MEASURED = 7 };

static inline bool is_measured(void)
{
	__u32 n = trace_state.measured + 1;

	trace_state.measured = n < MEASURED ? n : 0;
	return n >= MEASURED;
}

/* The condition does not hold of a call, or cannot be decided. */
static inline void spend_deciding(__u64 start_ns, int truth)
{
	__u64 ns = bpf_ktime_get_ns() - start_ns;

	__sync_fetch_and_add(&trace_state.decided_ns, ns);
	probe_state.debt_ns += ns;
	count(truth == PV_FALSE ? &trace_state.unmet : &trace_state.undecided);
}

/*
 * The key of the code object that a joining is for, and whether it is plain.  If it was met at that
 * address before its serial number tells that it is the same, or that it would have been seen to
 * go.
 */
__noinline __u64 find_key(__u64 code, __u32 index)
{
	struct pv_trace_code *known = bpf_map_lookup_elem(&keys, &code), met = {};

	if (probe.layout.co_version)
		bpf_probe_read_user(&met.version, 4,
				    (const void *)(code + probe.layout.co_version));
	else
		met.version = probe_state.codes_watched;
	/* 0: there were too many to have numbers, or nobody watches */
	if (known && known->version == met.version && met.version) {
		joining_at(index)->as.plain = known->plain;
		return known->key;
	}
	met.key = key_of(code);
	met.plain = is_plain(code);
	joining_at(index)->as.plain = met.plain;
	if (met.key && met.version)
		bpf_map_update_elem(&keys, &code, &met, BPF_ANY);
	return met.key;
}

/* A code object is about to be taken down. */
static inline void forget_code(__u64 code)
{
	bpf_map_delete_elem(&keys, &code);
}

/* The way from a call up to the nearest frame that is inside. */
struct climb {
	__u64 top;      /* that one */
	__u32 n_missed; /* functions between whose beginning was not seen */
	__u32 pad;
};

/* Not a frame that runs no function, and it should have been seen to begin. */
static inline bool is_missed(__u64 frame)
{
	/* before 3.12 a frame that began without us is none that runs */
	return probe.layout.tell_unbegun && !is_boundary(frame) && !is_cleanup(code_of(frame)) &&
	       !is_yielding(frame);
}

enum { CLIMB_MISSED_SHIFT = 56 }; /* above all addresses */

/* The frame that climb() finds if it is not the first, with the number of those missed; 0: none. */
__noinline __u64 climb_on(__u64 frame, __u32 tid)
{
	__u64 n_missed = 0;
	int i;

	if (!bpf_map_lookup_elem(&busy, &tid))
		return 0;
	for (i = 0; i < PV_TRACE_CLIMB && frame; i++) {
		n_missed += is_missed(frame);
		frame = read_u64(frame + probe.layout.fr_previous);
		if (find_inside(frame, tid))
			return frame | n_missed << CLIMB_MISSED_SHIFT;
	}
	return 0;
}

/*
 * The nearest of a frame and those above it that is inside.  Between are such as run no
 * function, and functions whose beginning was not seen: these are missed.
 */
static inline struct pv_trace_inside *climb(__u64 frame, __u32 tid, struct climb *ret)
{
	struct pv_trace_inside *found = find_inside(frame, tid);

	ret->n_missed = 0;
	ret->top = frame;
	if (found)
		return found;
	frame = climb_on(frame, tid);
	if (!frame)
		return NULL;
	ret->n_missed = frame >> CLIMB_MISSED_SHIFT;
	ret->top = frame & ((1ULL << CLIMB_MISSED_SHIFT) - 1);
	return find_inside(ret->top, tid);
}

/* The frame that was missed and has so many missed ones below it; 0: there is none. */
static inline __u64 missed_at(__u64 frame, __u64 top, __u32 below)
{
	int i;

	for (i = 0; i < PV_TRACE_CLIMB && frame && frame != top; i++) {
		if (is_missed(frame) && !below--)
			return frame;
		frame = read_u64(frame + probe.layout.fr_previous);
	}
	return 0;
}

/* Index + 1 of a run that was free; 0: none is. */
__noinline int reserve_run(__u32 number)
{
	struct pv_trace_run *run;
	__u32 i;

	for (i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		run = &trace_state.runs[i];
		if (!run->number && !__sync_val_compare_and_swap(&run->number, 0, number))
			return i + 1;
	}
	return 0;
}

/* An execution begins; one that had to be skipped is none of the wanted: another takes its place.
 */
static inline bool is_run_wanted(__u32 number)
{
	if (!runs_max || number <= runs_max + trace_state.skipped + trace_state.late +
					   trace_state.unsent + trace_state.beyond)
		return true;
	count(&trace_state.beyond);
	return false;
}

/* What a reserved run is at its beginning. */
static inline void begin_run_as(struct pv_trace_run *run, __u64 root, __u32 number, __u32 tid)
{
	run->root = run->current = root;
	run->begun = 0;
	run->tid = tid;
	run->sequence = 0;
	run->sent = 0;
	run->late = run->again = 0;
	run->tries = 0;
	run->spent_ns = 0;
	run->switches = ~0ULL;
	run->last = number;
}

/* While nothing else is probed: the first one that begins. */
static inline void late_tell(void)
{
	if (!__sync_lock_test_and_set(&trace_state.triggered, 1))
		tell(PV_PROBE_EVENT_TRIGGER, probe.tgid);
}

/* PV_CALL_EVENT_LATE if not all is probed. */
static inline __u32 late_flag(void)
{
	if (!trace_state.waiting)
		return 0;
	__sync_fetch_and_add(&trace_state.late, 1);
	late_tell();
	return PV_CALL_EVENT_LATE;
}

static inline void add_busy(__u32 tid, __s32 n)
{
	__u32 *runs = bpf_map_lookup_elem(&busy, &tid), one = 1;

	if (!runs && n > 0)
		bpf_map_update_elem(&busy, &tid, &one, BPF_ANY);
	else if (runs && !(*runs += n))
		bpf_map_delete_elem(&busy, &tid);
	__sync_fetch_and_add(&trace_state.open, n);
}

static inline void end_run(struct pv_trace_run *run, __u32 tid)
{
	__sync_fetch_and_add(&trace_state.spent_ns, run->spent_ns);
	run->ended_ns = bpf_ktime_get_ns();
	if (!run->sent)
		count(&trace_state.unsent);
	if (run->late)
		__sync_fetch_and_add(&trace_state.late_open, -1);
	run->late = 0;
	run->number = 0;
	add_busy(tid, -1);
}

/* Is the frame that called not inside, or passed over, so that it cannot tell its callee? */
static inline bool is_apart(const struct pv_trace_inside *call)
{
	return with_callees() && (!call->depth || call->caller != call->previous);
}

enum { JOIN_FAILED, JOIN_TOO_DEEP, JOIN_TELL };

/* A call joins an execution, as the joining says, if there is room for it. */
__noinline int join(__u32 index, __u64 frame)
{
	struct pv_trace_inside *as = &joining_at(index)->as;
	struct pv_trace_run *run = run_at(index);
	__u64 key = pv_caller_key(as->previous, run->tid);

	as->callee = 0;
	if (!put_inside(frame, index) ||
	    (is_apart(as) && bpf_map_update_elem(&callees, &key, &frame, BPF_ANY))) {
		/* a number that does not come is an event that is lost */
		run->sequence++;
		return JOIN_FAILED;
	}
	run->begun = run->current = frame;
	return depth_max && as->depth > depth_max ? JOIN_TOO_DEEP : JOIN_TELL;
}

/* Tells that it has; key: of its code object. */
__noinline int tell_joined(__u32 index, const struct call *call, __u64 key)
{
	struct pv_trace_run *run = run_at(index);
	__u64 end_ns;

	if (!call)
		return 0;
	end_ns = send(run, index, joining_at(index)->as.caller, call->frame, call->code, key,
		      call->flags, 0);
	if (!end_ns || !call->start_ns)
		return 0;
	if (call->flags & (PV_CALL_EVENT_ROOT | PV_CALL_EVENT_UNBEGUN))
		spend(run, end_ns - call->start_ns);
	else
		spend(run, MEASURED * (end_ns - call->start_ns));
	return 0;
}

#endif
