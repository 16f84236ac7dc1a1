/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the next object of a kind will be born.  Input: one that was, the process's pools as they
 * are now (heap/pools.h), or for what is larger glibc's chunks (heap/chunks.h).  Output: addresses,
 * the likeliest first.
 *
 * Allocators give out last what they got back last: what is short-lived takes and gives the same
 * few blocks over and over, and each object that stays eats one of them for good.
 */
#ifndef PV_SESSION_BIRTHPLACES_H
#define PV_SESSION_BIRTHPLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_birthplaces;
struct pv_heap_type;
struct pv_probed;

/*
 * like: the address of an object of the type, there or not any more.  One whose block cannot be
 * foretold is no error: *why_ret then says why, a static text, and nothing is made.
 */
struct pv_err *pv_birthplaces_create(struct pv_probed *probed, uint64_t like,
				     const struct pv_heap_type *type, struct pv_birthplaces **ret,
				     const char **why_ret);
void pv_birthplaces_destroy(struct pv_birthplaces *places);

/* Bytes of a block. */
uint32_t pv_birthplaces_block_bytes(const struct pv_birthplaces *places);

/* Reads anew where the next ones will be. */
struct pv_err *pv_birthplaces_look(struct pv_birthplaces *places, uint64_t now_ns);

/* Is that among the first few of the last look? */
bool pv_birthplaces_is_near(const struct pv_birthplaces *places, uint64_t object);

/* The likeliest that is none of n others, and was not given up lately; 0: there is none. */
uint64_t pv_birthplaces_choose(struct pv_birthplaces *places, const uint64_t *others, size_t n,
			       uint64_t now_ns);

/* That one was of no use, or is taken: it is chosen last for a while. */
struct pv_err *pv_birthplaces_give_up(struct pv_birthplaces *places, uint64_t object,
				      uint64_t now_ns);

/* One of the wanted was born there. */
void pv_birthplaces_was_right(struct pv_birthplaces *places, uint64_t object);

#endif
