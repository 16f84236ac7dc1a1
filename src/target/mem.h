/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_mem: the only way for host code to read a target: a live process,
 * a core file, a recorded fixture.  A read gives all n bytes or fails.
 */
#ifndef PV_TARGET_MEM_H
#define PV_TARGET_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_mem {
	/* 0, or a negative errno; dst is undefined after a failure. */
	int (*read)(struct pv_mem *mem, void *dst, size_t n, uint64_t addr);
	void (*destroy)(struct pv_mem *mem);
};

static inline int pv_mem_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	return mem->read(mem, dst, n, addr);
}

static inline int pv_mem_read_u64(struct pv_mem *mem, uint64_t addr, uint64_t *ret)
{
	return mem->read(mem, ret, sizeof(*ret), addr);
}

static inline int pv_mem_read_u32(struct pv_mem *mem, uint64_t addr, uint32_t *ret)
{
	return mem->read(mem, ret, sizeof(*ret), addr);
}

/* NULL is fine. */
void pv_mem_destroy(struct pv_mem *mem);

/* A live process, by process_vm_readv (no stop, no ptrace attach). */
struct pv_err *pv_mem_live_create(pid_t pid, struct pv_mem **ret);

/*
 * The same by /proc/PID/mem, which also reads what the process itself may not (PROT_NONE),
 * and takes longer.  It needs the right to ptrace.
 */
struct pv_err *pv_mem_forced_create(pid_t pid, struct pv_mem **ret);

/*
 * Wraps another pv_mem (not owned) and records every byte that was read.
 * pv_mem_recorder_write() writes them as a fixture: text lines
 * "ADDR: hex bytes", sorted, merged, readable in review.
 */
struct pv_err *pv_mem_recorder_create(struct pv_mem *inner, struct pv_mem **ret);
struct pv_err *pv_mem_recorder_write(struct pv_mem *recorder, const char *path);

/*
 * A recorded fixture; reads outside it fail with -EFAULT.  With fail_nth > 0
 * the nth read (from 1, counted from this call) fails, so that tests can let
 * each fail in turn;
 * pv_mem_fixture_reads() tells how many reads there were since.
 */
struct pv_err *pv_mem_fixture_create(const char *path, struct pv_mem **ret);
void pv_mem_fixture_fail(struct pv_mem *fixture, unsigned int fail_nth);
unsigned int pv_mem_fixture_reads(const struct pv_mem *fixture);

#endif
