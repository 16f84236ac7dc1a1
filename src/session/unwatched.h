/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPU time of child processes that are not recorded.  Input: /proc.
 * Output: a sum; nothing of those processes is touched.
 */
#ifndef PV_SESSION_UNWATCHED_H
#define PV_SESSION_UNWATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_unwatched;

/* Of the descendants of recorded processes, since the first look. */
struct pv_unwatched_sum {
	uint32_t n; /* of those that were seen */
	uint64_t cpu_ns;
	/*
	 * Some have ended or changed their parent: there may have been more of them, with more
	 * time, since nobody may have waited for one.
	 */
	bool least;
};

/* pids: those that are recorded; copied. */
struct pv_err *pv_unwatched_create(const pid_t *pids, size_t n_pids, struct pv_unwatched **ret);
void pv_unwatched_destroy(struct pv_unwatched *unwatched);

/*
 * Looks at all processes of the machine; the first time tells from when on time
 * counts.  May be called as often as one likes: it looks when little enough of
 * the time is spent on it, or `now` is true.
 */
struct pv_err *pv_unwatched_look(struct pv_unwatched *unwatched, bool now,
				 struct pv_unwatched_sum *ret);

#endif
