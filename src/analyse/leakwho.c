/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lost references, names, cycles.  Input: subjects and their holders.  Output: struct pv_leak.
 */
#include "analyse/leakwho.h"

#include <string.h>

#include "model/profile.h"
#include "model/strings.h"

static const double LOST_LEAST = 0.1;   /* of what a type gained that must be lost references */
static const double HELD_LEAST = 0.5;   /* of the objects that were looked at */
static const double CLASS_LEAST = 0.1;  /* of the lost references of a type that has no module */
static const double NOBODY_LEAST = 0.5; /* of blocks to which no pointer was found */
static const double SHARED_LEAST = 0.2; /* that the second holder has, for both to be told */
static const double EQUAL_LEAST = 0.8;  /* of the first one's objects, for a second to be one */
static const double FILLED_MOST = 2;    /* objects a new entry of what fills, of the mean of all */

enum { TAKEN_LEAST = 10 }; /* objects more at the second look of those that were looked at */

/* What most of a subject's growth is held by. */
struct named {
	uint32_t first, second; /* PV_MEMORY_NONE: there is none */
};

/* Of what grows a part that is worth a name: of its bytes, or of its objects. */
static bool is_part(const struct pv_growth *growth, uint32_t type)
{
	const struct pv_growth_type *one = pv_leak_growing(growth, type);

	return one && (one->bytes_per_s >= PV_LEAK_PART_LEAST * growth->bytes_per_s ||
		       one->count.gained >= PV_LEAK_PART_LEAST * (double)growth->gained_count);
}

/*
 * Has a type more to say than the one that was found so far, of which most are lost?  Objects of
 * the interpreter's own types hang on others by the dozen: a class with a module tells more, if it
 * is a good part.
 */
static bool tells_more(const struct pv_memory *memory, uint32_t type, double lost, uint32_t best,
		       double most)
{
	const struct pv_memory_type *a = pv_vec_at(&memory->types, type), *b;

	if (best == PV_MEMORY_NONE)
		return true;
	b = pv_vec_at(&memory->types, best);
	if (!a->module == !b->module)
		return lost > most;
	return a->module ? lost >= CLASS_LEAST * most : CLASS_LEAST * lost > most;
}

/* Of the growing types' subjects the one with most lost references, in proportion. */
static bool find_lost(const struct pv_memory *memory, struct pv_leak *leak)
{
	uint32_t best = PV_MEMORY_NONE;
	double most = 0;

	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		const struct pv_growth_type *type = pv_leak_growing(&leak->growth, one->type);
		double lost;

		if (!type || !one->lost_objects || one->looks < 2 || !one->objects)
			continue;
		lost = (double)one->lost_objects;
		if (one->of > one->objects)
			lost *= (double)one->of / (double)one->objects;
		if (lost < LOST_LEAST * type->count.gained ||
		    !tells_more(memory, one->type, lost, best, most))
			continue;
		most = lost;
		best = one->type;
		leak->subject = i;
		leak->kind = PV_LEAK_LOST;
	}
	return most > 0;
}

/* The holder of most of a subject's objects, of one kind. */
static uint32_t most_of(const struct pv_memory *memory, uint32_t subject, enum pv_holder_kind kind)
{
	uint32_t best = PV_MEMORY_NONE;

	for (uint32_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_leak_holder(memory, i);

		if (one->subject != subject || one->kind != kind)
			continue;
		if (best == PV_MEMORY_NONE || one->objects > pv_leak_holder(memory, best)->objects)
			best = i;
	}
	return best;
}

static bool covers(const struct pv_memory *memory, uint32_t holder, double least)
{
	const struct pv_memory_holder *one;

	if (holder == PV_MEMORY_NONE)
		return false;
	one = pv_leak_holder(memory, holder);
	return (double)one->objects >=
	       least * (double)pv_leak_subject(memory, one->subject)->objects;
}

bool pv_leak_is_growth(const struct pv_memory *memory, const struct pv_growth *growth,
		       uint32_t subject)
{
	const struct pv_memory_subject *one = pv_leak_subject(memory, subject);
	const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);
	const struct pv_growth_type *grows = pv_leak_growing(growth, one->type);

	return grows && (type->module || grows->count.gained >= HELD_LEAST * (double)one->of);
}

/*
 * Is it most of what a subject's type gained, if so many of its objects are held?  All others may
 * hold what it does not.
 */
static bool is_most(const struct pv_memory *memory, const struct pv_growth *growth,
		    uint32_t subject, uint64_t objects)
{
	const struct pv_memory_subject *one = pv_leak_subject(memory, subject);
	const struct pv_growth_type *grows;
	double held = (double)objects / (double)one->objects;

	if (held < HELD_LEAST)
		return false;
	if (pv_leak_is_growth(memory, growth, subject))
		return true;
	grows = pv_leak_growing(growth, one->type);
	return grows && (1 - held) * (double)one->of <= (1 - HELD_LEAST) * grows->count.gained;
}

static bool holds_growth(const struct pv_memory *memory, const struct pv_growth *growth,
			 uint32_t holder)
{
	const struct pv_memory_holder *one;

	if (holder == PV_MEMORY_NONE)
		return false;
	one = pv_leak_holder(memory, holder);
	return is_most(memory, growth, one->subject, one->objects);
}

/*
 * Objects that only what grows with them has: each other, and their dicts and other blocks that are
 * parts of objects (the values of attributes, 3.11 and later).  *holder_ret: most of it.
 */
static bool is_cyclic(const struct pv_memory *memory, const struct pv_growth *growth,
		      uint32_t subject, uint32_t *holder_ret)
{
	uint32_t best = PV_MEMORY_NONE;
	uint64_t objects = 0;

	if (covers(memory, most_of(memory, subject, PV_HOLDER_NAMED), PV_LEAK_PART_LEAST))
		return false;
	for (uint32_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_leak_holder(memory, i);

		if (one->subject != subject || one->kind != PV_HOLDER_BLOCK ||
		    (one->type != PV_MEMORY_NONE && !pv_leak_growing(growth, one->type)))
			continue;
		objects += one->objects;
		if (best == PV_MEMORY_NONE || one->objects > pv_leak_holder(memory, best)->objects)
			best = i;
	}
	*holder_ret = best;
	return (double)objects >= HELD_LEAST * (double)pv_leak_subject(memory, subject)->objects;
}

/* Blocks that no pointer leads to, and objects that only objects of a cycle have. */
static bool is_unreachable(const struct pv_memory *memory, const struct pv_growth *growth,
			   uint32_t subject, uint32_t *holder_ret)
{
	const struct pv_memory_subject *one = pv_leak_subject(memory, subject);
	const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);
	uint32_t none = most_of(memory, subject, PV_HOLDER_NONE);

	if (type->kind != PV_TYPE_OBJECT && covers(memory, none, NOBODY_LEAST)) {
		*holder_ret = none;
		return true;
	}
	return memory->gc_disabled && is_cyclic(memory, growth, subject, holder_ret);
}

/* Steps of a path from a root: what is nearer to it holds what is farther. */
static size_t steps(const struct pv_memory *memory, uint32_t holder)
{
	const char *text =
		pv_strings_get(memory->profile->strings, pv_leak_holder(memory, holder)->text);
	size_t n = 0;

	while ((text = strstr(text, " -> "))) {
		text += 4;
		n++;
	}
	return n;
}

/* Does the way to b lead through what a holds?  "_all -> dict", "_all -> dict['k'] -> list". */
static bool leads_through(const struct pv_memory *memory, uint32_t a, uint32_t b)
{
	const struct pv_strings *strings = memory->profile->strings;
	uint32_t text = pv_leak_holder(memory, a)->text;
	size_t n = pv_strings_length(strings, text);
	const char *whole = pv_strings_get(strings, pv_leak_holder(memory, b)->text);

	return n && !strncmp(whole, pv_strings_get(strings, text), n) &&
	       (whole[n] == '[' || !strncmp(whole + n, " -> ", 4));
}

/* In the same thing, as a key of a dict and as what its values have, or one through the other? */
static bool is_same_way(const struct pv_memory *memory, uint32_t a, uint32_t b)
{
	const struct pv_strings *strings = memory->profile->strings;
	const char *way = pv_strings_get(strings, pv_leak_holder(memory, a)->text), *at = way;
	const char *other = pv_strings_get(strings, pv_leak_holder(memory, b)->text);
	size_t n = 0, depth = steps(memory, a);

	if (leads_through(memory, a, b))
		return true;
	/* up to its last step; a module or a frame has many things */
	for (size_t i = 0; i < depth; i++) {
		n = (size_t)(strstr(at, " -> ") - way) + 4;
		at = way + n;
	}
	return depth > 1 && !strncmp(way, other, n);
}

/* ---- what has taken more since an earlier look */

/* Objects a second; 0: it was looked at once, or what it took may be chance. */
static double taken_per_s(const struct pv_memory *memory, uint32_t holder)
{
	const struct pv_memory_holder *one = pv_leak_holder(memory, holder);
	const struct pv_memory_subject *subject = pv_leak_subject(memory, one->subject);
	double share = subject->of ? (double)subject->objects / (double)subject->of : 0;

	if (!one->over_ns || one->kind != PV_HOLDER_NAMED ||
	    share * (double)one->gained < TAKEN_LEAST)
		return 0;
	return (double)one->gained / ((double)one->over_ns / 1e9);
}

/* Of the others the one that took most; PV_MEMORY_NONE. */
static uint32_t most_taken(const struct pv_memory *memory, uint32_t subject, uint32_t but)
{
	uint32_t best = PV_MEMORY_NONE;

	for (uint32_t i = 0; i < memory->holders.n; i++) {
		if (pv_leak_holder(memory, i)->subject == subject && i != but &&
		    taken_per_s(memory, i) > 0 &&
		    (best == PV_MEMORY_NONE || taken_per_s(memory, i) > taken_per_s(memory, best)))
			best = i;
	}
	return best;
}

/* However many others of the type are held elsewhere: what took most of what came is the holder. */
static bool find_takers(const struct pv_memory *memory, const struct pv_growth *growth,
			uint32_t subject, struct named *ret)
{
	const struct pv_growth_type *grows =
		pv_leak_growing(growth, pv_leak_subject(memory, subject)->type);
	uint32_t first = most_taken(memory, subject, PV_MEMORY_NONE), second;
	double taken, more;

	if (!grows || first == PV_MEMORY_NONE)
		return false;
	taken = taken_per_s(memory, first);
	second = most_taken(memory, subject, first);
	more = second == PV_MEMORY_NONE ? 0 : taken_per_s(memory, second);
	if (taken + more < HELD_LEAST * grows->count.per_s)
		return false;
	if (taken >= HELD_LEAST * grows->count.per_s ? more < EQUAL_LEAST * taken
						     : more < SHARED_LEAST * taken)
		second = PV_MEMORY_NONE;
	*ret = (struct named){ first, second };
	return second != PV_MEMORY_NONE || taken >= HELD_LEAST * grows->count.per_s;
}

/* ---- what has most */

/* The named holder of most of those that no one before it has; or of as many as the first. */
static uint32_t second_of(const struct pv_memory *memory, uint32_t first, bool own)
{
	const struct pv_memory_holder *most = pv_leak_holder(memory, first);
	uint32_t best = PV_MEMORY_NONE;
	uint64_t n, best_n = 0;

	for (uint32_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_leak_holder(memory, i);

		if (i == first || one->subject != most->subject || one->kind != PV_HOLDER_NAMED)
			continue;
		n = own ? one->own : one->objects;
		if (n <= best_n)
			continue;
		best = i;
		best_n = n;
	}
	return best;
}

static bool find_owners(const struct pv_memory *memory, const struct pv_growth *growth,
			uint32_t subject, struct named *ret)
{
	uint32_t first = most_of(memory, subject, PV_HOLDER_NAMED), second;
	uint64_t own, objects;

	if (first == PV_MEMORY_NONE)
		return false;
	objects = pv_leak_holder(memory, first)->objects;
	if (holds_growth(memory, growth, first)) {
		second = second_of(memory, first, false);
		if (second != PV_MEMORY_NONE &&
		    (double)pv_leak_holder(memory, second)->objects < EQUAL_LEAST * (double)objects)
			second = PV_MEMORY_NONE;
		*ret = (struct named){ first, second };
		return true;
	}
	second = second_of(memory, first, true);
	own = second == PV_MEMORY_NONE ? 0 : pv_leak_holder(memory, second)->own;
	*ret = (struct named){ first, second };
	return (double)own >= SHARED_LEAST * (double)objects &&
	       is_most(memory, growth, subject, objects + own);
}

/* One or two that have names; of two in the same thing the nearer one alone. */
static bool find_named(const struct pv_memory *memory, const struct pv_growth *growth,
		       uint32_t subject, struct named *ret)
{
	if (!find_takers(memory, growth, subject, ret) &&
	    !find_owners(memory, growth, subject, ret))
		return false;
	if (ret->second == PV_MEMORY_NONE)
		return true;
	if (!is_same_way(memory, ret->first, ret->second) &&
	    !is_same_way(memory, ret->second, ret->first))
		return true;
	if (steps(memory, ret->second) < steps(memory, ret->first))
		ret->first = ret->second;
	ret->second = PV_MEMORY_NONE;
	return true;
}

/* ---- what has most in many places of it */

/* Bytes of a way up to the end of a step from `from` on; 0: it has none. */
static size_t next_step(const char *way, size_t from)
{
	const char *end = strstr(way + from, " -> ");

	if (end)
		return (size_t)(end - way);
	return strlen(way) > from ? strlen(way) : 0;
}

static bool begins_with(const char *way, const char *stem, size_t n)
{
	return !strncmp(way, stem, n) && (!way[n] || way[n] == '[' || !strncmp(way + n, " -> ", 4));
}

/*
 * Bytes of what two ways have in common, up to what stands for all of a container's: each of them
 * has both.  0: nothing.
 */
static size_t common_stem(const struct pv_memory *memory, uint32_t a, uint32_t b)
{
	static const char any[] = "[...]";
	const struct pv_strings *strings = memory->profile->strings;
	const char *way = pv_strings_get(strings, pv_leak_holder(memory, a)->text);
	const char *other = pv_strings_get(strings, pv_leak_holder(memory, b)->text);
	size_t stem = 0;

	for (size_t n = next_step(way, 0); n; n = way[n] ? next_step(way, n + 4) : 0) {
		if (!begins_with(other, way, n) || other[n] == '[')
			break;
		if (n >= strlen(any) && !strncmp(way + n - strlen(any), any, strlen(any)))
			stem = n;
	}
	return stem;
}

/* All ways that begin so, each object once. */
static bool is_stem(const struct pv_memory *memory, const struct pv_growth *growth,
		    uint32_t subject, const char *stem, size_t n)
{
	const struct pv_growth_type *grows =
		pv_leak_growing(growth, pv_leak_subject(memory, subject)->type);
	double taken = 0;
	uint64_t own = 0;

	for (uint32_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_leak_holder(memory, i);

		if (one->subject != subject || one->kind != PV_HOLDER_NAMED || !one->objects ||
		    !begins_with(pv_strings_get(memory->profile->strings, one->text), stem, n))
			continue;
		own += one->own;
		taken += taken_per_s(memory, i) * (double)one->own / (double)one->objects;
	}
	return is_most(memory, growth, subject, own) ||
	       (grows && taken >= HELD_LEAST * grows->count.per_s);
}

/*
 * A request that is kept has its dicts in a dozen places, none of which has most of them: what they
 * all begin with is the holder.  A module or a frame alone says nothing.  stem_ret: bytes of the
 * way to *holder_ret, the most there can be.
 */
static bool find_stem(const struct pv_memory *memory, const struct pv_growth *growth,
		      uint32_t subject, uint32_t *holder_ret, size_t *stem_ret)
{
	uint32_t first = most_of(memory, subject, PV_HOLDER_NAMED);
	size_t stem = 0;
	const char *way;

	if (first == PV_MEMORY_NONE)
		return false;
	way = pv_strings_get(memory->profile->strings, pv_leak_holder(memory, first)->text);
	for (size_t n = next_step(way, 0); n; n = way[n] ? next_step(way, n + 4) : 0) {
		if (n == next_step(way, 0))
			continue;
		if (!is_stem(memory, growth, subject, way, n))
			break;
		stem = n;
	}
	*holder_ret = first;
	*stem_ret = stem;
	return stem > 0;
}

/*
 * Does it hold its objects in something that has a limit, and takes as many as it gets entries?  If
 * the entries themselves grew, they would be more for each.
 */
static bool fills(const struct pv_memory *memory, uint32_t holder)
{
	const struct pv_memory_holder *one = pv_leak_holder(memory, holder);
	const struct pv_memory_subject *subject = pv_leak_subject(memory, one->subject);
	double all;

	if (!one->limit || !one->used || !one->over_ns || one->used_gained <= 0)
		return false;
	all = (double)one->objects * (double)subject->of / (double)subject->objects;
	return (double)one->gained <=
	       FILLED_MOST * all / (double)one->used * (double)one->used_gained;
}

/*
 * What holds growth and is held itself, most of it, by what is nearer to a root: that grows for the
 * same reason, even if too many others of its type cannot be told from it.
 */
static void prefer_nearer(const struct pv_memory *memory, struct pv_leak *leak)
{
	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		uint32_t named = most_of(memory, i, PV_HOLDER_NAMED);

		if (!one->objects || !is_part(&leak->growth, one->type) ||
		    !covers(memory, named, HELD_LEAST) ||
		    !leads_through(memory, named, leak->holder))
			continue;
		leak->subject = i;
		leak->holder = named;
		leak->second = PV_MEMORY_NONE;
		leak->stem = 0;
	}
}

/* There was no time to compare it with before: then what has most of those that have a name. */
static bool in_limited(const struct pv_memory *memory, uint32_t subject)
{
	uint32_t named = most_of(memory, subject, PV_HOLDER_NAMED);
	const struct pv_memory_holder *one;

	if (named == PV_MEMORY_NONE)
		return false;
	one = pv_leak_holder(memory, named);
	return one->limit && !one->over_ns;
}

/*
 * Of what was looked at twice the holder that fills, nearest to a root: there is not always the
 * time to look at all types twice.
 */
static uint32_t find_filled(const struct pv_memory *memory, const struct pv_growth *growth)
{
	uint32_t filled = PV_MEMORY_NONE;

	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		struct named named;

		if (!one->objects || !is_part(growth, one->type) ||
		    !find_named(memory, growth, i, &named) || !fills(memory, named.first) ||
		    (named.second != PV_MEMORY_NONE && !fills(memory, named.second)))
			continue;
		if (filled == PV_MEMORY_NONE || steps(memory, named.first) < steps(memory, filled))
			filled = named.first;
	}
	return filled;
}

/* Was it looked at once, and has what fills one of them an entry, or two? */
static bool fills_with(const struct pv_memory *memory, uint32_t holder, uint32_t filled)
{
	const struct pv_memory_holder *one = pv_leak_holder(memory, holder);
	const struct pv_memory_subject *subject = pv_leak_subject(memory, one->subject);

	return filled != PV_MEMORY_NONE && !one->over_ns &&
	       one->limit == pv_leak_holder(memory, filled)->limit &&
	       (double)one->objects * (double)subject->of <=
		       FILLED_MOST * (double)one->used * (double)subject->objects;
}

static bool is_filling(const struct pv_memory *memory, uint32_t holder, uint32_t filled)
{
	return fills(memory, holder) || fills_with(memory, holder, filled);
}

/* Was it looked at, and does no way to it lead through what has a limit?  Then it fills nothing. */
static bool is_apart(const struct pv_memory *memory, uint32_t subject)
{
	if (pv_leak_subject(memory, subject)->partial)
		return false;
	for (uint32_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_leak_holder(memory, i);

		if (one->subject == subject && one->limit)
			return false;
	}
	return true;
}

/* Of the growing types' subjects, in the order of their looks, the first that has one. */
static bool find_many(const struct pv_memory *memory, struct pv_leak *leak)
{
	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		struct named named;

		/* what has a name only fills something */
		if (!one->objects || !is_part(&leak->growth, one->type) || in_limited(memory, i) ||
		    find_named(memory, &leak->growth, i, &named) ||
		    !find_stem(memory, &leak->growth, i, &leak->holder, &leak->stem))
			continue;
		leak->kind = PV_LEAK_HELD;
		leak->subject = i;
		return true;
	}
	leak->holder = PV_MEMORY_NONE;
	return false;
}

/*
 * A name for most of a growing type's objects: the shortest one there is.  What only fills is none,
 * but an answer if most of what grows does, and nothing of it is known to be elsewhere.
 */
static bool find_name(const struct pv_memory *memory, struct pv_leak *leak)
{
	uint32_t filled = find_filled(memory, &leak->growth);
	size_t least = SIZE_MAX;
	bool apart = false;
	double filling = 0;

	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		struct named named;

		if (!one->objects || !is_part(&leak->growth, one->type))
			continue;
		if (!find_named(memory, &leak->growth, i, &named)) {
			apart |= is_apart(memory, i);
			filling += in_limited(memory, i)
					   ? pv_leak_growing(&leak->growth, one->type)->bytes_per_s
					   : 0;
			continue;
		}
		if (is_filling(memory, named.first, filled) &&
		    (named.second == PV_MEMORY_NONE || is_filling(memory, named.second, filled))) {
			filling += pv_leak_growing(&leak->growth, one->type)->bytes_per_s;
			continue;
		}
		if (steps(memory, named.first) >= least)
			continue;
		least = steps(memory, named.first);
		leak->kind = PV_LEAK_HELD;
		leak->subject = i;
		leak->holder = named.first;
		leak->second = named.second;
		leak->stem = named.second == PV_MEMORY_NONE
				     ? 0
				     : common_stem(memory, named.first, named.second);
	}
	if (least != SIZE_MAX) {
		prefer_nearer(memory, leak);
		return true;
	}
	if (filled == PV_MEMORY_NONE || apart || filling < HELD_LEAST * leak->growth.bytes_per_s)
		return find_many(memory, leak);
	leak->kind = PV_LEAK_CLEAN;
	leak->bytes_per_s = 0;
	leak->fills = true;
	leak->holder = filled;
	leak->subject = pv_leak_holder(memory, filled)->subject;
	return true;
}

/* Less than a name, but more than nothing: what holds most of a subject's growth. */
static uint32_t find_nameless(const struct pv_memory *memory, const struct pv_growth *growth,
			      uint32_t subject)
{
	static const enum pv_holder_kind kinds[] = { PV_HOLDER_BLOCK, PV_HOLDER_MAPPING,
						     PV_HOLDER_STACK };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint32_t holder = most_of(memory, subject, kinds[i]);

		if (holds_growth(memory, growth, holder))
			return holder;
	}
	return PV_MEMORY_NONE;
}

/* Of the growing types, fastest first, the first whose holders say something. */
static void find_holder(const struct pv_memory *memory, struct pv_leak *leak)
{
	const struct pv_vec *types = &leak->growth.types;

	if (find_name(memory, leak))
		return;
	for (size_t k = 0; k < types->n; k++) {
		uint32_t type = ((const struct pv_growth_type *)pv_vec_at(types, k))->type;

		for (uint32_t i = 0; i < memory->subjects.n; i++) {
			uint32_t other;

			if (pv_leak_subject(memory, i)->type != type ||
			    !pv_leak_subject(memory, i)->objects || !is_part(&leak->growth, type))
				continue;
			if (is_unreachable(memory, &leak->growth, i, &other)) {
				leak->kind = PV_LEAK_LOST;
				leak->subject = i;
				leak->holder = other;
				return;
			}
			if (leak->holder != PV_MEMORY_NONE)
				continue;
			other = find_nameless(memory, &leak->growth, i);
			if (leak->subject == PV_MEMORY_NONE || other != PV_MEMORY_NONE)
				leak->subject = i;
			leak->holder = other;
		}
	}
}

void pv_leak_find_who(const struct pv_memory *memory, struct pv_leak *leak)
{
	if (leak->kind != PV_LEAK_GROWING || leak->where != PV_LEAK_TYPES ||
	    find_lost(memory, leak))
		return;
	if (leak->growth.little) {
		leak->kind = PV_LEAK_CLEAN;
		leak->bytes_per_s = 0;
		return;
	}
	find_holder(memory, leak);
}
