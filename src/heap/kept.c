/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freelists.
 * Input: pools, the interpreter's data (untrusted).  Output: addresses of objects.
 */
#include "heap/kept.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "heap/pools.h"
#include "heap/window.h"
#include "python/layout.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	OBJECTS_MAX = 4096,
	LINK_BYTES = 64, /* of an object, in which one that is kept may tell of the next */
	ARRAY_SURE = 4,
	ARRAY_MAX = 100, /* PyFloat_MAXFREELIST; lists and dicts have 80 */
	TWO_PAGES = 2 * PV_PAGE_BYTES,
};

struct search {
	const struct pv_kept *kept;
	struct pv_vec objects; /* uint64_t */
	struct pv_vec links;   /* uint64_t: LINK_BYTES of each */
	struct pv_map index;   /* object -> in objects */
};

static uint64_t word_at(const unsigned char *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

/* No references, or from 3.14 on where the next one is. */
static bool has_no_count(const struct pv_kept *kept, const unsigned char *object)
{
	uint64_t count = word_at(object, kept->py->ob_refcnt);

	if (kept->py->version_hex < 0x030c0000)
		return !count;
	/* the highest 16 bits of one that is counted are flags: heap/object.c */
	return !(uint32_t)count || (kept->py->version_hex >= 0x030e0000 && (count >> 32 & 0xffff));
}

/*
 * What stands behind it from 3.14 on (pycore_freelist.h) was the object's: a dead tuple's items may
 * be dead tuples, and those would not seem to be the first any more.
 */
static size_t link_bytes(const struct pv_kept *kept)
{
	return kept->py->version_hex >= 0x030e0000 ? sizeof(uint64_t) : LINK_BYTES;
}

static struct pv_err *look_into(void *ctx, const struct pv_pool *pool, const unsigned char *bytes)
{
	struct search *s = ctx;
	const struct pv_kept *kept = s->kept;
	struct pv_err *err = NULL;

	if (pool->block_bytes != kept->block_bytes)
		return NULL;
	for (uint32_t i = 0; !err && i < pool->n_carved && s->objects.n < OBJECTS_MAX; i++) {
		const unsigned char *object = bytes + pv_pool_offset(pool, i) + kept->before;
		uint64_t address = pool->address + pv_pool_offset(pool, i) + kept->before;
		uint64_t words[LINK_BYTES / 8] = { 0 };
		size_t n = pool->block_bytes - kept->before, link = link_bytes(kept);

		if (!pv_pool_is_used(pool, i) || n < 16 ||
		    word_at(object, kept->py->ob_type) != kept->type || !has_no_count(kept, object))
			continue;
		memcpy(words, object, n < link ? n : link);
		err = pv_map_set(&s->index, address, s->objects.n);
		if (!err)
			err = pv_vec_append(&s->objects, &address, 1, NULL);
		if (!err)
			err = pv_vec_append(&s->links, words, LINK_BYTES / 8, NULL);
	}
	return err;
}

/* By what each tells of the next: those that none tells of come first.  heads_ret: these. */
static struct pv_err *follow(const struct search *s, uint64_t *ret, size_t max, size_t *n_ret,
			     size_t *heads_ret)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map next = { 0 };
	PV_CLEANUP(pv_map_deinit) struct pv_map told = { 0 };
	struct pv_err *err = NULL;
	size_t heads = 0;
	uint64_t to, known;

	for (size_t i = 0; !err && i < s->objects.n; i++) {
		const uint64_t *words = pv_vec_at(&s->links, i * (LINK_BYTES / 8));

		for (size_t k = 0; !err && k < LINK_BYTES / 8; k++) {
			if (!pv_map_get(&s->index, words[k], &to) || to == i)
				continue;
			err = pv_map_set(&next, i, to);
			if (!err)
				err = pv_map_set(&told, to, 1);
		}
	}
	for (size_t i = 0; i < s->objects.n; i++)
		heads += !pv_map_get(&told, i, &known);
	*heads_ret = heads;
	if (err || heads > max)
		return err;
	for (size_t steps = 0; *n_ret < max && steps < max; steps++) {
		for (size_t i = 0; i < s->objects.n && *n_ret < max; i++) {
			bool there = !pv_map_get(&told, i, &known);

			to = i;
			for (size_t k = 0; there && k < steps; k++)
				there = pv_map_get(&next, to, &to);
			if (there)
				ret[(*n_ret)++] = *(uint64_t *)pv_vec_at(&s->objects, to);
		}
	}
	return NULL;
}

/* ---- arrays */

/* Addresses of such objects one behind the other, as many as ARRAY_SURE, are the array. */
static uint64_t find_in(const struct search *s, const uint64_t *words, size_t n)
{
	size_t run = 0;
	uint64_t known;

	for (size_t i = 0; i < n; i++) {
		run = pv_map_get(&s->index, words[i], &known) ? run + 1 : 0;
		if (run == ARRAY_SURE)
			return (i + 1 - run) * 8 + 1;
	}
	return 0;
}

static struct pv_err *find_array(const struct search *s, const struct pv_maps *maps, uint64_t *ret)
{
	PV_CLEANUP(pv_window_deinit) struct pv_window window = { 0 };
	struct pv_err *err = pv_window_init(&window, s->kept->mem, s->kept->pid);
	uint64_t at, start, end, found;

	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (!entry->writable)
			continue;
		pv_window_limit(&window, entry->end);
		for (at = entry->start; pv_window_run(&window, at, entry->end, &start, &end);
		     at = end) {
			for (; start < end; start += PV_PAGE_BYTES) {
				size_t n = end - start < TWO_PAGES ? end - start : TWO_PAGES;
				const void *bytes = pv_window_at(&window, start, n);

				found = bytes ? find_in(s, bytes, n / 8) : 0;
				if (!found)
					continue;
				*ret = start + found - 1;
				return NULL;
			}
		}
	}
	return err;
}

static bool is_kept(const struct pv_kept *kept, uint64_t object)
{
	unsigned char head[64];
	size_t n = kept->py->ob_type + 8U;

	return n <= sizeof(head) && !(object % 8) && !pv_mem_read(kept->mem, head, n, object) &&
	       word_at(head, kept->py->ob_type) == kept->type && has_no_count(kept, head);
}

/* From what was in the middle to its end; behind it stand others that were given out since. */
static size_t read_array(const struct pv_kept *kept, uint64_t *ret, size_t max)
{
	uint64_t words[ARRAY_MAX];
	size_t n_words = ARRAY_MAX, n = 0, top;

	while (n_words && pv_mem_read(kept->mem, words, n_words * 8, kept->array))
		n_words /= 2;
	for (top = 0; top < n_words && is_kept(kept, words[top]); top++)
		;
	while (top && n < max)
		ret[n++] = words[--top];
	return n;
}

static void search_deinit(struct search *s)
{
	pv_vec_deinit(&s->objects);
	pv_vec_deinit(&s->links);
	pv_map_deinit(&s->index);
}

struct pv_err *pv_kept_read(struct pv_kept *kept, const struct pv_maps *maps, uint64_t *ret,
			    size_t max, size_t *n_ret)
{
	PV_CLEANUP(search_deinit)
	struct search s = {
		.kept = kept,
		.objects = PV_VEC(uint64_t),
		.links = PV_VEC(uint64_t),
	};
	struct pv_err *err;
	size_t heads = 0;

	*n_ret = 0;
	if (kept->array) {
		*n_ret = read_array(kept, ret, max);
		return NULL;
	}
	err = pv_pools_each(kept->mem, maps, kept->pid, pv_pool_bytes(kept->py->version_hex),
			    look_into, &s);
	if (!err && s.objects.n)
		err = follow(&s, ret, max, n_ret, &heads);
	/* those of a type that tells of the next are in no array */
	if (err || heads < s.objects.n || heads < ARRAY_SURE || kept->py->version_hex >= 0x030e0000)
		return err;
	err = find_array(&s, maps, &kept->array);
	if (!err && kept->array)
		*n_ret = read_array(kept, ret, max);
	return err;
}
