/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All watched processes: those that the user named, and with `children` what
 * descends from them.  Input: side-band events, /proc.  Output: pv_watched by
 * process id, with images that the walkers have.
 */
#ifndef PV_SESSION_FAMILY_H
#define PV_SESSION_FAMILY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_codes;
struct pv_collect;
struct pv_family;
struct pv_objects;
struct pv_profile;
struct pv_side_event;
struct pv_watched;

/* None is owned; all outlive the family. */
struct pv_family_parts {
	struct pv_collect *collect;
	struct pv_objects *objects;
	struct pv_codes *codes;
	struct pv_profile *profile;
	bool children; /* descendants are watched, too */
	bool frames;   /* stacks begin with a frame of the process */
	bool tasks;    /* the names of asyncio tasks are wanted */
};

struct pv_err *pv_family_create(const struct pv_family_parts *parts, struct pv_family **ret);
void pv_family_destroy(struct pv_family *family);

/* A process that the user named; one that cannot be watched is an error. */
struct pv_err *pv_family_add(struct pv_family *family, pid_t pid);

/* Reads the named processes.  Needs nothing of the BPF side. */
struct pv_err *pv_family_read(struct pv_family *family);

/* Hands them, and with `children` all their descendants, to the BPF side. */
struct pv_err *pv_family_attach(struct pv_family *family);

/* Of those that were named the next one from *i on, from 0, that a signal has ended; or NULL. */
struct pv_watched *pv_family_killed(const struct pv_family *family, size_t *i);

/* The first that was named. */
struct pv_watched *pv_family_first(const struct pv_family *family);

/*
 * The one to look at if all are idle: a master that waits for its workers tells less than
 * they do, and what runs no Python less than what does; of those that are left the one that
 * used most CPU time, and then the first.  n_ret: of how many that have not ended.
 */
struct pv_err *pv_family_telling(const struct pv_family *family, struct pv_watched **ret,
				 uint32_t *n_ret);

/* True if all that were named have ended; one that has wakes nobody any more. */
struct pv_err *pv_family_ended(struct pv_family *family, bool *ret);

/* The process that a sample is of, of this generation; NULL: one that is not watched (any more). */
struct pv_err *pv_family_find(struct pv_family *family, pid_t pid, uint32_t generation,
			      uint64_t time_ns, struct pv_watched **ret);

/* The same without asking anybody; NULL: not known. */
struct pv_watched *pv_family_get(const struct pv_family *family, pid_t pid);

struct pv_err *pv_family_side(struct pv_family *family, const struct pv_side_event *event);

/* With parts.tasks: where the tasks of a process are, if asyncio has been imported meanwhile. */
struct pv_err *pv_family_look_for_tasks(struct pv_family *family, struct pv_watched *watched);

/* A sample met a mapping that no event has told of. */
struct pv_err *pv_family_look(struct pv_family *family, struct pv_watched *watched);

/*
 * It has run: if its interpreter was not to be found because it was not initialised yet,
 * the process is to be read again, at ever longer intervals.
 */
struct pv_err *pv_family_wait(struct pv_family *family, struct pv_watched *watched);

/* A sample met a page that is not resident. */
struct pv_err *pv_family_touch(struct pv_family *family, struct pv_watched *watched, uint64_t addr);

/*
 * Asks for the title of the program that a process runs, if that may have changed and
 * its frame is not told yet; not another program's, which it may have become.
 */
struct pv_err *pv_family_name(struct pv_family *family, struct pv_watched *watched);

/* Reads anew what has changed; cheap if nothing has. */
struct pv_err *pv_family_refresh(struct pv_family *family);

/* After each drain: touches pages, lets go of what has ended. */
struct pv_err *pv_family_rest(struct pv_family *family);

/* There is a change that could not be read yet: come back soon. */
bool pv_family_hurry(const struct pv_family *family);

/* CPU time is counted from here on, of processes born later from their birth. */
void pv_family_start_cpu(struct pv_family *family);

/* What all have used since then; wait: also those that have just ended, a moment later. */
uint64_t pv_family_cpu_ns(const struct pv_family *family, bool wait);

/* Brings all that the profile says of processes up to date. */
struct pv_err *pv_family_describe(struct pv_family *family);

#endif
