/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Arguments and results of Python calls, where probes are hit: what units with such
 * probes share.  Input: frames; what is known of the interpreter and the user's
 * condition, set before the load.  Output: PV_EVENT_NAMES and PV_EVENT_VALUES in the
 * ring, and whether the condition holds.
 */
#ifndef PV_BPF_VALUES_BPF_H
#define PV_BPF_VALUES_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "abi/condition.h"
#include "abi/trace.h"
#include "bpf/home.bpf.h"
#include "walk/reader.h"

static inline long pv_value_get(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr)
{
	(void)r;
	return bpf_probe_read_user(dst, n, (const void *)addr);
}

static inline long pv_value_get_text(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr)
{
	(void)r;
	return bpf_probe_read_user_str(dst, n, (const void *)addr);
}

static inline long pv_value_loop(__u32 n, long (*fn)(__u32 i, void *ctx), void *ctx)
{
	return bpf_loop(n, fn, ctx, 0);
}

#include "walk/arguments.h"
#include "walk/condition.h"
#include "walk/registers.h"
#include "walk/result.h"

const volatile struct pv_value_layout value_layout;
const volatile struct pv_condition value_condition;
const volatile __u32 n_value_slots; /* elements of value_slots */

struct value_slot {
	struct pv_event_values event; /* with s.values: the record as it is sent */
	struct pv_value_scratch s;
	__u64 registers[PV_VALUE_REGISTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct value_slot);
} value_slots SEC(".maps");

/* Which of them are in use: a thread may be preempted amid a program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} value_claims SEC(".maps");

/* Code objects whose arguments' names were sent, by their key. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_VALUES_NAMED_MAX);
	__type(key, __u64);
	__type(value, __u8);
} value_names SEC(".maps");

static inline struct value_slot *claim_slot(__u32 *index_ret)
{
	__u32 index = bpf_get_smp_processor_id(), *taken;
	int i;

	for (i = 0; i < 3; i++) {
		taken = bpf_map_lookup_elem(&value_claims, &index);
		if (taken && !__sync_val_compare_and_swap(taken, 0, 1)) {
			*index_ret = index;
			return bpf_map_lookup_elem(&value_slots, &index);
		}
		/* the last ones are for such cases */
		index = n_value_slots - 1 - i;
	}
	return NULL;
}

static inline void release_slot(__u32 index)
{
	__u32 *taken = bpf_map_lookup_elem(&value_claims, &index);

	if (taken)
		*taken = 0;
}

static inline void begin_reader(struct pv_value_reader *r, struct value_slot *slot)
{
	const volatile struct pv_value_layout *layout = &value_layout;

	/* else the compiler makes a constant of it, whose address nobody fills in */
	barrier_var(layout);
	r->layout = layout;
	r->s = &slot->s;
	r->home = NULL;
}

static inline long send_slot(struct value_slot *slot, __u32 type, __u64 key, __u32 number,
			     __u32 sequence)
{
	__u32 n = pv_bounded(slot->s.values.n, PV_VALUES_MAX);
	__u32 size = sizeof(slot->event) + __builtin_offsetof(struct pv_values, list) +
		     n * sizeof(struct pv_value);

	slot->event.hdr.type = type;
	slot->event.hdr.reserved = 0;
	slot->event.hdr.size = size;
	slot->event.key = key;
	slot->event.number = number;
	slot->event.sequence = sequence;
	return bpf_ringbuf_output(&ring, &slot->event, size, pv_ring_flags());
}

/*
 * Sends the names of a code object's arguments, if they were not sent.  Global, as those below:
 * the verifier looks at each once, not once for each way to it.
 */
__noinline int send_names(__u64 code, __u64 key)
{
	struct pv_value_reader r;
	struct value_slot *slot;
	__u8 sent = 1;
	__u32 index;

	if (bpf_map_lookup_elem(&value_names, &key))
		return 0;
	slot = claim_slot(&index);
	if (!slot)
		return 0;
	begin_reader(&r, slot);
	pv_arguments_read_names(&r, code);
	if (!send_slot(slot, PV_EVENT_NAMES, key, 0, 0))
		bpf_map_update_elem(&value_names, &key, &sent, BPF_ANY);
	release_slot(index);
	return 0;
}

/* Sends the arguments of the call that begins in a frame, before its event of that number. */
__noinline int send_arguments(__u64 frame, __u32 number, __u32 sequence)
{
	struct pv_value_reader r;
	struct value_slot *slot;
	__u32 index;

	slot = claim_slot(&index);
	if (!slot)
		return 0;
	begin_reader(&r, slot);
	pv_arguments_read(&r, frame);
	send_slot(slot, PV_EVENT_VALUES, 0, number, sequence);
	release_slot(index);
	return 0;
}

/*
 * The same of what a call returns.  value: up to 3.10 the object; else the thread state at
 * the function that takes down frames, or 0 at RETURN_VALUE (3.11).
 */
__noinline int send_result(__u64 frame, __u64 value, __u32 number, __u32 sequence)
{
	struct pv_value_reader r;
	struct value_slot *slot;
	__u32 index;

	slot = claim_slot(&index);
	if (!slot)
		return 0;
	begin_reader(&r, slot);
	if (r.layout->py.frame_kind == PV_FRAME_OBJECT)
		pv_result_of_eval(&r, value);
	else if (value)
		pv_result_at_clear(&r, value, frame);
	else
		pv_result_at_return(&r, frame);
	send_slot(slot, PV_EVENT_VALUES, 0, number, sequence);
	release_slot(index);
	return 0;
}

/* enum pv_truth: does the user's condition hold of the call that begins in a frame? */
__noinline int decide_condition(__u64 frame)
{
	struct pv_value_reader r;
	struct value_slot *slot;
	int truth = PV_UNKNOWN;
	__u32 index;

	if (!value_condition.n_steps)
		return PV_TRUE;
	slot = claim_slot(&index);
	if (!slot)
		return truth;
	begin_reader(&r, slot);
	pv_arguments_read(&r, frame);
	truth = pv_condition_holds(&value_condition, &slot->s);
	release_slot(index);
	return truth;
}

const volatile bool with_letters;                     /* of some native functions there are */
const volatile struct pv_signature condition_letters; /* of the one that begins executions */

/* What the registers of native functions hold, by index. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_TRACE_SIGNATURES_MAX);
	__type(key, __u32);
	__type(value, struct pv_signature);
} signatures SEC(".maps");

static inline void read_registers(struct pt_regs *ctx, struct value_slot *slot)
{
	slot->registers[0] = ctx->di;
	slot->registers[1] = ctx->si;
	slot->registers[2] = ctx->dx;
	slot->registers[3] = ctx->cx;
	slot->registers[4] = ctx->r8;
	slot->registers[5] = ctx->r9;
}

/* As send_arguments(), at the entry of a native function; false: its arguments are not wanted. */
static __noinline bool send_registers(struct pt_regs *ctx, __u32 function, __u32 number,
				      __u32 sequence)
{
	struct pv_signature *signature = bpf_map_lookup_elem(&signatures, &function);
	struct pv_value_reader r;
	struct value_slot *slot;
	__u32 index;

	if (!signature || !signature->n)
		return false;
	slot = claim_slot(&index);
	if (!slot)
		return true;
	begin_reader(&r, slot);
	read_registers(ctx, slot);
	pv_registers_read(&r, signature, slot->registers);
	send_slot(slot, PV_EVENT_VALUES, 0, number, sequence);
	release_slot(index);
	return true;
}

/* As send_result(), of a native function. */
__noinline int send_register(__u64 value, __u32 function, __u32 number, __u32 sequence)
{
	struct pv_signature *signature = bpf_map_lookup_elem(&signatures, &function);
	struct pv_value_reader r;
	struct value_slot *slot;
	__u32 index;

	if (!signature || !signature->result)
		return false;
	slot = claim_slot(&index);
	if (!slot)
		return true;
	begin_reader(&r, slot);
	slot->s.values.n = 1;
	slot->s.values.more = slot->s.values.unread = 0;
	slot->s.values.result = PV_RESULT_RETURNED;
	pv_register_read(&r, &slot->s.values.list[0], value, signature->result);
	send_slot(slot, PV_EVENT_VALUES, 0, number, sequence);
	release_slot(index);
	return true;
}

/* As decide_condition(), at the entry of the native function that begins executions. */
static __noinline int decide_registers(struct pt_regs *ctx)
{
	struct pv_value_reader r;
	struct value_slot *slot;
	int truth = PV_UNKNOWN;
	__u32 index;

	if (!value_condition.n_steps)
		return PV_TRUE;
	slot = claim_slot(&index);
	if (!slot)
		return truth;
	begin_reader(&r, slot);
	read_registers(ctx, slot);
	pv_registers_read(&r, &condition_letters, slot->registers);
	truth = pv_condition_holds(&value_condition, &slot->s);
	release_slot(index);
	return truth;
}

#endif
