/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for symbol/perfmap.h: any bytes as a perf map, in two halves as a file that
 * grows; what an address is called is what the last line that covers it says, by a parser of
 * its own.
 * Input: the file.  Output: a crash where that does not hold.  Corpus: tests/fuzz/corpus/perfmap.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "symbol/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ok(struct pv_err *err)
{
	if (err)
		abort();
}

/* A copy of its own, so that ASan sees one byte too many. */
static size_t add(struct pv_perfmap *map, const uint8_t *data, size_t n)
{
	char *text = malloc(n ? n : 1);
	size_t used;

	memcpy(text, data, n);
	ok(pv_perfmap_add(map, text, n, &used));
	if (used > n || (used && text[used - 1] != '\n') || memchr(text + used, '\n', n - used))
		abort();
	free(text);
	return used;
}

/* The numbers and the name of a line, as the format's words have it. */
static int parse(const char *line, size_t n, uint64_t *start, uint64_t *size, const char **name)
{
	char copy[2][32];
	const char *at = line, *end = line + n, *blank;

	for (int i = 0; i < 2; i++, at = blank + 1) {
		char *rest;

		blank = memchr(at, ' ', end - at);
		if (!blank || blank - at > 31)
			return -1; /* many zeros: beyond this parser */
		memcpy(copy[i], at, blank - at);
		copy[i][blank - at] = '\0';
		if (!isxdigit((unsigned char)copy[i][0]) || strlen(copy[i]) != (size_t)(blank - at))
			return -1;
		/* more digits than a number has, if only zeros: beyond it, too */
		if (strlen(copy[i]) > 16)
			return -1;
		*(i ? size : start) = strtoull(copy[i], &rest, 16);
		if (*rest || !strcasecmp(copy[i], "0x"))
			return -1;
	}
	*name = at;
	return at < end && *size && !(*start >> 57) && !(*size >> 57) && strlen(copy[0]) <= 16 &&
	       strlen(copy[1]) <= 16;
}

/* What the last line that covers address says, or that it is beyond the parser above: -1. */
static int find(const char *text, size_t n, uint64_t address, const char **name, size_t *name_n)
{
	const char *at = text, *end = text + n, *newline;
	int found = 0;

	for (; (newline = memchr(at, '\n', end - at)) != NULL; at = newline + 1) {
		uint64_t start, size;
		const char *line_name;
		int good = parse(at, newline - at, &start, &size, &line_name);

		if (good < 0)
			return -1;
		if (!good || address < start || address - start >= size)
			continue;
		*name = line_name;
		*name_n = newline - line_name;
		found = 1;
	}
	return found;
}

static void check_address(struct pv_perfmap *map, const char *text, size_t n, uint64_t address)
{
	const char *want, *got;
	size_t want_n, got_n;
	int expected = find(text, n, address, &want, &want_n);
	bool found;

	ok(pv_perfmap_at(map, address, &got, &got_n, &found));
	if (found && (!got_n || got_n > PV_PERFMAP_NAME_MAX + 3))
		abort();
	if (expected < 0)
		return;
	if (found != expected)
		abort();
	if (found && want_n <= PV_PERFMAP_NAME_MAX && (got_n != want_n || memcmp(got, want, got_n)))
		abort();
}

/* The edges of every range. */
static void check(struct pv_perfmap *map, const char *text, size_t n)
{
	const char *at = text, *end = text + n, *newline, *name;
	uint64_t start, size;

	for (; (newline = memchr(at, '\n', end - at)) != NULL; at = newline + 1) {
		if (parse(at, newline - at, &start, &size, &name) != 1)
			continue;
		check_address(map, text, n, start - 1);
		check_address(map, text, n, start);
		check_address(map, text, n, start + size - 1);
		check_address(map, text, n, start + size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pv_perfmap *map;
	size_t half = n / 2, used;

	ok(pv_perfmap_create(0, &map));
	used = add(map, data, half);
	add(map, data + used, n - used);
	check(map, (const char *)data, n);
	pv_perfmap_destroy(map);
	return 0;
}
