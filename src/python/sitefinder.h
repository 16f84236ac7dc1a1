/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for places in an interpreter's code, as sites.c and evalsites.c share it.  Input:
 * the interpreter's ELF object.  Output: struct pv_python_sites, piece by piece.
 */
#ifndef PV_PYTHON_SITEFINDER_H
#define PV_PYTHON_SITEFINDER_H

#include "elf/elf.h"
#include "insn/site.h"
#include "python/detect.h"
#include "python/sites.h"

struct pv_mem;

enum {
	PV_OPCODES = 256,       /* entries of the table of handlers */
	PV_HANDLER_BYTES = 256, /* as far as is looked */
};

struct pv_site_finder {
	const struct pv_python_module *module;
	const struct pv_python *python;
	const struct pv_opcode_places *places; /* sites.c; NULL: handlers are not looked for */
	uint64_t handlers[PV_OPCODES];         /* ELF virtual addresses; 0: none */
	uint64_t table;                        /* address in the process */
	size_t n_tables;                       /* different ones that look right */
	unsigned int frame_register, agree, stores;
	struct pv_python_sites *ret;
};

/* "cannot see the calls of the CPython ...: why" */
struct pv_err *pv_site_refuse(const struct pv_site_finder *f, const char *why);

bool pv_site_is_code(const struct pv_elf *elf, uint64_t vaddr);

/* Up to max bytes of code at vaddr; fewer at the end of the file's part. */
const uint8_t *pv_site_code(const struct pv_elf *elf, uint64_t vaddr, size_t max, size_t *n_ret);

/* One of eval's parts, as the file has it; NULL: there are no more.  *vaddr_ret: its address. */
const uint8_t *pv_site_eval(const struct pv_site_finder *f, size_t i, uint64_t *vaddr_ret,
			    size_t *n_ret);

/* Does anything in eval go on between the start of a place and its site? */
bool pv_site_jumped_into(const struct pv_site_finder *f, uint64_t start, uint64_t site);

struct pv_err *pv_site_add(struct pv_site_finder *f, enum pv_probe_kind kind, uint64_t start,
			   struct pv_insn_site site, uint8_t opcode);

/*
 * A function's entry, or where a call returns to (size 0); keep: the registers that hold its
 * arguments or result.
 */
struct pv_err *pv_site_add_function(struct pv_site_finder *f, enum pv_probe_kind kind,
				    uint64_t start, uint64_t size, unsigned int keep);

/* Where the calls of something return to. */
struct pv_site_calls {
	uint64_t target;
	uint64_t returns[PV_PYTHON_SITES_MAX];
	size_t n;
};

void pv_site_calls_in(const struct pv_site_finder *f, struct pv_range range,
		      struct pv_site_calls *calls);

/* In all functions: decoded from their start, since a probe within an instruction would break it.
 */
struct pv_err *pv_site_calls(const struct pv_site_finder *f, struct pv_site_calls *calls);

/* The function that begins there, as the unwind information has it. */
bool pv_site_range(const struct pv_site_finder *f, uint64_t start, struct pv_fde_range *ret);

/* evalsites.c: up to 3.10. */
struct pv_err *pv_sites_of_eval(struct pv_site_finder *f, struct pv_mem *mem);

#endif
