/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How long calls of some Python functions take: one histogram a function and
 * whatever the calls are told apart by.  Input: probes at the interpreter's
 * places (python/sites.h), the frames they name.  Output: `histograms`, and a
 * record in `events` when user space must act at once.
 *
 * A call is known by its frame, not by its thread or stack: greenlets may switch
 * in the middle of it, and a generator may go on in another thread.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/latency.h"
#include "abi/probe.h"

enum { SHIM_STEPS = 2 };

const volatile __u32 target_tgid;
const volatile struct pv_latency_layout layout;
const volatile struct pv_probe_python python;
const volatile __u32 split_by;    /* enum pv_latency_by */
const volatile __u64 budget_ppm;  /* millionths of a CPU's time that hits may take */
const volatile __u64 debt_max_ns; /* above that before we say so */

__u64 cost_ns[2];                /* of one hit: emulated, single-stepped; set by user space */
__u32 epoch;                     /* of the link that counts, while one takes another's place */
__u64 calibrated;                /* hits of on_calibration */
struct pv_latency_counts counts; /* in .bss, read by user space where it stands */
__u64 debt_ns, debt_time_ns;     /* what hits took more than the budget allows */
__u32 told;                      /* that it is too much */

/* The functions that are wanted, by the address of their code object. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_CODES_MAX);
	__type(key, __u64);
	__type(value, struct pv_latency_code);
} codes SEC(".maps");

/* Calls that have begun, by pv_open_key(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_OPEN_MAX);
	__type(key, __u64);
	__type(value, struct pv_latency_open);
} open SEC(".maps");

/* 3.11: the wanted call that a frame is waiting for, its frame: a key of `open`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_LATENCY_OPEN_MAX);
	__type(key, __u64);
	__type(value, __u64);
} callees SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
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

/* How long each thread of the target has not been on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_LATENCY_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct pv_latency_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

static inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static inline void tell(__u32 type, __u32 pid)
{
	struct pv_latency_event event = { .type = type, .pid = pid };

	bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP);
}

/*
 * What the hits cost must stay below the budget; a burst may borrow.  Looked at
 * every 64th time, since it wants the time of day.
 */
static inline void pay(__u64 hits, __u64 price)
{
	__u64 now, earned, debt;

	if (hits & 63)
		return;
	now = bpf_ktime_get_ns();
	earned = (now - debt_time_ns) * budget_ppm / 1000000;
	debt = debt_ns + 64 * price;
	debt_time_ns = now;
	debt_ns = debt > earned ? debt - earned : 0;
	if (debt_ns > debt_max_ns && !told) {
		told = 1;
		tell(PV_LATENCY_EVENT_BUDGET, 0);
	}
}

#define LOAD(number, field)                                                                        \
	case number:                                                                               \
		__asm__ volatile("%0 = *(u64 *)(%1 + %2)"                                          \
				 : "=r"(value)                                                     \
				 : "r"(ctx), "i"(__builtin_offsetof(struct pt_regs, field)));      \
		return value

/* A load at a constant offset each: the verifier refuses any other of the context. */
static inline __u64 get_register(struct pt_regs *ctx, __u32 number)
{
	__u64 value = 0;

	switch (number) {
		LOAD(0, ax);
		LOAD(1, cx);
		LOAD(2, dx);
		LOAD(3, bx);
		LOAD(4, sp);
		LOAD(5, bp);
		LOAD(6, si);
		LOAD(7, di);
		LOAD(8, r8);
		LOAD(9, r9);
		LOAD(10, r10);
		LOAD(11, r11);
		LOAD(12, r12);
		LOAD(13, r13);
		LOAD(14, r14);
		LOAD(15, r15);
	}
	return value;
}

static inline __u64 read_u64(__u64 addr)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)addr);
	return value;
}

/* Time that the thread has not been on a CPU, so far. */
static inline __u64 off_cpu(__u32 tid)
{
	struct pv_latency_thread *thread = bpf_map_lookup_elem(&threads, &tid);

	return thread ? thread->off_ns : 0;
}

/* The code object of the Python function that a frame was called by; 0: none. */
static inline __u64 caller_of(__u64 frame)
{
	__u8 owner = 0;
	int i;

	for (i = 0; i < SHIM_STEPS && frame; i++) {
		if (layout.owner_boundary == 0xff)
			break;
		bpf_probe_read_user(&owner, 1, (const void *)(frame + layout.fr_owner));
		if (owner < layout.owner_boundary)
			break;
		/* from 3.12 on C that calls Python puts a frame without code between */
		frame = read_u64(frame + layout.fr_previous);
	}
	return frame ? read_u64(frame + layout.fr_code) & ~(__u64)layout.code_tag_mask : 0;
}

/*
 * Up to 3.10 the frame is not to be had where a call ends, but its caller's, which
 * calls no other meanwhile.  A thread's outermost has none.
 */
static inline __u64 pv_open_key(__u64 frame, __u64 previous, __u32 tid)
{
	if (!layout.keyed_by_caller)
		return frame;
	return previous ? previous : (__u64)tid << 1 | 1;
}

static inline bool is_wanted(__u64 code, const struct pv_latency_code *wanted)
{
	if (read_u64(code + layout.co_filename) == wanted->file_at &&
	    read_u64(code + layout.co_name) == wanted->name_at)
		return true;
	count(&counts.replaced);
	return false;
}

static inline void enter(__u64 frame, __u32 tid)
{
	__u64 code = read_u64(frame + layout.fr_code) & ~(__u64)layout.code_tag_mask;
	struct pv_latency_code *wanted = bpf_map_lookup_elem(&codes, &code);
	struct pv_latency_open call = {}, *before;
	__u64 previous, key;

	if (!wanted || !is_wanted(code, wanted))
		return;
	previous = read_u64(frame + layout.fr_previous);
	key = pv_open_key(frame, previous, tid);
	before = bpf_map_lookup_elem(&open, &key);
	/* RESUME is executed again where it has just been changed into another kind of it */
	if (before && before->tid == tid && !layout.keyed_by_caller)
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
	if (bpf_map_update_elem(&open, &key, &call, BPF_ANY) ||
	    (layout.cf_current_frame && bpf_map_update_elem(&callees, &previous, &key, BPF_ANY)))
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

static inline void add_call(struct pv_latency_open *call, __u64 ns, __u64 off_ns)
{
	struct pv_latency_histogram *row = bpf_map_lookup_elem(&histograms, &call->key);
	__u32 bucket = pv_latency_bucket(ns), zero = 0;

	if (!row) {
		row = bpf_map_lookup_elem(&blank, &zero);
		if (row)
			bpf_map_update_elem(&histograms, &call->key, row, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&histograms, &call->key);
	}
	if (!row) {
		count(&counts.no_room);
		return;
	}
	__sync_fetch_and_add(&row->calls, 1);
	__sync_fetch_and_add(&row->sum_ns, ns);
	__sync_fetch_and_add(&row->off_ns, off_ns);
	raise_to(&row->max_ns, ns);
	if (bucket < PV_LATENCY_BUCKETS)
		__sync_fetch_and_add(&row->buckets[bucket], 1);
}

static inline void leave(__u64 key, __u32 tid)
{
	struct pv_latency_open *call = bpf_map_lookup_elem(&open, &key);
	__u64 ns, off_ns, off_now;

	if (!call)
		return;
	ns = bpf_ktime_get_ns() - call->start_ns;
	off_now = off_cpu(tid);
	/* 0 where a generator was entered in another thread, whose time is another */
	off_ns = call->tid == tid && off_now > call->off_ns ? off_now - call->off_ns : 0;
	if (off_ns > ns)
		off_ns = ns;
	add_call(call, ns, off_ns);
	if (layout.cf_current_frame)
		bpf_map_delete_elem(&callees, &call->previous);
	bpf_map_delete_elem(&open, &key);
}

/*
 * A frame that ends.  One that was not seen to begin was there before us, or it
 * began in code of the JIT compiler, which has no RESUME.
 */
static inline void clear(__u64 frame, __u32 tid)
{
	struct pv_latency_code *wanted;
	__u64 code;

	if (bpf_map_lookup_elem(&open, &frame)) {
		leave(frame, tid);
		return;
	}
	if (!layout.tell_unbegun)
		return;
	code = read_u64(frame + layout.fr_code) & ~(__u64)layout.code_tag_mask;
	wanted = bpf_map_lookup_elem(&codes, &code);
	if (wanted && !wanted->generator && is_wanted(code, wanted))
		count(&counts.unbegun);
}

/* The RESUME that a generator expression has before it is even made (3.15). */
static inline bool is_no_call(__u64 frame)
{
	__u8 unit[2] = {};

	if (!python.skip_oparg)
		return false;
	bpf_probe_read_user(unit, 2, (const void *)read_u64(frame + layout.fr_instr));
	return unit[1] & python.skip_oparg;
}

/* eval returns: the frame that is current now is the caller's. */
static inline void leave_by_caller(__u32 tid)
{
	__u64 tstate = read_u64(layout.tstate_current);

	if (tstate)
		leave(pv_open_key(0, read_u64(tstate + layout.ts_frame), tid), tid);
}

/*
 * 3.11: eval has failed, and whoever called it takes the frame down.  Frames that end
 * otherwise are no longer open.
 */
static inline void leave_failed(struct pt_regs *ctx, __u32 tid)
{
	__u64 tstate, caller, *callee;

	if (get_register(ctx, 0))
		return;
	tstate = read_u64(layout.tstate_current);
	if (!tstate)
		return;
	caller = read_u64(read_u64(tstate + layout.ts_frame) + layout.cf_current_frame);
	callee = bpf_map_lookup_elem(&callees, &caller);
	if (callee)
		leave(*callee, tid);
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	__u64 pid_tid = bpf_get_current_pid_tgid(), cookie = bpf_get_attach_cookie(ctx), frame;
	__u32 kind = cookie & PV_PROBE_KIND_MASK, tid = pid_tid;
	__u64 stepped = !!(cookie & PV_PROBE_STEPPED), hits;

	if (pid_tid >> 32 != target_tgid) {
		count(&counts.strangers);
		return 0;
	}
	/* for a moment there are two links, and each hit comes twice */
	if (kind >= PV_PROBE_KINDS ||
	    (cookie >> PV_PROBE_EPOCH_SHIFT & PV_PROBE_EPOCH_MASK) != epoch)
		return 0;
	hits = __sync_fetch_and_add(&counts.hits[stepped], 1);
	pay(hits, cost_ns[stepped]);
	switch (kind) {
	case PV_PROBE_ENTER:
		frame = get_register(ctx, python.frame_register);
		if (!is_no_call(frame))
			enter(frame, tid);
		break;
	case PV_PROBE_THROW:
		if ((__u32)get_register(ctx, 2))
			enter(get_register(ctx, python.eval_register), tid);
		break;
	case PV_PROBE_EVAL:
		enter(get_register(ctx, python.eval_register), tid);
		break;
	case PV_PROBE_LEAVE:
		leave(get_register(ctx, python.frame_register), tid);
		break;
	case PV_PROBE_CLEAR:
		clear(get_register(ctx, python.clear_register), tid);
		break;
	case PV_PROBE_RESULT:
		/* with a callable it is of a function in C */
		if (!get_register(ctx, python.result_register))
			leave_by_caller(tid);
		break;
	case PV_PROBE_RETURNED:
		leave_by_caller(tid);
		break;
	case PV_PROBE_FAILED:
		leave_failed(ctx, tid);
		break;
	}
	return 0;
}

/* What a hit of a function does that is not wanted: most do. */
SEC("kprobe")
int on_calibration(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 value = read_u64(get_register(ctx, 4) + cookie);

	count(&calibrated);
	return bpf_map_lookup_elem(&codes, &value) ? 1 : 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *before, struct task_struct *next)
{
	struct pv_latency_thread *thread, first = {};
	__u32 tid;

	if ((__u32)before->tgid == target_tgid) {
		tid = before->pid;
		thread = bpf_map_lookup_elem(&threads, &tid);
		first.since_ns = bpf_ktime_get_ns();
		if (thread)
			thread->since_ns = first.since_ns;
		else
			bpf_map_update_elem(&threads, &tid, &first, BPF_ANY);
	}
	if ((__u32)next->tgid == target_tgid) {
		tid = next->pid;
		thread = bpf_map_lookup_elem(&threads, &tid);
		if (thread && thread->since_ns)
			thread->off_ns += bpf_ktime_get_ns() - thread->since_ns;
	}
	return 0;
}

/* The child has our breakpoints in its copy of the code. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	/* after vfork() it runs in the parent's memory, where they belong */
	if ((__u32)parent->tgid == target_tgid && child->tgid != parent->tgid &&
	    child->mm != parent->mm)
		tell(PV_LATENCY_EVENT_FORK, child->tgid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	if ((__u32)task->tgid == target_tgid)
		tell(PV_LATENCY_EVENT_EXEC, task->tgid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
