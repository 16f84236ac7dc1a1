/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing array of equal elements.  Zero-initialise with PV_VEC(type). */
#ifndef PV_BASE_VEC_H
#define PV_BASE_VEC_H

#include <stddef.h>

#include "base/err.h"

struct pv_vec {
	void *data;
	size_t n; /* elements in use */
	size_t capacity;
	size_t element_size; /* bytes */
};

#define PV_VEC(type)                                                                               \
	{                                                                                          \
		.element_size = sizeof(type)                                                       \
	}

void pv_vec_deinit(struct pv_vec *vec);

/* Room for n more elements. */
struct pv_err *pv_vec_reserve(struct pv_vec *vec, size_t n);

/* Appends n elements copied from data (zeroed if NULL); ret (may be NULL) gets the first new one.
 */
struct pv_err *pv_vec_append(struct pv_vec *vec, const void *data, size_t n, void *ret);

/* The element at index, which must be < n. */
static inline void *pv_vec_at(const struct pv_vec *vec, size_t index)
{
	return (char *)vec->data + index * vec->element_size;
}

#endif
