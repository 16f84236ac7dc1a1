/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture on one page: a pull loop.  pv_session_step() drains the source,
 * merges, symbolises, and the profile grows.  Input: processes.  Output: a
 * pv_profile.
 */
#ifndef PV_SESSION_SESSION_H
#define PV_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_output;
struct pv_profile;
struct pv_session;
struct pv_snapshot;
struct pv_str;

struct pv_session_options {
	const pid_t *pids; /* the processes; not owned, must outlive the session; or */
	size_t n_pids;
	char *const *argv;      /* a program to start */
	bool children;          /* descendants, too, those that are there and those to come */
	unsigned int frequency; /* samples a second of CPU time, 1 to 100000 */
	bool threads;           /* a root frame per thread */
	bool tasks;             /* names of asyncio tasks */
	bool no_native, no_kernel;
	bool no_source; /* no text of the source files */
	/* grows into the recording while the capture runs; not owned; NULL = none is kept */
	struct pv_output *recording;
	bool others; /* outputs that shall have everything even if the recording breaks off */
};

/* How the end of a capture came about. */
enum pv_session_end {
	PV_SESSION_RUNS,
	PV_SESSION_TARGET_ENDED,
};

/* What the start found, for a first line to the user. */
struct pv_session_facts {
	pid_t pid;                /* the first that was named, of which is all that follows */
	const char *name;         /* of the process */
	const char *interpreter;  /* "CPython 3.11.2", ""; after the stop of any of the processes */
	const char *python_error; /* CPython is there but cannot be read: why; or NULL */
	bool no_native;           /* C time is counted as its Python caller's */
	bool ended;               /* the process has ended */
	double attach_ms;         /* from create to the events being on */
	double first_sample_ms;   /* from create to the first sample's tick; < 0: none */
	uint64_t map_bytes;       /* of the BPF maps */
	int recording_errnum;     /* the recording broke off by this, but not the capture; else 0 */
};

/* Checks the targets, builds their tables, loads, attaches.  The capture runs. */
struct pv_err *pv_session_create(const struct pv_session_options *options, struct pv_session **ret);
void pv_session_destroy(struct pv_session *session);

/* Waits up to timeout_ms, takes what has come; end_ret tells if all that were named are gone. */
struct pv_err *pv_session_step(struct pv_session *session, int timeout_ms,
			       enum pv_session_end *end_ret);

/* Wakes pv_session_step() when fd is readable. */
struct pv_err *pv_session_watch(struct pv_session *session, int fd);

/* Detaches: from here on nothing is sampled.  Once, and before what follows. */
struct pv_err *pv_session_end(struct pv_session *session);

/* Puts into the profile where the first that was named waits, if it was idle and is there. */
struct pv_err *pv_session_look_where_it_waits(struct pv_session *session);

/*
 * Takes the rest and fills in the totals of the profile.  What kept the rest from
 * being recorded, such as a full disk, is cut_ret, the caller's to own (NULL:
 * nothing); the profile then has what came before.
 */
struct pv_err *pv_session_stop(struct pv_session *session, struct pv_err **cut_ret);

/*
 * After the stop: the capture as a recording that stays, for when an output cannot be written:
 * "STEM.pvr" or the like in $TMPDIR, or else in /var/tmp; appends its path.  Only where no
 * recording was asked for, or that one broke off (recording_errnum).
 */
struct pv_err *pv_session_keep(struct pv_session *session, const char *stem, struct pv_str *path);

const struct pv_profile *pv_session_profile(const struct pv_session *session);
struct pv_session_facts pv_session_facts(const struct pv_session *session);

/*
 * A process that was named and that a signal has ended, as far as that is known: the next one
 * from *i on, from 0.  False: there is no more.
 */
struct pv_session_killed {
	pid_t pid;
	const char *name;
	int signal;
};
bool pv_session_killed(const struct pv_session *session, size_t *i, struct pv_session_killed *ret);

/* Samples of which nothing was kept, so far. */
struct pv_err *pv_session_lost(struct pv_session *session, uint64_t *ret);

/* Waits until the first that was named ends (ended_ret) or fd, if not -1, is readable. */
struct pv_err *pv_session_wait(struct pv_session *session, int fd, bool *ended_ret);

/* For a program that we started: its exit status, 128 + signal; the signal that ended it, or 0. */
struct pv_err *pv_session_wait_program(struct pv_session *session, int *status_ret,
				       int *signal_ret);

/*
 * Every thread's stack now; no capture is needed.  tasks: with the tasks that run, and from
 * CPython 3.14 on all others.
 */
struct pv_err *pv_session_snapshot(pid_t pid, bool tasks, struct pv_snapshot *ret);

#endif
