/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame texts of all locations of a profile, made once, and their order:
 * locations with the same text have the same rank.
 */
#ifndef PV_OUT_TEXTS_H
#define PV_OUT_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "out/format.h"

struct pv_profile;

struct pv_texts {
	struct pv_str bytes; /* one after the other, each with a NUL */
	size_t *offset;      /* by location: into bytes; one more at the end */
	uint32_t *rank;      /* by location: in the order of the texts' bytes, then of class */
	uint32_t *loc;       /* by rank: one location that has it */
	uint32_t n;          /* ranks */
};

/* class: by location, keeps equal texts apart; NULL = none. */
struct pv_err *pv_texts_init(struct pv_texts *texts, const struct pv_profile *profile,
			     enum pv_escape escape, const uint8_t *class);
void pv_texts_deinit(struct pv_texts *texts);

static inline const char *pv_texts_get(const struct pv_texts *texts, uint32_t loc, size_t *n_ret)
{
	*n_ret = texts->offset[loc + 1] - texts->offset[loc] - 1;
	return texts->bytes.data + texts->offset[loc];
}

#endif
