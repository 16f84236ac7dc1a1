/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose memory is at an address: an object's, a block's, a thread's stack, a module's data.
 * For what no path leads to.  Input: allocators' blocks, mappings, registers.  Output: text.
 */
#ifndef PV_HEAP_WHOSE_H
#define PV_HEAP_WHOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "model/memory.h"

struct pv_heap;
struct pv_heap_search;
struct pv_whose;

/* heap and search outlive it; of search the mappings and registers of its last pass. */
struct pv_err *pv_whose_create(struct pv_heap *heap, struct pv_heap_search *search,
			       struct pv_whose **ret);
void pv_whose_destroy(struct pv_whose *whose);

/*
 * at: of a word or a register.  exact: with its offset where many places would be the same
 * without.  type_ret: of the object it is in, else untouched.
 */
struct pv_err *pv_whose_memory(struct pv_whose *whose, uint64_t at, bool exact,
			       enum pv_holder_kind *kind_ret, uint64_t *type_ret,
			       struct pv_str *str);

#endif
