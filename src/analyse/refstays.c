/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a library takes in one function and gives back in another: a type's new and its dealloc.
 * Each of the two leaves the same in all of its calls, so that no net tells which of what was taken
 * stays; the sums of the places do, if they come to what the count has grown by.
 * Input: sums of places, by calls as refcalls.c has put them together.  Output: the `stays` of one
 * function.
 */
#include "analyse/refcalls.h"
#include "analyse/refnet.h"
#include "model/profile.h"
#include "model/refs.h"

enum {
	LEAST = 3,
	SLACK = 10, /* a tenth may be under way: taken before the first look, given back after the
		       last */
};

/* One place, all instructions of its line. */
struct place {
	uint32_t site; /* one of them */
	uint64_t plus;
};

static uint32_t module_of(const struct build *b, uint32_t site)
{
	const struct pv_ref_site *at = pv_vec_at(&b->refs->sites, site);

	return ((const struct pv_loc *)pv_vec_at(&b->refs->profile->locs, at->function))->module;
}

/* The function of a site; NULL: Python's own, or one that no stack had. */
static struct pv_refnet_function *function_of(const struct build *b, uint32_t site,
					      uint64_t *index_ret)
{
	const struct pv_ref_site *at = pv_vec_at(&b->refs->sites, site);
	struct pv_refnet_function *function;

	if (!pv_map_get(&b->function_index, at->function, index_ret))
		return NULL;
	function = pv_vec_at(&b->net->functions, *index_ret);
	return function->python || function->interpreter ? NULL : function;
}

static bool is_about(uint64_t n, int64_t growth)
{
	int64_t away = (int64_t)n - growth;

	return (away < 0 ? -away : away) <= growth / SLACK;
}

/* What a library has taken and given back in all. */
static void sum_up(const struct build *b, uint32_t module, uint64_t *plus_ret, uint64_t *minus_ret)
{
	*plus_ret = *minus_ret = 0;
	for (size_t i = 0; i < b->net->by_site.n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(&b->net->by_site, i);

		if (module_of(b, sum->key) != module)
			continue;
		*plus_ret += sum->plus;
		*minus_ret += sum->minus;
	}
}

static uint64_t plus_at(const struct build *b, uint32_t site)
{
	uint64_t plus = 0;

	for (size_t i = 0; i < b->net->by_site.n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(&b->net->by_site, i);

		if (pv_refcalls_same_place(b->refs, sum->key, site))
			plus += sum->plus;
	}
	return plus;
}

/* The only place of the library that took as much as the count has grown by; else PV_REFS_NONE. */
static struct place find_place(const struct build *b, uint32_t module, int64_t growth)
{
	struct place found = { .site = PV_REFS_NONE };

	for (size_t i = 0; i < b->net->by_site.n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(&b->net->by_site, i);
		uint64_t plus;

		if (!sum->plus || module_of(b, sum->key) != module ||
		    pv_refcalls_same_place(b->refs, sum->key, found.site))
			continue;
		plus = plus_at(b, sum->key);
		if (!is_about(plus, growth))
			continue;
		if (found.site != PV_REFS_NONE)
			return (struct place){ .site = PV_REFS_NONE };
		found = (struct place){ .site = sum->key, .plus = plus };
	}
	return found;
}

static uint64_t calls_at(const struct build *b, uint64_t function, uint32_t site)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->left.n; i++) {
		const struct owned_left *left = pv_vec_at(&b->left, i);

		if (left->function == function && left->left.sign > 0 &&
		    pv_refcalls_same_place(b->refs, left->left.site, site))
			n += left->left.n;
	}
	return n;
}

void pv_refstays_find(struct build *b)
{
	int64_t growth = b->refs->last - b->refs->first;

	/* of the lines of one function nothing is known of the others */
	if (growth < LEAST || b->refs->field_size || b->refs->by_lines)
		return;
	for (size_t i = 0; i < b->net->by_site.n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(&b->net->by_site, i);
		struct pv_refnet_function *function;
		uint64_t plus, minus, index, via;
		struct place place;

		if (!sum->plus || !function_of(b, sum->key, &index))
			continue;
		sum_up(b, module_of(b, sum->key), &plus, &minus);
		/* one that gives nothing back itself hands out what it takes */
		if (!minus || plus < minus || !is_about(plus - minus, growth))
			continue;
		place = find_place(b, module_of(b, sum->key), growth);
		function = place.site == PV_REFS_NONE ? NULL : function_of(b, place.site, &index);
		if (!function || plus == place.plus)
			continue;
		function->stays = (struct pv_refnet_left){ .site = place.site,
							   .via = PV_REFS_NONE,
							   .inner = PV_REFS_NONE,
							   .sign = 1,
							   .n = place.plus };
		if (pv_map_get(&b->via, pv_refcalls_via((uint32_t)index, place.site), &via))
			function->stays.via = (uint32_t)via;
		function->others_plus = plus - place.plus;
		function->others_minus = minus;
		function->stays_calls = calls_at(b, index, place.site);
		return;
	}
}
