/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What all BPF homes of the walkers share (walk/walk.h); pv_read() and pv_env_tasks() are
 * the unit's own, to be defined before this is included.
 */
#ifndef PV_BPF_HOME_BPF_H
#define PV_BPF_HOME_BPF_H

#include "bpf/maps.bpf.h"

enum { PV_RING_WAKE_BYTES = 1 << 21 };

/*
 * The process entry of a program: its own, its parent's as long as a forked
 * child has none, or the blank one.
 */
static inline struct pv_proc *pv_find_proc(__u32 tgid, __u32 generation, __u32 origin,
					   bool *read_ret)
{
	struct pv_program program = { .tgid = tgid, .generation = generation };
	__u32 *slot = bpf_map_lookup_elem(&programs, &program), index = 0;

	if (!slot && origin) {
		program.tgid = origin;
		slot = bpf_map_lookup_elem(&programs, &program);
	}
	if (slot)
		index = *slot;
	*read_ret = index != 0;
	return bpf_map_lookup_elem(&procs, &index);
}

static inline long pv_loop(__u32 n, long (*fn)(__u32 i, void *ctx), struct pv_ctx *c)
{
	return bpf_loop(n, fn, c, 0);
}

static inline const struct pv_mapping *pv_env_mapping(struct pv_ctx *c, __u32 index)
{
	(void)c;
	return bpf_map_lookup_elem(&mappings, &index);
}

static inline const __u64 *pv_env_cell(struct pv_ctx *c, __u32 segment, __u32 index)
{
	void *map;

	(void)c;
	if (!segment)
		return bpf_map_lookup_elem(&cells, &index);
	map = bpf_map_lookup_elem(&segments, &segment);
	return map ? bpf_map_lookup_elem(map, &index) : NULL;
}

/* How often a key that was known has become unknown again, on any CPU. */
__u64 codes_forgotten;

/*
 * What a key looks like in the scratch's list of those whose copy has begun, which saves the
 * lookup in the map of all CPUs.  Once one is forgotten, the whole list is void.
 */
static inline __u64 pv_known_mark(__u64 key)
{
	return key ^ *(volatile __u64 *)&codes_forgotten * 0x9e3779b97f4a7c15ULL;
}

static inline __u32 pv_env_code_state(struct pv_ctx *c, __u64 key)
{
	__u64 mark = pv_known_mark(key), *known = &c->w->known[key & (PV_WALK_KNOWN - 1)];
	const __u8 *state;

	if (*known == mark)
		return PV_CODE_SENT;
	state = bpf_map_lookup_elem(&codes, &key);
	if (!state)
		return 0;
	if (*state == PV_CODE_SENT)
		*known = mark;
	return *state;
}

static inline void pv_env_code_mark(struct pv_ctx *c, __u64 key, __u32 state)
{
	__u8 value = (__u8)state;

	(void)c;
	bpf_map_update_elem(&codes, &key, &value, BPF_ANY);
	if (state != PV_CODE_SENT)
		__sync_fetch_and_add(&codes_forgotten, 1);
}

static inline void pv_env_code_forget(struct pv_ctx *c, __u64 key)
{
	(void)c;
	bpf_map_delete_elem(&codes, &key);
	__sync_fetch_and_add(&codes_forgotten, 1);
}

/* No wake-up for each record, but one when a quarter of the ring is waiting. */
static inline __u64 pv_ring_flags(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > PV_RING_WAKE_BYTES
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

static inline long pv_env_emit(struct pv_ctx *c, void *record, __u32 size)
{
	(void)c;
	if (size > sizeof(struct pv_event_piece) + PV_PIECE_BYTES)
		return -1;
	return bpf_ringbuf_output(&ring, record, size, pv_ring_flags());
}

static inline void pv_env_lost(struct pv_ctx *c, __u32 loss)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &loss);

	(void)c;
	if (count)
		*count += 1;
}

/* Adds the time since the sample was begun. */
static inline void pv_count_cost(struct pv_ctx *c)
{
	__u32 zero = 0;
	struct pv_cost *total = bpf_map_lookup_elem(&cost, &zero);
	__u64 now_ns;

	if (!total)
		return;
	now_ns = bpf_ktime_get_ns();
	pv_walk_end(c->w, now_ns);
	total->runs++;
	total->ns += now_ns - c->w->sample.time_ns;
}

/* Sends the finished sample of the walk. */
static inline void pv_emit_sample(struct pv_ctx *c, __u64 flags)
{
	__u32 size = pv_walk_size(c->w);

	c->w->sample.hdr.type = PV_EVENT_SAMPLE;
	c->w->sample.hdr.reserved = 0;
	c->w->sample.hdr.size = size;
	/* keeps the compiler from checking the bound on another register */
	barrier_var(size);
	if (size > sizeof(c->w->sample) + sizeof(c->w->words))
		return;
	if (bpf_ringbuf_output(&ring, &c->w->sample, size, flags))
		pv_env_lost(c, PV_LOSS_RING_SAMPLE);
	pv_count_cost(c);
}

#endif
