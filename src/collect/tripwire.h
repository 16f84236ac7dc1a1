/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watchpoints of the processor's on bytes of one process: a program runs after each read or
 * write of them, in whatever thread.  Nothing of the process is changed, and what does not touch
 * the bytes pays nothing.  They are in the debug registers, of which a thread has four.
 *
 * Everything is held by file descriptors of this process: when it dies, however it
 * dies, the kernel takes them away.
 */
#ifndef PV_COLLECT_TRIPWIRE_H
#define PV_COLLECT_TRIPWIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_tripwire;

/*
 * program_fd: a loaded program of type perf_event.  All threads are watched, and those that
 * they start, but no forked children.  Where the registers are taken or absent, and where
 * threads come too fast to be caught, it is PV_ERR_FAILED.
 */
struct pv_err *pv_tripwire_create(pid_t pid, int program_fd, const uint64_t *addresses, size_t n,
				  struct pv_tripwire **ret);
void pv_tripwire_destroy(struct pv_tripwire *tripwire);

/*
 * What a hit costs, in ns, measured on a byte of ours.  PV_ERR_FAILED also where the
 * processor does not tell of every hit, as some virtual machines' do not.
 */
struct pv_err *pv_tripwire_price(int program_fd, uint64_t *ret);

#endif
