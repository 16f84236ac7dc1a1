/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where pitviper and a process are: namespaces (namespaces(7)) and roots.
 * Input: /proc.  Output: facts, and whether numbers of processes mean what we think.
 */
#ifndef PV_TARGET_PLACE_H
#define PV_TARGET_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Are we in another PID namespace than the host's, or user namespace?  In doubt no. */
bool pv_place_own_pids(void);
bool pv_place_own_users(void);

/*
 * Has /proc the numbers of our PID namespace?  Where it has others (an `unshare --pid`
 * without a /proc of its own) it tells of one process what we would do to another.
 */
struct pv_err *pv_place_check(void);

/* How a process's place differs from ours. */
struct pv_place {
	bool other_mounts, other_pids, other_users;
	bool other_root; /* chroot, or other mounts */
	pid_t inner_pid; /* its number in its own, innermost PID namespace; 0: not known */
};

/* What cannot be read is as ours. */
void pv_place_of(pid_t pid, struct pv_place *ret);

#endif
