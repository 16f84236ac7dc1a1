/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `latency` counts in the kernel, and what it must know for that.  Written by
 * collect/latency.c and bpf/latency.bpf.c; nothing of it is stored in files.
 */
#ifndef PV_ABI_LATENCY_H
#define PV_ABI_LATENCY_H

#include "abi/event.h"
#include "abi/types.h"

enum {
	PV_LATENCY_CODES_MAX = 4096,
	PV_LATENCY_OPEN_MAX = 65536,
	PV_LATENCY_ROWS_MAX = 16384,
	PV_LATENCY_STACKS_A_SECOND = 1000,
	PV_LATENCY_BUCKETS = 328, /* up to 2^43 ns, two hours and a half */
};

/* Eight buckets for each power of two; below 16 ns one for each. */
static inline __u32 pv_latency_bucket(__u64 ns)
{
	__u32 power = 3, step;

	if (ns < 16)
		return (__u32)ns;
	for (step = 32; step; step /= 2) {
		if (power + step < 64 && ns >> (power + step))
			power += step;
	}
	power = 8 * (power - 2) + (__u32)(ns >> (power - 3) & 7);
	return power < PV_LATENCY_BUCKETS ? power : PV_LATENCY_BUCKETS - 1;
}

enum pv_latency_by {
	PV_LATENCY_BY_NOTHING = 0,
	PV_LATENCY_BY_THREAD = 1, /* by: thread id */
	PV_LATENCY_BY_CALLER = 2, /* by: address of the code object, 0: none; of a native
				     function: the address that it returns to */
};

struct pv_latency_code {
	__u64 file_at, name_at; /* co_filename, co_name: another code object has others */
	__u32 function;         /* index of the caller's */
	__u32 generator;        /* it can be left and entered again */
};

struct pv_latency_key {
	__u64 by;
	__u32 function;
	__u32 pad;
};

struct pv_latency_open {
	struct pv_latency_key key;
	__u64 start_ns, off_ns;
	__u64 previous; /* the frame that called */
	__u32 tid;
	__u32 pad;
};

struct pv_latency_histogram {
	__u64 sum_ns, off_ns, max_ns;
	__u64 buckets[PV_LATENCY_BUCKETS]; /* calls: their sum is how many there were */
	__u64 untimed; /* calls that are in none of the above: of native functions, whose end was
			  not seen */
	__u64 over, over_sum_ns; /* calls that took longer than was asked for, and their time */
};

/* A call that took long has ended on the stack of the sample of its thread before. */
struct pv_event_slow {
	struct pv_event hdr;
	__u64 time_ns; /* the sample's */
	__u64 ns;
	__u64 tstate;   /* of the thread, 0: none */
	__u32 function; /* index of the caller's */
	__u32 tid;
	__u32 there; /* the leaf's Python frame is the call's own; else that is taken down */
	__u32 pad;
};

/* Of the stacks of such calls. */
struct pv_latency_slow {
	__u64 second_ns, sent; /* when the second began, stacks in it */
	__u64 too_many;        /* calls without one: too many in that second */
	__u64 lost;            /* calls without one: no scratch, no room in the ring */
	__u64 spent_ns;        /* by the target, for them */
};

struct pv_latency_counts {
	__u64 begun;    /* calls of the wanted functions */
	__u64 unbegun;  /* calls whose end was seen alone (from 3.12 on) */
	__u64 unended;  /* begun calls whose end was not seen */
	__u64 replaced; /* calls of other code at the address of a wanted one */
	__u64 no_room;  /* calls that a full map could not hold */
};

#endif
