/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what the user calls a process to its number.  Input: "4127", "gunicorn",
 * "app.py"; all processes of the machine.  Output: process ids.
 */
#ifndef PV_SESSION_RESOLVE_H
#define PV_SESSION_RESOLVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

/*
 * Appends the processes that word means to pids (pid_t), but for those that are
 * there.  A name is that of the process, of its program, of the script or module
 * that a Python runs, or what stands before the colon of a title.  Several are
 * fine if one is the ancestor of all others, and `one` is false; else
 * PV_ERR_USAGE, with a list of them that tells the topmost.  None: PV_ERR_NOPROC.
 */
struct pv_err *pv_resolve(const char *word, bool one, struct pv_vec *pids);

#endif
