/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory behind a process's mappings, from /proc/PID/smaps. */
#ifndef PV_TARGET_SMAPS_H
#define PV_TARGET_SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

enum pv_smap_kind {
	PV_SMAP_ANON,  /* no name: mmap, stacks of threads */
	PV_SMAP_HEAP,  /* "[heap]" */
	PV_SMAP_STACK, /* "[stack]", of the main thread */
	PV_SMAP_OTHER, /* "[vdso]", "[vvar]" ...: the kernel's */
	PV_SMAP_FILE,  /* a file, or shared memory */
};

struct pv_smap {
	uint64_t start, end;       /* end exclusive */
	bool writable, accessible; /* accessible: any of r, w, x */
	enum pv_smap_kind kind;
	uint64_t resident_bytes; /* in memory, shared ones too */
	uint64_t swapped_bytes;
};

/*
 * Replaces entries (struct pv_smap, by start) by those of the process.  The kernel walks all
 * page tables for it, some ms a GB.
 */
struct pv_err *pv_smaps_read(pid_t pid, struct pv_vec *entries);

/* The same of a text; false: it is not one of these. */
struct pv_err *pv_smaps_parse(const char *text, struct pv_vec *entries, bool *ret);

/* Resident bytes of the process as the kernel counts them (statm). */
struct pv_err *pv_smaps_rss(pid_t pid, uint64_t *ret);

/*
 * The stack pointer of a thread that waits in the kernel, from /proc/PID/task/TID/syscall;
 * false: it runs, or is gone, or must not be asked.
 */
bool pv_smaps_stack_pointer(pid_t pid, pid_t tid, uint64_t *ret);

#endif
