/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that keeps what it has read.
 * Input: struct pv_mem, /proc/PID/pagemap.  Output: another one.
 */
#include "heap/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "target/maps.h"
#include "target/populated.h"

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
	uint16_t tried;  /* and for each that was asked for */
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
	int pagemap;                /* -1: all pages are read */
	const struct pv_maps *maps; /* with it */
	struct block nothing;       /* of which no page is there: it takes no place */
};

static bool read_pages(struct copy *copy, struct block *block, int first, int n)
{
	size_t offset = (size_t)first * PAGE_BYTES;

	block->tried |= (uint16_t)(((1u << n) - 1) << first);
	copy->bytes_read += (size_t)n * PAGE_BYTES;
	if (pv_mem_read(copy->inner, block->bytes + offset, (size_t)n * PAGE_BYTES,
			(block->number << BLOCK_BITS) + offset))
		return false;
	block->pages |= (uint16_t)(((1u << n) - 1) << first);
	return true;
}

/* Pages of `there`, as many at once as stand together, or one by one where one has gone. */
static void fill(struct copy *copy, struct block *block, uint16_t there)
{
	for (int i = 0, n; i < PAGES; i += n) {
		n = 1;
		if (!(there >> i & 1))
			continue;
		while (i + n < PAGES && there >> (i + n) & 1)
			n++;
		if (read_pages(copy, block, i, n))
			continue;
		for (int k = 0; k < n; k++)
			read_pages(copy, block, i + k, 1);
	}
}

/* Which pages of a block are there? */
static uint16_t pages_there(const struct copy *copy, uint64_t number)
{
	uint64_t start = number << BLOCK_BITS, at = start, end = start + BLOCK_BYTES;
	struct pv_page_run runs[PAGES];
	uint16_t there = 0;
	size_t n;

	if (copy->pagemap < 0)
		return UINT16_MAX;
	/* the last one of all addresses */
	if (end < start)
		return 0;
	while (at < end) {
		pv_page_runs_read(copy->pagemap, at, end, PAGES, runs, PAGES, &n, &at);
		for (size_t i = 0; i < n; i++) {
			for (uint64_t page = runs[i].start; page < runs[i].end; page += PAGE_BYTES)
				there |= (uint16_t)(1u << (page - start) / PAGE_BYTES);
		}
	}
	return there;
}

/* Is that a page of a file, so that reading it takes no memory of the process? */
static bool is_of_file(const struct copy *copy, uint64_t address)
{
	const struct pv_map_entry *entry = pv_maps_find(copy->maps, address);

	return entry && entry->inode && entry->readable && !entry->shared &&
	       strncmp(entry->path, "/dev/", 5) != 0 && strncmp(entry->path, "/memfd:", 7) != 0;
}

static bool has_file(const struct copy *copy, uint64_t number)
{
	for (uint64_t i = 0; copy->pagemap >= 0 && i < PAGES; i++) {
		if (is_of_file(copy, (number << BLOCK_BITS) + i * PAGE_BYTES))
			return true;
	}
	return false;
}

/* Of a file only what is asked for is read, if it is not there. */
static bool has_page(struct copy *copy, struct block *block, int page)
{
	if (!(block->tried >> page & 1) &&
	    is_of_file(copy, (block->number << BLOCK_BITS) + (uint64_t)page * PAGE_BYTES))
		read_pages(copy, block, page, 1);
	return block->pages >> page & 1;
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
	(*place)->pages = (*place)->tried = 0;
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

	if (copy->nothing.number == number)
		return &copy->nothing;

	uint16_t there = pages_there(copy, number);
	struct block *block;

	if (!there && !has_file(copy, number)) {
		copy->nothing.number = number;
		return &copy->nothing;
	}
	block = claim(copy, number);
	if (block) {
		fill(copy, block, there);
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
			if (!has_page(copy, block, (int)page))
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
	if (copy->pagemap >= 0)
		close(copy->pagemap);
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
	copy->pagemap = -1;
	copy->nothing.number = UINT64_MAX;
	copy->capacity = bytes_max / BLOCK_BYTES ? bytes_max / BLOCK_BYTES : 1;
	copy->blocks = calloc(copy->capacity, sizeof(struct block *));
	if (!copy->blocks) {
		copy_destroy(&copy->mem);
		return &pv_enomem;
	}
	*ret = &copy->mem;
	return NULL;
}

struct pv_err *pv_copy_create_touched(struct pv_mem *inner, uint64_t bytes_max, pid_t pid,
				      const struct pv_maps *maps, struct pv_mem **ret)
{
	struct pv_mem *mem;
	struct pv_err *err = pv_copy_create(inner, bytes_max, &mem);
	struct copy *copy;
	char path[32];

	if (err)
		return err;
	copy = (struct copy *)mem;
	copy->maps = maps;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	copy->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (copy->pagemap < 0) {
		err = pv_err_errno(errno == ENOENT ? ESRCH : errno, "cannot open %s", path);
		pv_mem_destroy(mem);
		return err;
	}
	*ret = mem;
	return NULL;
}
