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

/* Holds it most of what a subject's type gained?  All others may hold what it does not. */
static bool holds_growth(const struct pv_memory *memory, const struct pv_growth *growth,
			 uint32_t holder)
{
	const struct pv_memory_holder *one;
	const struct pv_memory_subject *subject;
	const struct pv_growth_type *grows;
	double held;

	if (!covers(memory, holder, HELD_LEAST))
		return false;
	one = pv_leak_holder(memory, holder);
	subject = pv_leak_subject(memory, one->subject);
	if (pv_leak_is_growth(memory, growth, one->subject))
		return true;
	grows = pv_leak_growing(growth, subject->type);
	held = (double)one->objects / (double)subject->objects;
	return grows && (1 - held) * (double)subject->of <= (1 - HELD_LEAST) * grows->count.gained;
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

	return n && !strncmp(whole, pv_strings_get(strings, text), n) && whole[n] == '[';
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
	}
}

/* A name for most of a growing type's objects: the shortest one there is. */
static bool find_name(const struct pv_memory *memory, struct pv_leak *leak)
{
	size_t least = SIZE_MAX;

	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);
		uint32_t named;

		if (!one->objects || !is_part(&leak->growth, one->type))
			continue;
		named = most_of(memory, i, PV_HOLDER_NAMED);
		if (!holds_growth(memory, &leak->growth, named) || steps(memory, named) >= least)
			continue;
		least = steps(memory, named);
		leak->kind = PV_LEAK_HELD;
		leak->subject = i;
		leak->holder = named;
	}
	if (least != SIZE_MAX)
		prefer_nearer(memory, leak);
	return least != SIZE_MAX;
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
