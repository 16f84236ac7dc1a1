/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recorded memory: a recorder that notes what was read, and its replay.
 * Input: another pv_mem; a text file of lines "ADDR: hex bytes" ('#' comments).
 * Output: that text file; struct pv_mem, for tests.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/output.h"
#include "base/vec.h"
#include "target/mem.h"

enum {
	PAGE_SHIFT = 12,
	PAGE_BYTES = 1 << PAGE_SHIFT,
	LINE_BYTES = 32, /* bytes of memory on a line of text */
	GROUP_BYTES = 8, /* with a blank between groups */
};

/* What was read of one page. */
struct record_page {
	uint64_t addr;
	uint8_t data[PAGE_BYTES];
	uint8_t known[PAGE_BYTES];
};

struct recorder_mem {
	struct pv_mem mem;
	struct pv_mem *inner;
	struct pv_map index; /* page number -> index in pages */
	struct pv_vec pages; /* struct record_page * */
};

struct fixture_range {
	uint64_t start;
	size_t n;
	size_t line; /* of the file, for messages */
	uint8_t *data;
};

struct fixture_mem {
	struct pv_mem mem;
	struct pv_vec ranges; /* struct fixture_range, sorted, disjoint, merged */
	unsigned int reads, fail_nth;
};

static struct record_page *recorder_page(struct recorder_mem *rec, uint64_t addr)
{
	uint64_t number = addr >> PAGE_SHIFT, index;

	if (pv_map_get(&rec->index, number, &index))
		return *(struct record_page **)pv_vec_at(&rec->pages, index);

	struct record_page *page = calloc(1, sizeof(*page));

	if (!page)
		return NULL;
	page->addr = number << PAGE_SHIFT;

	struct pv_err *err = pv_vec_append(&rec->pages, &page, 1, NULL);

	if (err) {
		pv_err_destroy(err);
		free(page);
		return NULL;
	}
	err = pv_map_set(&rec->index, number, rec->pages.n - 1);
	if (err) {
		pv_err_destroy(err);
		return NULL;
	}
	return page;
}

static int recorder_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct recorder_mem *rec = (struct recorder_mem *)mem;
	int rc = rec->inner->read(rec->inner, dst, n, addr);

	if (rc)
		return rc;
	for (size_t done = 0; done < n;) {
		size_t at = (addr + done) & (PAGE_BYTES - 1);
		size_t part = n - done < PAGE_BYTES - at ? n - done : PAGE_BYTES - at;
		struct record_page *page = recorder_page(rec, addr + done);

		if (!page)
			return -ENOMEM;
		memcpy(page->data + at, (const uint8_t *)dst + done, part);
		memset(page->known + at, 1, part);
		done += part;
	}
	return 0;
}

static void recorder_destroy(struct pv_mem *mem)
{
	struct recorder_mem *rec = (struct recorder_mem *)mem;

	for (size_t i = 0; i < rec->pages.n; i++)
		free(*(struct record_page **)pv_vec_at(&rec->pages, i));
	pv_vec_deinit(&rec->pages);
	pv_map_deinit(&rec->index);
	free(rec);
}

struct pv_err *pv_mem_recorder_create(struct pv_mem *inner, struct pv_mem **ret)
{
	struct recorder_mem *rec = malloc(sizeof(*rec));

	if (!rec)
		return &pv_enomem;
	*rec = (struct recorder_mem){
		.mem = { .read = recorder_read, .destroy = recorder_destroy },
		.inner = inner,
		.pages = PV_VEC(struct record_page *),
	};
	*ret = &rec->mem;
	return NULL;
}

static int page_compare(const void *a, const void *b)
{
	const struct record_page *x = *(struct record_page *const *)a;
	const struct record_page *y = *(struct record_page *const *)b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* A line ends at a gap or at a multiple of LINE_BYTES, so that equal memory gives equal lines. */
static void page_write(const struct record_page *page, FILE *file)
{
	for (size_t i = 0; i < PAGE_BYTES; i++) {
		if (!page->known[i])
			continue;
		if (i % LINE_BYTES == 0 || !page->known[i - 1])
			fprintf(file, "%" PRIx64 ": ", page->addr + i);
		else if (i % GROUP_BYTES == 0)
			fputc(' ', file);
		fprintf(file, "%02x", page->data[i]);
		if ((i + 1) % LINE_BYTES == 0 || !page->known[i + 1])
			fputc('\n', file);
	}
}

struct pv_err *pv_mem_recorder_write(struct pv_mem *recorder, const char *path)
{
	struct recorder_mem *rec = (struct recorder_mem *)recorder;
	struct pv_output *output = NULL;
	struct pv_err *err = pv_output_create(path, &output);

	if (err)
		return err;
	/* Sorting the pages leaves the index pointing at the wrong ones: sort a copy. */
	_pv_free_ struct record_page **sorted = calloc(rec->pages.n + 1, sizeof(*sorted));

	if (!sorted) {
		pv_output_destroy(output);
		return &pv_enomem;
	}
	for (size_t i = 0; i < rec->pages.n; i++)
		sorted[i] = *(struct record_page **)pv_vec_at(&rec->pages, i);
	qsort(sorted, rec->pages.n, sizeof(*sorted), page_compare);
	for (size_t i = 0; i < rec->pages.n; i++)
		page_write(sorted[i], pv_output_file(output));
	err = pv_output_commit(output);
	pv_output_destroy(output);
	return err;
}

/* The last range that starts at or before addr, if the n bytes are in it. */
static const struct fixture_range *fixture_find(const struct fixture_mem *fix, uint64_t addr,
						size_t n)
{
	size_t low = 0, high = fix->ranges.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct fixture_range *range = pv_vec_at(&fix->ranges, mid);

		if (range->start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;

	const struct fixture_range *range = pv_vec_at(&fix->ranges, low - 1);
	uint64_t at = addr - range->start;

	return at <= range->n && n <= range->n - at ? range : NULL;
}

static int fixture_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct fixture_mem *fix = (struct fixture_mem *)mem;

	if (++fix->reads == fix->fail_nth)
		return -EFAULT;
	if (n == 0)
		return 0;

	const struct fixture_range *range = fixture_find(fix, addr, n);

	if (!range)
		return -EFAULT;
	memcpy(dst, range->data + (addr - range->start), n);
	return 0;
}

static void fixture_destroy(struct pv_mem *mem)
{
	struct fixture_mem *fix = (struct fixture_mem *)mem;

	for (size_t i = 0; i < fix->ranges.n; i++)
		free(((struct fixture_range *)pv_vec_at(&fix->ranges, i))->data);
	pv_vec_deinit(&fix->ranges);
	free(fix);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "ADDR: hex", hex pairs with blanks between them as one likes; false if it is not that. */
static bool line_parse(const char *line, struct fixture_range *range)
{
	char *p;

	errno = 0;
	range->start = strtoull(line, &p, 16);
	if (errno || p == line || *p != ':')
		return false;
	range->n = 0;
	for (p++; *p;) {
		if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
			p++;
			continue;
		}
		int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);

		if (low < 0)
			return false;
		range->data[range->n++] = (uint8_t)(high << 4 | low);
		p += 2;
	}
	return range->start <= UINT64_MAX - range->n;
}

static struct pv_err *fixture_load(struct fixture_mem *fix, FILE *file, const char *path)
{
	_pv_free_ char *line = NULL;
	size_t capacity = 0, number = 0;

	while (getline(&line, &capacity, file) >= 0) {
		number++;
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;

		struct fixture_range range = { .line = number,
					       .data = malloc(strlen(line) / 2 + 1) };

		if (!range.data)
			return &pv_enomem;
		if (!line_parse(line, &range)) {
			free(range.data);
			return pv_err_create(PV_ERR_FAILED,
					     "%s:%zu: not a line \"ADDR: hex bytes\"", path,
					     number);
		}

		struct pv_err *err = pv_vec_append(&fix->ranges, &range, 1, NULL);

		if (err) {
			free(range.data);
			return err;
		}
	}
	if (ferror(file))
		return pv_err_errno(errno, "cannot read %s", path);
	return NULL;
}

static int range_compare(const void *a, const void *b)
{
	const struct fixture_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Joins neighbours in place, so that a read may span lines; overlaps are refused. */
static struct pv_err *fixture_merge(struct fixture_mem *fix, const char *path)
{
	struct fixture_range *ranges = fix->ranges.data;
	size_t n = fix->ranges.n, used = 0;

	if (n == 0)
		return NULL;
	qsort(ranges, n, sizeof(*ranges), range_compare);
	for (size_t i = 1; i < n; i++) {
		if (ranges[i].start - ranges[i - 1].start < ranges[i - 1].n)
			return pv_err_create(PV_ERR_FAILED, "%s:%zu: overlaps line %zu", path,
					     ranges[i].line, ranges[i - 1].line);
	}
	for (size_t i = 0; i < n;) {
		struct fixture_range merged = ranges[i];
		size_t end = i + 1, total = ranges[i].n;

		while (end < n && ranges[end].start - merged.start == total)
			total += ranges[end++].n;

		uint8_t *data = realloc(merged.data, total + 1);

		if (!data) {
			/* What lies between used and i was moved down: keep one owner each. */
			memmove(ranges + used, ranges + i, (n - i) * sizeof(*ranges));
			fix->ranges.n = used + n - i;
			return &pv_enomem;
		}
		merged.data = data;
		for (size_t j = i + 1; j < end; j++) {
			memcpy(merged.data + merged.n, ranges[j].data, ranges[j].n);
			merged.n += ranges[j].n;
			free(ranges[j].data);
		}
		ranges[used++] = merged;
		i = end;
	}
	fix->ranges.n = used;
	return NULL;
}

struct pv_err *pv_mem_fixture_create(const char *path, struct pv_mem **ret)
{
	_pv_fclose_ FILE *file = fopen(path, "re");

	if (!file)
		return pv_err_errno(errno, "cannot open fixture %s", path);

	struct fixture_mem *fix = malloc(sizeof(*fix));

	if (!fix)
		return &pv_enomem;
	*fix = (struct fixture_mem){
		.mem = { .read = fixture_read, .destroy = fixture_destroy },
		.ranges = PV_VEC(struct fixture_range),
	};

	struct pv_err *err = fixture_load(fix, file, path);

	if (!err)
		err = fixture_merge(fix, path);
	if (err) {
		fixture_destroy(&fix->mem);
		return err;
	}
	*ret = &fix->mem;
	return NULL;
}

void pv_mem_fixture_fail(struct pv_mem *fixture, unsigned int fail_nth)
{
	struct fixture_mem *fix = (struct fixture_mem *)fixture;

	fix->fail_nth = fail_nth;
	fix->reads = 0;
}

unsigned int pv_mem_fixture_reads(const struct pv_mem *fixture)
{
	return ((const struct fixture_mem *)fixture)->reads;
}
