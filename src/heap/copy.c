/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that keeps what it has read.
 * Input: struct pv_mem.  Output: another one.
 */
#include "heap/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
	BLOCK_BITS = 16,
	BLOCK_BYTES = 1 << BLOCK_BITS,
	PAGE_BYTES = 4096,
	PAGES = BLOCK_BYTES / PAGE_BYTES,
	RECENT = 4096, /* a power of two */
};

struct block {
	uint64_t number; /* its address >> BLOCK_BITS */
	uint16_t pages;  /* a bit for each that could be read */
	char bytes[BLOCK_BYTES];
};

struct copy {
	struct pv_mem mem;
	struct pv_mem *inner;
	struct block **blocks; /* in the order in which they were read, as a ring */
	size_t n, next, capacity;
	struct pv_map places;         /* number -> place in blocks */
	struct block *recent[RECENT]; /* by the lowest bits of their number */
	uint64_t bytes_read;
};

/* All at once, or page by page where a part is not there. */
static void fill(struct copy *copy, struct block *block)
{
	uint64_t start = block->number << BLOCK_BITS;

	copy->bytes_read += BLOCK_BYTES;
	block->pages = UINT16_MAX;
	if (!pv_mem_read(copy->inner, block->bytes, BLOCK_BYTES, start))
		return;
	for (int i = 0; i < PAGES; i++) {
		if (pv_mem_read(copy->inner, block->bytes + i * PAGE_BYTES, PAGE_BYTES,
				start + (uint64_t)i * PAGE_BYTES))
			block->pages &= (uint16_t) ~(1u << i);
	}
}

/* A place for a block: a new one, or that of the oldest one. */
static struct block *claim(struct copy *copy, uint64_t number)
{
	struct block **place;
	struct pv_err *err;

	if (copy->next == copy->capacity)
		copy->next = 0;
	place = &copy->blocks[copy->next];
	if (!*place) {
		*place = malloc(sizeof(**place));
		if (!*place)
			return NULL;
	} else {
		pv_map_remove(&copy->places, (*place)->number);
		if (copy->recent[(*place)->number % RECENT] == *place)
			copy->recent[(*place)->number % RECENT] = NULL;
	}
	(*place)->number = number;
	(*place)->pages = 0;
	err = pv_map_set(&copy->places, number, copy->next);
	if (err) {
		pv_err_destroy(err);
		free(*place);
		*place = NULL;
		return NULL;
	}
	copy->next++;
	return *place;
}

static struct block *block_of(struct copy *copy, uint64_t number)
{
	struct block **recent = &copy->recent[number % RECENT];
	uint64_t place;

	if (*recent && (*recent)->number == number)
		return *recent;
	if (pv_map_get(&copy->places, number, &place)) {
		*recent = copy->blocks[place];
		return *recent;
	}

	struct block *block = claim(copy, number);

	if (block) {
		fill(copy, block);
		*recent = block;
	}
	return block;
}

static int copy_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct copy *copy = (struct copy *)mem;
	char *out = dst;

	if (addr > UINT64_MAX - n)
		return -EFAULT;
	while (n) {
		size_t offset = addr % BLOCK_BYTES, part = BLOCK_BYTES - offset;
		struct block *block = block_of(copy, addr >> BLOCK_BITS);

		if (!block)
			return -ENOMEM;
		if (part > n)
			part = n;
		for (size_t page = offset / PAGE_BYTES; page <= (offset + part - 1) / PAGE_BYTES;
		     page++) {
			if (!(block->pages >> page & 1))
				return -EFAULT;
		}
		memcpy(out, block->bytes + offset, part);
		out += part;
		addr += part;
		n -= part;
	}
	return 0;
}

static void copy_destroy(struct pv_mem *mem)
{
	struct copy *copy = (struct copy *)mem;

	for (size_t i = 0; copy->blocks && i < copy->capacity; i++)
		free(copy->blocks[i]);
	free(copy->blocks);
	pv_map_deinit(&copy->places);
	free(copy);
}

uint64_t pv_copy_bytes_read(const struct pv_mem *mem)
{
	return ((const struct copy *)mem)->bytes_read;
}

struct pv_err *pv_copy_create(struct pv_mem *inner, uint64_t bytes_max, struct pv_mem **ret)
{
	struct copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return &pv_enomem;
	copy->mem = (struct pv_mem){ .read = copy_read, .destroy = copy_destroy };
	copy->inner = inner;
	copy->capacity = bytes_max / BLOCK_BYTES ? bytes_max / BLOCK_BYTES : 1;
	copy->blocks = calloc(copy->capacity, sizeof(struct block *));
	if (!copy->blocks) {
		copy_destroy(&copy->mem);
		return &pv_enomem;
	}
	*ret = &copy->mem;
	return NULL;
}
