/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/json: the text is valid JSON whatever the strings are.  Input: values
 * made here.  Output: Check's report; the expected texts are written by hand
 * after RFC 8259, and the broken UTF-8 after RFC 3629.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static char *text;
static size_t text_size;
static struct pv_json json;

static void begin(void)
{
	json = (struct pv_json){ .file = open_memstream(&text, &text_size) };
	ck_assert_ptr_nonnull(json.file);
}

static void expect(const char *expected)
{
	fclose(json.file);
	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(commas_and_nesting)
{
	begin();
	pv_json_begin(&json, NULL, '{');
	pv_json_int(&json, "a", -5);
	pv_json_begin(&json, "b", '[');
	pv_json_end(&json, ']');
	pv_json_begin(&json, "c", '[');
	pv_json_bool(&json, NULL, true);
	pv_json_bool(&json, NULL, false);
	pv_json_begin(&json, NULL, '{');
	pv_json_end(&json, '}');
	pv_json_end(&json, ']');
	pv_json_string(&json, "d", "");
	pv_json_end(&json, '}');
	expect("{\"a\":-5,\"b\":[],\"c\":[true,false,{}],\"d\":\"\"}");
}
END_TEST

START_TEST(numbers)
{
	begin();
	pv_json_begin(&json, NULL, '[');
	pv_json_int(&json, NULL, INT64_MAX);
	pv_json_int(&json, NULL, INT64_MIN);
	pv_json_int(&json, NULL, 0);
	pv_json_double(&json, NULL, 0.25);
	pv_json_double(&json, NULL, INFINITY);
	pv_json_double(&json, NULL, NAN);
	pv_json_end(&json, ']');
	expect("[9223372036854775807,-9223372036854775808,0,0.25,null,null]");
}
END_TEST

static const struct {
	const char *in, *out;
} strings[] = {
	{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
	{ "\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"" },
	{ "größe 日 \xf0\x9f\x90\x8d", "\"größe 日 \xf0\x9f\x90\x8d\"" },
	/* a lone byte, a cut sequence, an overlong form, a surrogate, above U+10FFFF */
	{ "\xff", "\"\\udcff\"" },
	{ "\xe2\x82", "\"\\udce2\\udc82\"" },
	{ "\xe2\x82z", "\"\\udce2\\udc82z\"" },
	{ "\xc0\xaf", "\"\\udcc0\\udcaf\"" },
	/* what a terminal obeys: C1, a right-to-left override, a tag */
	{ "a\xc2\x9b"
	  "31m",
	  "\"a\\u009b31m\"" },
	{ "\xe2\x80\xae\xf3\xa0\x81\x81", "\"\\u202e\\udb40\\udc41\"" },
	{ "\xe0\x80\xaf", "\"\\udce0\\udc80\\udcaf\"" },
	{ "\xed\xb2\x80", "\"\\udced\\udcb2\\udc80\"" },
	{ "\xf4\x90\x80\x80", "\"\\udcf4\\udc90\\udc80\\udc80\"" },
};

START_TEST(any_string)
{
	begin();
	pv_json_string(&json, NULL, strings[_i].in);
	expect(strings[_i].out);
}
END_TEST

START_TEST(keys_are_escaped)
{
	begin();
	pv_json_begin(&json, NULL, '{');
	pv_json_int(&json, "a\"", 1);
	pv_json_end(&json, '}');
	expect("{\"a\\\"\":1}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tcase = tcase_create("json");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, commas_and_nesting);
	tcase_add_test(tcase, numbers);
	tcase_add_loop_test(tcase, any_string, 0, sizeof(strings) / sizeof(strings[0]));
	tcase_add_test(tcase, keys_are_escaped);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
