/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The image of one process as the walkers need it: its executable mappings
 * with object ids, and its interpreter.  Input: /proc/PID/maps, the objects,
 * the process's memory.  Output: plain data that collect/ puts into BPF maps
 * and snap/ walks with.
 */
#ifndef PV_SNAP_IMAGE_H
#define PV_SNAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/unwind.h"
#include "base/err.h"
#include "python/detect.h"
#include "snap/merge.h"

struct pv_objects;
struct pv_mem;

struct pv_image {
	pid_t pid;
	struct pv_mapping *mappings; /* sorted; segment and cell are still 0 */
	size_t n_mappings;
	struct pv_python python;       /* python.found */
	char *python_error;            /* a Python is there but cannot be read: why; owned */
	uint64_t python_ns;            /* CPU time that it took to find it, or to find none */
	bool python_pending;           /* because it is not initialised yet: look again */
	struct pv_merge_options merge; /* for samples of this process */
};

/*
 * A process that is gone is PV_ERR_NOPROC.  One without Python is fine.  known:
 * an earlier image of the same program, or NULL; an interpreter that is found
 * and still mapped where it was is not looked for again.
 */
struct pv_err *pv_image_build(pid_t pid, struct pv_objects *objects, struct pv_mem *mem,
			      const struct pv_image *known, struct pv_image *ret);
/* Finds the asyncio tasks of the process: python.proc.tasks; NONE: no asyncio yet. */
void pv_image_find_tasks(struct pv_image *image, struct pv_objects *objects, struct pv_mem *mem);

/*
 * Is this the extension module that exchanges stacks?  greenlet/_greenlet.*.so; before greenlet
 * 1.0 greenlet.*.so, of Python 2 greenlet.so.
 */
bool pv_image_is_greenlet(const char *path);

void pv_image_deinit(struct pv_image *image);

#endif
