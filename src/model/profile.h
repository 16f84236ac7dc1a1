/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_profile: a finished or growing profile as plain data: strings,
 * locations, a tree of stacks, samples by stack and thread, totals, and every
 * loss counted by cause.  Written by session/, read by out/ and cmd/.
 */
#ifndef PV_MODEL_PROFILE_H
#define PV_MODEL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/loss.h"

struct pv_strings;

enum pv_loc_kind {
	PV_LOC_PYTHON = 0,
	PV_LOC_NATIVE = 1,
	PV_LOC_INLINED = 2,
	PV_LOC_KERNEL = 3,
	PV_LOC_MARKER = 4,  /* "[truncated]"; function holds the text with brackets */
	PV_LOC_THREAD = 5,  /* root frame of --threads; function holds "thread NAME (TID)" */
	PV_LOC_PROCESS = 6, /* the same for a process: "process NAME (PID)" */
};

/* One place in the code; all strings are ids of the profile's table. */
struct pv_loc {
	uint32_t function; /* qualname, symbol, or marker text */
	uint32_t file;     /* full path of the source, 0 = unknown */
	uint32_t module;   /* "libc.so.6": base name of the object, 0 = none */
	int32_t line;      /* 0 or less = unknown */
	uint32_t kind;     /* enum pv_loc_kind */
};

/* A node of the stack tree; node 0 is the root (no location). */
struct pv_stack_node {
	uint32_t parent;
	uint32_t loc;   /* index into locs */
	uint32_t depth; /* root 0 */
};

/* Equal samples of one thread, counted. */
struct pv_sample {
	uint32_t node;   /* leaf */
	uint32_t thread; /* index into threads */
	uint64_t count;  /* samples */
};

struct pv_profile_thread {
	uint32_t pid, tid;
	uint32_t name; /* string id */
	uint64_t samples;
};

/* How much of what was seen can be trusted. */
struct pv_quality {
	uint64_t samples;   /* taken, all of them */
	uint64_t complete;  /* thread's start natively and outermost Python frame (or no Python) */
	uint64_t truncated; /* shown with a marker */
	uint64_t marked;    /* Python half not shown, because it could be wrong */
	uint64_t bridged;   /* native frames are missing before a Python frame, marked */
	uint64_t with_python; /* samples with at least one Python frame */
	uint64_t kernel;      /* samples whose leaf is in the kernel */
};

struct pv_profile {
	struct pv_strings *strings;
	struct pv_vec locs;    /* struct pv_loc */
	struct pv_vec nodes;   /* struct pv_stack_node */
	struct pv_vec samples; /* struct pv_sample */
	struct pv_vec threads; /* struct pv_profile_thread */

	/* private indices of the functions below */
	struct pv_map loc_index, node_index, sample_index, thread_index;

	/* the capture */
	uint32_t target_name; /* string id: process name or command */
	uint32_t pid;
	uint32_t interpreter;   /* string id: "CPython 3.11.2", "" if none */
	uint32_t engine;        /* string id: "bpf" */
	uint64_t period_ns;     /* time that one sample stands for */
	uint64_t duration_ns;   /* wall time of the capture */
	uint64_t target_cpu_ns; /* CPU time of the target meanwhile, as the kernel says */
	uint64_t own_cpu_ns;    /* pitviper's own CPU time, start-up included */
	uint64_t probe_ns;      /* run time of the BPF programs, 0 = not measured */
	struct pv_quality quality;
	struct pv_losses losses;
};

struct pv_err *pv_profile_create(struct pv_profile **ret);
void pv_profile_destroy(struct pv_profile *profile);

/* Finds or adds. */
struct pv_err *pv_profile_loc(struct pv_profile *profile, const struct pv_loc *loc, uint32_t *ret);
struct pv_err *pv_profile_node(struct pv_profile *profile, uint32_t parent, uint32_t loc,
			       uint32_t *ret);
struct pv_err *pv_profile_thread(struct pv_profile *profile, uint32_t pid, uint32_t tid,
				 const char *name, uint32_t *ret);

/* Adds count samples to a stack of a thread (and to the thread's total). */
struct pv_err *pv_profile_add(struct pv_profile *profile, uint32_t node, uint32_t thread,
			      uint64_t count);

/*
 * Self and total samples by function (kind, function, file and module equal;
 * lines joined), sorted by self.  Recursion counts once in total; thread and
 * process frames are left out.  ret: struct pv_hot[], owned by the caller (free).
 */
struct pv_hot {
	uint32_t loc;         /* one location of that function */
	uint64_t self, total; /* samples */
};
struct pv_err *pv_profile_hottest(const struct pv_profile *profile, struct pv_hot **ret,
				  size_t *n_ret);

/* Samples by the kind of their leaf frame: python, native (with inlined), kernel. */
struct pv_layers {
	uint64_t python, native, kernel, other;
};
struct pv_layers pv_profile_layers(const struct pv_profile *profile);

#endif
