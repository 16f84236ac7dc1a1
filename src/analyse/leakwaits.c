/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What waits for the garbage collector, and until when.  Input: growth.  Output: text.
 */
#include "analyse/leakwaits.h"

#include <inttypes.h>

#include "analyse/growth.h"
#include "analyse/leak.h"
#include "base/text.h"

enum { NAMED = 2 }; /* types */

static const double BEYOND = 1.5; /* of the time until the next collection, to see it */

static struct pv_err *say_types(const struct pv_memory *memory, const struct pv_vec *types,
				struct pv_str *str)
{
	struct pv_err *err = NULL;
	size_t named = 0;

	for (size_t i = 0; !err && i < types->n && named < NAMED; i++) {
		const struct pv_growth_type *one = pv_vec_at(types, i);
		const struct pv_memory_type *type = pv_vec_at(&memory->types, one->type);

		if (type->kind != PV_TYPE_OBJECT)
			continue;
		err = pv_str_appendf(str, "%s`", named++ ? " and " : "");
		if (!err)
			err = pv_leak_type(memory, one->type, str);
		if (!err)
			err = pv_str_appendf(str, "`");
	}
	return err;
}

/* Blocks of which it is not known whose they are. */
static struct pv_err *say_parts(const struct pv_growth *growth, bool unknown, struct pv_str *str)
{
	if (growth->parts_per_s <= 0)
		return NULL;
	if (unknown && growth->parts_unclear)
		return pv_str_appendf(
			str,
			"blocks that are no objects grow beside it, by %s/s, which is "
			"more: whether they are parts of it cannot be told before it "
			"is freed.\n",
			pv_text_bytes(growth->parts_per_s).text);
	return pv_str_appendf(str, "blocks that are no objects, %s/s, are taken for parts of it.\n",
			      pv_text_bytes(growth->parts_per_s).text);
}

/* By itself the collector looks at all objects when those that got old are a quarter more. */
static struct pv_err *say_next(const struct pv_growth *growth, struct pv_str *str)
{
	const struct pv_collections *now = &growth->collections;
	unsigned int longer = pv_leak_longer(BEYOND * (now->next_s + growth->seconds), 0);

	if (now->next_s > 0)
		return pv_str_appendf(str,
				      "no full collection came in this time; it has %s old "
				      "objects, and the next comes when there are a quarter more, "
				      "in some %.0f s: -d %u sees it.\n",
				      pv_text_number(now->old).text, now->next_s, longer);
	return pv_str_appendf(str, "no full collection came in this time: look longer, -d %u.\n",
			      pv_leak_longer(0, growth->seconds));
}

static struct pv_err *say_when(const struct pv_growth *growth, struct pv_str *str)
{
	const struct pv_collections *now = &growth->collections;

	if (now->disabled && !now->seen)
		return pv_str_appendf(
			str,
			"the garbage collector is disabled, but full collections have freed %s "
			"objects so far, and %s wait now: the program has them made itself, as it "
			"seems.  if none comes any more, that shows with -d %u.\n",
			pv_text_number(now->freed_before).text, pv_text_number(now->garbage).text,
			pv_leak_longer(BEYOND * (now->next_s + growth->seconds), growth->seconds));
	if (now->seen)
		return pv_str_appendf(str, "%s full collection%s came in this time%s.\n",
				      pv_text_number(now->seen).text, now->seen == 1 ? "" : "s",
				      now->disabled ? ", which the program has made itself: the "
						      "garbage collector is disabled"
						    : "");
	return now->counted ? say_next(growth, str) : NULL;
}

struct pv_err *pv_leak_say_waiting(const struct pv_memory *memory, const struct pv_leak *leak,
				   struct pv_str *str)
{
	const struct pv_growth *growth = &leak->growth;
	struct pv_err *err;

	if (leak->kind >= PV_LEAK_GROWING)
		err = pv_str_appendf(str, "garbage grows, too, and is not in this: ");
	else
		err = pv_str_appendf(str, "%s garbage that waits for the garbage collector: ",
				     leak->kind != PV_LEAK_UNKNOWN ? "does not leak: what grows is"
				     : growth->parts_unclear       ? "what grows may be"
								   : "most of what grows is");
	if (!err)
		err = say_types(memory, &growth->waiting, str);
	if (!err)
		err = pv_str_appendf(str, ", which nobody has but each other.\n");
	if (!err)
		err = say_parts(growth, leak->kind == PV_LEAK_UNKNOWN, str);
	if (!err && leak->kind == PV_LEAK_UNKNOWN && growth->unclear)
		err = pv_str_appendf(str,
				     "whether more than that grows cannot be told from so few "
				     "looks: look longer, -d %u.\n",
				     pv_leak_longer(0, growth->seconds));
	return err ? err : say_when(growth, str);
}

struct pv_err *pv_leak_say_turns(const struct pv_memory *memory, const struct pv_growth *growth,
				 struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(str, "what came and went is garbage: ");

	if (!err)
		err = say_types(memory, &growth->turns, str);
	if (!err)
		err = pv_str_appendf(str, ", which nobody has but each other.\n");
	return err ? err : say_when(growth, str);
}
