/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of allocators.  Input: the interpreter's and the C allocator's objects, what the
 * interpreter's linkage table says.  Output: struct pv_alloc_places.
 */
#include "session/allocplaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/probe.h"
#include "base/cleanup.h"
#include "collect/probes.h"
#include "model/memory.h"
#include "probe/allocators.h"
#include "probe/native.h"
#include "session/natives.h"
#include "session/origins.h"
#include "session/probed.h"
#include "snap/objects.h"
#include "target/mem.h"

/* ---- the C allocator */

/* What the interpreter calls as malloc(), as the dynamic linker has decided; 0: not known. */
static uint64_t linked_malloc(const struct pv_probed *probed)
{
	uint64_t slot = probed->module.elf ? pv_alloc_slot(probed->module.elf) : 0, value = 0;

	if (!slot || pv_mem_read_u64(probed->mem, probed->module.bias + slot, &value) != 0)
		return 0;
	return value;
}

static bool has_malloc(const struct pv_native_module *module)
{
	return module && module->object->elf && pv_alloc_has_malloc(module->object->elf);
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

static struct pv_err *find_c(struct pv_probed *probed, struct pv_alloc_places *places)
{
	struct pv_native_module *module = find_c_module(places, probed);
	const struct pv_native_code *code;
	struct pv_err *err;

	if (!module)
		return NULL;
	places->c_object = module->object->id;
	snprintf(places->c_name, sizeof(places->c_name), "%s", module->object->name);
	places->glibc = !strncmp(module->object->name, "libc.so", 7) ||
			!strncmp(module->object->name, "libc-2", 6);
	err = pv_natives_code(module, &code);
	/* in the C library only: what an allocator maps for itself is not the program's */
	return err ? err
		   : pv_alloc_c_places(code, places->glibc, &places->c_places, &places->n_lost);
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

/* Places of one file. */
static struct pv_err *add_all(const struct pv_alloc_places *places,
			      const struct pv_native_module *module, const struct pv_vec *list,
			      struct pv_probes *probes)
{
	_pv_free_ uint64_t *offsets = malloc(8 * (list->n + 1)),
			   *cookies = malloc(8 * (list->n + 1));
	struct pv_err *err;
	int fd;

	if (!offsets || !cookies)
		return &pv_enomem;
	if (!list->n || !module)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct pv_alloc_place *place = pv_vec_at(list, i);

		offsets[i] = place->offset;
		cookies[i] = place->cookie;
	}
	err = pv_natives_open(places->natives, module, &fd);
	return err ? err : pv_probes_add(probes, fd, offsets, cookies, list->n);
}

struct wants {
	const struct pv_alloc_choice *choice;
	uint64_t bias;
};

static bool wants_place(void *ctx, uint64_t vaddr)
{
	const struct wants *wants = ctx;

	return wants->choice->wants(wants->choice->ctx, wants->bias + vaddr);
}

/* choice: NULL, all that are wanted. */
static struct pv_err *add_python(const struct pv_alloc_places *places,
				 const struct pv_probed *probed, struct pv_probes *probes,
				 enum pv_alloc_wanted wanted, const struct pv_alloc_choice *choice)
{
	struct wants wants = { choice, places->bias };
	const struct pv_allocators *allocators = &places->allocators;
	struct pv_vec list = PV_VEC(struct pv_alloc_place);
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
	if (!err && choice)
		err = pv_alloc_python_takes(code, allocators, wants_place, &wants, &list);
	else if (!err)
		err = pv_alloc_python_places(code, allocators, wanted == PV_ALLOC_WANT_POOLS,
					     &list);
	if (!err)
		err = add_all(places, module, &list, probes);
	pv_vec_deinit(&list);
	return err;
}

/* The ends of C functions are single-stepped, dear: they come last and go first. */
static struct pv_err *add_c(const struct pv_alloc_places *places, struct pv_probes *probes)
{
	return add_all(places, pv_natives_module(places->natives, places->c_object),
		       &places->c_places, probes);
}

/* Of one file, from the first on. */
static struct pv_err *add_backs_at(const struct pv_alloc_places *places,
				   const struct pv_probed *probed,
				   const struct pv_native_module *module,
				   const struct pv_vec *backs, struct pv_probes *probes)
{
	struct pv_vec list = PV_VEC(struct pv_alloc_place);
	const struct pv_native_code *code;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < backs->n; i++) {
		uint64_t address = *(const uint64_t *)pv_vec_at(backs, i);
		struct pv_native_module *at = pv_natives_at(places->natives, address);
		struct pv_alloc_place place = { 0 };
		struct pv_native_site site;
		const char *why;

		if (at != module)
			continue;
		err = pv_natives_code(at, &code);
		/* the block is in rax; which registers else it changes is no matter there */
		if (err || !pv_native_return(code, address - at->bias, PV_NATIVE_WORD, &site, &why))
			continue;
		place.offset = site.offset;
		place.cookie = PV_PROBE_ALLOC_BACK | (site.emulated ? 0 : PV_PROBE_STEPPED);
		err = pv_vec_append(&list, &place, 1, NULL);
		if (!err && probed->origins)
			err = pv_origins_returns(probed->origins, at->object->id, site.vaddr,
						 address - at->bias - 1);
	}
	if (!err)
		err = add_all(places, module, &list, probes);
	pv_vec_deinit(&list);
	return err;
}

static struct pv_err *add_backs(const struct pv_alloc_places *places,
				const struct pv_probed *probed, const struct pv_vec *backs,
				struct pv_probes *probes)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < backs->n; i++) {
		struct pv_native_module *module =
			pv_natives_at(places->natives, *(const uint64_t *)pv_vec_at(backs, i));
		bool seen = !module;

		for (size_t k = 0; !seen && k < i; k++)
			seen = pv_natives_at(places->natives,
					     *(const uint64_t *)pv_vec_at(backs, k)) == module;
		if (!seen)
			err = add_backs_at(places, probed, module, backs, probes);
	}
	return err;
}

struct pv_err *pv_alloc_places_choose(const struct pv_alloc_places *places,
				      const struct pv_probed *probed, struct pv_probes *probes,
				      const struct pv_alloc_choice *choice)
{
	struct pv_err *err = NULL;

	if (choice->python)
		err = add_python(places, probed, probes, PV_ALLOC_WANT_BLOCKS, choice);
	if (err || !choice->c)
		return err;
	return choice->backs ? add_backs(places, probed, choice->backs, probes)
			     : add_c(places, probes);
}

struct pv_err *pv_alloc_places_add(const struct pv_alloc_places *places,
				   const struct pv_probed *probed, struct pv_probes *probes,
				   enum pv_alloc_wanted wanted)
{
	struct pv_err *err = add_python(places, probed, probes, wanted, NULL);
	size_t n, stepped;

	if (!err && wanted != PV_ALLOC_WANT_POOLS)
		err = add_c(places, probes);
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
