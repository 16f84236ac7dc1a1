/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A first look at holders.
 * Input: types that rise.  Output: struct pv_held_before.
 */
#include "session/heldbefore.h"

#include <stdlib.h>

#include "analyse/growth.h"
#include "base/clock.h"
#include "model/memory.h"
#include "session/holding.h"

enum { TYPES = 6 };

/* Of a hunt: by then it is known what rises, and most of the time is still to come; its part. */
static const double FROM = 0.3, MOST = 0.05;
#define LEAST_NS 2000000000ULL /* which a few types take on a busy machine */

struct pv_err *pv_held_count(const struct pv_holders *found, const struct pv_names *names,
			     uint64_t **ret)
{
	uint32_t *last = calloc(names->groups.n + 1, sizeof(*last)); /* object + 1 counted last */
	uint64_t *objects = calloc(names->groups.n + 1, sizeof(*objects));

	if (!last || !objects) {
		free(last);
		free(objects);
		return &pv_enomem;
	}
	/* the places of an object stand together */
	for (size_t i = 0; i < names->n; i++) {
		uint32_t group = names->group[i], object = found->places[i].object;

		if (last[group] == object + 1)
			continue;
		last[group] = object + 1;
		objects[group]++;
	}
	free(last);
	*ret = objects;
	return NULL;
}

static uint64_t key_of(uint64_t type, uint64_t path)
{
	return pv_hash(pv_hash(type) ^ path);
}

/* scale: all of the type for each that was looked at */
static struct pv_err *note(struct pv_held_before *before, uint64_t type, double scale,
			   const struct pv_holders *found, const struct pv_names *names)
{
	uint64_t *objects;
	struct pv_err *err = pv_held_count(found, names, &objects);

	if (err)
		return err;
	for (size_t i = 0; !err && i < names->groups.n; i++) {
		const struct pv_names_group *group = pv_vec_at(&names->groups, i);
		const struct pv_held_path path = { scale * (double)objects[i], group->used };

		if (group->kind != PV_HOLDER_NAMED)
			continue;
		err = pv_map_set(&before->index, key_of(type, group->path), before->holders.n);
		if (!err)
			err = pv_vec_append(&before->holders, &path, 1, NULL);
	}
	free(objects);
	return err ? err : pv_map_set(&before->types, type, pv_now_ns());
}

static struct pv_err *look_at(struct pv_holding *holding, uint64_t type,
			      struct pv_held_before *before)
{
	const struct pv_holders_options options = { 0 };
	const struct pv_names_options naming = { 0 };
	struct pv_vec addresses = PV_VEC(uint64_t);
	struct pv_holders found = { 0 };
	struct pv_names names = { 0 };
	uint64_t of = 0;
	struct pv_err *err = pv_holding_instances(holding, type, PV_HOLDING_SOME, &addresses, &of);

	if (!err && addresses.n)
		err = pv_holding_find(holding, addresses.data, addresses.n, &options, &found);
	if (!err && addresses.n)
		err = pv_holding_name(holding, &found, &naming, &names);
	if (!err && addresses.n && !found.partial && !names.partial)
		err = note(before, type, (double)of / (double)addresses.n, &found, &names);
	pv_names_deinit(&names);
	pv_holders_deinit(&found);
	pv_vec_deinit(&addresses);
	return err;
}

static struct pv_err *look_at_all(struct pv_holding *holding, const struct pv_memory *memory,
				  const struct pv_growth *growth, uint64_t for_ns,
				  struct pv_held_before *before)
{
	uint64_t begin_ns = pv_now_ns(), until_ns = begin_ns + for_ns;
	struct pv_err *err = NULL;
	size_t n = 0;

	pv_holding_until(holding, until_ns + for_ns);
	for (int rising = 0; rising <= 1; rising++) {
		const struct pv_vec *types = rising ? &growth->rising : &growth->types;

		for (size_t i = 0; !err && i < types->n && n < TYPES && pv_now_ns() < until_ns;
		     i++) {
			const struct pv_growth_type *one = pv_vec_at(types, i);
			const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);

			if (type->kind != PV_TYPE_OBJECT || !type->address)
				continue;
			n++;
			err = look_at(holding, type->address, before);
		}
	}
	return err;
}

struct pv_err *pv_held_before_look(pid_t pid, uint64_t start_ns, uint64_t plan_ns, int fd,
				   const struct pv_memory *memory, struct pv_held_before *before)
{
	uint64_t now = pv_now_ns(), for_ns = (uint64_t)(MOST * (double)plan_ns);
	struct pv_growth growth;
	struct pv_holding *holding;
	struct pv_err *err;

	if (before->looked || (double)(now - start_ns) < FROM * (double)plan_ns)
		return NULL;
	err = pv_growth_of(memory, &growth);
	if (err || !(growth.types.n + growth.rising.n)) {
		if (!err)
			pv_growth_deinit(&growth);
		return err;
	}
	before->looked = true;
	before->holders = (struct pv_vec)PV_VEC(struct pv_held_path);
	err = pv_holding_open(pid, &holding);
	if (!err) {
		pv_holding_stop(holding, fd);
		err = look_at_all(holding, memory, &growth, for_ns > LEAST_NS ? for_ns : LEAST_NS,
				  before);
		pv_holding_close(holding);
	}
	pv_growth_deinit(&growth);
	return err;
}

void pv_held_before_deinit(struct pv_held_before *before)
{
	pv_vec_deinit(&before->holders);
	pv_map_deinit(&before->index);
	pv_map_deinit(&before->types);
}

bool pv_held_before_get(const struct pv_held_before *before, uint64_t type, uint64_t path,
			struct pv_held_path *ret, uint64_t *at_ns_ret)
{
	uint64_t i;

	if (!pv_map_get(&before->types, type, at_ns_ret))
		return false;
	*ret = (struct pv_held_path){ 0 };
	if (pv_map_get(&before->index, key_of(type, path), &i))
		*ret = *(struct pv_held_path *)pv_vec_at(&before->holders, i);
	return true;
}
