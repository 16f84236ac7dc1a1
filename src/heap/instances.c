/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of a type.
 * Input: hits of its address.  Output: those that are in an object's place for it.
 */
#include "heap/instances.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "heap/alive.h"
#include "heap/object.h"
#include "heap/search.h"
#include "heap/unused.h"
#include "python/detect.h"

enum { INSTANCES_MAX = 1 << 24 };

struct finder {
	struct pv_heap *heap;
	uint64_t type;
	uint16_t ob_type;
	struct pv_vec found; /* uint64_t */
};

static struct pv_err *on_hit(void *ctx, const struct pv_hit *hit)
{
	struct finder *f = ctx;
	uint64_t address = hit->at - f->ob_type;
	struct pv_heap_object object;

	if (hit->at >= PV_HEAP_SEARCH_REGISTERS || f->found.n >= INSTANCES_MAX ||
	    !pv_heap_object(f->heap, address, &object) || object.type->address != f->type ||
	    !pv_object_is_alive(f->heap, &object))
		return NULL;
	return pv_vec_append(&f->found, &address, 1, NULL);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Blocks that are free still look like what was in them. */
static struct pv_err *drop_free(struct finder *f, struct pv_heap_search *search)
{
	_pv_free_ bool *unused = calloc(f->found.n + 1, sizeof(*unused));
	uint64_t *found = f->found.data;
	struct pv_err *err;
	size_t n = 0;

	if (!unused)
		return &pv_enomem;
	qsort(found, f->found.n, sizeof(*found), compare);
	err = pv_unused_find(f->heap, search, found, f->found.n, unused);
	for (size_t i = 0; !err && i < f->found.n; i++) {
		if (!unused[i] && (!n || found[n - 1] != found[i]))
			found[n++] = found[i];
	}
	f->found.n = n;
	return err;
}

/* By its address: those that are there at two looks are chosen in both, or in none. */
static bool is_chosen(uint64_t address, size_t n, size_t max)
{
	return n <= max || (pv_hash(address) >> 32) * n >> 32 < max;
}

struct pv_err *pv_instances_find(struct pv_heap *heap, struct pv_heap_search *search, uint64_t type,
				 size_t max, struct pv_vec *ret, uint64_t *of_ret)
{
	struct pv_needle needle = { .address = type, .size = 8 };
	struct finder f = {
		.heap = heap,
		.type = type,
		.ob_type = pv_heap_python(heap)->proc.py.ob_type,
		.found = PV_VEC(uint64_t),
	};
	struct pv_heap_search_result result;
	struct pv_needles *needles;
	struct pv_err *err = pv_needles_create(&needle, 1, false, &needles);

	if (err)
		return err;
	err = pv_heap_search_pass(search, needles, false, false, on_hit, &f, &result);
	pv_needles_destroy(needles);
	if (!err)
		err = drop_free(&f, search);
	for (size_t i = 0, chosen = 0; !err && i < f.found.n && chosen < max; i++) {
		uint64_t *one = pv_vec_at(&f.found, i);

		if (!is_chosen(*one, f.found.n, max))
			continue;
		chosen++;
		err = pv_vec_append(ret, one, 1, NULL);
	}
	if (!err)
		*of_ret = f.found.n;
	pv_vec_deinit(&f.found);
	return err;
}
