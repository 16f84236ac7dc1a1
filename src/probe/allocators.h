/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places for probes on allocators: functions of C's, the pools of CPython's.  Input: ELF objects,
 * untrusted.  Output: places with the cookies that bpf/allocs.bpf.c reads.
 */
#ifndef PV_PROBE_ALLOCATORS_H
#define PV_PROBE_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_allocators;
struct pv_elf;
struct pv_native_code;

struct pv_alloc_place {
	uint64_t vaddr;  /* ELF virtual address */
	uint64_t offset; /* the same, bytes into the file */
	uint64_t cookie; /* abi/allocs.h */
};

/* Has an object a malloc() of its own? */
bool pv_alloc_has_malloc(const struct pv_elf *elf);

/* Where an object keeps the address of the malloc() that it calls, as ELF virtual address; 0: it
 * calls none, or its own. */
uint64_t pv_alloc_slot(const struct pv_elf *elf);

/*
 * Entries and ends of all functions that allocate or free in an object that has malloc().
 * mappings: mmap() and munmap(), too.  places: struct pv_alloc_place, each once.  n_lost_ret: ways
 * out and functions that cannot be probed.
 */
struct pv_err *pv_alloc_c_places(const struct pv_native_code *code, bool mappings,
				 struct pv_vec *places, size_t *n_lost_ret);

/* Of the interpreter: where blocks are taken and given back; pools: where new pools are taken. */
struct pv_err *pv_alloc_python_places(const struct pv_native_code *code,
				      const struct pv_allocators *allocators, bool pools,
				      struct pv_vec *places);

/* The same of those places alone where blocks are taken that wants() says yes to. */
struct pv_err *pv_alloc_python_takes(const struct pv_native_code *code,
				     const struct pv_allocators *allocators,
				     bool (*wants)(void *ctx, uint64_t vaddr), void *ctx,
				     struct pv_vec *places);

#endif
