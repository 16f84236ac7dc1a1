/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BPF arrays as memory.
 * Input: maps that are BPF_F_MMAPABLE.  Output: their elements, mapped.
 */
#include "collect/array.h"

#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

int pv_array_find(struct bpf_object *object, const char *name, uint32_t *max_ret)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	*max_ret = bpf_map__max_entries(map);
	return bpf_map__fd(map);
}

/* The kernel maps whole pages only. */
static size_t mapped_size(size_t n, size_t element_size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n * element_size + page - 1) / page * page;
}

void *pv_array_map(int fd, size_t n, size_t element_size)
{
	void *array =
		mmap(NULL, mapped_size(n, element_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return array == MAP_FAILED ? NULL : array;
}

void pv_array_unmap(void *array, size_t n, size_t element_size)
{
	if (array)
		munmap(array, mapped_size(n, element_size));
}
