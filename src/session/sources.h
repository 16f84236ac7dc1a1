/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of the Python files that stacks name, read at first sight, while it
 * is most likely still the text that runs.  Input: a profile that grows.
 * Output: its sources; what is too much is counted in its losses.
 */
#ifndef PV_SESSION_SOURCES_H
#define PV_SESSION_SOURCES_H

#include <sys/types.h>

#include "base/err.h"

enum {
	PV_SOURCE_FILE_MAX = 2 << 20, /* bytes of one file */
	PV_SOURCE_ALL_MAX = 64 << 20, /* of all */
};

struct pv_profile;
struct pv_sources;

/* profile is not owned and must outlive the sources. */
struct pv_err *pv_sources_create(struct pv_profile *profile, struct pv_sources **ret);
void pv_sources_destroy(struct pv_sources *sources);

/*
 * To be called after each stack of process pid: reads the files of locations
 * that have come since the last call.  NULL sources: nothing is read.
 */
struct pv_err *pv_sources_take(struct pv_sources *sources, pid_t pid);

#endif
