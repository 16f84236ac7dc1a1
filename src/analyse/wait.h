/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a process waits: of an idle target the answer is not its CPU time but this. */
#ifndef PV_ANALYSE_WAIT_H
#define PV_ANALYSE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct pv_profile;
struct pv_snapshot;

/* Texts are for people; "" is not known. */
struct pv_wait {
	bool found;
	bool stopped;           /* by a signal: it does not wait for anything */
	struct pv_str function; /* "epoll_wait" */
	struct pv_str place;    /* "app.py:41": the innermost own Python line, else the innermost */
	struct pv_str thread;   /* name of the thread */
	bool main;              /* it is the main thread */
	uint32_t tid;
	uint32_t n_others;    /* threads but this one */
	uint32_t pid;         /* of its process, */
	uint32_t n_processes; /* which is one of so many */
	bool is_there;        /* it has just been looked at, so that one can look again */
};

/* Of the main thread, or if that one runs or was not seen whole, of the first that waits. */
struct pv_err *pv_wait_of(const struct pv_snapshot *snapshot, struct pv_wait *ret);

/* Into a profile, and back; from a recording it may be anybody's. */
struct pv_err *pv_wait_put(const struct pv_wait *wait, struct pv_profile *profile);
struct pv_err *pv_wait_get(const struct pv_profile *profile, struct pv_wait *ret);
void pv_wait_deinit(struct pv_wait *wait);

#endif
