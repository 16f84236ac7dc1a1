/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a heap changed between two looks.
 * Input: two censuses.  Output: the difference by type.
 */
#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/map.h"
#include "heap/census.h"

/* The line of a name, made if it is new. */
static struct pv_err *change_of(struct pv_vec *changes, struct pv_index *index,
				const struct pv_census_type *type, struct pv_census_change **ret)
{
	uint64_t hash = pv_hash(pv_hash_bytes(type->name, strlen(type->name)) ^
				pv_hash_bytes(type->module, strlen(type->module)));
	struct pv_census_change line = { .name = type->name, .module = type->module };
	size_t at = pv_index_start(index, hash);
	struct pv_err *err;
	uint32_t place;

	while (pv_index_next(index, hash, &at, &place)) {
		*ret = pv_vec_at(changes, place);
		if (strcmp((*ret)->name, type->name) == 0 &&
		    strcmp((*ret)->module, type->module) == 0)
			return NULL;
	}
	place = (uint32_t)changes->n;
	err = pv_vec_append(changes, &line, 1, NULL);
	if (!err)
		err = pv_index_add(index, hash, place);
	if (!err)
		*ret = pv_vec_at(changes, place);
	return err;
}

static int compare_changes(const void *a, const void *b)
{
	const struct pv_census_change *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

struct pv_err *pv_census_compare(const struct pv_census *earlier, const struct pv_census *later,
				 struct pv_vec *ret)
{
	struct pv_vec changes = PV_VEC(struct pv_census_change);
	struct pv_index index = { 0 };
	struct pv_census_change *change;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < later->types.n; i++) {
		const struct pv_census_type *type = pv_vec_at(&later->types, i);

		err = change_of(&changes, &index, type, &change);
		if (err)
			break;
		change->n += (int64_t)type->n;
		change->bytes += (int64_t)type->bytes;
		change->n_later += type->n;
		change->bytes_later += type->bytes;
	}
	for (size_t i = 0; !err && i < earlier->types.n; i++) {
		const struct pv_census_type *type = pv_vec_at(&earlier->types, i);

		err = change_of(&changes, &index, type, &change);
		if (err)
			break;
		change->n -= (int64_t)type->n;
		change->bytes -= (int64_t)type->bytes;
	}
	pv_index_deinit(&index);
	if (err) {
		pv_vec_deinit(&changes);
		return err;
	}
	if (changes.n)
		qsort(changes.data, changes.n, sizeof(struct pv_census_change), compare_changes);
	*ret = changes;
	return NULL;
}
