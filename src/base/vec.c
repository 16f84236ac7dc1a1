/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing array of equal elements.
 * Input: elements by copy, or counts of zeroed ones.
 * Output: one block of memory, moved when it grows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum { VEC_FIRST_CAPACITY = 8 };

void pv_vec_deinit(struct pv_vec *vec)
{
	free(vec->data);
	vec->data = NULL;
	vec->n = vec->capacity = 0;
}

struct pv_err *pv_vec_reserve(struct pv_vec *vec, size_t n)
{
	size_t need, size, capacity = vec->capacity ? vec->capacity : VEC_FIRST_CAPACITY;
	void *data;

	if (__builtin_add_overflow(vec->n, n, &need))
		return &pv_enomem;
	if (need <= vec->capacity)
		return NULL;
	while (capacity < need) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return &pv_enomem;
	}
	if (__builtin_mul_overflow(capacity, vec->element_size, &size))
		return &pv_enomem;
	data = realloc(vec->data, size);
	if (!data)
		return &pv_enomem;
	vec->data = data;
	vec->capacity = capacity;
	return NULL;
}

struct pv_err *pv_vec_append(struct pv_vec *vec, const void *data, size_t n, void *ret)
{
	struct pv_err *err = pv_vec_reserve(vec, n);
	char *first;

	if (err)
		return err;
	first = vec->data ? (char *)vec->data + vec->n * vec->element_size : NULL;
	if (n && data)
		memcpy(first, data, n * vec->element_size);
	else if (n)
		memset(first, 0, n * vec->element_size);
	vec->n += n;
	if (ret)
		memcpy(ret, &first, sizeof(first));
	return NULL;
}
