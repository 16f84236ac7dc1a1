/* SPDX-License-Identifier: BSD-2-Clause */
/* Interned strings: each distinct text once, passed as an id.  Id 0 is "". */
#ifndef PV_MODEL_STRINGS_H
#define PV_MODEL_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_strings;

struct pv_err *pv_strings_create(struct pv_strings **ret);
void pv_strings_destroy(struct pv_strings *strings);

struct pv_err *pv_strings_add(struct pv_strings *strings, const char *bytes, size_t n,
			      uint32_t *ret);

/* NUL-terminated, valid until destroy; id must come from this table. */
const char *pv_strings_get(const struct pv_strings *strings, uint32_t id);

/* Bytes of a text, which may hold NULs. */
size_t pv_strings_length(const struct pv_strings *strings, uint32_t id);

size_t pv_strings_n(const struct pv_strings *strings);

#endif
