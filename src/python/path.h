/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way from a thread pointer to the frame of the Python function that the thread runs,
 * as a chain of pointers: so short that a probe can follow it.  Input: struct pv_proc.
 * Output: offsets.
 */
#ifndef PV_PYTHON_PATH_H
#define PV_PYTHON_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "abi/native.h"

struct pv_mem;
struct pv_proc;

/*
 * at = thread pointer; for each offset: at = *(at + offset); 0 on the way: the thread runs no
 * Python.  ret: PV_NATIVE_PATH_MAX entries; how many are used, 0: there is no such way (2.7,
 * an unknown C library).
 */
size_t pv_python_frame_path(struct pv_mem *mem, const struct pv_proc *proc, int64_t *ret);

#endif
