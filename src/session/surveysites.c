/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sites of allocations.  Input: keys, totals, blocks.  Output: sites of a pv_memory.
 */
#include "session/surveysites.h"

#include <stdlib.h>
#include <string.h>

#include "abi/allocs.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "heap/object.h"
#include "heap/tally.h"
#include "session/survivors.h"

enum {
	SURE_LEAST = 5, /* blocks of a class */
};

/* What was seen of a key so far, and in the groups that do not count yet. */
struct stack {
	uint32_t site;
	struct pv_alloc_totals totals;
};

/* What a group has seen of a site. */
struct seen {
	uint32_t group, site;
	uint64_t count, bytes, freed;
};

struct group {
	uint64_t begun_ns;
	bool counts;
};

struct pv_survey_sites {
	struct pv_memory *memory;
	struct pv_heap *heap;
	enum pv_site_source source;
	struct pv_map keys;   /* key -> index of stacks */
	struct pv_vec stacks; /* struct stack */
	struct pv_vec seen;   /* struct seen, of groups that do not count yet */
	struct pv_vec groups; /* struct group */
};

struct pv_err *pv_survey_sites_create(struct pv_memory *memory, enum pv_site_source source,
				      struct pv_heap *heap, struct pv_survey_sites **ret)
{
	struct pv_survey_sites *sites = calloc(1, sizeof(*sites));

	if (!sites)
		return &pv_enomem;
	sites->memory = memory;
	sites->heap = heap;
	sites->source = source;
	sites->stacks = (struct pv_vec)PV_VEC(struct stack);
	sites->seen = (struct pv_vec)PV_VEC(struct seen);
	sites->groups = (struct pv_vec)PV_VEC(struct group);
	*ret = sites;
	return NULL;
}

void pv_survey_sites_destroy(struct pv_survey_sites *sites)
{
	if (!sites)
		return;
	pv_map_deinit(&sites->keys);
	pv_vec_deinit(&sites->stacks);
	pv_vec_deinit(&sites->seen);
	pv_vec_deinit(&sites->groups);
	free(sites);
}

static struct pv_memory_site *site_at(const struct pv_survey_sites *sites, uint32_t site)
{
	return pv_vec_at(&sites->memory->sites, site);
}

struct pv_err *pv_survey_sites_stack(struct pv_survey_sites *sites, uint64_t key, uint32_t node,
				     enum pv_alloc_domain domain)
{
	struct pv_memory_site site = {
		.source = sites->source,
		.domain = domain == PV_ALLOC_C         ? PV_DOMAIN_LIBC
			  : domain == PV_ALLOC_MAPPING ? PV_DOMAIN_MMAP
						       : PV_DOMAIN_OBJECT,
		.node = node,
		.type = PV_MEMORY_NONE,
		.weight = 1,
	};
	struct stack stack = { 0 };
	struct pv_err *err;
	uint64_t index;

	if (pv_map_get(&sites->keys, key, &index))
		return NULL;
	err = pv_memory_site(sites->memory, &site, &stack.site);
	if (!err)
		err = pv_vec_append(&sites->stacks, &stack, 1, NULL);
	return err ? err : pv_map_set(&sites->keys, key, sites->stacks.n - 1);
}

bool pv_survey_sites_of(const struct pv_survey_sites *sites, uint64_t key, uint32_t *ret)
{
	uint64_t index;

	if (!pv_map_get(&sites->keys, key, &index))
		return false;
	*ret = ((const struct stack *)pv_vec_at(&sites->stacks, index))->site;
	return true;
}

struct pv_err *pv_survey_sites_seen(struct pv_survey_sites *sites, uint64_t key, uint32_t group,
				    const struct pv_alloc_totals *totals)
{
	struct seen seen = { .group = group };
	struct stack *stack;
	uint64_t index;

	if (!pv_map_get(&sites->keys, key, &index))
		return NULL;
	stack = pv_vec_at(&sites->stacks, index);
	seen.site = stack->site;
	seen.count = totals->allocs - stack->totals.allocs;
	seen.bytes = totals->bytes - stack->totals.bytes;
	seen.freed = totals->frees - stack->totals.frees;
	stack->totals = *totals;
	return seen.count || seen.freed ? pv_vec_append(&sites->seen, &seen, 1, NULL) : NULL;
}

struct pv_err *pv_survey_sites_group(struct pv_survey_sites *sites, uint64_t begun_ns)
{
	struct group group = { .begun_ns = begun_ns };

	return pv_vec_append(&sites->groups, &group, 1, NULL);
}

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->site < y->site ? -1 : x->site > y->site;
}

static void add_seen(struct pv_survey_sites *sites, const struct seen *seen, bool first)
{
	struct pv_memory_site *site = site_at(sites, seen->site);

	site->seen_count += seen->count;
	site->seen_bytes += seen->bytes;
	site->freed_count += seen->freed;
	if (sites->source == PV_SITE_ALL)
		site->bursts = 1;
	else
		site->bursts += first;
}

/* Groups that are old enough count from now on. */
static void register_groups(struct pv_survey_sites *sites, uint64_t before_ns)
{
	struct seen *seen = sites->seen.data;
	size_t used = 0;

	for (size_t i = 0; i < sites->groups.n; i++) {
		struct group *group = pv_vec_at(&sites->groups, i);

		group->counts |= group->begun_ns <= before_ns;
	}
	/* many keys may be of one site: each instruction of a line is one */
	if (sites->seen.n)
		qsort(seen, sites->seen.n, sizeof(*seen), compare_seen);
	for (size_t i = 0; i < sites->seen.n; i++) {
		if (seen[i].group < sites->groups.n &&
		    ((const struct group *)pv_vec_at(&sites->groups, seen[i].group))->counts)
			add_seen(sites, &seen[i], !i || compare_seen(&seen[i - 1], &seen[i]));
	}
	for (size_t i = 0; i < sites->seen.n; i++) {
		if (seen[i].group >= sites->groups.n ||
		    !((const struct group *)pv_vec_at(&sites->groups, seen[i].group))->counts)
			seen[used++] = seen[i];
	}
	sites->seen.n = used;
}

/* One that was found, for sums by site. */
struct one {
	uint32_t site, group;
	uint64_t type; /* address; of what is no object RAW and its class; 0: not known */
	uint64_t bytes;
};

/* No type is at such addresses. */
#define RAW      (1ULL << 63)
#define RAW_HEAP (1ULL << 62) /* it is the C library's */

static int compare_ones(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

/* The class that a census counts a block in that is no object. */
static uint64_t raw_class(const struct pv_block *block)
{
	if (!block->all || block->domain == PV_ALLOC_MAPPING)
		return 0;
	return RAW | (block->domain == PV_ALLOC_C ? RAW_HEAP : 0) | pv_tally_class_of(block->all);
}

/* A type as a census names it; of one it did not see "module.name" is cut where the last dot is. */
static struct pv_err *name_type(struct pv_survey_sites *sites, uint64_t address, uint32_t *ret)
{
	const struct pv_heap_type *type;
	char module[PV_HEAP_NAME_BYTES] = "";
	const char *dot;

	if (address & RAW)
		return pv_memory_type_named(
			sites->memory, address & RAW_HEAP ? PV_TYPE_HEAP_BLOCK : PV_TYPE_POOL_BLOCK,
			NULL, NULL, address & ~(RAW | RAW_HEAP), 0, ret);
	type = sites->heap ? pv_heap_type(sites->heap, address) : NULL;
	if (!type)
		return NULL;
	/* a class has its module elsewhere: what grows is named by the census */
	*ret = pv_memory_type_of(sites->memory, address);
	if (*ret != PV_MEMORY_NONE)
		return NULL;
	dot = strrchr(type->name, '.');
	if (dot)
		memcpy(module, type->name, (size_t)(dot - type->name));
	return pv_memory_type_named(sites->memory, PV_TYPE_OBJECT, dot ? dot + 1 : type->name,
				    module, 0, address, ret);
}

/* What most of a site's survivors are, if it is more than half. */
static struct pv_err *set_type(struct pv_survey_sites *sites, const struct one *ones, size_t n)
{
	uint64_t type = 0;
	size_t votes = 0, agree = 0;

	for (size_t i = 0; i < n; i++) {
		if (!votes)
			type = ones[i].type;
		votes += ones[i].type == type ? 1 : (size_t)-1;
	}
	for (size_t i = 0; i < n; i++)
		agree += ones[i].type == type;
	if (!type || 2 * agree <= n)
		return NULL;
	return name_type(sites, type, &site_at(sites, ones[0].site)->type);
}

static struct pv_err *count_site(struct pv_survey_sites *sites, uint32_t look,
				 const struct one *ones, size_t n, uint64_t times)
{
	struct pv_memory_site *site = site_at(sites, ones[0].site);
	uint64_t bytes = 0;
	struct pv_err *err;

	site->bursts_survived = 0;
	for (size_t i = 0; i < n; i++) {
		bytes += ones[i].bytes;
		site->bursts_survived += !i || ones[i].group != ones[i - 1].group;
	}
	err = set_type(sites, ones, n);
	return err ? err
		   : pv_memory_count_site(sites->memory, look, ones[0].site, n * times,
					  bytes * times);
}

static bool counts(const struct pv_survey_sites *sites, const struct pv_block *block)
{
	return block->state == PV_BLOCK_SAME && block->group < sites->groups.n &&
	       ((const struct group *)pv_vec_at(&sites->groups, block->group))->counts;
}

/* How many blocks of each class are surely those that were seen to be allocated. */
static struct pv_err *count_sure(const struct pv_survey_sites *sites, const struct pv_vec *blocks,
				 struct pv_map *ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < blocks->n; i++) {
		const struct pv_block *block = pv_vec_at(blocks, i);
		uint64_t class = raw_class(block), n = 0;

		if (!class || !counts(sites, block) || block->type || block->changed)
			continue;
		pv_map_get(ret, class, &n);
		err = pv_map_set(ret, class, n + 1);
	}
	return err;
}

/*
 * Of no known type, and rests after it has changed: it may be another's.  Where there are enough
 * that are sure it counts for nobody.
 */
static bool is_anothers(const struct pv_map *sure, const struct pv_block *block)
{
	uint64_t n = 0;

	return !block->type && block->changed && pv_map_get(sure, raw_class(block), &n) &&
	       n >= SURE_LEAST;
}

static struct pv_err *gather(const struct pv_survey_sites *sites, const struct pv_vec *blocks,
			     struct pv_vec *ones)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map sure = { 0 };
	struct pv_err *err = count_sure(sites, blocks, &sure);

	for (size_t i = 0; !err && i < blocks->n; i++) {
		const struct pv_block *block = pv_vec_at(blocks, i);
		struct one one = { block->site, block->group,
				   block->type ? block->type : raw_class(block), block->size };

		if (counts(sites, block) && !is_anothers(&sure, block))
			err = pv_vec_append(ones, &one, 1, NULL);
	}
	return err;
}

struct pv_err *pv_survey_sites_look(struct pv_survey_sites *sites,
				    const struct pv_memory_look *look, const struct pv_vec *blocks,
				    uint64_t before_ns, uint64_t times)
{
	struct pv_vec ones = PV_VEC(struct one);
	const struct one *all;
	struct pv_err *err;
	uint32_t index;

	register_groups(sites, before_ns);
	for (size_t i = 0; i < sites->stacks.n; i++)
		site_at(sites, ((const struct stack *)pv_vec_at(&sites->stacks, i))->site)
			->bursts_survived = 0;
	err = gather(sites, blocks, &ones);
	if (!err)
		err = pv_memory_look(sites->memory, look, &index);
	all = ones.data;
	if (ones.n)
		qsort(ones.data, ones.n, sizeof(struct one), compare_ones);
	for (size_t i = 0, end; !err && i < ones.n; i = end) {
		for (end = i; end < ones.n && all[end].site == all[i].site; end++)
			;
		err = count_site(sites, index, all + i, end - i, times);
	}
	pv_vec_deinit(&ones);
	return err;
}

void pv_survey_sites_weigh(struct pv_survey_sites *sites,
			   double (*weight)(void *ctx, enum pv_memory_domain domain,
					    uint64_t bytes),
			   void *ctx)
{
	for (size_t i = 0; i < sites->stacks.n; i++) {
		const struct stack *stack = pv_vec_at(&sites->stacks, i);

		struct pv_memory_site *site = site_at(sites, stack->site);

		site->weight = weight(ctx, site->domain,
				      site->seen_count ? (site->seen_bytes + site->seen_count / 2) /
								 site->seen_count
						       : 0);
	}
}
