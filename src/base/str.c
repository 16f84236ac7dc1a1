/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A string builder.
 * Input: bytes and printf formats.
 * Output: one NUL-terminated text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { STR_FIRST_CAPACITY = 64 };

void pv_str_deinit(struct pv_str *str)
{
	free(str->data);
	*str = (struct pv_str){ 0 };
}

/* Room for n more bytes and the NUL. */
static struct pv_err *str_reserve(struct pv_str *str, size_t n)
{
	size_t need, capacity = str->capacity ? str->capacity : STR_FIRST_CAPACITY;
	char *data;

	if (__builtin_add_overflow(str->n, n, &need) || __builtin_add_overflow(need, 1, &need))
		return &pv_enomem;
	if (need <= str->capacity)
		return NULL;
	while (capacity < need) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return &pv_enomem;
	}
	data = realloc(str->data, capacity);
	if (!data)
		return &pv_enomem;
	str->data = data;
	str->capacity = capacity;
	return NULL;
}

struct pv_err *pv_str_append(struct pv_str *str, const char *bytes, size_t n)
{
	struct pv_err *err = str_reserve(str, n);

	if (err)
		return err;
	if (n)
		memcpy(str->data + str->n, bytes, n);
	str->n += n;
	str->data[str->n] = '\0';
	return NULL;
}

struct pv_err *pv_str_appendf(struct pv_str *str, const char *format, ...)
{
	struct pv_err *err;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return pv_err_create(PV_ERR_FAILED, "cannot format a text with \"%s\"", format);
	err = str_reserve(str, n);
	if (err)
		return err;
	va_start(ap, format);
	vsnprintf(str->data + str->n, (size_t)n + 1, format, ap);
	va_end(ap);
	str->n += n;
	return NULL;
}

void pv_str_clear(struct pv_str *str)
{
	str->n = 0;
	if (str->data)
		str->data[0] = '\0';
}

const char *pv_str_text(const struct pv_str *str)
{
	return str->data ? str->data : "";
}
