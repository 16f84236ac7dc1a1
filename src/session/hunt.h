/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of `memory`: a ladder, cheap to dear, climbed as far as what is seen asks for.
 * Input: a process.  Output: a struct pv_memory.
 *
 * First it looks, and nothing is placed in the process: the trend, and a census again and
 * again.  Only if something rises are what extends the heap and all allocations of short bursts
 * watched; then who holds what grows.  Looks go on until the end.
 */
#ifndef PV_SESSION_HUNT_H
#define PV_SESSION_HUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/memory.h"

struct pv_hunt;

struct pv_hunt_options {
	pid_t pid;          /* the process; or */
	char *const *argv;  /* a program to start */
	double duration_s;  /* 0: until it is stopped, or the process ends */
	unsigned int rungs; /* of enum pv_rung, a bit each: these alone; 0: as needed */
	const char
		*holders; /* whose: a type's name or an address; NULL: of what grows; not owned */
	double budget;    /* CPUs that probes may take of the target's time */
	int stop_fd;      /* readable: no search for holders goes on; -1: none */
};

/* What the start found. */
struct pv_hunt_facts {
	pid_t pid;
	const char *name;        /* of the process */
	const char *interpreter; /* "CPython 3.11.2", "" */
	const char *doing;       /* static: "looking", "watching allocations" */
	size_t n_looks;          /* censuses so far */
	bool ended;
};

struct pv_err *pv_hunt_create(const struct pv_hunt_options *options, struct pv_hunt **ret);
void pv_hunt_destroy(struct pv_hunt *hunt);

struct pv_hunt_facts pv_hunt_facts(const struct pv_hunt *hunt);

/* Waits up to timeout_ms, or until fd is readable; does what is due.  ended_ret: it is over. */
struct pv_err *pv_hunt_step(struct pv_hunt *hunt, int timeout_ms, int fd, bool *ended_ret);

/*
 * The last looks; nothing is left in the process from here on.  stopped: by the user.  The
 * memory is the hunt's.
 */
struct pv_err *pv_hunt_finish(struct pv_hunt *hunt, bool stopped, const struct pv_memory **ret);

/* Waits until the process ends (ended_ret) or fd, if not -1, is readable. */
struct pv_err *pv_hunt_wait(struct pv_hunt *hunt, int fd, bool *ended_ret);

/* For a program that we started: its exit status, 128 + signal; the signal that ended it, or 0. */
struct pv_err *pv_hunt_wait_program(struct pv_hunt *hunt, int *status_ret, int *signal_ret);

#endif
