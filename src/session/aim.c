/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The aim.  Input: sizes of objects at two censuses, types that grow.  Output: classes of sizes.
 */
#include "session/aim.h"

#include <string.h>

#include "analyse/growth.h"
#include "base/cleanup.h"
#include "heap/census.h"
#include "heap/glibc.h"
#include "heap/tally.h"
#include "model/memory.h"

enum {
	MAPPED_LEAST = 128 << 10, /* glibc malloc/malloc.c: DEFAULT_MMAP_THRESHOLD */
	PAGE_BYTES = 4096,
};

static const double PART_LEAST = 0.2; /* of the size of a type that gained the most */

static uint64_t key_of(const struct pv_census_size *size)
{
	return pv_hash(pv_hash(size->type) ^ (size->bytes_max << 1 | size->pymalloc));
}

struct pv_err *pv_aim_note(struct pv_aim_sizes *sizes, struct pv_census *census)
{
	struct pv_err *err = NULL;

	pv_vec_deinit(&sizes->last);
	sizes->last = census->sizes;
	census->sizes = (struct pv_vec)PV_VEC(struct pv_census_size);
	for (size_t i = 0; !sizes->begun && i < sizes->last.n && !err; i++) {
		const struct pv_census_size *one = pv_vec_at(&sizes->last, i);

		err = pv_map_set(&sizes->first, key_of(one), one->n);
	}
	sizes->begun = true;
	return err;
}

void pv_aim_deinit(struct pv_aim_sizes *sizes)
{
	pv_map_deinit(&sizes->first);
	pv_vec_deinit(&sizes->last);
	*sizes = (struct pv_aim_sizes){ 0 };
}

/*
 * What was asked for, of chunks of a class: they have a head, and are made a multiple of 16 bytes,
 * of pages where they are mapped.
 */
static struct pv_alloc_sizes sizes_of(uint64_t class_bytes)
{
	uint64_t below = pv_tally_class_below(class_bytes);
	uint64_t more = PV_CHUNK_HEAD_BYTES + (class_bytes < MAPPED_LEAST ? 15 : PAGE_BYTES);

	return (struct pv_alloc_sizes){ .least = below > more ? below - more : 0,
					.most = class_bytes };
}

static void add(struct pv_allocs_aim *aim, bool pool, uint64_t class_bytes)
{
	struct pv_alloc_sizes sizes = sizes_of(class_bytes);

	if (pool) {
		aim->classes |= pv_alloc_class(class_bytes);
		return;
	}
	for (size_t i = 0; i < aim->n; i++) {
		if (aim->sizes[i].least == sizes.least && aim->sizes[i].most == sizes.most)
			return;
	}
	if (aim->n < PV_ALLOC_SIZES_MAX)
		aim->sizes[aim->n++] = sizes;
}

static double gained(const struct pv_aim_sizes *sizes, const struct pv_census_size *one)
{
	uint64_t before = 0;

	(void)pv_map_get(&sizes->first, key_of(one), &before);
	return (double)one->n - (double)before;
}

/* Of a type's sizes those of which there are more than at first. */
static void add_type(const struct pv_aim_sizes *sizes, uint64_t type, struct pv_allocs_aim *aim)
{
	double most = 0;

	for (size_t i = 0; i < sizes->last.n; i++) {
		const struct pv_census_size *one = pv_vec_at(&sizes->last, i);
		double more = one->type == type ? gained(sizes, one) : 0;

		most = more > most ? more : most;
	}
	for (size_t i = 0; i < sizes->last.n && most > 0; i++) {
		const struct pv_census_size *one = pv_vec_at(&sizes->last, i);

		if (one->type == type && gained(sizes, one) >= PART_LEAST * most)
			add(aim, one->pymalloc, one->bytes_max);
	}
}

struct pv_err *pv_aim_of(const struct pv_aim_sizes *sizes, const struct pv_memory *memory,
			 struct pv_allocs_aim *ret, bool *any_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec types = PV_VEC(uint32_t);
	struct pv_err *err = pv_growth_sought(memory, &types);

	if (err)
		return err;
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < types.n; i++) {
		const struct pv_memory_type *type =
			pv_vec_at(&memory->types, *(uint32_t *)pv_vec_at(&types, i));

		if (type->kind == PV_TYPE_OBJECT)
			add_type(sizes, type->address, ret);
		else
			add(ret, type->kind == PV_TYPE_POOL_BLOCK, type->size);
	}
	*any_ret = ret->classes || ret->n;
	return NULL;
}

bool pv_aim_has(const struct pv_allocs_aim *aim, bool pool, uint64_t bytes)
{
	if (pool)
		return aim->classes & pv_alloc_class(bytes);
	for (size_t i = 0; i < aim->n; i++) {
		if (bytes >= aim->sizes[i].least && bytes <= aim->sizes[i].most)
			return true;
	}
	return false;
}

/* ---- times */

struct watched {
	bool aimed; /* else all */
	struct pv_allocs_aim aim;
	uint64_t ns;
};

struct pv_err *pv_aim_times_note(struct pv_aim_times *times, const struct pv_allocs_aim *aim,
				 uint64_t ns)
{
	struct watched one = { .aimed = aim != NULL, .ns = ns };

	if (aim)
		one.aim = *aim;
	if (!times->list.element_size)
		times->list = (struct pv_vec)PV_VEC(struct watched);
	return pv_vec_append(&times->list, &one, 1, NULL);
}

void pv_aim_times_deinit(struct pv_aim_times *times)
{
	pv_vec_deinit(&times->list);
}

/* Pages are watched with the C allocator's blocks. */
static bool watches(const struct watched *one, enum pv_memory_domain domain, uint64_t bytes)
{
	if (!one->aimed)
		return true;
	return domain == PV_DOMAIN_MMAP ? one->aim.n > 0
					: pv_aim_has(&one->aim, domain == PV_DOMAIN_OBJECT, bytes);
}

uint64_t pv_aim_times_of(const struct pv_aim_times *times, enum pv_memory_domain domain,
			 uint64_t bytes)
{
	uint64_t ns = 0, all_ns = 0;

	for (size_t i = 0; i < times->list.n; i++) {
		const struct watched *one = pv_vec_at(&times->list, i);

		all_ns += one->ns;
		ns += watches(one, domain, bytes) ? one->ns : 0;
	}
	return ns ? ns : all_ns;
}

struct pv_err *pv_aim_times_tell(const struct pv_aim_times *times, struct pv_memory *memory)
{
	uint64_t aimed_ns = 0, all_ns = 0;

	for (size_t i = 0; i < times->list.n; i++) {
		const struct watched *one = pv_vec_at(&times->list, i);

		all_ns += one->ns;
		aimed_ns += one->aimed ? one->ns : 0;
	}
	if (!aimed_ns)
		return NULL;
	return pv_memory_blind(memory,
			       "for %.2f s of %.2f s bursts watched blocks of the sizes that grow "
			       "alone: how much else was allocated is told by the rest",
			       (double)aimed_ns / 1e9, (double)all_ns / 1e9);
}
