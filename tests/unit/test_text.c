/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/text: what a terminal would obey is escaped, widths, cutting.
 * Input: bytes made here; the expected texts are written by hand after RFC 3629
 * and Unicode's categories.  Output: Check's report.
 */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

struct escape_case {
	const char *bytes;
	size_t n;
	const char *text;
};

#define BYTES(literal) literal, sizeof(literal) - 1
static const struct escape_case escapes[] = {
	{ BYTES(""), "" },
	{ BYTES("plain; <name> 'x'"), "plain; <name> 'x'" },
	{ BYTES("\033[31mred\033[0m"), "\\x1b[31mred\\x1b[0m" },
	{ BYTES("a\nb\rc\td\0e\177"), "a\\x0ab\\x0dc\\x09d\\x00e\\x7f" },
	{ BYTES("back\\slash"), "back\\\\slash" },
	/* C1: some terminals take U+009B for ESC [ */
	{ BYTES("\xc2\x9b"
		"31m"),
	  "\\xc2\\x9b31m" },
	{ BYTES("\x9b"
		"31m"),
	  "\\x9b31m" },
	/* right-to-left override, isolates, zero width space and joiner, BOM, a tag, line separator
	 */
	{ BYTES("\u202etxt.exe"), "\\xe2\\x80\\xaetxt.exe" },
	{ BYTES("\u2066a\u2069"), "\\xe2\\x81\\xa6a\\xe2\\x81\\xa9" },
	{ BYTES("a\u200bb\u200dc\ufeff"), "a\\xe2\\x80\\x8bb\\xe2\\x80\\x8dc\\xef\\xbb\\xbf" },
	{ BYTES("\U000e0041"), "\\xf3\\xa0\\x81\\x81" },
	{ BYTES("\u2028\u2029\xc2\x85"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9\\xc2\\x85" },
	/* not UTF-8: overlong, surrogate, too high, cut short, alone */
	{ BYTES("\xc0\xaf"), "\\xc0\\xaf" },
	{ BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80" },
	{ BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80" },
	{ BYTES("\xe6\x97"), "\\xe6\\x97" },
	{ BYTES("\xff"), "\\xff" },
	/* letters stay */
	{ BYTES("größe 日本 🐍"), "größe 日本 🐍" },
};

START_TEST(commands_are_escaped)
{
	const struct escape_case *c = &escapes[_i];
	struct pv_str str = {};

	ok(pv_text_append(&str, c->bytes, c->n));
	ck_assert_str_eq(pv_str_text(&str), c->text);
	pv_str_deinit(&str);
}
END_TEST

START_TEST(no_byte_gets_through)
{
	struct pv_str str = {};

	for (int c = 0; c < 0x100; c++) {
		char byte = c;

		pv_str_clear(&str);
		ok(pv_text_append(&str, &byte, 1));
		for (size_t i = 0; i < str.n; i++)
			ck_assert(str.data[i] >= 0x20 && str.data[i] < 0x7f);
	}
	pv_str_deinit(&str);
}
END_TEST

START_TEST(long_sequences_decode)
{
	unsigned int wrong = 0;

	for (unsigned int c = 0x10000; c < 0x110000; c += 7) {
		char bytes[4] = { 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f), 0x80 | (c >> 6 & 0x3f),
				  0x80 | (c & 0x3f) };
		unsigned int back = 0;

		wrong += pv_text_decode(bytes, 4, &back) != 4 || back != c;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(widths)
{
	static const char narrow[] = "größe", wide[] = "日本", combined[] = "e\u0301";

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	ck_assert_uint_eq(pv_text_width("", 0), 0);
	ck_assert_uint_eq(pv_text_width("abc", 3), 3);
	ck_assert_uint_eq(pv_text_width(narrow, strlen(narrow)), 5);
	ck_assert_uint_eq(pv_text_width(wide, strlen(wide)), 4);
	ck_assert_uint_eq(pv_text_width(combined, strlen(combined)), 1);
}
END_TEST

struct cut_case {
	const char *text;
	size_t columns;
	const char *cut;
};

static const struct cut_case cuts[] = {
	{ "abcdef", 6, "abcdef" },
	{ "abcdef", 5, "abcd…" },
	{ "abcdef", 1, "…" },
	{ "abcdef", 0, "" },
	{ "日本語", 6, "日本語" },
	{ "日本語", 5, "日本…" },
	/* a wide character does not fit by half: one column stays empty */
	{ "日本語", 4, "日…" },
	{ "e\u0301e\u0301e\u0301", 2, "e\u0301…" },
};

START_TEST(text_is_cut_at_its_end)
{
	const struct cut_case *c = &cuts[_i];
	struct pv_str str = {};

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	ok(pv_str_append(&str, "kept ", 5));
	ok(pv_str_append(&str, c->text, strlen(c->text)));
	ok(pv_text_cut(&str, 5, c->columns));
	ck_assert_str_eq(pv_str_text(&str) + 5, c->cut);
	ck_assert(!strncmp(pv_str_text(&str), "kept ", 5));
	pv_str_deinit(&str);
}
END_TEST

START_TEST(an_empty_text_is_cut)
{
	struct pv_str str = {};

	ok(pv_text_cut(&str, 0, 0));
	ck_assert_uint_eq(str.n, 0);
	pv_str_deinit(&str);
}
END_TEST

struct percent_case {
	uint64_t part, whole;
	unsigned int decimals;
	const char *text;
};

static const struct percent_case percents[] = {
	{ 0, 10, 1, "0 %" },
	{ 0, 0, 0, "0 %" },
	{ 7, 7, 2, "100 %" },
	{ UINT64_MAX, UINT64_MAX, 2, "100 %" },
	{ 1, 2, 0, "50 %" },
	{ 1, 8, 0, "13 %" }, /* a half is rounded up */
	{ 3, 8, 0, "38 %" },
	{ 1, 3, 1, "33.3 %" },
	{ 1, 100, 0, "1 %" },
	{ 1, 101, 0, "<1 %" },
	{ 1, 1001, 1, "<0.1 %" },
	{ 1, 10001, 2, "<0.01 %" },
	{ 3000, 3001, 0, ">99 %" },
	{ 995, 1000, 0, ">99 %" },
	{ 994, 1000, 0, "99 %" },
	{ 3000, 3001, 1, ">99.9 %" },
	{ 999960, 1000000, 2, ">99.99 %" },
	{ 999940, 1000000, 2, "99.99 %" },
	{ 3, 2, 0, "150 %" },
	{ UINT64_MAX / 4, UINT64_MAX, 1, "25.0 %" },
	{ UINT64_MAX - 1, UINT64_MAX, 1, ">99.9 %" },
};

START_TEST(shares_are_neither_nothing_nor_all)
{
	const struct percent_case *c = &percents[_i];

	ck_assert_str_eq(pv_text_percent(c->part, c->whole, c->decimals).text, c->text);
}
END_TEST

START_TEST(durations_have_three_digits)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} durations[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 us" },
		{ 9994, "9.99 us" },
		{ 9996, "10.0 us" },
		{ 99949, "99.9 us" },
		{ 99960, "100 us" },
		{ 999499, "999 us" },
		{ 999600, "1.00 ms" },
		{ 3061000, "3.06 ms" },
		{ 12482000, "12.5 ms" },
		{ 1500000000, "1.50 s" },
		{ 100000000000, "100 s" },
		{ 1234000000000, "1234 s" },
	};

	for (size_t i = 0; i < sizeof(durations) / sizeof(*durations); i++)
		ck_assert_str_eq(pv_text_duration(durations[i].ns).text, durations[i].text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, commands_are_escaped, 0, sizeof(escapes) / sizeof(*escapes));
	tcase_add_test(tcase, no_byte_gets_through);
	tcase_add_test(tcase, long_sequences_decode);
	tcase_add_test(tcase, widths);
	tcase_add_test(tcase, durations_have_three_digits);
	tcase_add_loop_test(tcase, text_is_cut_at_its_end, 0, sizeof(cuts) / sizeof(*cuts));
	tcase_add_test(tcase, an_empty_text_is_cut);
	tcase_add_loop_test(tcase, shares_are_neither_nothing_nor_all, 0,
			    sizeof(percents) / sizeof(*percents));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
