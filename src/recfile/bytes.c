/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing buffer of bytes.
 * Input: bytes by copy.  Output: one block of memory.
 */
#include <stdlib.h>

#include "recfile/bytes.h"

enum { BYTES_FIRST_CAPACITY = 4096 };

void pv_bytes_deinit(struct pv_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct pv_bytes){ 0 };
}

struct pv_err *pv_bytes_reserve(struct pv_bytes *bytes, size_t n)
{
	size_t need, capacity = bytes->capacity ? bytes->capacity : BYTES_FIRST_CAPACITY;
	uint8_t *data;

	if (__builtin_add_overflow(bytes->n, n, &need))
		return &pv_enomem;
	if (need <= bytes->capacity)
		return NULL;
	while (capacity < need) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return &pv_enomem;
	}
	data = realloc(bytes->data, capacity);
	if (!data)
		return &pv_enomem;
	bytes->data = data;
	bytes->capacity = capacity;
	return NULL;
}

struct pv_err *pv_bytes_append(struct pv_bytes *bytes, const void *data, size_t n)
{
	struct pv_err *err = pv_bytes_reserve(bytes, n);

	if (err)
		return err;
	if (n)
		memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
	return NULL;
}
