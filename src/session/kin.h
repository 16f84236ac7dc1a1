/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_family, shared by its files only: family.c (who belongs to it),
 * births.c (what happens to them), images.c (what they run).
 */
#ifndef PV_SESSION_KIN_H
#define PV_SESSION_KIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/vec.h"
#include "session/family.h"
#include "session/watched.h"

enum { PV_KIN_FREED_NS = 1000000000 }; /* the kernel is waited for */

struct pv_family {
	struct pv_family_parts parts;
	struct pv_vec all;     /* struct pv_watched * */
	struct pv_map by_pid;  /* pid -> struct pv_watched * */
	struct pv_map threads; /* tid -> pid */
	struct pv_map numbers; /* pid -> programs that other processes of this number have run */
	struct pv_vec stale, touched, ended; /* pid_t: those that have something to be done */
	bool lost;                           /* side-band events were lost */
	uint64_t ended_cpu_ns;               /* CPU time of those that were let go */
};

static inline struct pv_watched *pv_kin_at(const struct pv_family *family, size_t i)
{
	return *(struct pv_watched **)pv_vec_at(&family->all, i);
}

/* Takes ownership, also on failure. */
struct pv_err *pv_kin_insert(struct pv_family *family, struct pv_watched *watched);

/* One that the BPF side watches, and that no event has told of; NULL: it does not. */
struct pv_err *pv_kin_adopt(struct pv_family *family, pid_t pid, struct pv_watched **ret);

/*
 * Makes a process known to the BPF side, from where on that counts its execs.  Where
 * that has no room a named one is an error, any other is counted.
 */
struct pv_err *pv_kin_hand_over(struct pv_family *family, struct pv_watched *watched);

/* CPU time since the capture began; false: it has just gone, and that is not told yet. */
bool pv_kin_cpu_ns(const struct pv_family *family, struct pv_watched *watched, uint64_t *ret);

/* Its image is to be read again. */
struct pv_err *pv_kin_set_stale(struct pv_family *family, struct pv_watched *watched);

/* All its threads are at their end. */
struct pv_err *pv_kin_set_ended(struct pv_family *family, struct pv_watched *watched);

struct pv_err *pv_kin_thread_born(struct pv_family *family, struct pv_watched *watched, pid_t tid);

/* Counts the threads that a process has now; one that has none has ended. */
struct pv_err *pv_kin_find_threads(struct pv_family *family, struct pv_watched *watched);

#endif
