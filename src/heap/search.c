/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass through a process's memory.
 * Input: its pages and registers.  Output: hits.
 */
#include "heap/search.h"

#include <stdlib.h>
#include <string.h>

#include "abi/registers.h"
#include "base/clock.h"
#include "target/mem.h"

enum {
	CHUNK = 256 << 10, /* stays in the second cache; one system call each */
	PAGE = 4096,
	LOOKS = 12, /* for pages that could not be read */
	TAIL = 8,   /* bytes behind a piece that a wide search looks into */
};

struct page_sum {
	uint64_t page;
	uint64_t sum;
};

struct pass {
	struct pv_heap_search *search;
	const struct pv_needles *needles;
	struct pv_err *(*found)(void *ctx, const struct pv_hit *hit);
	void *ctx;
	bool backwards;
	struct pv_vec *sums;  /* struct page_sum; NULL: not wanted */
	struct pv_vec unread; /* uint64_t: pages */
	struct pv_heap_search_result result;
};

void pv_heap_search_destroy(struct pv_heap_search *search)
{
	if (!search)
		return;
	pv_maps_deinit(&search->maps);
	pv_populated_deinit(&search->populated);
	pv_vec_deinit(&search->before);
	pv_vec_deinit(&search->registers);
	pv_vec_deinit(&search->active);
	pv_vec_deinit(&search->sums);
	free(search->buffer);
	free(search);
}

struct pv_err *pv_heap_search_create(const struct pv_heap_search_source *source,
				     struct pv_heap_search **ret)
{
	struct pv_heap_search *search = calloc(1, sizeof(*search));

	if (!search)
		return &pv_enomem;
	search->source = *source;
	search->before = (struct pv_vec)PV_VEC(struct pv_registers);
	search->registers = (struct pv_vec)PV_VEC(struct pv_registers);
	search->active = (struct pv_vec)PV_VEC(struct pv_populated_range);
	search->sums = (struct pv_vec)PV_VEC(struct page_sum);
	search->buffer = malloc(CHUNK + TAIL);
	if (!search->buffer) {
		pv_heap_search_destroy(search);
		return &pv_enomem;
	}
	*ret = search;
	return NULL;
}

/* Four lanes, so that one multiplication need not wait for the other. */
static uint64_t sum_page(const unsigned char *bytes)
{
	uint64_t lane[4] = { 1, 2, 3, 4 }, word[4];

	for (size_t i = 0; i < PAGE; i += sizeof(word)) {
		memcpy(word, bytes + i, sizeof(word));
		for (int j = 0; j < 4; j++)
			lane[j] = (lane[j] ^ word[j]) * 0x9e3779b97f4a7c15ULL;
	}
	return lane[0] ^ lane[1] << 1 ^ lane[2] << 2 ^ lane[3] << 3;
}

static struct pv_err *scan(struct pass *pass, size_t n, uint64_t at)
{
	const unsigned char *bytes = pass->search->buffer;

	pass->result.bytes += n;
	for (size_t i = 0; pass->sums && i < n; i += PAGE) {
		struct page_sum sum = { at + i, sum_page(bytes + i) };
		struct pv_err *err = pv_vec_append(pass->sums, &sum, 1, NULL);

		if (err)
			return err;
	}
	return pv_needles_scan(pass->needles, bytes, n, at, pass->found, pass->ctx);
}

static bool read_piece(const struct pass *pass, const struct pv_populated_range *range, void *dst,
		       size_t n, uint64_t at)
{
	const struct pv_heap_search_source *source = &pass->search->source;

	if (range->readable && !pv_mem_read(source->mem, dst, n, at))
		return true;
	return source->forced && !pv_mem_read(source->forced, dst, n, at);
}

/* A piece of which a part has gone, or is not to be read. */
static struct pv_err *scan_pages(struct pass *pass, const struct pv_populated_range *range,
				 uint64_t start, uint64_t end)
{
	unsigned char *buffer = pass->search->buffer;
	struct pv_err *err = NULL;

	for (uint64_t at = start; !err && at < end; at += PAGE) {
		memset(buffer + PAGE, 0, TAIL);
		if (read_piece(pass, range, buffer, PAGE, at))
			err = scan(pass, PAGE, at);
		else
			err = pv_vec_append(&pass->unread, &at, 1, NULL);
	}
	return err;
}

static struct pv_err *scan_piece(struct pass *pass, const struct pv_populated_range *range,
				 uint64_t start, uint64_t end)
{
	unsigned char *buffer = pass->search->buffer;
	size_t n = end - start, tail = range->end - end < TAIL ? 0 : TAIL;

	memset(buffer + n, 0, TAIL);
	if (read_piece(pass, range, buffer, n + tail, start))
		return scan(pass, n, start);
	return scan_pages(pass, range, start, end);
}

bool pv_heap_search_is_over(const struct pv_heap_search *search)
{
	const struct pv_heap_search_source *source = &search->source;

	return (source->until_ns && pv_now_ns() >= source->until_ns) ||
	       (source->stopped && source->stopped(source->ctx));
}

static bool is_beyond(const struct pass *pass)
{
	uint64_t limit = pass->search->source.limit_bytes;

	return (limit && pass->result.bytes >= limit) || pv_heap_search_is_over(pass->search);
}

static struct pv_err *scan_range(struct pass *pass, const struct pv_populated_range *range)
{
	uint64_t n = (range->end - range->start + CHUNK - 1) / CHUNK;
	struct pv_err *err = NULL;

	for (uint64_t i = 0; !err && i < n; i++) {
		uint64_t start = range->start + (pass->backwards ? n - 1 - i : i) * CHUNK;
		uint64_t end = range->end - start < CHUNK ? range->end : start + CHUNK;

		if (is_beyond(pass))
			pass->result.unread += end - start;
		else
			err = scan_piece(pass, range, start, end);
	}
	return err;
}

static struct pv_err *scan_ranges(struct pass *pass, const struct pv_populated_range *ranges,
				  size_t n)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++)
		err = scan_range(pass, &ranges[pass->backwards ? n - 1 - i : i]);
	return err;
}

static struct pv_err *scan_registers(struct pass *pass, struct pv_vec *registers)
{
	struct pv_heap_search *search = pass->search;
	struct pv_err *err = NULL;

	registers->n = 0;
	if (search->source.registers)
		err = search->source.registers(search->source.ctx, registers);
	for (size_t i = 0; !err && i < registers->n; i++) {
		const struct pv_registers *thread = pv_vec_at(registers, i);

		for (uint64_t j = 0; !err && j < PV_REGISTERS_N; j++)
			err = pv_needles_word(pass->needles, thread->words[j],
					      PV_HEAP_SEARCH_REGISTERS |
						      (uint64_t)thread->tid << 8 | 8 * j,
					      pass->found, pass->ctx);
	}
	pass->result.threads = (uint32_t)registers->n;
	return err;
}

static struct pv_err *look_around(struct pv_heap_search *search, struct pv_maps *maps_ret,
				  struct pv_populated *ret)
{
	struct pv_maps maps = { 0 };
	struct pv_err *err = pv_maps_read(search->source.pid, &maps);

	if (!err)
		err = pv_populated_read(search->source.pid, &maps, ret);
	if (err) {
		pv_maps_deinit(&maps);
		return err;
	}
	*maps_ret = maps;
	return NULL;
}

/* What of range is in none of the ranges that were searched: it is searched now. */
static struct pv_err *scan_new(struct pass *pass, const struct pv_populated *old, size_t *at,
			       const struct pv_populated_range *range)
{
	struct pv_populated_range part = *range;
	struct pv_err *err = NULL;

	while (!err && part.start < range->end) {
		while (*at < old->n && old->ranges[*at].end <= part.start)
			++*at;
		part.end = range->end;
		if (*at < old->n && old->ranges[*at].start < range->end) {
			part.end = old->ranges[*at].start;
			if (part.end <= part.start) {
				part.start = old->ranges[*at].end;
				continue;
			}
		}
		pass->result.appeared += part.end - part.start;
		err = scan_range(pass, &part);
		part.start = part.end;
	}
	return err;
}

static bool is_populated(const struct pv_populated *populated, uint64_t page)
{
	size_t lo = 0, hi = populated->n;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (populated->ranges[middle].end <= page)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < populated->n && populated->ranges[lo].start <= page;
}

/*
 * Pages that could not be read: most had gone, and may be there again.  What is there and is
 * not to be read even so was missed.
 */
static struct pv_err *read_rest(struct pass *pass, const struct pv_populated *populated)
{
	struct pv_vec pages = pass->unread;
	struct pv_err *err = NULL;

	pass->unread = (struct pv_vec)PV_VEC(uint64_t);
	for (size_t i = 0; !err && i < pages.n; i++) {
		uint64_t page = *(uint64_t *)pv_vec_at(&pages, i);
		struct pv_populated_range range = { page, page + PAGE, 0, true };

		if (is_populated(populated, page))
			err = scan_pages(pass, &range, page, page + PAGE);
	}
	pv_vec_deinit(&pages);
	return err;
}

/*
 * Pages that are there again and again when it is looked for them, and never when they are read:
 * only these were missed.  Others come and go, such as large blocks of malloc().
 */
static struct pv_err *count_unread(struct pass *pass)
{
	struct pv_err *err = NULL;

	for (int i = 0; !err && pass->unread.n && i < LOOKS; i++) {
		struct pv_populated populated;
		struct pv_maps maps;

		err = look_around(pass->search, &maps, &populated);
		if (err)
			return err;
		err = read_rest(pass, &populated);
		pv_maps_deinit(&maps);
		pv_populated_deinit(&populated);
	}
	pass->result.unread += PAGE * pass->unread.n;
	return err;
}

/* Pages that were written first while we looked; and what was not to be read: is it still there? */
static struct pv_err *look_again(struct pass *pass)
{
	struct pv_heap_search *search = pass->search;
	struct pv_populated populated;
	struct pv_maps maps;
	struct pv_err *err = look_around(search, &maps, &populated);
	size_t at = 0;

	if (err)
		return err;
	for (size_t i = 0; !err && i < populated.n; i++)
		err = scan_new(pass, &search->populated, &at, &populated.ranges[i]);
	if (!err)
		err = read_rest(pass, &populated);
	pv_maps_deinit(&search->maps);
	pv_populated_deinit(&search->populated);
	search->maps = maps;
	search->populated = populated;
	return err;
}

static int compare_sums(const void *a, const void *b)
{
	const struct page_sum *x = a, *y = b;

	return x->page < y->page ? -1 : x->page > y->page;
}

/* Those that were not there before, or were otherwise. */
static struct pv_err *find_active(struct pv_heap_search *search, const struct pv_vec *sums)
{
	const struct page_sum *old = search->sums.data, *new = sums->data;
	size_t i = 0, n_old = search->sums.n;
	struct pv_err *err = NULL;

	for (size_t j = 0; !err && j < sums->n; j++) {
		struct pv_populated_range range = { .start = new[j].page,
						    .end = new[j].page + PAGE,
						    .readable = true },
					  *last;

		while (i < n_old && old[i].page < new[j].page)
			i++;
		if (i < n_old && old[i].page == new[j].page &&old[i].sum == new[j].sum)
			continue;
		search->active_bytes += PAGE;
		last = search->active.n ? pv_vec_at(&search->active, search->active.n - 1) : NULL;
		if (last && last->end == range.start)
			last->end = range.end;
		else
			err = pv_vec_append(&search->active, &range, 1, NULL);
	}
	return err;
}

static struct pv_err *keep_sums(struct pv_heap_search *search, struct pv_vec *sums)
{
	struct pv_err *err = NULL;

	qsort(sums->data, sums->n, sizeof(struct page_sum), compare_sums);
	search->active.n = 0;
	search->active_bytes = 0;
	if (search->sums.n)
		err = find_active(search, sums);
	pv_vec_deinit(&search->sums);
	search->sums = *sums;
	*sums = (struct pv_vec)PV_VEC(struct page_sum);
	return err;
}

struct pv_err *pv_heap_search_pass(struct pv_heap_search *search, const struct pv_needles *needles,
				   bool backwards, bool sum,
				   struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
				   void *ctx, struct pv_heap_search_result *ret)
{
	struct pv_vec sums = PV_VEC(struct page_sum);
	struct pass pass = {
		.search = search,
		.needles = needles,
		.found = found,
		.ctx = ctx,
		.backwards = backwards,
		.sums = sum ? &sums : NULL,
		.unread = PV_VEC(uint64_t),
	};
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err;

	pv_maps_deinit(&search->maps);
	pv_populated_deinit(&search->populated);
	err = look_around(search, &search->maps, &search->populated);
	if (!err)
		err = scan_registers(&pass, &search->before);
	if (!err)
		err = scan_ranges(&pass, search->populated.ranges, search->populated.n);
	if (!err)
		err = look_again(&pass);
	if (!err)
		err = count_unread(&pass);
	/* again: what was in memory before may be in a register now */
	if (!err)
		err = scan_registers(&pass, &search->registers);
	if (!err && sum)
		err = keep_sums(search, &sums);
	pv_vec_deinit(&sums);
	pv_vec_deinit(&pass.unread);
	if (err)
		return err;
	pass.result.took_ns = pv_now_ns() - start_ns;
	*ret = pass.result;
	return NULL;
}

struct pv_err *pv_heap_search_quick(struct pv_heap_search *search, const struct pv_needles *needles,
				    bool backwards,
				    struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
				    void *ctx, struct pv_heap_search_result *ret)
{
	struct pass pass = {
		.search = search,
		.needles = needles,
		.found = found,
		.ctx = ctx,
		.backwards = backwards,
		.unread = PV_VEC(uint64_t),
	};
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = scan_registers(&pass, &search->before);

	if (!err)
		err = scan_ranges(&pass, search->active.data, search->active.n);
	/* pages that are as active as these may have gone, which is no gap */
	if (!err)
		err = count_unread(&pass);
	if (!err)
		err = scan_registers(&pass, &search->registers);
	pv_vec_deinit(&pass.unread);
	if (err)
		return err;
	pass.result.took_ns = pv_now_ns() - start_ns;
	*ret = pass.result;
	return NULL;
}
