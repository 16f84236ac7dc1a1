/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Calls of native functions in executions of `trace`: the types between
 * bpf/within.bpf.h, collect/inside.c and session/executions.c; nothing of it is stored in
 * files.
 *
 * They are told by PV_EVENT_CALL, too.  A beginning has in frame the address of its return
 * address, in caller the Python frame that was current, in address the caller's index of the
 * function.  An end has the same frame; of calls that stand behind one return address, where one
 * has jumped to the next, it is the end of all.
 */
#ifndef PV_ABI_WITHIN_H
#define PV_ABI_WITHIN_H

#include "abi/types.h"

enum {
	PV_WITHIN_MAX = 128, /* a power of two: calls that are open in an execution at once */
	PV_WITHIN_NO_FUNCTION = 0xffffff, /* no native function begins executions */
	PV_WITHIN_STACK = 8 << 20,        /* bytes: farther away is another stack */
};

/* pv_event_call.flags, beside those of abi/trace.h */
enum {
	PV_CALL_EVENT_EARLY = 1 << 13,  /* where it returns to was not probed when it began */
	PV_CALL_EVENT_NATIVE = 1 << 14, /* see above */
	/* with NATIVE and END: it is over, and how was not seen; what it led to is, too */
	PV_CALL_EVENT_OVER = 1 << 15,
};

struct pv_within_call {
	__u64 sp; /* address of the return address */
	__u64 registers;
	__u64 returns_to;
	__u64 frame; /* the Python frame that was current */
	__u32 function;
	__u32 depth;
	__u32 flags; /* PV_NATIVE_TAILS, PV_NATIVE_LOOPS */
	__u32 pad;
};

/* Those of an execution that are open, outermost first. */
struct pv_within {
	__u32 number; /* of the execution; of another one it is empty */
	__u32 n;
	__u32 rooted; /* the first one is the execution's own */
	__u32 pad;
	struct pv_within_call calls[PV_WITHIN_MAX];
};

#endif
