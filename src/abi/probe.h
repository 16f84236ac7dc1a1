/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a probe on a call means, and what all units with such probes have in
 * common: the types between bpf/probe.bpf.h and collect/probes.c.
 */
#ifndef PV_ABI_PROBE_H
#define PV_ABI_PROBE_H

#include "abi/types.h"

/* What the program does at a site; the cookie of the site's probe. */
enum pv_probe_kind {
	PV_PROBE_ENTER = 1,  /* 3.11+: a handler of RESUME: the frame register's frame begins */
	PV_PROBE_LEAVE = 2,  /* 3.11: the handler of RETURN_VALUE: it ends */
	PV_PROBE_CLEAR = 3,  /* 3.11+: the function that takes a frame down; argument: the frame */
	PV_PROBE_THROW = 4,  /* 3.11+: eval's entry; it begins if throwflag is set */
	PV_PROBE_EVAL = 5,   /* <= 3.10: eval's entry; argument: the frame, it begins */
	PV_PROBE_RESULT = 6, /* <= 3.10: _Py_CheckFunctionResult, or eval's call of it: the callee
				of tstate's frame ends, or what the cookie says */
	PV_PROBE_FAILED =
		7, /* 3.11: after a call of eval: the callee of tstate's frame ends if 0 came */
	PV_PROBE_RETURNED = 8,      /* <= 3.10: after a call of eval: the same as RESULT */
	PV_PROBE_NATIVE_ENTER = 9,  /* a native function's entry (abi/native.h) */
	PV_PROBE_NATIVE_LEAVE = 10, /* where a call of one returns to */
	PV_PROBE_YIELD = 11,        /* as LEAVE, but the frame may go on */
	/* of allocators, see abi/allocs.h */
	PV_PROBE_POOL_TAKE = 12,   /* a pool is there, or not, of which a block is taken */
	PV_PROBE_POOL_GIVE = 13,   /* one was given back to a pool */
	PV_PROBE_POOL_NEW = 14,    /* allocate_from_new_pool() ends */
	PV_PROBE_POOL_SLOW = 15,   /* <= 3.8: a pool is about to be taken */
	PV_PROBE_ALLOC_ENTER = 16, /* a C function that allocates or frees */
	PV_PROBE_ALLOC_LEAVE = 17, /* its end: the result is in rax */
	PV_PROBE_ALLOC_JUMP = 18,  /* the same, by a jump to memset(), whose first argument it is */
	PV_PROBE_ALLOC_BACK = 19,  /* where a call of one returns to */
	PV_PROBE_CODE_GONE = 20,   /* <= 3.11: code_dealloc(); a code object is taken down: rdi */
	PV_PROBE_KINDS = 21,
};
enum {
	PV_PROBE_KIND_MASK = 0xff,
	PV_PROBE_STEPPED = 0x100, /* in the cookie: the kernel must single-step the instruction */
	PV_PROBE_EPOCH_SHIFT = 9, /* in the cookie: which link of several in turn it is of */
	PV_PROBE_EPOCH_MASK = 0x7f,
	/* in the cookie of RESULT and RETURNED, if `ended_known`: the register with the frame */
	PV_PROBE_ENDED_SHIFT = 16,
	PV_PROBE_ENDED_MASK = 0xf,
};

/* Registers by their number in instructions: 0 rax, 3 rbx, 6 rsi, 7 rdi, 8 r8 ... */
struct pv_probe_python {
	__u32 frame_register;  /* of ENTER, LEAVE and YIELD */
	__u32 clear_register;  /* of CLEAR */
	__u32 eval_register;   /* of EVAL and THROW */
	__u32 result_register; /* of RESULT: the callable, NULL where eval returns */
	__u32 value_register;  /* of RESULT: what eval returns */
	__u32 skip_oparg; /* an ENTER whose RESUME has a bit of it in its oparg is none; 0: all are
			   */
	__u8 resume[4];   /* opcodes of RESUME; 0: none */
	__u8 yield[2];    /* the same of YIELD_VALUE */
	__u16 ts_exception;      /* of PyThreadState, 3.11+: the exception that is being raised */
	__u16 fr_suspended;      /* of PyFrameObject: tells where eval returns whether it yields */
	__u8 suspended_by_state; /* 3.10: by a byte that is -1 then; before: by not being NULL */
	__u8 tstate_argument;    /* CLEAR has the thread state in rdi */
	__u8 ended_known;        /* <= 3.10: RESULT or RETURNED have the frame that ends */
	__u8 ended_register;     /* all of them in this one; 0: see the cookie */
	__u8 pad[6];
};

/* Parts of struct pv_pylayout, and what is derived from it. */
struct pv_probe_layout {
	__u16 fr_code, fr_previous, fr_instr, fr_owner;
	__u16 co_filename, co_name, ts_frame;
	__u16 co_version; /* 3.12+; 0: there is none */
	__u16 co_flags;   /* 0: it is not known */
	__u8 owner_boundary, code_tag_mask, owner_generator;
	__u8 frame_objects;       /* <= 3.10 */
	__u8 keyed_by_caller;     /* <= 3.10: where a call ends its frame is not known */
	__u16 cf_current_frame;   /* 3.11: ts_frame is of the _PyCFrame */
	__u16 ts_frame_by_cframe; /* 3.11, 3.12: the same; 0: it is the frame's */
	__u16 cf_frame;           /* of that _PyCFrame */
	__u16 tell_unbegun;       /* CLEAR is the only end of calls that are no generator's */
	__u64 tstate_current;     /* <= 3.11: address of the pointer to it */
};

/* Set before the programs are loaded. */
struct pv_probe_constants {
	__u64 budget_ppm;  /* millionths of a CPU's time that hits may take */
	__u64 debt_max_ns; /* above that before we say so */
	__u32 tgid;        /* of the target */
	__u32 pad;
	struct pv_probe_layout layout;
	struct pv_probe_python python;
};

/* What runs: read and written by both sides. */
struct pv_probe_state {
	__u64 cost_ns[2]; /* of one hit: emulated, single-stepped; set by user space */
	__u64 hits[2];    /* of probes: emulated, single-stepped */
	__u64 strangers;  /* hits in other processes: forked children, until they are freed of
			     probes */
	__u64 debt_ns, debt_time_ns; /* what hits took more than the budget allows */
	__u32 told;                  /* that it is too much */
	__u32 epoch;                 /* of the link that counts, while one takes another's place */
	__u64 passed[2];             /* hits that do not count, as hits: while links come and go */
	__u64 debt_limit_ns; /* set by user space: above that before we say so; 0: debt_max_ns */
	__u64 switches;      /* how often threads of the target have left a CPU or come to one */
	__u32 codes_watched; /* set by user space: CODE_GONE is attached */
	__u32 pad;
};

enum { PV_PROBE_THREADS_MAX = 16384 };

struct pv_probe_thread {
	__u64 since_ns; /* it is not on a CPU; 0: it is */
	__u64 ran_ns;   /* on CPUs until then, as the kernel counts */
	__u64 off_ns;
};

enum pv_probe_event_type {
	PV_PROBE_EVENT_BUDGET = 1, /* hits cost more than the budget */
	PV_PROBE_EVENT_FORK = 2,
	PV_PROBE_EVENT_EXEC = 3,
	PV_PROBE_EVENT_RETURN =
		4, /* struct pv_probe_address: calls of native functions return there */
	PV_PROBE_EVENT_ENOUGH = 5,  /* of allocators: it has seen enough, or cannot keep more */
	PV_PROBE_EVENT_TRIGGER = 6, /* what is waited for has begun: all else is to be probed */
};

struct pv_probe_event {
	__u32 type;
	__u32 pid;
};

#endif
