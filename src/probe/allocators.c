/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of allocators.  Input: symbols, code, relocations.
 * Output: struct pv_alloc_place.
 */
#include "probe/allocators.h"

#include <string.h>

#include "abi/allocs.h"
#include "abi/probe.h"
#include "elf/elf.h"
#include "probe/ends.h"
#include "probe/native.h"
#include "python/allocators.h"

static const struct c_function {
	const char *name;
	enum pv_alloc_function function;
} c_functions[] = {
	{ "malloc", PV_ALLOC_MALLOC },
	{ "calloc", PV_ALLOC_CALLOC },
	{ "realloc", PV_ALLOC_REALLOC },
	{ "memalign", PV_ALLOC_MEMALIGN },
	{ "aligned_alloc", PV_ALLOC_MEMALIGN },
	{ "posix_memalign", PV_ALLOC_POSIX },
	{ "valloc", PV_ALLOC_MALLOC },
	{ "pvalloc", PV_ALLOC_MALLOC },
	{ "free", PV_ALLOC_FREE },
	{ "cfree", PV_ALLOC_FREE },
	/* allocators that have C++'s operators themselves; the C++ library's call malloc() */
	{ "_Znwm", PV_ALLOC_MALLOC },
	{ "_Znam", PV_ALLOC_MALLOC },
	{ "_ZnwmRKSt9nothrow_t", PV_ALLOC_MALLOC },
	{ "_ZnamRKSt9nothrow_t", PV_ALLOC_MALLOC },
	{ "_ZdlPv", PV_ALLOC_FREE },
	{ "_ZdaPv", PV_ALLOC_FREE },
	{ "_ZdlPvm", PV_ALLOC_FREE },
	{ "_ZdaPvm", PV_ALLOC_FREE },
};

/* In the C library only: what an allocator maps for itself is not the program's. */
static const struct c_function mapping_functions[] = {
	{ "mmap", PV_ALLOC_MMAP },
	{ "munmap", PV_ALLOC_FREE },
};

struct slot {
	const char *name;
	uint64_t vaddr;
};

static bool on_relocation(void *ctx, const struct pv_elf_relocation *relocation)
{
	struct slot *slot = ctx;

	if (!strcmp(relocation->name, slot->name))
		slot->vaddr = relocation->vaddr;
	return !slot->vaddr;
}

uint64_t pv_alloc_slot(const struct pv_elf *elf)
{
	struct slot slot = { .name = "malloc" };

	pv_elf_each_relocation(elf, on_relocation, &slot);
	return slot.vaddr;
}

bool pv_alloc_has_malloc(const struct pv_elf *elf)
{
	struct pv_elf_symbol symbol;

	return pv_elf_find_symbol(elf, "malloc", &symbol) && symbol.is_function;
}

static struct pv_err *add_place(struct pv_vec *places, uint64_t vaddr, uint64_t offset,
				uint64_t cookie)
{
	struct pv_alloc_place place = { vaddr, offset, cookie };

	/* functions share ends, and some are others by another name */
	for (size_t i = 0; i < places->n; i++) {
		if (((const struct pv_alloc_place *)pv_vec_at(places, i))->vaddr == vaddr)
			return NULL;
	}
	return pv_vec_append(places, &place, 1, NULL);
}

/* ---- C's */

static struct pv_err *add_ends(const struct pv_native_code *code, uint64_t vaddr,
			       enum pv_alloc_function function, struct pv_vec *places,
			       size_t *n_lost)
{
	struct pv_native_ends ends;
	struct pv_err *err = pv_native_ends(code, vaddr, &ends);

	if (err)
		return err;
	for (size_t i = 0; !err && i < ends.list.n; i++) {
		const struct pv_native_end *end = pv_vec_at(&ends.list, i);
		uint64_t cookie = end->jump ? PV_PROBE_ALLOC_JUMP : PV_PROBE_ALLOC_LEAVE;

		/* only calloc() ends with what returns its own first argument, memset() */
		if (end->jump && function != PV_ALLOC_CALLOC)
			ends.n_lost++;
		else
			err = add_place(places, end->vaddr, end->offset,
					cookie | (end->emulated ? 0 : PV_PROBE_STEPPED));
	}
	*n_lost += ends.n_lost;
	pv_native_ends_deinit(&ends);
	return err;
}

static struct pv_err *add_function(const struct pv_native_code *code,
				   const struct c_function *function, struct pv_vec *places,
				   size_t *n_lost)
{
	struct pv_elf_symbol symbol;
	struct pv_native_site site;
	const char *why;
	struct pv_err *err;

	if (!pv_elf_find_symbol(code->elf, function->name, &symbol) || !symbol.is_function ||
	    symbol.is_indirect)
		return NULL;
	if (!pv_native_entry(code, symbol.vaddr, symbol.size, PV_NATIVE_ARGUMENTS, &site, &why)) {
		++*n_lost;
		return NULL;
	}
	err = add_place(places, site.vaddr, site.offset,
			PV_PROBE_ALLOC_ENTER | (site.emulated ? 0 : PV_PROBE_STEPPED) |
				(uint64_t)(site.pushed / 8) << PV_ALLOC_PUSHED_SHIFT |
				(uint64_t)function->function << PV_ALLOC_WHAT_SHIFT);
	if (!err && function->function != PV_ALLOC_FREE)
		err = add_ends(code, symbol.vaddr, function->function, places, n_lost);
	return err;
}

struct pv_err *pv_alloc_c_places(const struct pv_native_code *code, bool mappings,
				 struct pv_vec *places, size_t *n_lost_ret)
{
	struct pv_err *err = NULL;
	size_t n_lost = 0;

	for (size_t i = 0; !err && i < sizeof(c_functions) / sizeof(c_functions[0]); i++)
		err = add_function(code, &c_functions[i], places, &n_lost);
	for (size_t i = 0;
	     !err && mappings && i < sizeof(mapping_functions) / sizeof(mapping_functions[0]); i++)
		err = add_function(code, &mapping_functions[i], places, &n_lost);
	if (!err)
		*n_lost_ret = n_lost;
	return err;
}

/* ---- CPython's */

static struct pv_err *add_sites(const struct pv_elf *elf, const struct pv_vec *sites,
				enum pv_probe_kind kind, struct pv_vec *places)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < sites->n; i++) {
		const struct pv_pool_site *site = pv_vec_at(sites, i);
		uint64_t offset;

		if (pv_elf_offset(elf, site->vaddr, &offset))
			err = add_place(places, site->vaddr, offset,
					kind | (uint64_t)site->pool << PV_ALLOC_WHAT_SHIFT);
	}
	return err;
}

/* The ends of allocate_from_new_pool(): they are seldom reached. */
static struct pv_err *add_new_pool(const struct pv_native_code *code, uint64_t vaddr,
				   struct pv_vec *places)
{
	struct pv_native_ends ends;
	struct pv_err *err = pv_native_ends(code, vaddr, &ends);

	if (err)
		return err;
	for (size_t i = 0; !err && i < ends.list.n; i++) {
		const struct pv_native_end *end = pv_vec_at(&ends.list, i);

		if (!end->jump)
			err = add_place(places, end->vaddr, end->offset,
					PV_PROBE_POOL_NEW | (end->emulated ? 0 : PV_PROBE_STEPPED));
	}
	pv_native_ends_deinit(&ends);
	return err;
}

/* Where it is inlined: the first instruction where there is no pool, or a cheap one behind it. */
static struct pv_err *add_slow(const struct pv_native_code *code, const struct pv_vec *slow,
			       struct pv_vec *places)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < slow->n; i++) {
		uint64_t vaddr = *(const uint64_t *)pv_vec_at(slow, i);
		struct pv_native_site site;
		const char *why;

		if (pv_native_entry(code, vaddr, 0, 0, &site, &why))
			err = add_place(places, site.vaddr, site.offset,
					PV_PROBE_POOL_SLOW |
						(site.emulated ? 0 : PV_PROBE_STEPPED));
	}
	return err;
}

struct pv_err *pv_alloc_python_places(const struct pv_native_code *code,
				      const struct pv_allocators *allocators, bool pools,
				      struct pv_vec *places)
{
	struct pv_err *err = NULL;

	if (allocators->new_pool)
		err = add_new_pool(code, allocators->new_pool, places);
	if (!err && pools)
		err = add_slow(code, &allocators->slow, places);
	if (!err && !pools)
		err = add_sites(code->elf, &allocators->takes, PV_PROBE_POOL_TAKE, places);
	if (!err && !pools)
		err = add_sites(code->elf, &allocators->gives, PV_PROBE_POOL_GIVE, places);
	return err;
}

struct pv_err *pv_alloc_python_takes(const struct pv_native_code *code,
				     const struct pv_allocators *allocators,
				     bool (*wants)(void *ctx, uint64_t vaddr), void *ctx,
				     struct pv_vec *places)
{
	struct pv_vec takes = PV_VEC(struct pv_pool_site);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < allocators->takes.n; i++) {
		const struct pv_pool_site *site = pv_vec_at(&allocators->takes, i);

		if (wants(ctx, site->vaddr))
			err = pv_vec_append(&takes, site, 1, NULL);
	}
	if (!err && allocators->new_pool)
		err = add_new_pool(code, allocators->new_pool, places);
	if (!err)
		err = add_sites(code->elf, &takes, PV_PROBE_POOL_TAKE, places);
	pv_vec_deinit(&takes);
	return err;
}
