/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `trace` records in the kernel, and what it must know for that: the types
 * between bpf/trace.bpf.c and collect/inside.c; nothing of it is stored in files.
 */
#ifndef PV_ABI_TRACE_H
#define PV_ABI_TRACE_H

#include "abi/event.h"
#include "abi/types.h"
#include "abi/value.h"

enum {
	PV_TRACE_TRIGGERS_MAX = 1024,
	PV_TRACE_WATCHES_MAX = 4, /* what the debug registers of x86 hold */
	PV_TRACE_INSIDE_MAX = 65536,
	PV_TRACE_CODES_MAX = 16384,
	PV_VALUES_NAMED_MAX = 16384,
	PV_TRACE_SIGNATURES_MAX = 1024,
	PV_TRACE_RUNS_MAX = 64, /* power of two, executions at once */
	/* power of two: frames that may be between a call and the one inside that led to it */
	PV_TRACE_CLIMB = 4,
	PV_TRACE_CHAIN_MAX = 512, /* power of two: frames that are under way where we come late */
	PV_TRACE_CHAIN_STEPS = 1024,
	PV_TRACE_CHAIN_TRIES = 4096,
};

/* Frames, innermost first. */
struct pv_trace_chain {
	__u64 frames[PV_TRACE_CHAIN_MAX];
};

/* The code objects of the function that is asked for. */
struct pv_trace_trigger {
	__u64 file_at, name_at; /* co_filename, co_name: another code object has others */
};

/* A RESUME that is watched, by its address. */
struct pv_trace_watch {
	__u64 code;     /* its code object */
	__u64 begun_at; /* a frame that stands before that has not begun (fr_instr) */
	__u64 frame;    /* of the last call of a `twice` */
	__u32 tid;
	__u8 opcode; /* as it was at the last hit: what changes it is no call */
	__u8 twice;  /* as this one it is read once more by each call; 0: by none */
	__u8 pad[2];
};

/* What tells of the first execution while nothing else is probed. */
enum pv_trace_wait {
	PV_TRACE_WAIT_NONE = 0,  /* all is probed */
	PV_TRACE_WAIT_ENTRY = 1, /* the places where functions are entered, or the native one */
	PV_TRACE_WAIT_WATCH = 2, /* a watchpoint on its RESUME */
};

/* A code object whose key is known; version: its serial number, see walk/code.h. */
struct pv_trace_code {
	__u64 key;
	__u32 version;
	__u32 plain; /* its calls do not yield */
};

/* A frame whose call is being recorded. */
struct pv_trace_inside {
	__u64 caller;   /* the frame inside that led to it; of the first: the one that called it */
	__u64 previous; /* the frame that it was called by, as its own frame says */
	__u64 callee;   /* up to 3.11: the last one that it was `previous` and `caller` of */
	__u64 sp;       /* the stack pointer when it began; 0: not known */
	__u32 number;   /* of the execution; 0: the call has ended */
	__u32 run;      /* index into runs */
	__u32 depth;
	__u32 plain; /* its code is known to be no generator's */
};

/* An execution that is being recorded. */
struct pv_trace_run {
	__u64 root;     /* frame of the function's call */
	__u64 begun;    /* the frame whose beginning was the last event, 0: it was another one */
	__u64 ended_ns; /* of the last one that was recorded here */
	__u32 number;   /* 0: free */
	__u32 last;     /* the number of the last one that was recorded here */
	__u32 tid;
	__u32 sequence; /* events so far, with those that were lost */
	__u64 spent_ns; /* see pv_trace_state */
	__u64 code;     /* of the function; if late */
	/* begun before all was probed, and not met since: it may have ended unseen */
	__u32 late;
	__u32 tries;  /* to meet it */
	__u32 sent;   /* events that reached the ring */
	__u32 again;  /* late: since then a watchpoint was hit by another call in its frame's place
		       */
	__u64 off_ns; /* that its thread had not been on a CPU ... */
	__u64 switches; /* ... after so many switches */
	__u64 current;  /* the frame of the innermost call that was seen to begin and not to end */
};

/* In memory that both sides have. */
struct pv_trace_state {
	__u32 armed;      /* set by user space when all is in place */
	__u32 open;       /* executions that are being recorded */
	__u32 begun;      /* executions, those that are not recorded included */
	__u32 waiting;    /* enum pv_trace_wait, set by user space: while it is, all that begin are
			     late */
	__u32 triggered;  /* user space has been told of the first one */
	__u32 late;       /* executions that began while it was */
	__u32 late_open;  /* runs with `late` */
	__u32 watching;   /* set by user space: watchpoints are there */
	__u64 unsent;     /* executions none of whose events had room in the ring */
	__u64 gone;       /* late ones that have ended, and nobody saw it */
	__u64 watch_hits; /* of watchpoints */
	__u64 watch_strays;  /* of these by what is no call of the function */
	__u64 watch_cost_ns; /* of one hit; set by user space */
	__u64 spent_ns;      /* on what was recorded, beyond the price of a hit */
	__u64 skipped;       /* executions that were not recorded: as many others were */
	__u64 replaced;      /* calls of other code at the address of a trigger */
	__u64 no_scratch;    /* code objects and stacks that could not be looked at just then */
	__u64 unmet;         /* calls of the function for which the condition did not hold */
	__u64 undecided;     /* for which it could not be decided */
	__u64 decided_ns;    /* spent on these two */
	__u64 elsewhere;     /* native calls on another stack of the thread (abi/within.h) */
	__u64 beyond;        /* executions that began when as many as are wanted had */
	__u32 n_inside;      /* calls in the map of these, those that have ended included */
	__u32 measured;      /* hits until the next one whose cost is measured */
	struct pv_trace_run runs[PV_TRACE_RUNS_MAX];
};

/* pv_event_call.flags */
enum {
	PV_CALL_EVENT_END = 1 << 0,     /* it left; else it began */
	PV_CALL_EVENT_ROOT = 1 << 1,    /* of the function itself: the execution begins or ends */
	PV_CALL_EVENT_RESUMED = 1 << 2, /* a generator or coroutine that goes on */
	PV_CALL_EVENT_YIELDED = 1 << 3, /* it may go on */
	PV_CALL_EVENT_RAISED = 1 << 4,
	PV_CALL_EVENT_UNBEGUN = 1 << 5, /* its beginning was not seen; with END it is told here */
	PV_CALL_EVENT_CUT = 1 << 6,     /* with ROOT and END: its thread has ended amid it */
	PV_CALL_EVENT_VALUES = 1 << 7,  /* its arguments, with END its result, came before it */
	PV_CALL_EVENT_LATE = 1 << 8,    /* with ROOT: it began before all was probed */
	PV_CALL_EVENT_GONE = 1 << 9,    /* with ROOT and END: it has ended at some time before */
};

/* PV_EVENT_CALL; the stack that led to an execution is the sample of its thread before it. */
struct pv_event_call {
	struct pv_event hdr;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 off_ns;  /* that the thread has not been on a CPU, so far */
	__u64 frame;
	__u64 caller;  /* of a beginning: the frame that called, one of those that began before */
	__u64 key;     /* of its code object, 0: it could not be read; not of an END of one begun */
	__u64 address; /* of its code object */
	__u32 number;  /* of the execution */
	__u32 sequence; /* within it, from 0 */
	__u32 tid;
	__u16 run;
	__u16 flags;
};

/* PV_EVENT_NAMES, PV_EVENT_VALUES */
struct pv_event_values {
	struct pv_event hdr;
	__u64 key;              /* NAMES: of the code object */
	__u32 number, sequence; /* VALUES: of the event that they belong to */
				/* followed by struct pv_values, its list only as long as n says */
};
PV_STATIC_ASSERT(sizeof(struct pv_event_values) == 24, "values follow at once");

#endif
