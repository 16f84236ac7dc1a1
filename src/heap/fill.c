/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A census as a look of a hunt.
 * Input: struct pv_census, struct pv_garbage.  Output: a look of struct pv_memory, its types and
 * counts.
 */
#include "heap/fill.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "heap/census.h"
#include "heap/garbage.h"
#include "heap/object.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

enum {
	PAGE_BYTES = 4096,
	/* What is less is a chunk that changed while we looked: a doubt, no part that is missing.
	 */
	BROKEN_BYTES = 64 << 10,
};

static struct pv_err *say(struct pv_str *text, const char *format, uint64_t number)
{
	struct pv_err *err = text->n ? pv_str_append(text, "; ", 2) : NULL;

	return err ? err : pv_str_appendf(text, format, (unsigned long long)number);
}

/* Why not all of the heap was counted; "" if it was. */
static struct pv_err *why_partial(const struct pv_census *census, struct pv_str *text)
{
	struct pv_err *err = NULL;

	if (census->others[0])
		err = pv_str_appendf(text,
				     "%s is the process's allocator: of what it gave, only objects "
				     "that the garbage collector knows are counted",
				     census->others);
	if (!err && census->broken_bytes > BROKEN_BYTES)
		err = say(text, "%llu bytes of the C heap make no sense", census->broken_bytes);
	/* blocks are counted without them; what only they lead to is another allocator's */
	if (!err && census->others[0] && census->lists.n_broken)
		err = say(text, "%llu of its lists changed under our eyes", census->lists.n_broken);
	return err;
}

static struct pv_err *add_count(struct pv_memory *memory, uint32_t look,
				enum pv_memory_type_kind kind, const struct pv_census_type *type,
				uint64_t size, uint64_t n, uint64_t bytes)
{
	uint32_t index;
	struct pv_err *err = pv_memory_type_named(memory, kind, type ? type->name : NULL,
						  type ? type->module : NULL, size,
						  type ? type->type : 0, &index);

	return err ? err : pv_memory_count_type(memory, look, index, n, bytes);
}

struct pv_err *pv_census_fill(const struct pv_census *census, uint64_t at_ns,
			      struct pv_memory *memory, uint32_t *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str why = { 0 };
	struct pv_memory_look look = {
		.kind = PV_LOOK_CENSUS,
		.at_ns = at_ns,
		.took_ns = census->end_ns - census->start_ns,
		.doubts = census->n_torn_pools + census->n_breaks + census->fast_bins_unknown,
		.unread = census->skipped_bytes / PAGE_BYTES,
	};
	struct pv_err *err = why_partial(census, &why);
	uint32_t index;

	if (!err)
		err = pv_strings_add(memory->profile->strings, pv_str_text(&why), why.n, &look.why);
	look.partial = why.n != 0;
	if (!err)
		err = pv_memory_look(memory, &look, &index);
	for (size_t i = 0; !err && i < census->types.n; i++) {
		const struct pv_census_type *type = pv_vec_at(&census->types, i);

		err = add_count(memory, index, PV_TYPE_OBJECT, type, 0, type->n, type->bytes);
	}
	for (size_t i = 0; !err && i < census->raw.n; i++) {
		const struct pv_census_raw *raw = pv_vec_at(&census->raw, i);

		err = add_count(memory, index,
				raw->pymalloc ? PV_TYPE_POOL_BLOCK : PV_TYPE_HEAP_BLOCK, NULL,
				raw->bytes_max, raw->n, raw->bytes);
	}
	if (!err)
		*ret = index;
	return err;
}

/* As many as there would have been at the census. */
static uint64_t garbage_then(const struct pv_garbage_type *one, const struct pv_vec *types)
{
	for (size_t i = 0; one->n_tracked && i < types->n; i++) {
		const struct pv_census_type *type = pv_vec_at(types, i);
		uint64_t used = one->n_tracked > one->n ? one->n_tracked - one->n : 0;

		if (type->type == one->type && type->n_tracked)
			return type->n_tracked > used ? type->n_tracked - used : 0;
	}
	return one->n;
}

struct pv_err *pv_garbage_fill(const struct pv_garbage *garbage, struct pv_heap *heap,
			       const struct pv_vec *types, struct pv_memory *memory, uint32_t look)
{
	struct pv_err *err = NULL;

	((struct pv_memory_look *)pv_vec_at(&memory->looks, look))->has_garbage = true;
	for (size_t i = 0; !err && i < garbage->types.n; i++) {
		const struct pv_garbage_type *one = pv_vec_at(&garbage->types, i);
		const struct pv_heap_type *type = pv_heap_type(heap, one->type);
		char module[PV_HEAP_NAME_BYTES] = "", name[PV_HEAP_NAME_BYTES] = "";
		uint32_t index;

		if (!type)
			continue;
		pv_heap_type_names(heap, type, module, name);
		err = pv_memory_type_named(memory, PV_TYPE_OBJECT, name, module, 0, type->address,
					   &index);
		if (!err)
			pv_memory_count_garbage(memory, look, index, garbage_then(one, types));
	}
	return err;
}
