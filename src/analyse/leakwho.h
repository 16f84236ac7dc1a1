/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has what grows, for analyse/leak.c alone.  Input: a pv_memory, what grows of it.  Output: the
 * kind of a pv_leak, its subject and its holder.
 */
#ifndef PV_ANALYSE_LEAKWHO_H
#define PV_ANALYSE_LEAKWHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/leak.h"

#define PV_LEAK_PART_LEAST 0.05 /* of what grows, to be worth a name */

/* Little growth is a leak only if references of it are lost. */
void pv_leak_find_who(const struct pv_memory *memory, struct pv_leak *leak);

/*
 * Is it growth, for the most part, that a subject's holders hold?  What was there before is held by
 * others: of 20,000 strings nearly all are names in code.  Objects of a program's own class are
 * alike.
 */
bool pv_leak_is_growth(const struct pv_memory *memory, const struct pv_growth *growth,
		       uint32_t subject);

static inline const struct pv_memory_subject *pv_leak_subject(const struct pv_memory *memory,
							      uint32_t i)
{
	return pv_vec_at(&memory->subjects, i);
}

static inline const struct pv_memory_holder *pv_leak_holder(const struct pv_memory *memory,
							    uint32_t i)
{
	return pv_vec_at(&memory->holders, i);
}

static inline const struct pv_growth_type *pv_leak_growing(const struct pv_growth *growth,
							   uint32_t type)
{
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		if (one->type == type)
			return one;
	}
	return NULL;
}

#endif
