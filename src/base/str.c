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
#include "base/vec.h"

void pv_str_deinit(struct pv_str *str)
{
	free(str->data);
	*str = (struct pv_str){ 0 };
}

/* Room for n more bytes and the NUL. */
static struct pv_err *str_reserve(struct pv_str *str, size_t n)
{
	struct pv_vec bytes = {
		.data = str->data, .n = str->n, .capacity = str->capacity, .element_size = 1
	};
	struct pv_err *err =
		__builtin_add_overflow(n, 1, &n) ? &pv_enomem : pv_vec_reserve(&bytes, n);

	str->data = bytes.data;
	str->capacity = bytes.capacity;
	return err;
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
