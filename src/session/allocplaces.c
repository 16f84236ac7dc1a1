/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of allocators.  Input: the interpreter's and the C allocator's objects, what the
 * interpreter's linkage table says.  Output: struct pv_alloc_places.
 */
#include "session/allocplaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/allocs.h"
#include "abi/probe.h"
#include "base/cleanup.h"
#include "collect/probes.h"
#include "elf/elf.h"
#include "model/memory.h"
#include "probe/ends.h"
#include "probe/native.h"
#include "session/natives.h"
#include "session/probed.h"
#include "snap/objects.h"
#include "target/mem.h"

/* A place of a C function. */
struct pv_alloc_place {
	uint64_t vaddr, offset, cookie;
};

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

/* ---- the C allocator */

struct got {
	const char *name;
	uint64_t slot;
};

static bool on_relocation(void *ctx, const struct pv_elf_relocation *relocation)
{
	struct got *got = ctx;

	if (!strcmp(relocation->name, got->name))
		got->slot = relocation->vaddr;
	return !got->slot;
}

/* What the interpreter calls as malloc(), as the dynamic linker has decided; 0: not known. */
static uint64_t linked_malloc(const struct pv_probed *probed)
{
	struct got got = { .name = "malloc" };
	uint64_t value = 0;

	if (!probed->module.elf)
		return 0;
	pv_elf_each_relocation(probed->module.elf, on_relocation, &got);
	if (!got.slot || pv_mem_read_u64(probed->mem, probed->module.bias + got.slot, &value) != 0)
		return 0;
	return value;
}

static bool has_malloc(const struct pv_native_module *module)
{
	struct pv_elf_symbol symbol;

	return module && module->object->elf &&
	       pv_elf_find_symbol(module->object->elf, "malloc", &symbol) && symbol.is_function;
}

/*
 * The module that has it.  A slot that is not bound yet leads back into the linkage table, and
 * a program may have no interpreter: then it is the first that has one, as the linker looks for
 * it: preloaded libraries come before the C library in its list, but not in memory.
 */
static struct pv_native_module *find_c_module(const struct pv_alloc_places *places,
					      const struct pv_probed *probed)
{
	struct pv_native_module *found = pv_natives_at(places->natives, linked_malloc(probed));
	const struct pv_image *image = &probed->image;

	if (has_malloc(found))
		return found;
	found = NULL;
	for (size_t i = 0; i < image->n_mappings; i++) {
		struct pv_native_module *module =
			pv_natives_module(places->natives, image->mappings[i].object);
		bool loader = module && !strncmp(module->object->name, "ld-linux", 8);

		if (loader || !has_malloc(module))
			continue;
		if (!found || !strncmp(found->object->name, "libc.so", 7) ||
		    !strncmp(found->object->name, "libc-", 5))
			found = module;
	}
	return found;
}

static struct pv_err *add_place(struct pv_alloc_places *places, uint64_t vaddr, uint64_t offset,
				uint64_t cookie)
{
	struct pv_alloc_place place = { vaddr, offset, cookie };

	/* functions share ends, and some are others by another name */
	for (size_t i = 0; i < places->c_places.n; i++) {
		if (((const struct pv_alloc_place *)pv_vec_at(&places->c_places, i))->vaddr ==
		    vaddr)
			return NULL;
	}
	return pv_vec_append(&places->c_places, &place, 1, NULL);
}

static struct pv_err *add_ends(struct pv_alloc_places *places, const struct pv_native_code *code,
			       uint64_t vaddr, enum pv_alloc_function function)
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
	places->n_lost += ends.n_lost;
	pv_native_ends_deinit(&ends);
	return err;
}

static struct pv_err *add_function(struct pv_alloc_places *places, const struct pv_elf *elf,
				   const struct pv_native_code *code,
				   const struct c_function *function)
{
	struct pv_elf_symbol symbol;
	struct pv_native_site site;
	const char *why;
	struct pv_err *err;

	if (!pv_elf_find_symbol(elf, function->name, &symbol) || !symbol.is_function ||
	    symbol.is_indirect)
		return NULL;
	if (!pv_native_entry(code, symbol.vaddr, symbol.size, PV_NATIVE_ARGUMENTS, &site, &why)) {
		places->n_lost++;
		return NULL;
	}
	err = add_place(places, site.vaddr, site.offset,
			PV_PROBE_ALLOC_ENTER | (site.emulated ? 0 : PV_PROBE_STEPPED) |
				(uint64_t)(site.pushed / 8) << PV_ALLOC_PUSHED_SHIFT |
				(uint64_t)function->function << PV_ALLOC_WHAT_SHIFT);
	if (!err && function->function != PV_ALLOC_FREE)
		err = add_ends(places, code, symbol.vaddr, function->function);
	return err;
}

static struct pv_err *find_c(struct pv_probed *probed, struct pv_alloc_places *places)
{
	struct pv_native_module *module = find_c_module(places, probed);
	const struct pv_native_code *code;
	const struct pv_elf *elf;
	struct pv_err *err;

	if (!module)
		return NULL;
	elf = module->object->elf;
	places->c_object = module->object->id;
	snprintf(places->c_name, sizeof(places->c_name), "%s", module->object->name);
	places->glibc = !strncmp(module->object->name, "libc.so", 7) ||
			!strncmp(module->object->name, "libc-2", 6);
	err = pv_natives_code(module, &code);
	for (size_t i = 0; !err && i < sizeof(c_functions) / sizeof(c_functions[0]); i++)
		err = add_function(places, elf, code, &c_functions[i]);
	for (size_t i = 0;
	     !err && places->glibc && i < sizeof(mapping_functions) / sizeof(mapping_functions[0]);
	     i++)
		err = add_function(places, elf, code, &mapping_functions[i]);
	return err;
}

/* ---- all of it */

struct pv_err *pv_alloc_places_find(struct pv_probed *probed, struct pv_alloc_places *ret)
{
	struct pv_err *err;

	*ret = (struct pv_alloc_places){ .c_places = PV_VEC(struct pv_alloc_place) };
	err = pv_natives_create(probed->pid, probed->objects, probed->mem, &ret->natives);
	if (!err)
		err = pv_natives_update(ret->natives, &probed->image);
	if (!err && probed->image.python.found)
		err = pv_probed_module(probed);
	if (!err && probed->image.python.found)
		err = pv_allocators_find(probed->module.elf, &probed->image.python,
					 &ret->allocators);
	ret->bias = probed->module.bias;
	return err ? err : find_c(probed, ret);
}

void pv_alloc_places_deinit(struct pv_alloc_places *places)
{
	pv_allocators_deinit(&places->allocators);
	pv_vec_deinit(&places->c_places);
	pv_natives_destroy(places->natives);
	*places = (struct pv_alloc_places){ 0 };
}

/* Places of one file, to be added at once. */
struct batch {
	struct pv_vec offsets, cookies; /* uint64_t */
};

static struct pv_err *batch_add(struct batch *batch, uint64_t offset, uint64_t cookie)
{
	struct pv_err *err = pv_vec_append(&batch->offsets, &offset, 1, NULL);

	return err ? err : pv_vec_append(&batch->cookies, &cookie, 1, NULL);
}

static struct pv_err *batch_flush(struct batch *batch, const struct pv_natives *natives,
				  const struct pv_native_module *module, struct pv_probes *probes)
{
	struct pv_err *err = NULL;
	int fd;

	if (batch->offsets.n)
		err = pv_natives_open(natives, module, &fd);
	if (!err && batch->offsets.n)
		err = pv_probes_add(probes, fd, batch->offsets.data, batch->cookies.data,
				    batch->offsets.n);
	batch->offsets.n = batch->cookies.n = 0;
	return err;
}

static struct pv_err *add_pool_sites(struct batch *batch, const struct pv_elf *elf,
				     const struct pv_vec *sites, enum pv_probe_kind kind)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < sites->n; i++) {
		const struct pv_pool_site *site = pv_vec_at(sites, i);
		uint64_t offset;

		if (pv_elf_offset(elf, site->vaddr, &offset))
			err = batch_add(batch, offset,
					kind | (uint64_t)site->pool << PV_ALLOC_WHAT_SHIFT);
	}
	return err;
}

/* The ends of allocate_from_new_pool(): they are seldom reached. */
static struct pv_err *add_new_pool(struct batch *batch, const struct pv_native_code *code,
				   uint64_t vaddr)
{
	struct pv_native_ends ends;
	struct pv_err *err = pv_native_ends(code, vaddr, &ends);

	if (err)
		return err;
	for (size_t i = 0; !err && i < ends.list.n; i++) {
		const struct pv_native_end *end = pv_vec_at(&ends.list, i);

		if (!end->jump)
			err = batch_add(batch, end->offset,
					PV_PROBE_POOL_NEW | (end->emulated ? 0 : PV_PROBE_STEPPED));
	}
	pv_native_ends_deinit(&ends);
	return err;
}

/* Where it is inlined: the first instruction where there is no pool, or a cheap one behind it. */
static struct pv_err *add_slow(struct batch *batch, const struct pv_native_code *code,
			       const struct pv_vec *slow)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < slow->n; i++) {
		uint64_t vaddr = *(const uint64_t *)pv_vec_at(slow, i);
		struct pv_native_site site;
		const char *why;

		if (pv_native_entry(code, vaddr, 0, 0, &site, &why))
			err = batch_add(batch, site.offset,
					PV_PROBE_POOL_SLOW |
						(site.emulated ? 0 : PV_PROBE_STEPPED));
	}
	return err;
}

static struct pv_err *add_python(const struct pv_alloc_places *places,
				 const struct pv_probed *probed, struct pv_probes *probes,
				 enum pv_alloc_wanted wanted, struct batch *batch)
{
	const struct pv_allocators *allocators = &places->allocators;
	const struct pv_elf *elf = probed->module.elf;
	struct pv_native_module *module;
	const struct pv_native_code *code;
	struct pv_err *err;

	if (!allocators->takes.n)
		return NULL;
	module = pv_natives_at(
		places->natives,
		places->bias + ((const struct pv_pool_site *)allocators->takes.data)->vaddr);
	if (!module)
		return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more",
				     probed->module.path);
	err = pv_natives_code(module, &code);
	if (!err && allocators->new_pool)
		err = add_new_pool(batch, code, allocators->new_pool);
	if (!err && wanted == PV_ALLOC_WANT_POOLS)
		err = add_slow(batch, code, &allocators->slow);
	if (!err && wanted == PV_ALLOC_WANT_BLOCKS)
		err = add_pool_sites(batch, elf, &allocators->takes, PV_PROBE_POOL_TAKE);
	if (!err && wanted == PV_ALLOC_WANT_BLOCKS)
		err = add_pool_sites(batch, elf, &allocators->gives, PV_PROBE_POOL_GIVE);
	return err ? err : batch_flush(batch, places->natives, module, probes);
}

static struct pv_err *add_c(const struct pv_alloc_places *places, struct pv_probes *probes,
			    struct batch *batch)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < places->c_places.n; i++) {
		const struct pv_alloc_place *place = pv_vec_at(&places->c_places, i);

		err = batch_add(batch, place->offset, place->cookie);
	}
	return err ? err
		   : batch_flush(batch, places->natives,
				 pv_natives_module(places->natives, places->c_object), probes);
}

struct pv_err *pv_alloc_places_add(const struct pv_alloc_places *places,
				   const struct pv_probed *probed, struct pv_probes *probes,
				   enum pv_alloc_wanted wanted)
{
	struct batch batch = { PV_VEC(uint64_t), PV_VEC(uint64_t) };
	struct pv_err *err = add_python(places, probed, probes, wanted, &batch);
	size_t n, stepped;

	/* the ends of C functions are single-stepped, dear: they come last and go first */
	if (!err && wanted == PV_ALLOC_WANT_BLOCKS)
		err = add_c(places, probes, &batch);
	pv_vec_deinit(&batch.offsets);
	pv_vec_deinit(&batch.cookies);
	if (err)
		return err;
	pv_probes_count(probes, &n, &stepped);
	if (n)
		return NULL;
	if (wanted == PV_ALLOC_WANT_POOLS)
		return pv_err_create(PV_ERR_NOPROC,
				     "process %d has no pools: it runs no CPython whose objects "
				     "are in pools (free-threaded builds have another allocator)",
				     (int)probed->pid);
	return pv_err_create(PV_ERR_NOPROC, "no allocator was found in process %d",
			     (int)probed->pid);
}

struct pv_err *pv_alloc_places_blind(const struct pv_alloc_places *places,
				     const struct pv_probed *probed, struct pv_memory *memory)
{
	const struct pv_allocators *allocators = &places->allocators;
	struct pv_err *err = NULL;

	if (probed->image.python.found)
		err = pv_memory_blind(
			memory, "objects that CPython takes from its free lists (floats, "
				"tuples, lists, dicts, frames ...) are not allocated anew, so "
				"the stack of such a block is that of its first use");
	if (!err && allocators->n_missed)
		err = pv_memory_blind(
			memory,
			"%zu of %zu copies that the compiler made of the object "
			"allocator were not recognised: what they allocate is not seen",
			allocators->n_missed, allocators->n_copies);
	if (!err && allocators->slow.n)
		err = pv_memory_blind(memory, "the first block of each pool is not seen: up to "
					      "CPython 3.8 no place has its address");
	if (!err && probed->image.python.found && !allocators->takes.n)
		err = pv_memory_blind(memory, "objects are not seen: this build has another "
					      "allocator for them than CPython's pools");
	if (!err && !places->c_object)
		err = pv_memory_blind(memory, "allocations of C code are not seen: no malloc() was "
					      "found");
	if (!err && places->n_lost)
		err = pv_memory_blind(memory,
				      "some allocations of C code are not seen: %zu ways out of "
				      "functions of %s cannot be followed",
				      places->n_lost, places->c_name);
	return err;
}
