/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of what a verdict speaks of.  Input: types of a pv_memory, kinds.  Output: text.
 */
#include <inttypes.h>

#include "analyse/leak.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/strings.h"

static const double ACCUSED_LEAST = 0.05; /* of the most suspect place's score */
static const double LEFT_LEAST = 0.01;    /* of what it allocated: the rest is in flight */
/* So many times as long as before is worth another try. */
#define MUCH_MORE 2

struct pv_err *pv_leak_type(const struct pv_memory *memory, uint32_t type, struct pv_str *str)
{
	const struct pv_strings *strings = memory->profile->strings;
	const struct pv_memory_type *one;
	struct pv_err *err = NULL;

	if (type >= memory->types.n)
		return pv_str_appendf(str, "[unknown]");
	one = pv_vec_at(&memory->types, type);
	if (one->kind == PV_TYPE_POOL_BLOCK)
		return pv_str_appendf(str, "blocks of %" PRIu64 " B", one->size);
	if (one->kind == PV_TYPE_HEAP_BLOCK)
		return pv_str_appendf(str, "C blocks up to %s",
				      pv_text_bytes((double)one->size).text);
	if (one->module) {
		err = pv_text_append(str, pv_strings_get(strings, one->module),
				     pv_strings_length(strings, one->module));
		if (!err)
			err = pv_str_appendf(str, ".");
	}
	return err ? err
		   : pv_text_append(str, pv_strings_get(strings, one->name),
				    pv_strings_length(strings, one->name));
}

bool pv_leak_accuses(const struct pv_leak *leak, const struct pv_suspect *one)
{
	const struct pv_suspect *first = leak->suspects.data;

	return leak->kind >= PV_LEAK_GROWING && one->left_count && one->score > 0 &&
	       one->score >= ACCUSED_LEAST * first->score &&
	       (one->accounts || (double)one->left_count >= LEFT_LEAST * (double)one->seen_count);
}

const char *pv_leak_name(enum pv_leak_kind kind)
{
	static const char *const names[] = { "unknown", "not asked", "clean",
					     "growing", "held",      "lost" };

	return (size_t)kind < sizeof(names) / sizeof(*names) ? names[kind] : "unknown";
}

unsigned int pv_leak_longer(double least, double too_short)
{
	static const unsigned int round[] = { 30,   60,   120,  300,   600,   1200,
					      1800, 3600, 7200, 14400, 28800, 86400 };
	size_t n = sizeof(round) / sizeof(*round), i = 0;

	while (i < n - 1 && (round[i] < least || round[i] < MUCH_MORE * too_short))
		i++;
	return round[i];
}
