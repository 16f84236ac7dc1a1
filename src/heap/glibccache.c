/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks that are free though their heads do not say so: threads' caches and fast bins.
 * Input: memory of the process, what the walk of chunks found.  Output: those chunks.
 *
 * Source: glibc malloc/malloc.c: tcache_perthread_struct, tcache_put(), PROTECT_PTR (2.32),
 * struct malloc_state.
 */
#include <string.h>

#include "base/cleanup.h"
#include "heap/glibc.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	CACHE_BYTES_MAX = 1024,
	IN_A_BIN_MAX = 65535,   /* counts are of 16 bits */
	LARGE_BYTES_MIN = 1032, /* of the bins whose chunks have several sizes */
	FAST_BINS = 10,
	FAST_BYTES_MAX = 192, /* for its owner; 128 and 176 are the limits of two settings */
	/* malloc_state from 2.27 on: the fast bins, the top chunk */
	STATE_FAST = 16,
	STATE_TOP = 96,
	LIBRARY_BYTES_MAX = 1 << 20,
};

/* struct tcache_perthread_struct: counts, then one pointer a bin. */
static const struct cache_form {
	uint32_t bytes;       /* for its owner, as malloc() rounds it */
	uint32_t n, pointers; /* bins, offset of the pointers */
	uint32_t largest;     /* bins of more than this have chunks of several sizes */
	bool is_rest;         /* a count says how many more its bin may have */
} forms[] = {
	{ 0x248, 64, 64, 64, false },  /* 2.26 to 2.29: a byte a bin */
	{ 0x288, 64, 128, 64, false }, /* 2.30 to 2.41: two */
	{ 0x2f8, 76, 152, 64, true },  /* 2.42: and twelve bins of large ones */
};

static const struct cache_form *form_of(uint64_t bytes)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (bytes == forms[i].bytes)
			return &forms[i];
	}
	return NULL;
}

bool pv_glibc_is_cache_size(uint64_t bytes)
{
	return form_of(bytes);
}

uint64_t pv_glibc_owner_bytes(struct pv_mem *mem, uint64_t memory)
{
	uint64_t size;

	if (memory < PV_CHUNK_HEAD_BYTES || memory % 16 ||
	    pv_mem_read_u64(mem, memory - sizeof(size), &size))
		return 0;
	size &= ~7ULL;
	return size >= PV_CHUNK_BYTES_MIN && size % 16 == 0 ? size - sizeof(size) : 0;
}

/* A list of free chunks: each holds the next one's address where its memory begins. */
struct list {
	uint64_t first; /* memory of the first one */
	uint64_t bytes; /* of each, for its owner; 0: they differ */
	uint64_t ahead; /* bytes from where a link leads to that one's memory */
	bool is_protected;
};

/*
 * From 2.32 on a link is xor-ed with the address that it stands at, without its lowest 12
 * bits: a list that is read so or plainly must stay within chunks of one size.
 */
static struct pv_err *read_list(struct pv_mem *mem, const struct list *list, struct pv_vec *ret,
				bool *whole_ret)
{
	struct pv_err *err = NULL;
	uint64_t at = list->first, next;
	size_t before = ret->n;

	*whole_ret = false;
	for (int i = 0; at && i < IN_A_BIN_MAX; i++) {
		struct pv_glibc_cached cached = { at, pv_glibc_owner_bytes(mem, at) };

		if (cached.bytes < (list->bytes ? list->bytes : LARGE_BYTES_MIN) ||
		    (list->bytes && cached.bytes != list->bytes) ||
		    pv_mem_read_u64(mem, at, &next)) {
			ret->n = before;
			return NULL;
		}
		err = pv_vec_append(ret, &cached, 1, NULL);
		if (err)
			return err;
		next ^= list->is_protected ? at >> 12 : 0;
		at = next ? next + list->ahead : 0;
	}
	if (at)
		ret->n = before;
	*whole_ret = !at;
	return NULL;
}

static struct pv_err *read_either(struct pv_mem *mem, uint64_t first, uint64_t bytes,
				  uint64_t ahead, struct pv_vec *ret, bool *whole_ret)
{
	struct list list = { first, bytes, ahead, true };
	struct pv_err *err = read_list(mem, &list, ret, whole_ret);

	list.is_protected = false;
	if (!err && !*whole_ret)
		err = read_list(mem, &list, ret, whole_ret);
	return err;
}

/*
 * Where a list is empty the count says so: 0 up to 2.41, from 2.42 on how many more the bin may
 * have, which is the same for all empty ones.
 */
static bool is_cache(const struct cache_form *form, const uint8_t *bytes)
{
	uint32_t width = form->pointers / form->n, all = 0;

	for (uint32_t i = 0; i < form->n; i++) {
		uint16_t count = bytes[i * width];
		uint64_t first;

		if (width == 2)
			memcpy(&count, bytes + 2 * i, sizeof(count));
		memcpy(&first, bytes + form->pointers + sizeof(first) * i, sizeof(first));
		if (!form->is_rest) {
			if (!first != !count)
				return false;
		} else if (!first) {
			if (all && count != all)
				return false;
			all = count;
		}
	}
	return true;
}

/* What is no cache has no list that is whole: nothing is taken from it. */
static struct pv_err *read_cache(struct pv_mem *mem, uint64_t memory, const struct cache_form *form,
				 struct pv_vec *ret)
{
	uint8_t bytes[CACHE_BYTES_MAX];
	size_t before = ret->n;

	if (pv_mem_read(mem, bytes, form->bytes, memory) || !is_cache(form, bytes))
		return NULL;
	for (uint32_t i = 0; i < form->n; i++) {
		/* bin i has chunks of 32 bytes and 16 more each, with their heads */
		uint64_t want = i < form->largest ? 24 + 16 * (uint64_t)i : 0, first;
		struct pv_err *err;
		bool whole;

		memcpy(&first, bytes + form->pointers + sizeof(first) * i, sizeof(first));
		if (!first)
			continue;
		err = read_either(mem, first, want, 0, ret, &whole);
		if (err)
			return err;
		if (!whole) {
			ret->n = before;
			return NULL;
		}
	}
	return NULL;
}

static struct pv_err *read_fast(struct pv_mem *mem, uint64_t state, struct pv_vec *ret)
{
	uint64_t bins[FAST_BINS];

	if (pv_mem_read(mem, bins, sizeof(bins), state + STATE_FAST))
		return NULL;
	for (int i = 0; i < FAST_BINS; i++) {
		uint64_t bytes = 24 + 16 * (uint64_t)i;
		struct pv_err *err;
		bool whole;

		if (!bins[i] || bytes > FAST_BYTES_MAX)
			continue;
		/* these links lead to chunks, not to their memory */
		err = read_either(mem, bins[i] + PV_CHUNK_HEAD_BYTES, bytes, PV_CHUNK_HEAD_BYTES,
				  ret, &whole);
		if (err)
			return err;
	}
	return NULL;
}

struct pv_err *pv_glibc_caches(struct pv_mem *mem, const struct pv_vec *caches,
			       const struct pv_vec *states, struct pv_vec *ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < caches->n; i++) {
		uint64_t memory = *(uint64_t *)pv_vec_at(caches, i);
		const struct cache_form *form = form_of(pv_glibc_owner_bytes(mem, memory));

		if (form)
			err = read_cache(mem, memory, form, ret);
	}
	for (size_t i = 0; !err && i < states->n; i++)
		err = read_fast(mem, *(uint64_t *)pv_vec_at(states, i), ret);
	return err;
}

/*
 * Is a malloc_state at address, with its top chunk within [start, end)?  An empty bin points to
 * itself, seen as a chunk.
 */
static bool is_state(struct pv_mem *mem, uint64_t address, uint64_t start, uint64_t end)
{
	uint64_t words[4];

	if (pv_mem_read(mem, words, sizeof(words), address + STATE_TOP) || words[0] % 16 ||
	    words[0] < start || words[0] >= end)
		return false;
	/* the unsorted bin: forward, backward */
	for (int i = 2; i < 4; i++) {
		uint64_t back;

		if (words[i] == address + STATE_TOP)
			continue;
		/* a chunk, whose link the other way leads back */
		if (pv_mem_read_u64(mem, words[i] + (i == 2 ? 24 : 16), &back) ||
		    back != address + STATE_TOP)
			return false;
	}
	return true;
}

static bool is_libc(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strcmp(name, "libc.so.6") == 0 || strncmp(name, "libc-2.", 7) == 0;
}

uint64_t pv_glibc_main_arena(struct pv_mem *mem, const struct pv_maps *maps, uint64_t start,
			     uint64_t end)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct pv_map_entry *map = &maps->entries[i];
		uint64_t bytes = map->end - map->start;
		_pv_free_ char *data = NULL;

		if (!map->writable || !is_libc(map->path) || bytes > LIBRARY_BYTES_MAX)
			continue;
		data = malloc(bytes);
		if (!data || pv_mem_read(mem, data, bytes, map->start))
			continue;
		for (uint64_t at = STATE_TOP; at + 8 <= bytes; at += 8) {
			uint64_t word, state = map->start + at - STATE_TOP;

			memcpy(&word, data + at, sizeof(word));
			if (word >= start && word < end && is_state(mem, state, start, end))
				return state;
		}
	}
	return 0;
}
