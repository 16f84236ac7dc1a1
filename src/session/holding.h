/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a search for the holders of objects needs of a process, opened together: its
 * memory, its interpreter, its threads' registers.
 */
#ifndef PV_SESSION_HOLDING_H
#define PV_SESSION_HOLDING_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "heap/holders.h"

struct pv_heap;
struct pv_holding;

/* A process without CPython is PV_ERR_NOPROC. */
struct pv_err *pv_holding_open(pid_t pid, struct pv_holding **ret);
void pv_holding_close(struct pv_holding *holding);

/* Its objects, as they are now. */
struct pv_heap *pv_holding_heap(const struct pv_holding *holding);

/* heap/holders.h; a second search is as good as a first. */
struct pv_err *pv_holding_find(struct pv_holding *holding, const uint64_t *addresses, size_t n,
			       const struct pv_holders_options *options, struct pv_holders *ret);

#endif
