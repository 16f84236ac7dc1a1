/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_proc: what the walkers need to know of one program in one process.
 * Written by collect/ (or snap/), read by the walkers; only `reanchor_*` is
 * written by the native walker, which learns it.  A forked child has its
 * parent's until its own mappings change.
 */
#ifndef PV_ABI_PROCESS_H
#define PV_ABI_PROCESS_H

#include "abi/layout.h"
#include "abi/asyncio.h"
#include "abi/types.h"

enum {
	PV_EVAL_RANGES_MAX = 4,
	PV_INLINED_MAX = 16,
	PV_WATCHED_MAX = 16384,
	PV_GENERATION_FIRST = 1, /* pv_watch.generation of what user space adds */
};

/*
 * A process that is sampled, as the kernel's side keeps it: user space adds and
 * removes, forks and execs are taken in at once.
 */
struct pv_watch {
	__u32 generation; /* which program: one more with each exec; a child goes on counting */
	__u32 origin;     /* tgid whose process entry of this generation a child has; 0: its own */
	__u32 parent;     /* tgid that it was forked from; 0: added by user space */
	__u32 follow;     /* its children are watched, too */
	__u64 ended_ns;   /* CPU time of all its threads from its birth on; once it is freed */
	__u32 freed;      /* its first thread is, and so all of it */
	__u32 exit_code;  /* once it is freed, as wait() has it: the lowest 7 bits are a signal */
};

struct pv_program {
	__u32 tgid, generation;
};

/* glibc's dynamic thread vector: its pointer in the thread control block, its entries' size. */
enum {
	PV_DTV_POINTER = 8,
	PV_DTV_ENTRY = 16,
};

/* What a BPF program cost: its own clock readings, without the kernel's way to it. */
struct pv_cost {
	__u64 runs;
	__u64 ns;
};

struct pv_range {
	__u64 start, end; /* end exclusive */
};

struct pv_proc {
	__u32 generation; /* exec generation that it is of; a sample's own is pv_watch's */
	__u32 maps_first; /* index of the first mapping in the mappings array */
	__u32 maps_n;
	__u32 has_python; /* 0: native and kernel stacks only */

	/* CPython */
	__u64 runtime;      /* address of _PyRuntime; see rt_* of py */
	__u64 code_type;    /* &PyCode_Type */
	__u64 bytes_type;   /* &PyBytes_Type, 2.7: &PyString_Type */
	__u64 unicode_type; /* of names: &PyUnicode_Type, 2.7: &PyString_Type */
	struct pv_range eval[PV_EVAL_RANGES_MAX]; /* hot part first; empty = unused */
	struct pv_range torn; /* 3.11, 3.12: the frame-switch window in eval's prologue */
	/*
	 * 3.11, 3.12: the same where a call runs inlined: the new frame is published
	 * before its previous or its caller's instruction is stored.  Empty = unused.
	 */
	struct pv_range inlined[PV_INLINED_MAX];

	/* glibc: offsets in struct pthread for pthread_getspecific() */
	__u16 pthread_specific;  /* struct pthread.specific (0x510 in glibc 2.36) */
	__u16 pthread_key_size;  /* sizeof(struct pthread_key_data) = 16 */
	__u16 pthread_key_data;  /* offset of .data in it = 8 */
	__u16 pthread_key_block; /* keys in one second-level block = 32 */

	/* from eval's code, or learned by the native walker, see PV_LOSS_REANCHOR */
	__s32 reanchor_cfa;    /* CFA - anchor, 0 = not learned, -1 = refused */
	__s32 reanchor_rbp;    /* offset of the saved rbp from the CFA, in words; 0: unchanged */
	__u64 reanchor_pc;     /* a pc of that eval frame */
	__s32 reanchor_cframe; /* 3.12: anchor - _PyCFrame of the same eval frame; 0 = not learned,
				  -1 = refused */
	__u32 eval_row; /* learned: how the CFA is found in eval's body, see walk/native.h; 0 = not
			   yet */

	/*
	 * PV_OWN_TLS: where _Py_tss_gilstate is.  Module 0: tls_offset from the thread
	 * pointer; else from the thread's block of that module, by its dtv (glibc).
	 */
	__u64 tls_module;
	__s64 tls_offset;

	/* Counts up with each entry that is ever written: whose rows walk/native.h remembers. */
	__u64 serial;

	struct pv_pylayout py;
	struct pv_asyncio tasks; /* kind is 0 unless they are wanted */
};

#endif
