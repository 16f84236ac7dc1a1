/* SPDX-License-Identifier: BSD-2-Clause */
/* BPF arrays as memory: what is written there the BPF programs see at once. */
#ifndef PV_COLLECT_ARRAY_H
#define PV_COLLECT_ARRAY_H

#include <stddef.h>
#include <stdint.h>

struct bpf_object;

/* The descriptor of a map of an object, and how many elements it has at most. */
int pv_array_find(struct bpf_object *object, const char *name, uint32_t *max_ret);

/* NULL: it cannot be mapped, errno says why. */
void *pv_array_map(int fd, size_t n, size_t element_size);

/* NULL is fine. */
void pv_array_unmap(void *array, size_t n, size_t element_size);

#endif
