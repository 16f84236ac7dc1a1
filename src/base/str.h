/* SPDX-License-Identifier: BSD-2-Clause */
/* A string builder.  Zero-initialised is the empty string. */
#ifndef PV_BASE_STR_H
#define PV_BASE_STR_H

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"

struct pv_str {
	char *data; /* NUL-terminated once anything was appended, else NULL */
	size_t n;   /* bytes, without the NUL */
	size_t capacity;
};

void pv_str_deinit(struct pv_str *str);
struct pv_err *pv_str_append(struct pv_str *str, const char *bytes, size_t n);
struct pv_err *pv_str_appendf(struct pv_str *str, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Forgets the text, keeps the memory. */
void pv_str_clear(struct pv_str *str);

/* The text, "" when empty; valid until the next change. */
const char *pv_str_text(const struct pv_str *str);

#endif
