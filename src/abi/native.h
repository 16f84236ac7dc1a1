/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Calls of native functions that are under way, and the places that they return to:
 * the types between bpf/native.bpf.h and collect/.
 *
 * A call is known by where its return address stands on the stack, and by a checksum
 * over the registers that it must leave as they were: stacks that are exchanged (ucontext)
 * lie elsewhere.  Of greenlets, which are copied in and out at the same addresses, the Python
 * frame differs, which is a part of the checksum if there are any.
 */
#ifndef PV_ABI_NATIVE_H
#define PV_ABI_NATIVE_H

#include "abi/types.h"

enum {
	PV_NATIVE_BUCKETS = 8192, /* a power of two */
	PV_NATIVE_WAYS = 8,       /* a power of two */
	PV_NATIVE_RETURNS_MAX = 65536,
};

/* Greenlets: how a thread's Python frame is found, see python/path.h. */
enum { PV_NATIVE_PATH_MAX = 5 };

struct pv_native_path {
	__u64 n; /* 0: they cannot be told apart by that */
	__s64 offsets[PV_NATIVE_PATH_MAX];
};

/* In the cookie of a native place, above what abi/probe.h has. */
enum {
	PV_NATIVE_PUSHED_SHIFT = 16, /* rsp is so many words lower there */
	PV_NATIVE_PUSHED_MASK = 0xffff,
	PV_NATIVE_FUNCTION_SHIFT = 32, /* of an entry: the caller's index */
	PV_NATIVE_FUNCTION_MASK = 0xffffff,
	PV_NATIVE_FLAGS_SHIFT = 56,
	PV_NATIVE_TAILS = 1, /* it may end by a jump to another function */
	PV_NATIVE_LOOPS = 2, /* it jumps to its own first instruction */
};

enum pv_native_call_flag {
	PV_NATIVE_EARLY = 4,    /* where it returns to was not probed yet when it began */
	PV_NATIVE_DOUBTFUL = 8, /* greenlets: it may be another one's call that returns */
	PV_NATIVE_CHAINED = 16, /* another stands behind the same return address */
	/* returns_to is probed: true for the next call in the same place, too, without a look-up */
	PV_NATIVE_PROBED = 32,
};

/*
 * A call under way, in a bucket by where it stands.  A hash table of the kernel's would
 * cost as much as the probe.  start_ns is the claim to a place, 0: it is free; sp is written
 * last and taken back first, and only the thread that runs on that stack looks for it.
 * Several stand behind one return address where a function has jumped to the next.
 */
struct pv_native_call {
	__u64 start_ns;
	__u64 sp;        /* address of the return address */
	__u64 registers; /* checksum over those that a callee saves */
	__u64 returns_to;
	__u64 off_ns;
	__u64 by;
	__u32 function;
	__u32 tid;
	__u32 flags;     /* PV_NATIVE_TAILS ..., enum pv_native_call_flag */
	__u32 forgotten; /* pv_native_counts.forgotten when PV_NATIVE_PROBED was found out */
};

struct pv_native_bucket {
	struct pv_native_call calls[PV_NATIVE_WAYS];
};

/* Of an address that calls return to. */
enum pv_native_return {
	PV_NATIVE_RETURN_TOLD = 1, /* user space has been told of it */
	PV_NATIVE_RETURN_PROBED = 2,
	PV_NATIVE_RETURN_NEVER = 3, /* no probe can be there */
};

struct pv_native_counts {
	__u64 unended; /* begun calls whose end was not seen: exceptions, longjmp, threads' ends */
	__u64 unreturned; /* the same, but where they return to was not known yet */
	__u64 unplaced;   /* calls that return to where no probe can be */
	__u64 doubtful;   /* ends that may be of another greenlet's call */
	__u64 no_room;    /* calls that a full bucket could not hold */
	__u64 forgotten;  /* written by user space: how often it has taken addresses back */
};

/* struct pv_probe_event with an address. */
struct pv_probe_address {
	__u32 type; /* PV_PROBE_EVENT_RETURN */
	__u32 pid;
	__u64 address;
};

#endif
