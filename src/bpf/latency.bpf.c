/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How long calls of some functions take: one histogram a function and whatever the
 * calls are told apart by.  Input: probes at the interpreter's places
 * (python/sites.h), the frames they name; at native functions (bpf/native.bpf.h).  Output:
 * `histograms`, and a record in `events` when user space must act at once; in `ring`, if they
 * are wanted, the stacks that calls that took long have ended on, a PV_EVENT_SAMPLE and a
 * PV_EVENT_SLOW each.
 *
 * A Python call is known by its frame, not by its thread or stack: greenlets may switch
 * in the middle of it, and a generator may go on in another thread.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/latency.h"
#include "bpf/own.bpf.h"
#include "walk/walk.h"

#include "bpf/frames.bpf.h"
#include "bpf/here.bpf.h"
#include "bpf/home.bpf.h"
#include "bpf/native.bpf.h"
#include "bpf/probe.bpf.h"

enum { ENDS_MAX = 2 };    /* more than one: a function that ended by a jump to another, and that */
enum { NO_PREALLOC = 1 }; /* include/uapi/linux/bpf.h: BPF_F_NO_PREALLOC */

const volatile __u32 split_by;   /* enum pv_latency_by */
const volatile __u64 over_ns;    /* calls that took longer are counted apart; ~0: none does */
const volatile bool with_stacks; /* of these; else nothing of `ring` and the walkers is there */

struct pv_latency_counts counts; /* in .bss, read by user space where it stands */
struct pv_latency_slow slow;

/* The functions that are wanted, by the address of their code object. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_CODES_MAX);
	__type(key, __u64);
	__type(value, struct pv_latency_code);
} wanted_codes SEC(".maps");

/* Calls that have begun, by pv_open_key(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_OPEN_MAX);
	__type(key, __u64);
	__type(value, struct pv_latency_open);
} open SEC(".maps");

/*
 * A key of `open`.  3.11: of the wanted call that a frame is waiting for, by that frame; up
 * to 3.10: of the outermost one that a thread has begun last, by pv_thread_key().
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_OPEN_MAX);
	__type(key, __u64);
	__type(value, __u64);
} callees SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, NO_PREALLOC); /* a row has 2.6 KiB, and most are never made */
	__uint(max_entries, PV_LATENCY_ROWS_MAX);
	__type(key, struct pv_latency_key);
	__type(value, struct pv_latency_histogram);
} histograms SEC(".maps");

/* What a new row begins with: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pv_latency_histogram);
} blank SEC(".maps");

static inline bool is_wanted(__u64 code, const struct pv_latency_code *wanted)
{
	if (is_named(code, wanted->file_at, wanted->name_at))
		return true;
	count(&counts.replaced);
	return false;
}

static inline __u64 pv_thread_key(__u32 tid)
{
	return (__u64)tid << 1 | 1;
}

/* Of `callees`, for a call with that caller; 0: it need not be there. */
static inline __u64 callee_key(__u64 previous, __u32 tid)
{
	if (probe.layout.cf_current_frame)
		return previous;
	return probe.layout.keyed_by_caller && !previous ? pv_thread_key(tid) : 0;
}

static inline void enter(__u64 frame, __u32 tid)
{
	__u64 previous, code = read_link(frame, &previous), key, waits;
	struct pv_latency_code *wanted = bpf_map_lookup_elem(&wanted_codes, &code);
	struct pv_latency_open call = {}, *before;

	if (!wanted || !is_wanted(code, wanted))
		return;
	key = pv_open_key(frame, previous);
	before = bpf_map_lookup_elem(&open, &key);
	/* RESUME is executed again where it has just been changed into another kind of it */
	if (before && before->tid == tid && !probe.layout.frame_objects)
		return;
	if (before)
		count(&counts.unended);
	call.key.function = wanted->function;
	if (split_by == PV_LATENCY_BY_THREAD)
		call.key.by = tid;
	else if (split_by == PV_LATENCY_BY_CALLER)
		call.key.by = caller_of(previous);
	call.tid = tid;
	call.previous = previous;
	call.off_ns = off_cpu(tid);
	call.start_ns = bpf_ktime_get_ns();
	waits = callee_key(previous, tid);
	if (bpf_map_update_elem(&open, &key, &call, BPF_ANY) ||
	    (waits && bpf_map_update_elem(&callees, &waits, &key, BPF_ANY)))
		count(&counts.no_room);
	else
		count(&counts.begun);
}

static inline void raise_to(__u64 *most, __u64 value)
{
	__u64 seen = *most;
	int i;

	for (i = 0; i < 4 && value > seen; i++) {
		__u64 found = __sync_val_compare_and_swap(most, seen, value);

		if (found == seen)
			break;
		seen = found;
	}
}

/* The row of a key; it is made if there is none; NULL: there is no room. */
static inline struct pv_latency_histogram *row_of(const struct pv_latency_key *key)
{
	struct pv_latency_histogram *row = bpf_map_lookup_elem(&histograms, key);
	__u32 zero = 0;

	if (row)
		return row;
	row = bpf_map_lookup_elem(&blank, &zero);
	if (row)
		bpf_map_update_elem(&histograms, key, row, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&histograms, key);
	if (!row)
		count(&counts.no_room);
	return row;
}

/*
 * The calls that end at one hit of a probe and took long.  Their stack is taken when all else is
 * done, since so many functions may not be in each other.
 */
struct native_ends {
	__u64 ns[ENDS_MAX]; /* 0: none */
	__u64 frame;        /* of a Python call, if it is known */
	__u32 function[ENDS_MAX];
};

/* A stack costs what some hits do, and user space as much again: so many a second. */
static inline bool is_stack_due(__u64 now_ns)
{
	if (now_ns - slow.second_ns >= 1000000000) {
		slow.second_ns = now_ns;
		slow.sent = 0;
	}
	return __sync_fetch_and_add(&slow.sent, 1) < PV_LATENCY_STACKS_A_SECOND;
}

/*
 * The stack that the thread has now; event: has its tid, and is told its time and the thread
 * state.  Global, as the one below: the verifier looks at each once, and not at all if no
 * stacks are wanted.
 */
__noinline int send_stack(struct pv_event_slow *event)
{
	struct pv_ctx c = {};
	__u32 index = 0;

	if (!event)
		return 0;
	c.proc = find_target();
	c.w = claim(&index, &slow.lost);
	if (c.w && c.proc) {
		walk_here(&c, event->tid);
		pv_emit_sample(&c, pv_ring_flags());
		event->time_ns = c.w->sample.time_ns;
		event->tstate = c.w->tstate;
	}
	if (c.w)
		release(index);
	return 0;
}

/*
 * A call that took long has ended; frame: of a Python call, which may be taken down already; 0:
 * it is not known.
 */
__noinline int send_slow(__u32 function, __u64 ns, __u64 frame, __u32 tid)
{
	struct pv_event_slow event = {
		.hdr.type = PV_EVENT_SLOW,
		.hdr.size = sizeof(event),
		.ns = ns,
		.function = function,
		.tid = tid,
	};
	__u64 start_ns = bpf_ktime_get_ns();

	if (!is_stack_due(start_ns)) {
		count(&slow.too_many);
		return 0;
	}
	send_stack(&event);
	if (event.time_ns) {
		event.there = frame && event.tstate && current_frame(event.tstate) == frame;
		if (bpf_ringbuf_output(&ring, &event, sizeof(event), pv_ring_flags()))
			count(&slow.lost);
	}
	/* it is the target's time: the budget knows of it */
	start_ns = bpf_ktime_get_ns() - start_ns;
	__sync_fetch_and_add(&slow.spent_ns, start_ns);
	probe_state.debt_ns += start_ns;
	return 0;
}

static inline void add_over(struct pv_latency_histogram *row, const struct pv_latency_key *key,
			    __u64 ns, struct native_ends *ends)
{
	__sync_fetch_and_add(&row->over, 1);
	__sync_fetch_and_add(&row->over_sum_ns, ns);
	if (!with_stacks)
		return;
	if (!ends->ns[0]) {
		ends->ns[0] = ns;
		ends->function[0] = key->function;
	} else if (!ends->ns[1]) {
		ends->ns[1] = ns;
		ends->function[1] = key->function;
	} else {
		count(&slow.lost);
	}
}

static inline void send_ends(const struct native_ends *ends, __u32 tid)
{
	if (!with_stacks || !ends->ns[0])
		return;
	send_slow(ends->function[0], ends->ns[0], ends->frame, tid);
	if (ends->ns[1])
		send_slow(ends->function[1], ends->ns[1], ends->frame, tid);
}

static inline void add_call(const struct pv_latency_key *key, __u64 ns, __u64 off_ns,
			    struct native_ends *ends)
{
	struct pv_latency_histogram *row = row_of(key);
	__u32 bucket = pv_latency_bucket(ns);

	if (!row)
		return;
	__sync_fetch_and_add(&row->sum_ns, ns);
	if (off_ns)
		__sync_fetch_and_add(&row->off_ns, off_ns);
	raise_to(&row->max_ns, ns);
	if (bucket < PV_LATENCY_BUCKETS)
		__sync_fetch_and_add(&row->buckets[bucket], 1);
	if (ns > over_ns)
		add_over(row, key, ns, ends);
}

static inline __u64 native_by(__u64 returns_to, __u32 tid)
{
	return split_by == PV_LATENCY_BY_THREAD   ? tid
	       : split_by == PV_LATENCY_BY_CALLER ? returns_to
						  : 0;
}

static inline void native_ended(struct pv_native_call *call, __u64 ns, __u64 off_ns,
				struct native_ends *ends)
{
	struct pv_latency_key key = { .by = call->by, .function = call->function };

	add_call(&key, ns, off_ns, ends);
}

static inline void native_lost(struct pv_native_call *call)
{
	struct pv_latency_key key = { .by = call->by, .function = call->function };
	struct pv_latency_histogram *row = row_of(&key);

	if (row)
		__sync_fetch_and_add(&row->untimed, 1);
}

static inline void leave(__u64 key, __u32 tid, struct native_ends *ends)
{
	struct pv_latency_open *call = bpf_map_lookup_elem(&open, &key);
	__u64 ns, off_ns, off_now, waits;

	if (!call)
		return;
	ns = bpf_ktime_get_ns() - call->start_ns;
	off_now = off_cpu(tid);
	/* 0 where a generator was entered in another thread, whose time is another */
	off_ns = call->tid == tid && off_now > call->off_ns ? off_now - call->off_ns : 0;
	if (off_ns > ns)
		off_ns = ns;
	ends->frame = probe.layout.keyed_by_caller ? 0 : key;
	add_call(&call->key, ns, off_ns, ends);
	waits = callee_key(call->previous, call->tid);
	if (waits)
		bpf_map_delete_elem(&callees, &waits);
	bpf_map_delete_elem(&open, &key);
}

/*
 * A frame that ends.  One that was not seen to begin was there before us, or it
 * began in code of the JIT compiler, which has no RESUME.
 */
static inline void clear(__u64 frame, __u32 tid, struct native_ends *ends)
{
	struct pv_latency_code *wanted;
	__u64 code;

	if (bpf_map_lookup_elem(&open, &frame)) {
		leave(frame, tid, ends);
		return;
	}
	if (!probe.layout.tell_unbegun)
		return;
	code = read_u64(frame + probe.layout.fr_code) & ~(__u64)probe.layout.code_tag_mask;
	wanted = bpf_map_lookup_elem(&wanted_codes, &code);
	if (wanted && !wanted->generator && is_wanted(code, wanted))
		count(&counts.unbegun);
}

/* An open call of a frame that no frame has called. */
static inline bool is_open_root(__u64 frame)
{
	__u64 key = pv_open_key(frame, 0);
	struct pv_latency_open *call = bpf_map_lookup_elem(&open, &key);

	return call && !call->previous;
}

/* Which of them ends, where eval returns; 0: none. */
static __noinline __u64 ending_root(struct pt_regs *ctx)
{
	return PRESERVED_FRAME(ctx, is_open_root);
}

/*
 * Up to 3.10 an outermost frame ends.  Where no register has it, it is the thread's last, unless
 * there are greenlets: then it may be any of theirs, and has no end.
 */
static inline void leave_root(struct pt_regs *ctx, __u32 tid, struct native_ends *ends)
{
	__u64 frame = ending_root(ctx), waits = pv_thread_key(tid), *last;

	if (frame) {
		leave(pv_open_key(frame, 0), tid, ends);
		return;
	}
	last = stacks_move ? NULL : bpf_map_lookup_elem(&callees, &waits);
	if (last)
		leave(*last, tid, ends);
}

/* eval returns: where its frame is not known, the one that is current now is the caller's. */
static inline void leave_eval(struct pt_regs *ctx, __u32 tid, struct native_ends *ends)
{
	__u64 tstate, caller;

	if (probe.python.ended_known) {
		leave(ended_frame(ctx), tid, ends);
		return;
	}
	tstate = read_u64(probe.layout.tstate_current);
	if (!tstate)
		return;
	caller = read_u64(tstate + probe.layout.ts_frame);
	if (caller)
		leave(caller, tid, ends);
	else
		leave_root(ctx, tid, ends);
}

/*
 * 3.11: eval has failed, and whoever called it takes the frame down.  Frames that end
 * otherwise are no longer open.  All threads and greenlets begin with frames that none called.
 */
static inline void leave_failed(struct pt_regs *ctx, __u32 tid, struct native_ends *ends)
{
	__u64 tstate, caller, *callee;

	if (get_register(ctx, 0))
		return;
	tstate = read_u64(probe.layout.tstate_current);
	if (!tstate)
		return;
	caller = read_u64(read_u64(tstate + probe.layout.ts_frame) + probe.layout.cf_current_frame);
	if (!caller) {
		leave(ending_root(ctx), tid, ends);
		return;
	}
	callee = bpf_map_lookup_elem(&callees, &caller);
	if (callee)
		leave(*callee, tid, ends);
}

/* Returns the thread. */
static __always_inline __u32 take_hit(struct pt_regs *ctx, struct native_ends *ends)
{
	__u64 pid_tid = pv_current_ids(), frame;
	__u32 tid = pid_tid;

	switch (pv_probe_hit(ctx, pid_tid)) {
	case PV_PROBE_ENTER:
		frame = get_register(ctx, probe.python.frame_register);
		if (!is_no_call(frame))
			enter(frame, tid);
		break;
	case PV_PROBE_THROW:
		if ((__u32)get_register(ctx, 2))
			enter(get_register(ctx, probe.python.eval_register), tid);
		break;
	case PV_PROBE_EVAL:
		enter(get_register(ctx, probe.python.eval_register), tid);
		break;
	case PV_PROBE_LEAVE:
	case PV_PROBE_YIELD:
		leave(get_register(ctx, probe.python.frame_register), tid, ends);
		break;
	case PV_PROBE_CLEAR:
		clear(get_register(ctx, probe.python.clear_register), tid, ends);
		break;
	case PV_PROBE_RESULT:
		/* with a callable it is of a function in C */
		if (!get_register(ctx, probe.python.result_register))
			leave_eval(ctx, tid, ends);
		break;
	case PV_PROBE_RETURNED:
		leave_eval(ctx, tid, ends);
		break;
	case PV_PROBE_FAILED:
		leave_failed(ctx, tid, ends);
		break;
	case PV_PROBE_NATIVE_ENTER:
		native_enter(ctx, tid);
		break;
	case PV_PROBE_NATIVE_LEAVE:
		native_leave(ctx, tid, ends);
		break;
	}
	return tid;
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	struct native_ends ends = {};

	take_hit(ctx, &ends);
	return 0;
}

/* Apart from the walkers, since it needs as much of the stack as they do. */
static __noinline __u32 take_hit_apart(struct pt_regs *ctx, struct native_ends *ends)
{
	return take_hit(ctx, ends);
}

/* In its place with stacks: before Linux 6.13 all that a program may call must fit one stack. */
SEC("kprobe")
int on_site_stacks(struct pt_regs *ctx)
{
	struct native_ends ends = {};

	send_ends(&ends, take_hit_apart(ctx, &ends));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
