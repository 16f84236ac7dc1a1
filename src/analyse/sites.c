/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation sites, ranked.  Input: a pv_memory, what grows.  Output: struct pv_suspect.
 */
#include "analyse/sites.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/growth.h"
#include "base/cleanup.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

static const double UNTYPED = 0.3, REUSED = 0.3;
static const double OTHER_HEAP = 0.1, OTHER_SIZE = 0.3; /* than of the blocks that grow */

static const double ACCOUNT_PART = 0.5, ACCOUNT_MOST = 2; /* of what is expected to be found */

enum {
	ACCOUNT_LEAST = 5, /* blocks */
	ROOM = 3, /* what stays of a site may be so many times what grows: bursts are short */
	OBJECT_HEAD = 16,
};

static const struct pv_loc *loc_at(const struct pv_memory *memory, uint32_t loc)
{
	return pv_vec_at(&memory->profile->locs, loc);
}

/*
 * The function's own name in a C++ declaration: behind what it returns, where that is told
 * ("void std::vector<int>::push_back(int&&)").
 */
static const char *own_name(const char *declaration)
{
	static const char nameless[] = "(anonymous namespace)";
	const char *name = declaration;
	int depth = 0;

	for (const char *at = declaration; *at; at++) {
		if (!strncmp(at, nameless, strlen(nameless))) {
			at += strlen(nameless) - 1;
			continue;
		}
		if (*at == '(' && !depth)
			break;
		depth += *at == '<';
		depth -= *at == '>' && depth;
		if (*at == ' ' && !depth)
			name = at + 1;
	}
	return name;
}

/* Of the C++ library, which is in part compiled into, or linked with, each that uses it. */
static bool is_cxx_library(const char *function)
{
	static const char *const starts[] = { "std::", "__gnu_cxx::" };
	const char *name = own_name(function);

	if (!strncmp(function, "operator new", strlen("operator new")))
		return true;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (!strncmp(name, starts[i], strlen(starts[i])))
			return true;
	}
	return false;
}

/* Code that allocates for others: its callers are who wants to know. */
static bool is_allocator(const struct pv_profile *profile, const struct pv_loc *loc)
{
	static const char *const starts[] = { "libstdc++",   "libjemalloc", "libtcmalloc",
					      "libmimalloc", "libasan",     "libc++" };
	const char *module = pv_strings_get(profile->strings, loc->module);

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (!strncmp(module, starts[i], strlen(starts[i])))
			return true;
	}
	return pv_frame_is_interpreter(profile, loc) ||
	       is_cxx_library(pv_strings_get(profile->strings, loc->function));
}

static bool is_native(const struct pv_loc *loc)
{
	return loc->kind == PV_LOC_NATIVE || loc->kind == PV_LOC_INLINED;
}

struct pv_spot pv_spot_of(const struct pv_memory *memory, uint32_t node)
{
	struct pv_spot spot = { PV_MEMORY_NONE, PV_MEMORY_NONE, PV_MEMORY_NONE };
	const struct pv_profile *profile = memory->profile;
	uint32_t inner = PV_MEMORY_NONE;

	while (node && node < profile->nodes.n) {
		const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);
		const struct pv_loc *loc = loc_at(memory, at->loc);

		if (loc->kind == PV_LOC_PYTHON && inner == PV_MEMORY_NONE)
			inner = at->loc;
		if (loc->kind == PV_LOC_PYTHON && pv_loc_is_own(profile, loc)) {
			spot.python = at->loc;
			break;
		}
		if (is_native(loc) && spot.native == PV_MEMORY_NONE && inner == PV_MEMORY_NONE &&
		    !is_allocator(profile, loc))
			spot.native = at->loc;
		node = at->parent;
	}
	if (spot.python == PV_MEMORY_NONE)
		spot.python = inner;
	else if (inner != spot.python)
		spot.under = inner;
	return spot;
}

static struct pv_err *append_function(const struct pv_memory *memory, uint32_t loc, bool where,
				      struct pv_str *str)
{
	const struct pv_loc *at = loc_at(memory, loc);
	struct pv_err *err = pv_frame_function(memory->profile, at, str);

	if (err || !where)
		return err;
	err = pv_str_appendf(str, " (");
	if (!err)
		err = pv_frame_place(memory->profile, at, at->line, at->line, str);
	return err ? err : pv_str_appendf(str, ")");
}

struct pv_err *pv_spot_text(const struct pv_memory *memory, const struct pv_spot *spot,
			    struct pv_str *str)
{
	const struct pv_loc *python;
	struct pv_err *err;

	if (spot->python == PV_MEMORY_NONE)
		return spot->native == PV_MEMORY_NONE
			       ? pv_str_appendf(str, "[unknown]")
			       : append_function(memory, spot->native, true, str);
	python = loc_at(memory, spot->python);
	err = pv_frame_place(memory->profile, python, python->line, python->line, str);
	if (!err)
		err = pv_str_appendf(str, " under ");
	if (err)
		return err;
	if (spot->native != PV_MEMORY_NONE)
		return append_function(memory, spot->native, true, str);
	if (spot->under != PV_MEMORY_NONE)
		return append_function(memory, spot->under, true, str);
	return append_function(memory, spot->python, false, str);
}

/* ---- suspects */

/* Of a C function the line may be known at some of its places. */
static bool same_native(const struct pv_memory *memory, uint32_t a, uint32_t b)
{
	if (a == b || a == PV_MEMORY_NONE || b == PV_MEMORY_NONE)
		return a == b;
	return loc_at(memory, a)->function == loc_at(memory, b)->function &&
	       loc_at(memory, a)->module == loc_at(memory, b)->module;
}

static bool same(const struct pv_memory *memory, const struct pv_suspect *a,
		 const struct pv_suspect *b)
{
	return a->spot.python == b->spot.python && a->spot.under == b->spot.under &&
	       same_native(memory, a->spot.native, b->spot.native);
}

static struct pv_err *find(const struct pv_memory *memory, struct pv_vec *suspects,
			   struct pv_map *index, const struct pv_suspect *one,
			   struct pv_suspect **ret)
{
	uint32_t function = one->spot.native == PV_MEMORY_NONE
				    ? PV_MEMORY_NONE
				    : loc_at(memory, one->spot.native)->function;
	uint64_t key = pv_hash((uint64_t)one->spot.python << 32 | function) ^ one->spot.under;
	struct pv_err *err;
	uint64_t at;

	for (key = pv_hash(key); pv_map_get(index, key, &at); key = pv_hash(key + 1)) {
		*ret = pv_vec_at(suspects, at);
		if (same(memory, *ret, one))
			return NULL;
	}
	err = pv_map_set(index, key, suspects->n);
	return err ? err : pv_vec_append(suspects, one, 1, ret);
}

/* The time that weighed allocations of a source stand for, s. */
static double watched_s(const struct pv_memory *memory, enum pv_site_source source)
{
	static const enum pv_rung rungs[] = {
		[PV_SITE_GROWTH] = PV_RUNG_GROWTH,
		[PV_SITE_BURST] = PV_RUNG_BURSTS,
		[PV_SITE_ALL] = PV_RUNG_ALL,
		[PV_SITE_MAPPED] = PV_RUNG_TREND,
	};

	return (double)memory->rungs[rungs[source]].took_ns / 1e9;
}

static uint64_t weighed(uint64_t n, double weight)
{
	return weight > 1 ? (uint64_t)((double)n * weight + 0.5) : n;
}

static bool is_object(const struct pv_memory *memory, uint32_t type)
{
	return ((const struct pv_memory_type *)pv_vec_at(&memory->types, type))->kind ==
	       PV_TYPE_OBJECT;
}

/*
 * What is in use of the heaps grows by more than the types that do, by most of it: what little the
 * two differ in is what comes and goes.
 */
static double unexplained(const struct pv_growth *growth)
{
	double more = growth->in_use.per_s - growth->bytes_per_s;

	return growth->in_use.rises && more > growth->bytes_per_s ? more : 0;
}

bool pv_type_is_alone(const struct pv_memory *memory, uint32_t index)
{
	static const char *const alone[] = { "str", "int", "float", "bytes", "complex" };
	const struct pv_memory_type *type = pv_vec_at(&memory->types, index);
	const char *name = pv_strings_get(memory->profile->strings, type->name);

	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++) {
		if (type->kind == PV_TYPE_OBJECT && !type->module && !strcmp(name, alone[i]))
			return true;
	}
	return false;
}

/*
 * May blocks of such a size be a growing type's: its items, its table?  Its objects must be larger
 * than these and a head, as the census counts them, with all that only they have.
 */
static bool may_have(const struct pv_memory *memory, const struct pv_growth_type *one,
		     uint64_t bytes)
{
	return !pv_type_is_alone(memory, one->type) &&
	       (double)one->gained_bytes > one->count.gained * (double)(bytes + OBJECT_HEAD);
}

/*
 * Bytes a second that what stays of a site may be a part of.  Of a type: by which it grows.  Blocks
 * that are no objects and whose class does not grow may be an object's: its items, its table, or of
 * what grows in no class alone.  Of no known type, all that grow; *known_ret: it is this type.
 */
static double growth_of(const struct pv_memory *memory, const struct pv_growth *growth,
			uint32_t type, bool *known_ret)
{
	uint64_t bytes = 0;
	double objects = 0;

	if (type != PV_MEMORY_NONE)
		bytes = ((const struct pv_memory_type *)pv_vec_at(&memory->types, type))->size;
	*known_ret = false;
	for (size_t i = 0; i < growth->types.n && type != PV_MEMORY_NONE; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		*known_ret = one->type == type;
		if (*known_ret)
			return one->bytes_per_s;
		if (is_object(memory, one->type) && may_have(memory, one, bytes))
			objects += one->bytes_per_s;
	}
	if (type == PV_MEMORY_NONE)
		return growth->bytes_per_s + unexplained(growth);
	return is_object(memory, type) ? 0 : objects + unexplained(growth);
}

/*
 * Blocks of no known type: do they fit those that grow, if only blocks do?  The heap must be the
 * same, and the size nearly so.
 */
static double fits(const struct pv_memory *memory, const struct pv_growth *growth,
		   const struct pv_memory_site *site)
{
	double size = site->seen_count ? (double)site->seen_bytes / (double)site->seen_count : 0;
	double best = OTHER_HEAP;

	if (!growth->types.n)
		return 1;
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);
		const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);
		bool heap = type->kind == PV_TYPE_HEAP_BLOCK;
		double likely;

		if (type->kind == PV_TYPE_OBJECT)
			return UNTYPED;
		if (heap != (site->domain != PV_DOMAIN_OBJECT))
			continue;
		likely = size > 2 * (double)type->size || 2 * size < (double)type->size ? OTHER_SIZE
											: 1;
		best = likely > best ? likely : best;
	}
	return best;
}

/* Without a census the mappings are all that is known to grow. */
static double mapped_growth(const struct pv_growth *growth)
{
	double sum = 0;

	for (size_t i = 0; i < PV_MEMORY_N_CLASSES; i++) {
		if (growth->mapped[i].grows)
			sum += growth->mapped[i].per_s;
		else if (growth->resident[i].grows)
			sum += growth->resident[i].per_s;
	}
	return sum;
}

bool pv_type_is_reused(const struct pv_memory *memory, uint32_t type)
{
	static const char *const names[] = { "dict",  "list",   "tuple",
					     "float", "frame",  "slice",
					     "set",   "method", "builtin_function_or_method" };
	const struct pv_memory_type *one = pv_vec_at(&memory->types, type);
	const char *name = pv_strings_get(memory->profile->strings, one->name);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]) && !one->module)
			return true;
	}
	return false;
}

/*
 * The least share of all allocations that survives, by what of so many did (Wilson's bound, 95 %):
 * one of one is little proof, six of six is much.
 */
static double surely_survives(uint64_t left, uint64_t seen)
{
	const double z = 1.96;
	double n = (double)seen, p = seen ? (double)left / n : 0, bound;

	if (!seen || !left)
		return 0;
	if (p > 1)
		p = 1;
	bound = (p + z * z / (2 * n) - z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) /
		(1 + z * z / n);
	return bound > 0 ? bound : 0;
}

/*
 * Pages that were mapped are a block of the C library, if they are a large one that grows; else
 * they are an arena, a thread's stack, address space that is kept in reserve: none of what grows.
 */
static bool is_reserve(const struct pv_memory *memory, const struct pv_growth *growth,
		       const struct pv_memory_site *site)
{
	double size = site->seen_count ? (double)site->seen_bytes / (double)site->seen_count : 0;

	if (!growth->has_census || site->source == PV_SITE_MAPPED ||
	    site->domain != PV_DOMAIN_MMAP || site->type != PV_MEMORY_NONE)
		return false;
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);
		const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);

		if (type->kind == PV_TYPE_HEAP_BLOCK && size <= 2 * (double)type->size &&
		    2 * size >= (double)type->size)
			return false;
	}
	return true;
}

static double rate(const struct pv_memory *memory, const struct pv_growth *growth,
		   const struct pv_memory_site *site, const struct pv_memory_count *left,
		   struct pv_suspect *suspect)
{
	bool mapped = site->source == PV_SITE_MAPPED;
	double seconds = watched_s(memory, site->source);
	double survival = surely_survives(left->count, site->seen_count);
	/* of a known type that grows it is known that it does */
	bool by_mappings = mapped || !growth->has_census, typed = false;
	double grows =
		by_mappings ? mapped_growth(growth) : growth_of(memory, growth, site->type, &typed);
	double known = by_mappings                             ? 1
		       : !typed                                ? fits(memory, growth, site)
		       : pv_type_is_reused(memory, site->type) ? REUSED
							       : 1;
	double per_s = seconds > 0 ? (double)left->bytes * site->weight / seconds : 0;
	double repeated = site->bursts > 1
				  ? (double)(site->bursts_survived + 1) / (double)(site->bursts + 1)
				  : 1;

	suspect->bytes_per_s += per_s;
	if (is_reserve(memory, growth, site))
		return 0;
	if (per_s > ROOM * grows)
		per_s = ROOM * grows;
	return per_s * survival * survival * repeated * known;
}

/* A large one has a block of the C library's, which goes back to it. */
static bool has_reused(const struct pv_memory *memory, const struct pv_memory_site *site)
{
	return site->domain == PV_DOMAIN_OBJECT && pv_type_is_reused(memory, site->type);
}

static bool is_sound(const struct pv_memory *memory, const struct pv_growth *growth,
		     const struct pv_memory_site *site)
{
	bool grows = false;

	for (size_t i = 0; i < growth->types.n; i++)
		grows |= ((const struct pv_growth_type *)pv_vec_at(&growth->types, i))->type ==
			 site->type;
	return grows && !has_reused(memory, site) && !pv_type_is_alone(memory, site->type);
}

static int compare(const void *a, const void *b)
{
	const struct pv_suspect *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->left_bytes != y->left_bytes)
		return x->left_bytes > y->left_bytes ? -1 : 1;
	if (x->seen_bytes != y->seen_bytes)
		return x->seen_bytes > y->seen_bytes ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static bool has(const struct pv_memory *memory, enum pv_site_source source)
{
	for (size_t i = 0; i < memory->sites.n; i++) {
		const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);

		if (site->source == source)
			return true;
	}
	return false;
}

enum pv_site_source pv_suspects_source(const struct pv_memory *memory)
{
	return has(memory, PV_SITE_ALL)      ? PV_SITE_ALL
	       : has(memory, PV_SITE_BURST)  ? PV_SITE_BURST
	       : has(memory, PV_SITE_GROWTH) ? PV_SITE_GROWTH
					     : PV_SITE_MAPPED;
}

/* Of a site, what was found of it. */
struct part {
	uint32_t suspect; /* index */
	uint32_t type;
	uint64_t found;
	double weight;
};

static struct pv_err *add_part(struct pv_vec *parts, const struct pv_suspect *suspect,
			       const struct pv_suspect *first, const struct pv_memory_site *site,
			       uint64_t found)
{
	const struct part part = { (uint32_t)(suspect - first), site->type, found, site->weight };

	return found && site->type != PV_MEMORY_NONE ? pv_vec_append(parts, &part, 1, NULL) : NULL;
}

/* So much of what a suspect's type grows by was allocated while its sites were watched. */
static double expected_of(const struct pv_memory *memory, const struct pv_growth_type *type,
			  const struct pv_suspect *one)
{
	return type->count.per_s * watched_s(memory, one->source) / one->type_weight;
}

/* The most that was found of a type at any other place. */
static uint64_t others_found(const struct pv_vec *suspects, const struct pv_suspect *one)
{
	uint64_t most = 0;

	for (size_t i = 0; i < suspects->n; i++) {
		const struct pv_suspect *other = pv_vec_at(suspects, i);

		if (other != one && other->type == one->type && other->type_found > most)
			most = other->type_found;
	}
	return most;
}

static void find_account(const struct pv_memory *memory, const struct pv_growth_type *type,
			 const struct pv_vec *suspects, struct pv_suspect *one)
{
	double found = (double)one->type_found, expected, score;

	if (one->type_found < ACCOUNT_LEAST || pv_type_is_reused(memory, one->type))
		return;
	expected = expected_of(memory, type, one);
	one->accounts = found >= ACCOUNT_PART * expected &&
			found <= ACCOUNT_MOST * expected + ACCOUNT_LEAST &&
			(double)others_found(suspects, one) <= ACCOUNT_PART * found;
	score = ACCOUNT_PART * type->bytes_per_s;
	if (one->accounts && score > one->score)
		one->score = score;
}

/*
 * One bad request of a thousand leaves next to nothing of what its line allocates.  But it leaves
 * as much as grows.
 */
static void find_accounts(const struct pv_memory *memory, const struct pv_growth *growth,
			  const struct pv_vec *parts, struct pv_vec *suspects)
{
	for (size_t i = 0; i < parts->n; i++) {
		const struct part *part = pv_vec_at(parts, i);
		struct pv_suspect *one = pv_vec_at(suspects, part->suspect);

		if (one->source != PV_SITE_BURST || part->type != one->type)
			continue;
		one->type_found += part->found;
		if (!one->type_weight || part->weight < one->type_weight)
			one->type_weight = part->weight;
	}
	for (size_t i = 0; i < suspects->n; i++) {
		struct pv_suspect *one = pv_vec_at(suspects, i);

		for (size_t k = 0; k < growth->types.n && one->type_found; k++) {
			const struct pv_growth_type *type = pv_vec_at(&growth->types, k);

			if (type->type == one->type)
				find_account(memory, type, suspects, one);
		}
	}
}

struct pv_err *pv_suspects_of(const struct pv_memory *memory, const struct pv_growth *growth,
			      enum pv_site_source source, struct pv_vec *ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec suspects = PV_VEC(struct pv_suspect);
	PV_CLEANUP(pv_vec_deinit) struct pv_vec parts = PV_VEC(struct part);
	PV_CLEANUP(pv_map_deinit) struct pv_map index = { 0 };
	struct pv_err *err = NULL;

	for (uint32_t i = 0; i < memory->sites.n && !err; i++) {
		const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);
		struct pv_suspect one = { .source = source,
					  .type = PV_MEMORY_NONE,
					  .node = site->node,
					  .most = -1,
					  .most_typed = -1 },
				  *suspect;
		double score;

		uint32_t look = pv_memory_last_sites(memory, site->source);
		struct pv_memory_count left = { 0 };

		if (site->source != source)
			continue;
		if (look != PV_MEMORY_NONE)
			left = pv_memory_site_at(memory, look, i);
		one.spot = pv_spot_of(memory, site->node);
		err = find(memory, &suspects, &index, &one, &suspect);
		if (!err)
			err = add_part(&parts, suspect, suspects.data, site, left.count);
		if (err)
			break;
		suspect->seen_count += weighed(site->seen_count, site->weight);
		suspect->seen_bytes += weighed(site->seen_bytes, site->weight);
		suspect->left_count += weighed(left.count, site->weight);
		suspect->left_bytes += weighed(left.bytes, site->weight);
		if (!suspect->weight || left.count > suspect->most_found ||
		    (left.count == suspect->most_found && site->weight > suspect->weight)) {
			suspect->weight = site->weight;
			suspect->most_found = left.count;
		}
		suspect->found += left.count;
		if (is_sound(memory, growth, site))
			suspect->sound += left.count;
		score = rate(memory, growth, site, &left, suspect);
		/* no place is none to name */
		if (one.spot.python == PV_MEMORY_NONE && one.spot.native == PV_MEMORY_NONE)
			score = 0;
		suspect->score += score;
		if (score > suspect->most) {
			suspect->most = score;
			suspect->node = site->node;
			suspect->spot = one.spot;
		}
		if (score > suspect->most_typed && site->type != PV_MEMORY_NONE) {
			suspect->most_typed = score;
			suspect->type = site->type;
			suspect->reused = has_reused(memory, site);
		}
	}
	if (err)
		return err;
	for (size_t i = 0; i < suspects.n; i++) {
		struct pv_suspect *one = pv_vec_at(&suspects, i);

		if (one->seen_count)
			one->survival = (double)one->left_count / (double)one->seen_count;
	}
	find_accounts(memory, growth, &parts, &suspects);
	if (suspects.n)
		qsort(suspects.data, suspects.n, sizeof(struct pv_suspect), compare);
	*ret = suspects;
	suspects = (struct pv_vec)PV_VEC(struct pv_suspect);
	return NULL;
}

uint64_t pv_suspect_found(const struct pv_memory *memory, const struct pv_suspect *suspect,
			  uint32_t type)
{
	uint32_t look = pv_memory_last_sites(memory, suspect->source);
	uint64_t n = 0;

	for (uint32_t i = 0; look != PV_MEMORY_NONE && i < memory->sites.n; i++) {
		const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);
		struct pv_suspect one = { 0 };

		if (site->source != suspect->source || site->type != type)
			continue;
		one.spot = pv_spot_of(memory, site->node);
		if (same(memory, &one, suspect))
			n += pv_memory_site_at(memory, look, i).count;
	}
	return n;
}
