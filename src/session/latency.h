/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long calls of functions of one process take, Python or native, on one page.  Input: a
 * PID, names of functions.  Output: histograms, now and at the end.
 */
#ifndef PV_SESSION_LATENCY_H
#define PV_SESSION_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_latency;
struct pv_slow;

enum pv_latency_split {
	PV_LATENCY_SPLIT_NONE,
	PV_LATENCY_SPLIT_THREAD,
	PV_LATENCY_SPLIT_CALLER,
};

struct pv_latency_options {
	pid_t pid;
	const char *const *names; /* of functions; not owned */
	size_t n_names;
	enum pv_latency_split split;
	double budget;    /* CPUs that probes may take of the target's time */
	uint64_t over_ns; /* calls that take longer are counted apart; 0: none is */
	bool stacks;      /* and the stacks that they end on */
};

enum pv_latency_end {
	PV_LATENCY_RUNS,
	PV_LATENCY_TARGET_ENDED,
	PV_LATENCY_REPLACED, /* by exec: it is another program now */
	PV_LATENCY_BUDGET,   /* the probes cost the target more than the budget */
};

enum { PV_LATENCY_BUCKETS_N = 328 };

/* Calls of one function, of one thread or caller if they are told apart. */
struct pv_latency_calls {
	uint32_t function; /* index */
	uint64_t by;       /* thread id, or the caller: see pv_latency_caller(); 0: none */
	uint64_t calls, sum_ns, off_cpu_ns, max_ns;
	uint64_t over, over_sum_ns; /* of these the ones that took longer than over_ns */
	uint64_t untimed;           /* calls that are in none of these: the end was not seen */
	uint64_t buckets[PV_LATENCY_BUCKETS_N]; /* model/histogram.h */
};

/* What the function is called. */
struct pv_latency_name {
	const char *word; /* of the options; NULL: a caller */
	bool pattern;     /* the word means others, too */
	const char *qualname, *file;
	const char *module; /* of a Python function; may be NULL */
	uint32_t line;
	const char *library; /* of a native function; NULL: a Python one */
	uint64_t address;    /* ELF virtual address */
};

struct pv_latency_report {
	double elapsed_s;
	struct pv_vec rows; /* struct pv_latency_calls, by function, most calls first */
	uint64_t open;      /* calls under way */
	uint64_t unbegun;   /* calls whose beginning was not seen, from Python 3.12 on */
	uint64_t unended;   /* calls whose end was not seen: exceptions, longjmp */
	/* of native functions, the same, because where they return to was not known yet; because
	   no probe can be there; because of greenlets it may be another's call that returned */
	uint64_t unreturned, unplaced, doubtful;
	uint64_t replaced, no_room; /* calls that were not counted */
	uint64_t hits[2];           /* of probes, at emulated and at single-stepped places */
	uint64_t stacks_skipped,
		stacks_lost;   /* of calls over over_ns; by their rate, by other causes */
	uint64_t strangers;    /* hits in forked children, until they were freed */
	uint64_t prices_ns[2]; /* of a hit, measured on ourselves */
	double cost_cpus;      /* hits times prices in the time that was measured */
};

/* What the start found. */
struct pv_latency_facts {
	const char *interpreter; /* "CPython 3.11.2"; "": no Python function is watched */
	const char *name;        /* of the process */
	size_t n_functions, n_sites, n_stepped;
	size_t n_waiting; /* words whose library is not loaded yet */
	size_t n_refused; /* functions of patterns that cannot be probed */
	size_t known;     /* functions in the process */
	uint64_t swapped; /* bytes that were not looked through for functions */
	size_t n_large;   /* mappings that were not */
	double attach_ms;
};

/* Finds the functions, measures what a probe costs, attaches. */
struct pv_err *pv_latency_create(const struct pv_latency_options *options, struct pv_latency **ret);
void pv_latency_destroy(struct pv_latency *latency);

struct pv_latency_facts pv_latency_facts(const struct pv_latency *latency);
struct pv_latency_name pv_latency_name(const struct pv_latency *latency, size_t function);

/* A word whose library is not loaded yet; index < n_waiting. */
const char *pv_latency_waiting(const struct pv_latency *latency, size_t index);

/* What should be said at the start, a line each; NULL: nothing. */
const char *pv_latency_note(const struct pv_latency *latency);

/* The caller that a row names; false: it is none that is known. */
bool pv_latency_caller(const struct pv_latency *latency, const struct pv_latency_calls *row,
		       struct pv_latency_name *ret);

/* The stacks of slow calls, as of the last pv_latency_read(); NULL: they are not wanted. */
struct pv_slow *pv_latency_slow(const struct pv_latency *latency);

/* Waits up to timeout_ms, or until fd is readable; does what must be done at once. */
struct pv_err *pv_latency_step(struct pv_latency *latency, int timeout_ms, int fd,
			       enum pv_latency_end *end_ret);

/* No probe is left from here on. */
void pv_latency_stop(struct pv_latency *latency);

/* What was counted so far; rows are the caller's to free. */
struct pv_err *pv_latency_read(struct pv_latency *latency, struct pv_latency_report *ret);
void pv_latency_report_deinit(struct pv_latency_report *report);

#endif
