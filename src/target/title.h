/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people call a process: "gunicorn: worker [app:app]", "app.py",
 * "-m http.server", "sh".  Input: /proc/PID/cmdline, which is the process's own
 * memory and may hold anything.  Output: short printable text.
 */
#ifndef PV_TARGET_TITLE_H
#define PV_TARGET_TITLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum { PV_TITLE_BYTES = 160 }; /* with the NUL */

/* The words by which a command can be named; parts that it lacks are "". */
struct pv_command_words {
	/* base name of the first argument; of a title that it set, what stands before the colon */
	char program[PV_TITLE_BYTES];
	char script[PV_TITLE_BYTES]; /* Python: base name of the script, or the module's name */
	char title[PV_TITLE_BYTES];
};

/*
 * cmdline: n bytes, each argument ended by a NUL.  name: the process's own name
 * (comm), the title of last resort.  Control characters become '?'.
 */
void pv_command_words(const char *cmdline, size_t n, const char *name,
		      struct pv_command_words *ret);

/* Of a live process; PV_ERR_NOPROC if it is gone. */
struct pv_err *pv_process_words(pid_t pid, const char *name, struct pv_command_words *ret);

#endif
