/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who held how many of the types that rise, amid a hunt: what is held by many places is credited to
 * the one that has taken more since, not to the one that has most.  Input: a process, the looks so
 * far.  Output: counts by path, to be compared at the end.
 */
#ifndef PV_SESSION_HELDBEFORE_H
#define PV_SESSION_HELDBEFORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "heap/holders.h"
#include "heap/names.h"

struct pv_memory;

/* Zeros: not yet. */
struct pv_held_before {
	struct pv_vec holders;      /* struct pv_held_path */
	struct pv_map index, types; /* of a path; addresses of types -> CLOCK_MONOTONIC, ns */
	bool looked;
};

struct pv_held_path {
	double objects; /* of all of the type, as far as those that were looked at tell */
	uint64_t used;  /* of the bounded container that it leads through */
};

/*
 * Looks at the types that rise so far, once, when it is time for that in a hunt that began at
 * start_ns (CLOCK_MONOTONIC) and is to last for plan_ns.  After a small part of that, or two
 * seconds, no other type is begun, and after as long again the last one is broken off: what is not
 * whole is forgotten.  Nor is any once fd is readable (-1: none).  No lost references are looked
 * for.
 */
struct pv_err *pv_held_before_look(pid_t pid, uint64_t start_ns, uint64_t plan_ns, int fd,
				   const struct pv_memory *memory, struct pv_held_before *before);
void pv_held_before_deinit(struct pv_held_before *before);

/* False: the type was not looked at; what was not there then had none. */
bool pv_held_before_get(const struct pv_held_before *before, uint64_t type, uint64_t path,
			struct pv_held_path *ret, uint64_t *at_ns_ret);

/* So many objects each group of names has (n: groups; owned by the caller). */
struct pv_err *pv_held_count(const struct pv_holders *found, const struct pv_names *names,
			     uint64_t **ret);

#endif
