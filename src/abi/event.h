/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_event_*: one record, the same bytes in the ring buffer and from the
 * BPF-less engine.  A recording holds none of them: it is made of what becomes of
 * them (docs/recording.md).  Sizes and enum values are append only: never
 * renumber, never reorder.
 */
#ifndef PV_ABI_EVENT_H
#define PV_ABI_EVENT_H

#include "abi/types.h"

enum pv_event_type {
	PV_EVENT_SAMPLE = 1, /* struct pv_event_sample + frames */
	PV_EVENT_CODE = 2,   /* struct pv_event_code: first sight of a code object */
	PV_EVENT_PIECE = 3,  /* struct pv_event_piece + bytes: a string or table of it */
	PV_EVENT_CALL = 4,   /* struct pv_event_call of abi/trace.h */
	PV_EVENT_NAMES = 5,  /* struct pv_event_values: the names of a function's arguments */
	PV_EVENT_VALUES = 6, /* the same: arguments or the result of the call whose event follows */
	PV_EVENT_SLOW = 7,   /* struct pv_event_slow of abi/latency.h */
	PV_EVENT_CHANGE = 8, /* struct pv_event_change of abi/refs.h */
	PV_EVENT_ALLOC_STACK = 9, /* struct pv_event_alloc_stack of abi/allocs.h */
	PV_EVENT_TREND = 12,      /* struct pv_event_trend of abi/trend.h */
};

struct pv_event {
	__u16 type; /* enum pv_event_type */
	__u16 reserved;
	__u32 size; /* of the whole record, header included */
};

/* pv_event_sample.flags */
enum {
	PV_SAMPLE_KERNEL = 1 << 0,     /* the thread was in the kernel */
	PV_SAMPLE_NAT_END = 1 << 1,    /* native walk reached the thread's start */
	PV_SAMPLE_PY_END = 1 << 2,     /* Python walk reached the outermost frame */
	PV_SAMPLE_NO_TSTATE = 1 << 3,  /* this thread has no Python thread state */
	PV_SAMPLE_ATTACHED = 1 << 4,   /* the thread state is attached: holds the GIL, if any */
	PV_SAMPLE_TORN = 1 << 5,       /* taken in the 3.11/3.12 frame-switch window */
	PV_SAMPLE_REANCHORED = 1 << 6, /* a native break was bridged */
	PV_SAMPLE_RUNNING = 1 << 7,    /* snapshot: the thread ran meanwhile, do not trust */
	PV_SAMPLE_FRAMELESS = 1 << 9,  /* it has a thread state, but no Python frame now */
	PV_SAMPLE_UNREAD = 1 << 11,    /* its program was not read yet: kernel frames only */
	PV_SAMPLE_BORROWED =
		1 << 12, /* it is in its parent's memory (vfork), Python state included */
	PV_SAMPLE_EVAL_EDGE = 1 << 13,   /* an exact eval frame may run Python frames or may not */
	PV_SAMPLE_SUSPENDED = 1 << 14,   /* free-threaded: waits until the world goes on */
	PV_SAMPLE_TASK_UNREAD = 1 << 15, /* a task may run, and could not be read */
	PV_SAMPLE_PY_PART = 1 << 16,     /* frames of another interpreter may be missing */
};

/*
 * One native frame, leaf first.  Either object:rel (bits 40..58 the object id,
 * 0..39 the ELF virtual address) or, with PV_NAT_RAW, a raw address.
 */
enum {
	PV_NAT_REL_BITS = 40,
	PV_NAT_OBJECT_BITS = 19,
};
#define PV_NAT_EVAL    (1ULL << 59) /* in the body of the eval loop: must run Python frames */
#define PV_NAT_ADDRESS (PV_NAT_EVAL - 1)
#define PV_NAT_RAW     (1ULL << 60) /* no known object: bits 0..58 are the address */
#define PV_NAT_EXACT   (1ULL << 61) /* pc is exact (leaf, signal frame), not a return address */
#define PV_NAT_ANCHOR  (1ULL << 62) /* this activation runs a run of Python frames */
#define PV_NAT_BREAK   (1ULL << 63) /* unknown frames are missing below (leafward of) this one */

/* One Python frame, leaf first. */
struct pv_pyframe {
	__u64 code;  /* key of the code object, see pv_event_code.key */
	__u32 lasti; /* bytes from the start of the bytecode; PV_LASTI_NONE: not started */
	__u32 flags;
};
enum {
	PV_LASTI_NONE = 0xffffffff,
	PV_LASTI_UNKNOWN = 0x7fffffff, /* beyond any code: the line is not known */
};
enum {
	PV_PYFRAME_RUN_END = 1 << 0, /* outermost of a run: the eval frame goes here */
	PV_PYFRAME_EMPTY = 1 << 2,   /* stands for a run without any complete frame */
	/* 3.10: already left its eval frame; not shown, nor what follows in its run */
	PV_PYFRAME_SKIP = 1 << 3,
	/* no frame, but the task that runs the frames before it; code: key of its name, or
	   PV_TASK_* */
	PV_PYFRAME_TASK = 1 << 4,
	PV_PYFRAME_INTERP = 1 << 5, /* no frame, but the interpreter of those before it; code: id,
				       or PV_INTERP_UNNUMBERED */
};

/* What stands in the place of a task's name; no key is that small. */
enum {
	PV_TASK_UNREAD = 0,  /* it could not be read */
	PV_TASK_SEVERAL = 1, /* more than one task waits for it */
	PV_TASK_MORE = 2,    /* the chain of those that wait goes on */
};

/* Up to 3.6 sub-interpreters have no ids. */
#define PV_INTERP_UNNUMBERED (1ULL << 31)

struct pv_event_sample {
	struct pv_event hdr;
	__u64 time_ns;    /* CLOCK_MONOTONIC */
	__u32 pid, tid;   /* as in pitviper's own PID namespace */
	__u32 generation; /* of the process: counts up with each exec */
	__u32 flags;
	__u16 n_kernel, n_native, n_python, n_runs;
	__u8 py_loss; /* enum pv_loss: why the Python walk stopped, 0 = end reached */
	__u8 nat_loss;
	__u16 task_state; /* snapshot: TASK_* bits; 0 running */
	__u32 cpu;
	__u64 fail_addr; /* where the first failing walk stopped */
			 /* followed by: struct pv_pyframe python[n_python], __u64 kernel[n_kernel],
			  * __u64 native[n_native], each leaf first */
};
PV_STATIC_ASSERT(sizeof(struct pv_event_sample) == 56, "sample header is 56 bytes");

/* Which part of a code object a piece belongs to. */
enum pv_piece {
	PV_PIECE_FILENAME = 0,
	PV_PIECE_NAME = 1, /* co_qualname from 3.11, else co_name */
	PV_PIECE_LINETABLE = 2,
	PV_PIECE_MAX = 3,
};

struct pv_event_code {
	struct pv_event hdr;
	__u64 key;     /* hash of all that identifies it; see walk/code.h */
	__u64 address; /* of the code object in the process */
	__u32 pid, generation;
	__u32 firstlineno;
	__u32 size[PV_PIECE_MAX]; /* bytes to expect; PV_PIECE_LOST: not readable */
	__u8 char_size[2];        /* of FILENAME and NAME: 1, 2, 4; 0: bytes, not text */
	__u8 linetable_kind;      /* enum pv_linetable_kind */
	__u8 is_task;             /* no code object, but the name of an asyncio task */
	__u32 reserved2;
};
#define PV_PIECE_LOST 0xffffffffU

struct pv_event_piece {
	struct pv_event hdr;
	__u64 key;
	__u32 offset; /* of these bytes within the whole */
	__u16 n;      /* bytes that follow */
	__u8 piece;   /* enum pv_piece */
	__u8 reserved;
	/* followed by n bytes */
};
enum { PV_PIECE_BYTES = 4096, PV_PIECE_TOTAL_MAX = 1 << 20 };

/* Caps of one sample; data, not program structure. */
enum {
	PV_KERNEL_FRAMES_MAX = 127,
	PV_NATIVE_FRAMES_MAX = 6144, /* up to 3.10 a Python call takes three of them */
	PV_PYTHON_FRAMES_MAX = 3072,
};

#endif
