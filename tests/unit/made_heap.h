/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up heap of a CPython 3.11: some regions of memory, its basic types, pools and
 * chunks.  Input: what a test puts where.  Output: a struct pv_heap on a struct pv_mem.
 */
#ifndef PV_TESTS_UNIT_MADE_HEAP_H
#define PV_TESTS_UNIT_MADE_HEAP_H

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heap/census.h"
#include "heap/object.h"
#include "python/detect.h"
#include "python/layout.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	MADE_REGIONS = 8,
	MADE_STATIC_BYTES = 0x8000,
	MADE_TYPES = 16,
};
/* Where types lie, and their names. */
#define MADE_STATIC 0x560000000000ULL
#define MADE_NAMES  (MADE_STATIC + 0x6000)

struct made_region {
	uint64_t start;
	size_t n;
	char *bytes;
};

struct made_heap {
	struct pv_mem mem;
	struct made_region regions[MADE_REGIONS];
	size_t n_regions;
	struct pv_python python;
	struct pv_heap *heap;
	struct pv_map_entry entries[MADE_REGIONS];
	struct pv_maps maps;
	size_t n_types;
	uint64_t type_type;
	uint64_t reads;
	uint64_t lie; /* every read gives this kind of nonsense; 0: the truth */
};

static inline int made_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct made_heap *made = (struct made_heap *)mem;

	made->reads++;
	for (size_t i = 0; i < made->n_regions; i++) {
		const struct made_region *region = &made->regions[i];

		if (addr < region->start || addr - region->start > region->n ||
		    region->n - (addr - region->start) < n)
			continue;
		memcpy(dst, region->bytes + (addr - region->start), n);
		/* every word now and then something else, each time another */
		for (size_t at = 0; made->lie && at + 8 <= n; at += 8) {
			made->lie = made->lie * 6364136223846793005ULL + 1442695040888963407ULL;
			if (made->lie >> 60)
				continue;
			memcpy((char *)dst + at, &made->lie, 8);
		}
		return 0;
	}
	return -EFAULT;
}

static inline struct made_region *made_region(struct made_heap *made, uint64_t start, size_t n,
					      const char *path)
{
	struct made_region *region = &made->regions[made->n_regions];

	*region = (struct made_region){ start, n, calloc(1, n) };
	made->entries[made->n_regions++] = (struct pv_map_entry){
		.start = start,
		.end = start + n,
		.inode = path[0] == '/',
		.readable = true,
		.writable = true,
		.executable = path[0] == '/',
		.path = (char *)path,
	};
	made->maps = (struct pv_maps){ made->entries, made->n_regions };
	return region;
}

static inline void *made_at(struct made_heap *made, uint64_t address)
{
	for (size_t i = 0; i < made->n_regions; i++) {
		const struct made_region *region = &made->regions[i];

		if (address >= region->start && address - region->start < region->n)
			return region->bytes + (address - region->start);
	}
	ck_abort_msg("nothing at 0x%llx", (unsigned long long)address);
	return NULL;
}

static inline void made_put(struct made_heap *made, uint64_t address, uint64_t word)
{
	memcpy(made_at(made, address), &word, sizeof(word));
}

/* A type like 3.11's; flags beside READY. */
static inline uint64_t made_type(struct made_heap *made, const char *name, uint64_t meta,
				 uint64_t base, uint64_t basicsize, uint64_t itemsize,
				 uint64_t flags)
{
	uint64_t type = MADE_STATIC + 0x400 * made->n_types;
	uint64_t text = MADE_NAMES + 0x80 * made->n_types++;

	ck_assert_uint_le(made->n_types, MADE_TYPES);
	strcpy(made_at(made, text), name);
	made_put(made, type, 1);
	made_put(made, type + 8, meta ? meta : type);
	made_put(made, type + 24, text);
	made_put(made, type + 32, basicsize);
	made_put(made, type + 40, itemsize);
	made_put(made, type + 168, flags | PV_TPFLAGS_READY);
	made_put(made, type + 256, base);
	return type;
}

/* The file whose mapping says that there is a glibc. */
static inline void made_start(struct made_heap *made)
{
	char source[96];

	*made = (struct made_heap){ .mem.read = made_read };
	made_region(made, MADE_STATIC, MADE_STATIC_BYTES, "/lib/libc.so.6");
	made->type_type = made_type(made, "type", 0, 0, 904, 40, PV_TPFLAGS_TYPE_SUBCLASS);
	ck_assert_ptr_null(pv_pylayout_find(0x030b07f0, NULL, 0, &made->python.proc.py, NULL,
					    source, sizeof(source)));
	made->python.found = true;
	strcpy(made->python.version, "3.11.7");
	/* the code type itself is all that is needed of it */
	made->python.proc.code_type = made_type(made, "code", made->type_type, 0, 184, 1, 0);
	ck_assert_ptr_null(pv_heap_create(&made->mem, &made->python, &made->heap));
}

static inline void made_end(struct made_heap *made)
{
	pv_heap_destroy(made->heap);
	for (size_t i = 0; i < made->n_regions; i++)
		free(made->regions[i].bytes);
}

/*
 * A pool of 16 KiB with blocks of `size` of which `carved` were handed out; those of `free_ones`
 * are free, in the order of a list.  Its blocks in use are zeroes.
 */
static inline void made_pool(struct made_heap *made, uint64_t address, uint32_t size,
			     uint32_t carved, const uint32_t *free_ones, uint32_t n_free)
{
	uint64_t link = address + 8;

	made_put(made, address, carved - n_free);
	made_put(made, address + 8, 0);
	made_put(made, address + 16, address);
	made_put(made, address + 24, address);
	made_put(made, address + 32, (uint64_t)(size / 16 - 1) << 32);
	made_put(made, address + 40, (48 + size * carved) | (uint64_t)(16384 - size) << 32);
	for (uint32_t i = 0; i < n_free; i++) {
		uint64_t block = address + 48 + (uint64_t)size * free_ones[i];

		made_put(made, link, block);
		made_put(made, block, 0);
		link = block;
	}
}

/* A chunk of malloc(); flags of the size word. */
static inline uint64_t made_chunk(struct made_heap *made, uint64_t address, uint64_t bytes,
				  unsigned int flags)
{
	made_put(made, address + 8, bytes | flags);
	return address + bytes;
}

static inline struct pv_census made_census(struct made_heap *made)
{
	struct pv_census_options options = { .maps = &made->maps, .no_lists = true };
	struct pv_census census;

	ck_assert_ptr_null(pv_census_take(made->heap, &options, &census));
	return census;
}

static inline const struct pv_census_type *made_line(const struct pv_census *census,
						     const char *name)
{
	static const struct pv_census_type none;

	for (size_t i = 0; i < census->types.n; i++) {
		const struct pv_census_type *type = pv_vec_at(&census->types, i);

		if (strcmp(type->name, name) == 0)
			return type;
	}
	return &none;
}

#endif
