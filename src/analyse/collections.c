/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growth without garbage, and who frees that.
 * Input: looks, the collector's own counts.  Output: struct pv_collections, which types only wait.
 *
 * Sources: CPython Modules/gcmodule.c (gc_collect_generations(): a full collection comes only when
 * long_lived_pending is more than a quarter of long_lived_total).
 */
#include "analyse/collections.h"

#include "base/vec.h"

enum {
	OLD_PART = 4,
	RISES_LEAST = 6, /* looks that tell garbage, where few do */
	GREAT = 10,      /* so many times what is growth at all */
};

static const double MOST_LEAST = 0.5;   /* of what a type gained, to be garbage for the most part */
static const double ALL_LEAST = 0.9;    /* of that, to be nothing but garbage */
static const double SURVIVED_LEAST = 2; /* so many times what comes to be between two looks */

static const struct pv_memory_look *look_at(const struct pv_memory *memory,
					    const struct pv_vec *looks, size_t i)
{
	return pv_vec_at(&memory->looks, *(const uint32_t *)pv_vec_at(looks, i));
}

static double seconds_of(const struct pv_memory_look *look)
{
	return (double)(look->at_ns + look->took_ns / 2) / 1e9;
}

static uint64_t garbage_at(const struct pv_memory *memory, uint32_t look)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < memory->types.n; i++)
		sum += pv_memory_type_at(memory, look, i).garbage;
	return sum;
}

/* The sum of garbage at the last look that tells, and what it rises by a second since the first. */
static void sum_garbage(const struct pv_memory *memory, const struct pv_vec *looks,
			struct pv_collections *ret, double *per_s_ret)
{
	const struct pv_memory_look *first = NULL, *last = NULL;
	uint64_t before = 0;

	for (size_t i = 0; i < looks->n; i++) {
		const struct pv_memory_look *look = look_at(memory, looks, i);

		if (!look->has_garbage)
			continue;
		ret->known = true;
		ret->garbage = garbage_at(memory, *(const uint32_t *)pv_vec_at(looks, i));
		if (!first) {
			first = look;
			before = ret->garbage;
		}
		last = look;
	}
	*per_s_ret = first && last->at_ns > first->at_ns
			     ? ((double)ret->garbage - (double)before) /
				       (seconds_of(last) - seconds_of(first))
			     : 0;
}

/* By what pending objects rose since the last full collection that was seen. */
static double until_full(const struct pv_memory *memory, const struct pv_vec *looks)
{
	const struct pv_memory_look *last = look_at(memory, looks, looks->n - 1), *first = last;
	double per_s,
		left = (double)last->collector.old / OLD_PART - (double)last->collector.pending;

	if (!last->collector.aged)
		return 0;
	for (size_t i = looks->n - 1; i-- > 0;) {
		const struct pv_memory_look *look = look_at(memory, looks, i);

		if (!look->collector.aged || look->collector.full != last->collector.full)
			break;
		first = look;
	}
	if (first == last || last->collector.pending <= first->collector.pending)
		return 0;
	per_s = (double)(last->collector.pending - first->collector.pending) /
		(seconds_of(last) - seconds_of(first));
	return left > 0 && per_s > 0 ? left / per_s : 0;
}

struct pv_collections pv_collections_of(const struct pv_memory *memory, const struct pv_vec *looks)
{
	struct pv_collections now = { 0 };
	const struct pv_memory_collector *first, *last;
	double per_s;

	if (!looks->n)
		return now;
	first = &look_at(memory, looks, 0)->collector;
	last = &look_at(memory, looks, looks->n - 1)->collector;
	sum_garbage(memory, looks, &now, &per_s);
	now.disabled = last->disabled;
	now.counted = first->counted && last->counted && last->full >= first->full;
	now.old = last->aged ? last->old : 0;
	if (now.counted) {
		now.seen = last->full - first->full;
		now.freed_before = last->collected;
	}
	/*
	 * A program whose collector is off may collect itself, at times.  It has done so if full
	 * collections have freed as much as waits now: those of its start had little to free.
	 */
	now.freed = now.known && (!now.disabled || now.seen ||
				  (now.counted && now.garbage && now.freed_before >= now.garbage));
	if (!now.disabled)
		now.next_s = until_full(memory, looks);
	else if (now.freed && per_s > 0 && now.freed_before > now.garbage)
		now.next_s = (double)(now.freed_before - now.garbage) / per_s;
	return now;
}

/* ---- of a type */

/* At the looks that tell garbage apart. */
struct told {
	double at_s[PV_SLOPE_MOST], all[PV_SLOPE_MOST], garbage[PV_SLOPE_MOST], live[PV_SLOPE_MOST];
	uint64_t full[PV_SLOPE_MOST];
	bool counted;
	size_t n;
};

static void tell(const struct pv_memory *memory, const struct pv_vec *looks, uint32_t type,
		 struct told *ret)
{
	size_t step = looks->n / PV_SLOPE_MOST + 1;

	ret->n = 0;
	ret->counted = true;
	for (size_t i = (looks->n - 1) % step; i < looks->n; i += step) {
		const struct pv_memory_look *look = look_at(memory, looks, i);
		struct pv_memory_count one;

		if (!look->has_garbage)
			continue;
		one = pv_memory_type_at(memory, *(const uint32_t *)pv_vec_at(looks, i), type);
		ret->at_s[ret->n] = seconds_of(look);
		ret->all[ret->n] = (double)one.count;
		ret->garbage[ret->n] = (double)one.garbage;
		ret->live[ret->n] = (double)(one.count - one.garbage);
		ret->full[ret->n] = look->collector.full;
		ret->counted &= look->collector.counted;
		ret->n++;
	}
}

/*
 * Has it outlived a full collection?  Then the collector does not take it for garbage (a type of C
 * that does not tell all that it has).  Of those that came the one with the most before it tells.
 */
static bool has_survived(const struct told *told)
{
	double most = 0, per_s = pv_slope_of(told->at_s, told->garbage, told->n, 0).per_s;
	bool survived = false;

	for (size_t i = 0; told->counted && i + 1 < told->n; i++) {
		double before = told->garbage[i],
		       comes = per_s * (told->at_s[i + 1] - told->at_s[i]);

		if (told->full[i + 1] == told->full[i] || before <= most)
			continue;
		most = before;
		survived = before >= SURVIVED_LEAST * comes && told->garbage[i + 1] >= before;
	}
	return survived;
}

/*
 * A few looks are enough where all of them together show growth, and what is left without garbage
 * is a good part of that, and more each time: chance orders six so once in 720.
 */
static bool rises_always(const struct told *told, double least, double gained)
{
	double more = told->n ? told->live[told->n - 1] - told->live[0] : 0;

	if (told->n < RISES_LEAST || more < GREAT * least || more < (1 - ALL_LEAST) * gained)
		return false;
	for (size_t i = 1; i < told->n; i++) {
		if (told->live[i] <= told->live[i - 1])
			return false;
	}
	return true;
}

enum pv_waits pv_waits_of(const struct pv_memory *memory, const struct pv_collections *collections,
			  const struct pv_vec *looks, uint32_t type, const struct pv_slope *slope,
			  double least, struct pv_slope *live_ret)
{
	struct pv_slope live;
	struct told told;
	double gained, garbage;
	bool most;

	if (!collections->freed)
		return PV_WAITS_NOT;
	tell(memory, looks, type, &told);
	if (!told.n || told.garbage[told.n - 1] < least)
		return PV_WAITS_NOT;
	/* one look alone tells how much there is */
	gained = told.n > 1 ? told.all[told.n - 1] - told.all[0] : slope->gained;
	garbage = told.garbage[told.n - 1] - (told.n > 1 ? told.garbage[0] : 0);
	most = garbage > 0 && garbage >= MOST_LEAST * gained;
	if (has_survived(&told))
		return PV_WAITS_NOT;
	live = pv_slope_of(told.at_s, told.live, told.n, least);
	live.grows |= slope->grows && rises_always(&told, least, gained);
	if (live.grows && (slope->grows ? most : told.n >= PV_SLOPE_SURE)) {
		*live_ret = live;
		return PV_WAITS_LEAKS;
	}
	if (slope->flattened && most && garbage >= ALL_LEAST * gained)
		return PV_WAITS_TURNS;
	if (!slope->grows || !most)
		return PV_WAITS_NOT;
	return told.n >= PV_SLOPE_SURE || garbage >= ALL_LEAST * gained ? PV_WAITS : PV_WAITS_MAYBE;
}
