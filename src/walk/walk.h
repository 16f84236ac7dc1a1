/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The state of one walk, and what a home of the walkers must provide.
 * Input: one thread's registers and its process entry.  Output: one
 * pv_event_sample with its frames, in pv_walk.sample and pv_walk.words.
 *
 * The walkers have three homes: a perf event in BPF (the current task), a task
 * iterator in BPF, and the host over a struct pv_mem.  There are no indirect
 * calls in BPF, so a home defines these static inline functions and then
 * includes walk/python.h and walk/native.h:
 *
 *   long pv_read(struct pv_ctx *c, void *dst, __u32 n, __u64 addr);
 *	0, or negative: nothing usable in dst
 *   long pv_read_stack(struct pv_ctx *c, __u64 *words, __u32 n, __u64 addr);
 *	the same for one or two words of the thread's native stack, which a home may have
 *	read before
 *   long pv_loop(__u32 n, long (*fn)(__u32 i, void *ctx), struct pv_ctx *c);
 *	calls fn until it returns 1, n times at most
 *   const struct pv_mapping *pv_env_mapping(struct pv_ctx *c, __u32 index);
 *   const __u64 *pv_env_cell(struct pv_ctx *c, __u32 segment, __u32 index);
 *	NULL outside the arrays
 *   bool pv_env_tasks(struct pv_ctx *c);
 *	whether the names of asyncio tasks are wanted
 *   __u32 pv_env_code_state(struct pv_ctx *c, __u64 key);
 *	what was marked last, 0: nothing or forgotten
 *   void pv_env_code_mark(struct pv_ctx *c, __u64 key, __u32 state);
 *	state: how often the copy has failed, or PV_CODE_SENT
 *   void pv_env_code_forget(struct pv_ctx *c, __u64 key);
 *   long pv_env_emit(struct pv_ctx *c, void *record, __u32 size);
 *	negative: lost
 *   void pv_env_lost(struct pv_ctx *c, __u32 loss);
 *	counts one loss by cause
 *
 * Loop state lives in struct pv_walk, a map value, not on the BPF stack: there
 * unknown scalars converge at once for the verifier.
 */
#ifndef PV_WALK_WALK_H
#define PV_WALK_WALK_H

#include "abi/event.h"
#include "abi/layout.h"
#include "abi/loss.h"
#include "abi/process.h"
#include "abi/refs.h"
#include "abi/unwind.h"

enum {
	PV_WALK_WORDS = 16384,     /* power of two; python, kernel and native frames */
	PV_WALK_ANCHORS = 4096,    /* power of two */
	PV_WALK_TSTATE = 512,      /* power of two, bytes copied of a thread state */
	PV_WALK_FRAME = 128,       /* power of two, bytes copied of a frame */
	PV_WALK_CODE = 256,        /* power of two, bytes copied of a code object */
	PV_WALK_CODES = 32,        /* power of two, code objects remembered within a sample */
	PV_WALK_NEW = 256,         /* power of two, code objects first seen in one sample */
	PV_WALK_ROWS = 512,        /* power of two, places in native code remembered */
	PV_WALK_KNOWN = 512,       /* power of two, keys of code objects that were copied */
	PV_WALK_STACK = 1024,      /* power of two, a page at most, bytes of stack read at once */
	PV_WALK_STACK_BLOCKS = 16, /* power of two, so many of them are kept */
	PV_WALK_STACK_BYTES = PV_WALK_STACK * PV_WALK_STACK_BLOCKS,
	PV_WALK_TEXT = 128,         /* power of two, bytes copied of a string's head */
	PV_WALK_LINES = 128,        /* power of two, bytes copied of a line table's head */
	PV_WALK_COST_MAX = 2000000, /* ns */
	PV_WALK_STATES = 4,         /* power of two, thread states of one thread with frames */
	PV_WALK_TASKS = 8,          /* power of two, running tasks of all threads */
	PV_WALK_TASK_WORDS = 256,   /* power of two; 3 a running task */
	PV_WALK_DICT = 64,          /* power of two, bytes copied of a dict's keys */
	PV_WALK_AWAITED = 24,       /* tasks and futures that wait for one another */
	PV_WALK_NAME_HEAD = 64,     /* bytes of a task's name in its key */
	PV_WALK_PAD = 8,            /* room for an 8-byte load at the last masked offset */
	PV_CODE_SENT = 255,         /* state of a code object: its copy has begun */
};

PV_STATIC_ASSERT(2 * PV_PYTHON_FRAMES_MAX + PV_KERNEL_FRAMES_MAX + 1 + PV_NATIVE_FRAMES_MAX <=
			 PV_WALK_WORDS,
		 "all frames fit into the words of a sample");
PV_STATIC_ASSERT((int)PV_PYTHON_FRAMES_MAX < (int)PV_WALK_ANCHORS, "one anchor a frame at most");

/* A code object that this sample has met. */
struct pv_walk_code {
	__u64 address;
	__u64 key;
	__u64 serial;          /* of the sample: an entry of an older one is void */
	__s32 first_traceable; /* bytes */
	__u32 bad;
	/* 3.14t: threads have copies of the bytecode; the one seen last */
	__u64 tlbc; /* _PyCodeArray */
	__u64 tlbc_code;
	__s32 tlbc_index; /* 0: none yet */
	__u32 n_bytes;    /* of the bytecode */
};

/*
 * A place in native code that was met before.  Its process entry never changes, and
 * neither do its mappings and their tables (collect/slots.h).
 */
struct pv_walk_row {
	__u64 lookup;
	__u64 serial; /* of the process entry; 0: void */
	__u64 word;   /* object and ELF virtual address of lookup; PV_NAT_EVAL: in the eval loop */
	struct pv_unwind_row row;
};
PV_STATIC_ASSERT(sizeof(struct pv_walk_row) == 32, "two of them in a cache line");

/*
 * What is used all the time stands within 32 KiB of the start, as far as an instruction of
 * BPF can reach: what is behind costs another instruction each time.
 */
struct pv_walk {
	__u64 serial;                    /* counts samples of this scratch */
	__u64 last_end_ns, mean_cost_ns; /* of the samples before, see pv_walk_spare() */

	/* the thread */
	__u64 pc, sp, bp, fsbase;

	/* the Python walk */
	__u64 tstate, frame, cframe, root_cframe;
	__u64 own_at, own_next, own_interp,
		own_interp_next; /* of walk/own.h: the lists of thread states */
	__u32 own_done, own_active;
	/* walk/interps.h: states of this thread with frames, and where they stand on its stack */
	__u64 state[PV_WALK_STATES], state_at[PV_WALK_STATES];
	__u64 take_at, home; /* home: the interpreter of the state that walk/own.h has found */
	__u32 home_begun;
	__u32 n_states, take, several; /* several interpreters are there */
	__u32 unordered;               /* states of others were left out, or may have been */
	__u64 base_frame;              /* 3.15: where the chain ends; 0 before */
	__u64 top;                     /* what is current: a _PyCFrame (3.10, 3.11) or a frame */
	__u64 cycle_mark;              /* Brent's algorithm */
	__u32 cycle_power, cycle_steps;
	__u32 run_frames; /* frames of the current run so far */
	__u32 py_done;
	__u32 n_anchors;
	__u64 file_sum, file_sum_of, file_sum_serial; /* of walk/code.h: of the last file name */
	__u8 tstate_bytes[PV_WALK_TSTATE + PV_WALK_PAD];
	__u8 frame_bytes[PV_WALK_FRAME + PV_WALK_PAD];
	__u8 code_bytes[PV_WALK_CODE + PV_WALK_PAD];
	__u8 line_bytes[PV_WALK_LINES + PV_WALK_PAD];
	__u8 text_bytes[PV_WALK_TEXT + PV_WALK_PAD];
	struct pv_walk_code codes[PV_WALK_CODES];
	__u64 known[PV_WALK_KNOWN]; /* of the home */

	/* walk/tasks.h: running tasks, and the frames of their coroutines */
	__u64 task_object[PV_WALK_TASKS], task_frame[PV_WALK_TASKS];
	__u32 n_tasks, n_task_entries;
	__u32 task_unread, task_matched, task_coroutines;
	__u64 task; /* of the chain of those that wait */
	__u64 task_entries[PV_WALK_TASK_WORDS];
	__u8 dict_keys[PV_WALK_DICT + PV_WALK_PAD];
	__u64 name_head[PV_WALK_NAME_HEAD / 8];

	/* the native walk */
	struct pv_mapping mapping; /* of the last pc; end = 0: none */
	__u64 anchor;              /* anchors[next_anchor], all ones: none is left */
	__u64 nat_serial;          /* of remembered rows that hold; all ones: none does */
	__u32 exact;               /* 1: pc is exact, 0: it is a return address */
	__u32 nat_done;
	__u32 next_anchor;
	__u32 nat_at;     /* where native[] begins in words */
	__u32 nat_ranges; /* eval frames are known by their pc alone */
	__u32 in_window;  /* of walk/window.h */
	struct pv_walk_row rows[PV_WALK_ROWS];

	struct pv_event_sample sample; /* with words: the record as it is emitted */
	__u64 words[PV_WALK_WORDS];

	/* code objects to be copied after the walk */
	__u32 n_new;
	__u32 copy_i, copy_piece, copy_offset, copy_failed, copy_failures, copy_total;
	__u64 copy_data[PV_PIECE_MAX];
	struct pv_event_code copy_code;
	struct pv_event_piece copy_header; /* with copy_bytes: the record of a piece */
	__u8 copy_bytes[PV_PIECE_BYTES];
	__u64 new_code[PV_WALK_NEW];
	__u64 new_key[PV_WALK_NEW];

	__u64 anchors[PV_WALK_ANCHORS];
	__u64 stack_at[PV_WALK_STACK_BLOCKS]; /* of pv_read_stack(): what stack_bytes has; 1: none
					       */
	__u8 stack_bytes[PV_WALK_STACK_BYTES + PV_WALK_PAD];

	/* of homes with PV_WALK_WITH_PLACES: where the frames are; the record as it is emitted */
	struct pv_event_change change;
	__u64 places[2 * PV_CHANGE_PLACES];
};
#ifdef __bpf__
PV_STATIC_ASSERT(__builtin_offsetof(struct pv_walk, words) < 32768, "what is used all the time");
#endif

/* What every function of a walk needs; lives on the (BPF) stack. */
struct pv_ctx {
	struct pv_walk *w;
	struct pv_proc *proc;
	void *home; /* of the home: the task, the host's walker */
};

/*
 * A load at an untrusted offset of a masked buffer.  BPF may load a map value
 * unaligned; C may not.  The pointer to void hides from clang that the bytes are
 * declared as such: it knows them for unaligned, and would load them one by one.
 */
#ifdef __bpf__
#define PV_FIELD(type, bytes, size, offset)                                                        \
	({                                                                                         \
		const void *_field = &(bytes)[(offset) & ((size)-1)];                              \
		*(const type *)_field;                                                             \
	})
#else
#define PV_FIELD(type, bytes, size, offset)                                                        \
	({                                                                                         \
		type _field;                                                                       \
		__builtin_memcpy(&_field, &(bytes)[(offset) & ((size)-1)], sizeof(_field));        \
		_field;                                                                            \
	})
#endif

/*
 * min(n, max), in a form whose bound the verifier sees: compilers keep the
 * checked value and the used one in different registers.
 */
static inline __u32 pv_bounded(__u64 n, __u32 max)
{
	__u32 bounded = n > max ? max : (__u32)n;

	__asm__ volatile("" : "+r"(bounded));
	return bounded > max ? max : bounded;
}

/*
 * An index below size, a power of two.  The mask stays where a check before it makes compilers
 * leave it out: Linux 6.1 forgets such a check for a copy of the index that was spilled before it.
 */
static inline __u32 pv_masked(__u32 i, __u32 size)
{
	__asm__ volatile("" : "+r"(i));
	return i & (size - 1);
}

/*
 * Where frame i of a half is: the Python frame's address, the native one's CFA.  Only a home that
 * tells one activation of a function from the next has use for it.
 */
#ifdef PV_WALK_WITH_PLACES
static inline void pv_walk_place_python(struct pv_walk *w, __u32 i, __u64 at)
{
	if (i < PV_CHANGE_PLACES)
		w->places[i & (PV_CHANGE_PLACES - 1)] = at;
}

static inline void pv_walk_place_native(struct pv_walk *w, __u32 i, __u64 at)
{
	__u32 n = w->sample.n_python;

	if (i >= PV_CHANGE_PLACES)
		return;
	if (n > PV_CHANGE_PLACES)
		n = PV_CHANGE_PLACES;
	w->places[(n + i) & (2 * PV_CHANGE_PLACES - 1)] = at;
}
#else
static inline void pv_walk_place_python(struct pv_walk *w, __u32 i, __u64 at)
{
	(void)w;
	(void)i;
	(void)at;
}

static inline void pv_walk_place_native(struct pv_walk *w, __u32 i, __u64 at)
{
	(void)w;
	(void)i;
	(void)at;
}
#endif

static inline __u64 pv_mix(__u64 hash, __u64 value)
{
	hash ^= value;
	hash *= 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/*
 * Should this sample be skipped?  Very deep stacks at high rates would leave the
 * target no time: samples may take a quarter of a CPU's time at most.
 */
static inline bool pv_walk_spare(const struct pv_walk *w, __u64 now_ns)
{
	return now_ns < w->last_end_ns + 3 * w->mean_cost_ns;
}

/*
 * Keeps the mean cost, since a single sample may look dear because our CPU was
 * taken away meanwhile; for the same reason one counts as 2 ms at most.
 */
static inline void pv_walk_end(struct pv_walk *w, __u64 now_ns)
{
	__u64 cost = now_ns - w->sample.time_ns;

	if (cost > PV_WALK_COST_MAX)
		cost = PV_WALK_COST_MAX;
	w->mean_cost_ns = (7 * w->mean_cost_ns + cost) / 8;
	w->last_end_ns = now_ns;
}

/* Everything that must not survive from the last sample of this scratch. */
static inline void pv_walk_begin(struct pv_walk *w)
{
	__u32 i;

	w->serial++;
	w->sample.flags = 0;
	w->sample.n_kernel = w->sample.n_native = w->sample.n_python = w->sample.n_runs = 0;
	w->sample.py_loss = w->sample.nat_loss = 0;
	w->sample.task_state = 0;
	w->sample.fail_addr = 0;
	w->n_anchors = 0;
	w->next_anchor = 0;
	w->n_new = 0;
	w->in_window = 0;
	w->py_done = w->nat_done = 0;
	w->run_frames = 0;
	w->mapping.end = 0;
	w->exact = 1;
	for (i = 0; i < PV_WALK_STACK_BLOCKS; i++)
		w->stack_at[i] = 1;
}

/* Size of the finished record in bytes. */
static inline __u32 pv_walk_size(const struct pv_walk *w)
{
	return sizeof(w->sample) +
	       8 * (2 * (__u32)w->sample.n_python + w->sample.n_kernel + w->sample.n_native);
}

#endif
