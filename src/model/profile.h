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
#include "base/index.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/loss.h"

struct pv_strings;

enum pv_loc_kind {
	PV_LOC_PYTHON = 0,
	PV_LOC_NATIVE = 1,
	PV_LOC_INLINED = 2,
	PV_LOC_KERNEL = 3,
	PV_LOC_MARKER = 4,  /* "[truncated]", "[gc]"; function holds the text with brackets */
	PV_LOC_THREAD = 5,  /* root frame of --threads; function holds "thread NAME (TID)" */
	PV_LOC_PROCESS = 6, /* the same for a process: "process NAME (PID)" */
	PV_LOC_LABEL =
		7, /* what runs the frames after it: "task NAME", "greenlet", "interpreter 1" */
};

/* One place in the code; all strings are ids of the profile's table. */
/* The function of kernel code whose name is not known. */
#define PV_KERNEL_UNNAMED "[unknown kernel]"

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
	uint32_t node;      /* leaf */
	uint32_t thread;    /* index into threads */
	uint64_t count;     /* samples */
	uint32_t last_tick; /* private: index into ticks + 1 */
};

/*
 * Samples of one stack and thread (one pv_sample) that fell into one slice of the
 * capture.  In the order of the slices; one sample may stand twice in a slice.
 */
struct pv_tick {
	uint32_t slice;  /* of slice_ns, from the capture's start */
	uint32_t sample; /* index into samples */
	uint32_t count;
};

/* One program run by one process: an exec begins another. */
struct pv_profile_process {
	uint32_t pid, parent_pid;
	uint32_t generation; /* 1, counts up with each exec */
	uint32_t name;       /* string id: comm, "python3" */
	uint32_t title; /* string id: what people call it, "gunicorn: worker [app:app]", "app.py" */
	uint32_t interpreter; /* string id: "CPython 3.11.2", "" if none */
	uint32_t problem;     /* string id: CPython is there but cannot be read: why; or "" */
	uint64_t samples;
};

struct pv_profile_thread {
	uint32_t process; /* index into processes */
	uint32_t pid, tid;
	uint32_t name; /* string id */
	uint64_t samples;
};

/* A file of native code that frames name.  pv_loc.module is its name. */
struct pv_module {
	uint32_t name; /* string id, unique: "libc.so.6", "random/_common.so" if two would clash */
	uint32_t path; /* string id, as the process sees it */
	uint32_t build_id; /* string id: hexadecimal, "" if it has none */
};

/* Where an interpreter's library is, as code of it says: "/usr", "/srv/venv". */
struct pv_prefix {
	uint32_t file; /* string id of a path that begins with it */
	uint32_t n;    /* so many bytes */
};

/* The text of a source file, as it was when it was first seen in a stack. */
struct pv_source {
	uint32_t file; /* string id, as in pv_loc.file */
	bool changed;  /* may be newer than what the process read */
	char *text;    /* owned, NUL-terminated; any bytes */
	size_t n;
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
	uint64_t gc;          /* samples in a collection of the garbage collector */
};

/* Where an idle target waited at the end; its texts are for people (base/text.h). */
struct pv_waiting {
	uint32_t function;    /* string id: "epoll_wait" */
	uint32_t place;       /* string id: "app.py:41", "" if there is no Python */
	uint32_t thread;      /* string id: the thread's name */
	uint32_t tid;         /* 0: not known, and so all of it */
	uint32_t n_others;    /* threads of the process but this one */
	uint32_t pid;         /* of the process; 0: the first that was asked for */
	uint32_t n_processes; /* of which it is one; 0 and 1: there was no other */
	bool stopped;         /* by a signal: it does not wait for anything */
};

struct pv_profile {
	struct pv_strings *strings;
	struct pv_vec locs;      /* struct pv_loc */
	struct pv_vec nodes;     /* struct pv_stack_node */
	struct pv_vec samples;   /* struct pv_sample */
	struct pv_vec threads;   /* struct pv_profile_thread */
	struct pv_vec processes; /* struct pv_profile_process */
	struct pv_vec ticks;     /* struct pv_tick; empty: times are not known */
	struct pv_vec modules;   /* struct pv_module */
	struct pv_vec sources;   /* struct pv_source */
	struct pv_vec prefixes;  /* struct pv_prefix, each once */

	bool has_spawned; /* children that multiprocessing starts, for pv_loc_is_own() */

	/* private indices of the functions below */
	struct pv_index node_index, sample_index;
	struct pv_map loc_index, thread_index, process_index, module_index, source_index;

	/* the capture */
	uint32_t target_name; /* string id: process name or command */
	uint32_t title;       /* string id: what people call it, see pv_profile_process */
	uint32_t pid;         /* of the first process that was asked for */
	uint32_t interpreter; /* string id: "CPython 3.11.2", "" if none */
	uint32_t problem;     /* string id: CPython is there but cannot be read: why; or "" */
	uint32_t engine;      /* string id: "bpf" */
	uint32_t host;        /* string id: name of the machine */
	uint32_t note;        /* string id: what a recording's reader says of it, ASCII, or "" */
	struct pv_waiting waiting;
	bool no_native; /* C time is counted as its Python caller's */
	bool no_kernel; /* kernel time is counted as its caller's */
	bool children;  /* descendants, or several processes: stacks begin with a process frame */
	bool ended;     /* the target ended, and so the capture */
	bool cut;       /* read from a recording that breaks off: totals are of what is there */
	uint64_t start_unix_ns; /* time of day at the start; 0 = not known */
	uint64_t slice_ns;      /* length of a pv_tick's slice; 0 = times are not known */
	uint32_t n_slices;
	uint64_t period_ns;     /* time that one sample stands for */
	uint64_t duration_ns;   /* wall time of the capture */
	uint64_t target_cpu_ns; /* CPU time of the target meanwhile, as the kernel says */
	/* child processes that are not recorded: their number, their CPU time meanwhile */
	uint64_t unwatched_cpu_ns;
	uint32_t n_unwatched;
	bool unwatched_least; /* both may be more: some have ended, or have lost their parent */
	uint64_t own_cpu_ns;  /* pitviper's own CPU time, start-up included */
	uint64_t probe_ns;    /* run time of the BPF programs, 0 = not measured */
	struct pv_quality quality;
	struct pv_losses losses;
};

struct pv_err *pv_profile_create(struct pv_profile **ret);
void pv_profile_destroy(struct pv_profile *profile);

/* Finds or adds. */
struct pv_err *pv_profile_loc(struct pv_profile *profile, const struct pv_loc *loc, uint32_t *ret);
struct pv_err *pv_profile_node(struct pv_profile *profile, uint32_t parent, uint32_t loc,
			       uint32_t *ret);
/*
 * Adds one that should be new without looking for it, which is most of the cost.  If
 * it is there already, it then stands twice in the tree.
 */
struct pv_err *pv_profile_new_node(struct pv_profile *profile, uint32_t parent, uint32_t loc,
				   uint32_t *ret);
/* By pid and generation; the other fields of a process that is known are overwritten. */
struct pv_err *pv_profile_process(struct pv_profile *profile,
				  const struct pv_profile_process *process, uint32_t *ret);
struct pv_err *pv_profile_thread(struct pv_profile *profile, uint32_t process, uint32_t tid,
				 const char *name, uint32_t *ret);
/* By name; a module that is known stays as it is. */
struct pv_err *pv_profile_module(struct pv_profile *profile, const struct pv_module *module,
				 uint32_t *ret);

/* NULL: no such module; the name 0 is none. */
const struct pv_module *pv_profile_module_of(const struct pv_profile *profile,
					     const struct pv_loc *loc);

/* Copies the text; a file that is known stays as it is. */
struct pv_err *pv_profile_add_source(struct pv_profile *profile, uint32_t file, const char *text,
				     size_t n, bool changed);

/* Adds count samples to a stack of a thread (and to the thread's and the process's totals). */
struct pv_err *pv_profile_add(struct pv_profile *profile, uint32_t node, uint32_t thread,
			      uint64_t count);

/* The same with a time: a tick, too.  Slices may come a little out of order. */
struct pv_err *pv_profile_add_at(struct pv_profile *profile, uint32_t node, uint32_t thread,
				 uint32_t slice, uint32_t count);

/* To be called after the last pv_profile_add_at(): ticks in the order of their slices. */
void pv_profile_sort_ticks(struct pv_profile *profile);

/* Adds a sentence (without a full stop) to profile->note; "; " stands between two. */
struct pv_err *pv_profile_add_note(struct pv_profile *profile, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What was counted of the whole capture is not known of a part of it (pv_totals_known()). */
void pv_profile_forget_totals(struct pv_profile *profile);

/* Forgets nodes, samples and ticks; locations, threads and the rest stay. */
void pv_profile_forget_stacks(struct pv_profile *profile);

/*
 * By location: the first location of the same function (kind, function, file and
 * module equal).  ret: locs.n entries, owned by the caller (free).
 */
struct pv_err *pv_profile_functions(const struct pv_profile *profile, uint32_t **ret);

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

/*
 * How many were on a CPU, by whatever number of programs they ran one after the
 * other: an exec makes neither another process nor another thread.
 */
struct pv_tasks {
	uint32_t processes, threads;
};
struct pv_err *pv_profile_tasks(const struct pv_profile *profile, struct pv_tasks *ret);

/* Samples by the kind of their leaf frame: python, native (with inlined), kernel. */
struct pv_layers {
	uint64_t python, native, kernel, other;
};
struct pv_layers pv_profile_layers(const struct pv_profile *profile);

#endif
