/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a probe on a call means, and what the kernel's side makes of calls: the
 * types between bpf/latency.bpf.c and those who fill and read its maps.
 */
#ifndef PV_ABI_PROBE_H
#define PV_ABI_PROBE_H

#include "abi/types.h"

/* What the program does at a site; the cookie of the site's probe. */
enum pv_probe_kind {
	PV_PROBE_ENTER = 1, /* 3.11+: a handler of RESUME: the frame register's frame begins */
	PV_PROBE_LEAVE = 2, /* 3.11+: a handler of YIELD_VALUE, 3.11 of RETURN_VALUE: it ends */
	PV_PROBE_CLEAR = 3, /* 3.11+: the function that takes a frame down; argument: the frame */
	PV_PROBE_THROW = 4, /* 3.11+: eval's entry; it begins if throwflag is set */
	PV_PROBE_EVAL = 5,  /* <= 3.10: eval's entry; argument: the frame, it begins */
	PV_PROBE_RESULT =
		6, /* <= 3.10: _Py_CheckFunctionResult; the callee of tstate's frame ends */
	PV_PROBE_FAILED =
		7, /* 3.11: after a call of eval: the callee of tstate's frame ends if 0 came */
	PV_PROBE_RETURNED = 8, /* <= 3.10: after a call of eval: the same as RESULT */
	PV_PROBE_KINDS = 9,
};
enum {
	PV_PROBE_KIND_MASK = 0xff,
	PV_PROBE_STEPPED = 0x100, /* in the cookie: the kernel must single-step the instruction */
	PV_PROBE_EPOCH_SHIFT = 9, /* in the cookie: which link of several in turn it is of */
	PV_PROBE_EPOCH_MASK = 0x7f,
};

/* Registers by their number in instructions: 0 rax, 3 rbx, 6 rsi, 7 rdi, 8 r8 ... */
struct pv_probe_python {
	__u32 frame_register;  /* of ENTER and LEAVE */
	__u32 clear_register;  /* of CLEAR */
	__u32 eval_register;   /* of EVAL and THROW */
	__u32 result_register; /* of RESULT: the callable, NULL where eval returns */
	__u32 skip_oparg; /* an ENTER whose RESUME has a bit of it in its oparg is none; 0: all are
			   */
};

#endif
