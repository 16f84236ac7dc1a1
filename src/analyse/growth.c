/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slopes of what was counted at several times.  Input: a pv_memory.  Output: what grows.
 */
#include "analyse/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/sites.h"
#include "base/cleanup.h"

enum {
	LEAST_OBJECTS = 10,
	LEAST_BYTES = 256 << 10, /* of mappings: less is what a page here and there makes */
	LITTLE_BYTES = 64 << 10, /* of objects: to settle in may take so many */
	LARGE_BYTES = 1024,      /* what came has so many on the mean: some may be mapped each */
	GREAT = 10,              /* so many times the least: not little */
};

static const double FLAT_MOST = 0.25;       /* of what the heaps grow by */
static const double EXPLAINED_LEAST = 0.3;  /* of what is in use more, by what surely grows */
static const double PART_LEAST = 0.1;       /* of that, for one that most likely grows */
static const double NEXT_TO_NOTHING = 0.05; /* of what grows */
static const double PARTS_MOST = 1;         /* of the bytes of garbage, for what is sure */
static const double RARE_PER_S = 30;        /* of no type more: bursts see one of 25 or so */

/* ---- mappings */

struct series {
	double *at_s, *values;
	size_t n;
};

static void series_deinit(struct series *series)
{
	free(series->at_s);
	free(series->values);
}

static struct pv_err *series_init(struct series *series, size_t n)
{
	series->n = n;
	series->at_s = calloc(n + 1, sizeof(double));
	series->values = calloc(n + 1, sizeof(double));
	return series->at_s && series->values ? NULL : &pv_enomem;
}

static struct pv_slope class_slope(const struct pv_memory *memory, struct series *series,
				   size_t offset)
{
	for (size_t i = 0; i < series->n; i++) {
		const char *point = pv_vec_at(&memory->points, i);

		series->values[i] = (double)*(const uint64_t *)(point + offset);
	}
	return pv_slope_of(series->at_s, series->values, series->n, LEAST_BYTES);
}

static struct pv_err *grow_mappings(const struct pv_memory *memory, struct pv_growth *growth)
{
	PV_CLEANUP(series_deinit) struct series series = { 0 };
	const struct pv_memory_point *points = memory->points.data;
	struct pv_err *err = series_init(&series, memory->points.n);

	if (err || !series.n)
		return err;
	for (size_t i = 0; i < series.n; i++)
		series.at_s[i] = (double)points[i].at_ns / 1e9;
	growth->seconds = series.at_s[series.n - 1] - series.at_s[0];
	for (size_t i = 0; i < PV_MEMORY_N_CLASSES; i++) {
		growth->resident[i] = class_slope(
			memory, &series, offsetof(struct pv_memory_point, resident) + i * 8);
		growth->mapped[i] = class_slope(memory, &series,
						offsetof(struct pv_memory_point, mapped) + i * 8);
	}
	growth->rss = class_slope(memory, &series, offsetof(struct pv_memory_point, rss_bytes));
	growth->suspected |= growth->rss.rises;
	return NULL;
}

/* ---- types */

/* Whole censuses, in time; one that broke off would look like a fall. */
static struct pv_err *find_looks(const struct pv_memory *memory, struct pv_vec *looks, bool *whole)
{
	struct pv_err *err = NULL;

	for (uint32_t i = 0; i < memory->looks.n && !err; i++) {
		const struct pv_memory_look *look = pv_vec_at(&memory->looks, i);

		if (look->kind != PV_LOOK_CENSUS)
			continue;
		*whole &= !look->partial;
		err = pv_vec_append(looks, &i, 1, NULL);
	}
	return err;
}

static bool is_large(const struct pv_growth_type *one)
{
	return (double)one->gained_bytes >= LARGE_BYTES * one->count.gained;
}

static struct pv_err *add_type(const struct pv_memory *memory, const struct pv_vec *looks,
			       struct series *series, uint32_t type, struct pv_growth *growth)
{
	const uint32_t *at = looks->data;
	struct pv_growth_type one = { .type = type };
	struct pv_slope bytes, live;
	enum pv_waits waits;

	for (size_t i = 0; i < series->n; i++)
		series->values[i] = (double)pv_memory_type_at(memory, at[i], type).bytes;
	bytes = pv_slope_of(series->at_s, series->values, series->n, 0);
	for (size_t i = 0; i < series->n; i++)
		series->values[i] = (double)pv_memory_type_at(memory, at[i], type).count;
	one.count = pv_slope_of(series->at_s, series->values, series->n, LEAST_OBJECTS);
	one.first = pv_memory_type_at(memory, at[0], type);
	one.last = pv_memory_type_at(memory, at[series->n - 1], type);
	one.bytes_per_s = bytes.per_s;
	one.gained_bytes = (int64_t)(one.last.bytes - one.first.bytes);
	growth->suspected |= one.count.rises;
	waits = pv_waits_of(memory, &growth->collections, looks, type, &one.count, LEAST_OBJECTS,
			    &live);
	growth->unclear |= waits == PV_WAITS_MAYBE;
	if (waits == PV_WAITS || waits == PV_WAITS_MAYBE)
		return pv_vec_append(&growth->waiting, &one, 1, NULL);
	if (waits == PV_WAITS_TURNS)
		return pv_vec_append(&growth->turns, &one, 1, NULL);
	if (waits == PV_WAITS_LEAKS) {
		bool large = is_large(&one);
		/* of a file, there may be none at the last look */
		double each = one.last.count ? (double)one.last.bytes / (double)one.last.count : 0;

		one.count = live;
		one.bytes_per_s = live.per_s * each;
		if (bytes.per_s > one.bytes_per_s)
			growth->waiting_per_s += bytes.per_s - one.bytes_per_s;
		if (bytes.per_s > one.bytes_per_s && large)
			growth->large_per_s += bytes.per_s - one.bytes_per_s;
		one.gained_bytes = (int64_t)(each * live.gained);
	}
	if (one.count.grows)
		return pv_vec_append(&growth->types, &one, 1, NULL);
	if (one.count.flattened)
		return pv_vec_append(&growth->filled, &one, 1, NULL);
	return one.count.rises && bytes.rises ? pv_vec_append(&growth->rising, &one, 1, NULL)
					      : NULL;
}

static double heaps_per_s(const struct pv_growth *growth)
{
	static const enum pv_memory_class heaps[] = { PV_MEMORY_ARENAS, PV_MEMORY_HEAP };
	double sum = 0;

	for (size_t i = 0; i < sizeof(heaps) / sizeof(*heaps); i++) {
		if (growth->resident[heaps[i]].grows)
			sum += growth->resident[heaps[i]].per_s;
	}
	return sum;
}

bool pv_growth_is_flat(const struct pv_growth *growth)
{
	return !growth->in_use.rises ||
	       growth->in_use.per_s - growth->waiting_per_s <= FLAT_MOST * heaps_per_s(growth);
}

double pv_growth_enough_s(const struct pv_growth *growth)
{
	double count_s, bytes_s, per_s = 0;

	for (size_t i = 0; i < growth->types.n; i++)
		per_s += ((const struct pv_growth_type *)pv_vec_at(&growth->types, i))->count.per_s;
	if (per_s <= 0 || growth->bytes_per_s <= 0)
		return 0;
	count_s = GREAT * LEAST_OBJECTS / per_s;
	bytes_s = LITTLE_BYTES / growth->bytes_per_s;
	return count_s < bytes_s ? count_s : bytes_s;
}

/*
 * The heaps grow, and so does what is in use of them, but no type does that one could tell from
 * what comes and goes: those that most likely do.
 */
static struct pv_err *add_likely(struct pv_growth *growth)
{
	double explained = growth->waiting_per_s;
	struct pv_err *err = NULL;

	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		explained += one->bytes_per_s;
	}
	if (heaps_per_s(growth) <= 0 || pv_growth_is_flat(growth) ||
	    explained >= EXPLAINED_LEAST * growth->in_use.per_s)
		return NULL;
	for (size_t i = 0; i < growth->rising.n && !err; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->rising, i);

		if (one->bytes_per_s >= PART_LEAST * growth->in_use.per_s)
			err = pv_vec_append(&growth->types, one, 1, NULL);
	}
	return err;
}

/*
 * Blocks that are no objects are parts of some, most likely: where all objects that grow are
 * garbage, and there are as many of these.  Whose they are is not known: blocks that take more than
 * the objects may be a leak of their own.
 */
static struct pv_err *part_waiting(const struct pv_memory *memory, struct pv_growth *growth)
{
	struct pv_growth_type *types = growth->types.data;
	struct pv_err *err = NULL;
	double gained = 0;
	size_t n = 0;

	for (size_t i = 0; i < growth->waiting.n; i++)
		gained += ((const struct pv_growth_type *)pv_vec_at(&growth->waiting, i))
				  ->count.gained;
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_memory_type *one = pv_vec_at(&memory->types, types[i].type);

		if (one->kind == PV_TYPE_OBJECT)
			return NULL;
	}
	for (size_t i = 0; !err && i < growth->types.n; i++) {
		if (types[i].count.gained > gained) {
			types[n++] = types[i];
			continue;
		}
		err = pv_vec_append(&growth->waiting, &types[i], 1, NULL);
		growth->parts_per_s += types[i].bytes_per_s;
	}
	growth->types.n = n;
	return err;
}

static int compare_rate(const void *a, const void *b)
{
	const struct pv_growth_type *x = a, *y = b;

	if (x->bytes_per_s != y->bytes_per_s)
		return x->bytes_per_s > y->bytes_per_s ? -1 : 1;
	if (x->count.gained != y->count.gained)
		return x->count.gained > y->count.gained ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static int compare_gained(const void *a, const void *b)
{
	const struct pv_growth_type *x = a, *y = b;

	if (x->gained_bytes != y->gained_bytes)
		return x->gained_bytes > y->gained_bytes ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static struct pv_err *grow_types(const struct pv_memory *memory, struct pv_growth *growth)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec looks = PV_VEC(uint32_t);
	PV_CLEANUP(series_deinit) struct series series = { 0 };
	bool whole = true;
	struct pv_err *err = find_looks(memory, &looks, &whole);

	if (!err)
		err = series_init(&series, looks.n);
	if (err || looks.n < 2)
		return err;
	growth->has_census = true;
	growth->sure = looks.n >= PV_SLOPE_SURE && whole;
	for (size_t i = 0; i < looks.n; i++) {
		const struct pv_memory_look *look =
			pv_vec_at(&memory->looks, *(uint32_t *)pv_vec_at(&looks, i));

		series.at_s[i] = (double)(look->at_ns + look->took_ns / 2) / 1e9;
		series.values[i] = (double)look->bytes;
	}
	growth->in_use = pv_slope_of(series.at_s, series.values, looks.n, LEAST_BYTES);
	growth->collections = pv_collections_of(memory, &looks);
	for (uint32_t i = 0; i < memory->types.n && !err; i++)
		err = add_type(memory, &looks, &series, i, growth);
	if (!err)
		err = part_waiting(memory, growth);
	for (size_t i = 0; i < growth->waiting.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->waiting, i);

		growth->waiting_per_s += one->bytes_per_s;
		if (is_large(one))
			growth->large_per_s += one->bytes_per_s;
	}
	growth->parts_unclear =
		growth->parts_per_s > PARTS_MOST * (growth->waiting_per_s - growth->parts_per_s);
	if (!err)
		err = add_likely(growth);
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		growth->bytes_per_s += one->bytes_per_s;
		growth->gained_bytes += one->gained_bytes;
		growth->gained_count += (uint64_t)one->count.gained;
	}
	growth->little =
		growth->gained_count < GREAT * LEAST_OBJECTS && growth->gained_bytes < LITTLE_BYTES;
	if (growth->types.n)
		qsort(growth->types.data, growth->types.n, sizeof(struct pv_growth_type),
		      compare_rate);
	if (growth->rising.n)
		qsort(growth->rising.data, growth->rising.n, sizeof(struct pv_growth_type),
		      compare_rate);
	if (growth->waiting.n)
		qsort(growth->waiting.data, growth->waiting.n, sizeof(struct pv_growth_type),
		      compare_rate);
	if (growth->turns.n)
		qsort(growth->turns.data, growth->turns.n, sizeof(struct pv_growth_type),
		      compare_gained);
	if (growth->filled.n)
		qsort(growth->filled.data, growth->filled.n, sizeof(struct pv_growth_type),
		      compare_gained);
	return err;
}

struct pv_err *pv_growth_of(const struct pv_memory *memory, struct pv_growth *ret)
{
	struct pv_growth growth = {
		.types = PV_VEC(struct pv_growth_type),
		.rising = PV_VEC(struct pv_growth_type),
		.filled = PV_VEC(struct pv_growth_type),
		.waiting = PV_VEC(struct pv_growth_type),
		.turns = PV_VEC(struct pv_growth_type),
	};
	struct pv_err *err = grow_mappings(memory, &growth);

	if (!err)
		err = grow_types(memory, &growth);
	if (err) {
		pv_growth_deinit(&growth);
		return err;
	}
	*ret = growth;
	return NULL;
}

/*
 * Texts and numbers are made anywhere, and what is reused has the place of its first use: of those
 * that grow with something else there is little to learn, and much to pay.
 */
static bool is_telling(const struct pv_memory *memory, uint32_t type)
{
	return !pv_type_is_alone(memory, type) && !pv_type_is_reused(memory, type);
}

static bool tells(const struct pv_memory *memory, const struct pv_vec *types)
{
	for (size_t i = 0; i < types->n; i++) {
		if (is_telling(memory, ((const struct pv_growth_type *)pv_vec_at(types, i))->type))
			return true;
	}
	return false;
}

struct pv_err *pv_growth_sought(const struct pv_memory *memory, struct pv_vec *types_ret)
{
	struct pv_growth growth;
	const struct pv_vec *types;
	double sum = 0, others = 0, per_s = 0;
	struct pv_err *err = pv_growth_of(memory, &growth);
	bool blocks, telling;

	if (err)
		return err;
	/* what surely grows tells; before anything does, what rises */
	types = growth.types.n ? &growth.types : &growth.rising;
	for (size_t i = 0; i < types->n; i++) {
		const struct pv_growth_type *one = pv_vec_at(types, i);
		const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);
		double bytes_per_s = one->bytes_per_s > 0 ? one->bytes_per_s : 0;

		sum += bytes_per_s;
		others += type->kind == PV_TYPE_HEAP_BLOCK ? 0 : bytes_per_s;
		per_s = one->count.per_s > per_s ? one->count.per_s : per_s;
	}
	blocks = sum > 0 && others <= NEXT_TO_NOTHING * sum;
	telling = tells(memory, types);
	for (size_t i = 0; i < types->n && !err && (blocks || per_s <= RARE_PER_S); i++) {
		const struct pv_growth_type *one = pv_vec_at(types, i);

		if (telling && !is_telling(memory, one->type))
			continue;
		/* of much, what is next to nothing of it is left out */
		if (per_s <= RARE_PER_S || one->bytes_per_s >= NEXT_TO_NOTHING * sum)
			err = pv_vec_append(types_ret, &one->type, 1, NULL);
	}
	pv_growth_deinit(&growth);
	return err;
}

struct pv_err *pv_growth_suspected(const struct pv_memory *memory, bool *ret)
{
	struct pv_growth growth;
	struct pv_err *err = pv_growth_of(memory, &growth);

	if (err)
		return err;
	*ret = growth.suspected;
	pv_growth_deinit(&growth);
	return NULL;
}

void pv_growth_deinit(struct pv_growth *growth)
{
	pv_vec_deinit(&growth->types);
	pv_vec_deinit(&growth->rising);
	pv_vec_deinit(&growth->filled);
	pv_vec_deinit(&growth->waiting);
	pv_vec_deinit(&growth->turns);
}
