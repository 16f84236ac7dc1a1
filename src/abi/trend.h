/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What makes a process's memory grow, as the kernel sees it: the types between
 * bpf/trend.bpf.c and collect/faults.c.  Append only, as all of abi/.
 */
#ifndef PV_ABI_TREND_H
#define PV_ABI_TREND_H

#include "abi/event.h"

enum pv_trend_kind {
	PV_TREND_FAULT = 0,  /* a page of its own memory was touched for the first time */
	PV_TREND_BRK = 1,    /* the heap's end was moved up; bytes: by how much */
	PV_TREND_MMAP = 2,   /* anonymous memory was mapped, or such a mapping grew */
	PV_TREND_MUNMAP = 3, /* and unmapped */
	PV_TREND_KINDS = 4,
};

enum {
	PV_TREND_PAGE = 4096,
	PV_TREND_SLICE_NS = 20000000, /* stacks are spread over slices of this length, */
	PV_TREND_STACKS_A_SLICE = 10, /* so many in each: 500 a second */
};

/* What has happened on the stack of the sample of its thread before. */
struct pv_event_trend {
	struct pv_event hdr;
	__u64 time_ns; /* the sample's */
	__u64 count;   /* it stands for so many events: those since the last of its kind, too */
	__u64 bytes;   /* of all of them */
	__u32 kind;    /* enum pv_trend_kind */
	__u32 tid;
	__u64 at; /* the last one's address */
};

struct pv_trend_state {
	__u64 count[PV_TREND_KINDS]; /* all that there were */
	__u64 bytes[PV_TREND_KINDS];
	__u64 pending[PV_TREND_KINDS]; /* since the last that was sent */
	__u64 pending_bytes[PV_TREND_KINDS];
	__u64 slice, sent; /* the slice of time, stacks in it */
	__u64 brk_at;      /* the heap's end, 0: not known */
	__u64 lost;        /* without one: no scratch, no room in the ring */
	__u64 spent_ns;    /* by the target, for the stacks */
};

#endif
