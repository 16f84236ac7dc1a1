/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A struct pv_mem that keeps what it has read: for those who follow pointers through a large
 * heap.  Input: another pv_mem.  Output: its bytes, each as it was when its neighbourhood was
 * first asked for.
 */
#ifndef PV_HEAP_COPY_H
#define PV_HEAP_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "target/mem.h"

struct pv_maps;

/* inner is not owned.  bytes_max: of memory that it may use; beyond, what is oldest goes. */
struct pv_err *pv_copy_create(struct pv_mem *inner, uint64_t bytes_max, struct pv_mem **ret);

/*
 * The same, of a process: pages that were never touched are not read, -EFAULT, as reading them
 * would fill them in.  Those of files are as far as a private mapping of maps has them, as the
 * kernel may take them out of the process's tables: the texts of C code.  maps outlive it.
 */
struct pv_err *pv_copy_create_touched(struct pv_mem *inner, uint64_t bytes_max, pid_t pid,
				      const struct pv_maps *maps, struct pv_mem **ret);

/* What was read so far, also what is gone again. */
uint64_t pv_copy_bytes_read(const struct pv_mem *copy);

#endif
