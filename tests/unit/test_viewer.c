/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * out/viewer: what goes into a page's block of data comes out of it, whatever
 * its size.  Input: sections made here.  Output: Check's report.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "out/viewer.h"

static const struct pv_viewer_page page = {
	.before = "<b>",
	.n_before = 3,
	.after = "</b>",
	.n_after = 4,
};

/* Bytes that do not compress: their size is that of the block. */
static unsigned char *noise(size_t n)
{
	unsigned char *bytes = malloc(n + 1);
	uint64_t state = 7;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < n; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		bytes[i] = state >> 56;
	}
	return bytes;
}

static char *write_page(const char *tag, const void *bytes, size_t n, size_t *n_ret)
{
	struct pv_viewer *viewer = NULL;
	char *text = NULL;
	FILE *file = open_memstream(&text, n_ret);

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_null(pv_viewer_create(&page, file, &viewer));
	ck_assert_ptr_null(pv_viewer_section(viewer, tag, bytes, n));
	ck_assert_ptr_null(pv_viewer_section(viewer, "LAST", "", 0));
	ck_assert_ptr_null(pv_viewer_end(viewer));
	pv_viewer_destroy(viewer);
	fclose(file);
	return text;
}

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* RFC 4648: padding only at the end.  Returns the number of bytes, SIZE_MAX if it is none. */
static size_t from_base64(const char *text, size_t n, unsigned char *bytes)
{
	size_t n_bytes = 0, n_padding = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_padding = text[i] == '=';

		n_padding += is_padding;
		if (is_padding ? i < n - 2 : digit(text[i]) < 0 || n_padding)
			return SIZE_MAX;
		bits = bits << 6 | (is_padding ? 0 : digit(text[i]));
		if (i % 4 != 3)
			continue;
		bytes[n_bytes++] = bits >> 16;
		bytes[n_bytes++] = bits >> 8;
		bytes[n_bytes++] = bits;
		bits = 0;
	}
	return n % 4 ? SIZE_MAX : n_bytes - n_padding;
}

static void check_size(size_t n)
{
	_pv_free_ unsigned char *bytes = noise(n), *packed = NULL, *found = NULL;
	_pv_free_ char *text = NULL;
	size_t n_text, n_packed;
	uLongf n_found = n + 24;

	text = write_page("DATA", bytes, n, &n_text);
	ck_assert_int_eq(strncmp(text, "<b>", 3), 0);
	ck_assert_str_eq(text + n_text - 4, "</b>");
	packed = malloc(n_text);
	n_packed = from_base64(text + 3, n_text - 7, packed);
	ck_assert_uint_ne(n_packed, SIZE_MAX);
	found = malloc(n_found);
	ck_assert_int_eq(uncompress(found, &n_found, packed, n_packed), Z_OK);
	ck_assert_uint_eq(n_found, n + 24);
	ck_assert_int_eq(memcmp(found, "DATA", 4), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(found[4 + i], (uint64_t)n >> 8 * i & 0xff);
	ck_assert_int_eq(memcmp(found + 12, bytes, n), 0);
	ck_assert_int_eq(memcmp(found + 12 + n, "LAST\0\0\0\0\0\0\0\0", 12), 0);
}

START_TEST(every_size_comes_back)
{
	static const size_t chunk = 48 * 1024; /* of viewer.c */

	for (size_t n = 0; n < 40; n++)
		check_size(n);
	/* the packed data then ends around the end of a chunk, or of several */
	for (size_t n = chunk - 60; n < chunk + 8; n++)
		check_size(n);
	check_size(5 * chunk - 1);
	check_size(5 * chunk);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("viewer");
	TCase *tcase = tcase_create("viewer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, every_size_comes_back);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
