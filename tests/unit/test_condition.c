/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conditions on what tests/walk/test_conditions.py does not have: texts of 2.7 and of C, long
 * ones; and the letters of native arguments.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "session/condition.h"
#include "session/signature.h"
#include "snap/values.h"

/* A text of size characters as it stands in memory. */
static struct pv_value text(uint8_t tag, uint8_t flags, uint8_t width, const void *bytes,
			    uint32_t size)
{
	struct pv_value value = { .tag = tag, .flags = flags, .width = width, .size = size };
	size_t n = (size_t)size * (width ? width : 1);

	value.n = (uint8_t)(n < PV_VALUE_BYTES ? n : PV_VALUE_BYTES);
	if (n > PV_VALUE_BYTES)
		value.flags |= PV_VALUE_CUT;
	memcpy(value.bytes, bytes, value.n);
	return value;
}

static enum pv_truth decide(const char *expression, bool old, struct pv_value value)
{
	static const char *const names[] = { "s" };
	struct pv_condition_scope scope = { .names = names, .n = 1, .old = old };
	struct pv_values values = { .n = 1, .list = { value } };
	struct pv_condition condition;

	ck_assert_ptr_null(pv_condition_parse(expression, &scope, &condition));
	return pv_snap_condition(&condition, &values);
}

START_TEST(test_old_texts)
{
	struct pv_value bytes = text(PV_VALUE_RAW, PV_VALUE_OLD, 0, "\xc3\xa9t", 3);
	const uint32_t wide[20] = { 'a', 'b', 'c' }, emoji[] = { 0x1f600 };
	struct pv_value unicode = text(PV_VALUE_STR, PV_VALUE_OLD, 4, wide, 3);
	uint32_t many[20];

	/* a str is bytes, and the user's text is UTF-8 */
	ck_assert_int_eq(decide("s == '\xc3\xa9t'", true, bytes), PV_TRUE);
	ck_assert_int_eq(decide("s == b'\\xc3\\xa9t'", true, bytes), PV_TRUE);
	ck_assert_int_eq(decide("s == '\xc3\xa9u'", true, bytes), PV_FALSE);
	ck_assert_int_eq(decide("s.startswith('\xc3\xa9')", true, bytes), PV_TRUE);
	/* characters wider than they must be */
	ck_assert_int_eq(decide("s == 'abc'", true, unicode), PV_TRUE);
	ck_assert_int_eq(decide("s == b'abc'", true, unicode), PV_TRUE);
	ck_assert_int_eq(decide("s == 'abd'", true, unicode), PV_FALSE);
	ck_assert_int_eq(decide("s == 'ab'", true, unicode), PV_FALSE);
	/* CPython 3 has none such: whatever says so is no such text */
	unicode.flags = 0;
	ck_assert_int_eq(decide("s == 'abc'", false, unicode), PV_FALSE);
	unicode = text(PV_VALUE_STR, PV_VALUE_OLD, 2, "\x3d\xd8\x00\xde", 2);
	ck_assert_int_eq(decide("s == '\xf0\x9f\x98\x80'", true, unicode), PV_TRUE);
	unicode.flags = 0;
	ck_assert_int_eq(decide("s == '\xf0\x9f\x98\x80'", false, unicode), PV_FALSE);
	ck_assert_int_eq(decide("s.startswith('\xf0\x9f\x98\x80')", false, unicode), PV_FALSE);
	unicode = text(PV_VALUE_STR, 0, 4, emoji, 1);
	ck_assert_int_eq(decide("s == '\xf0\x9f\x98\x80'", false, unicode), PV_TRUE);
	/* of more than 64 bytes only the first are known */
	for (size_t i = 0; i < 20; i++)
		many[i] = 'a';
	unicode = text(PV_VALUE_STR, PV_VALUE_OLD, 4, many, 20);
	ck_assert_int_eq(decide("s == 'aaaaaaaaaaaaaaaaaaaa'", true, unicode), PV_UNKNOWN);
	ck_assert_int_eq(decide("s == 'aaaaaaaaaaaaaaaaaaa'", true, unicode), PV_FALSE);
	ck_assert_int_eq(decide("s == 'aaaaaaaabaaaaaaaaaaa'", true, unicode), PV_FALSE);
	ck_assert_int_eq(decide("s.startswith('aaaaaaaaaaaaaaaa')", true, unicode), PV_TRUE);
	ck_assert_int_eq(decide("s.startswith('aaaaaaaaaaaaaaaaa')", true, unicode), PV_UNKNOWN);
	ck_assert_int_eq(decide("s.startswith('aaaaaaaaaaaaaaaaaaaaa')", true, unicode), PV_FALSE);
	many[19] = 0x1f600;
	unicode = text(PV_VALUE_STR, 0, 4, many, 20);
	ck_assert_int_eq(decide("s.startswith('aaaaaaaaaaaaaaaaa')", false, unicode), PV_UNKNOWN);
	ck_assert_int_eq(decide("s == 'aaaaaaaaaaaaaaaaaaaa'", false, unicode), PV_FALSE);
}
END_TEST

START_TEST(test_c_texts)
{
	struct pv_value c = text(PV_VALUE_C_STRING, 0, 0, "/etc", 4),
			null = { .tag = PV_VALUE_NONE };
	char long_one[65];

	ck_assert_int_eq(decide("s == '/etc'", false, c), PV_TRUE);
	ck_assert_int_eq(decide("s == b'/etc'", false, c), PV_TRUE);
	ck_assert_int_eq(decide("s != '/et'", false, c), PV_TRUE);
	ck_assert_int_eq(decide("s.startswith('/e')", false, c), PV_TRUE);
	ck_assert_int_eq(decide("s", false, c), PV_TRUE);
	ck_assert_int_eq(decide("s", false, null), PV_FALSE);
	ck_assert_int_eq(decide("s == None", false, null), PV_TRUE);
	ck_assert_int_eq(decide("s == '/etc'", false, null), PV_FALSE);
	ck_assert_int_eq(decide("s.startswith('/e')", false, null), PV_UNKNOWN);
	/* how long it is is not known */
	memset(long_one, 'x', 64);
	long_one[64] = '\0';
	c = text(PV_VALUE_C_STRING, PV_VALUE_CUT, 0, long_one, 64);
	ck_assert_int_eq(decide("s == 'xxxx'", false, c), PV_FALSE);
	ck_assert_int_eq(
		decide("s == 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
		       false, c),
		PV_UNKNOWN);
	ck_assert_int_eq(decide("s.startswith('xxxx')", false, c), PV_TRUE);
}
END_TEST

/* What was not read is neither this nor that, nor is what is beyond the arguments. */
START_TEST(test_unread)
{
	static const char *const names[] = { "a", "b" };
	struct pv_condition_scope scope = { .names = names, .n = 2 };
	struct pv_values values = { .unread = 1 };
	struct pv_condition condition;

	ck_assert_ptr_null(pv_condition_parse("b == 1", &scope, &condition));
	ck_assert_int_eq(pv_snap_condition(&condition, &values), PV_UNKNOWN);
	values = (struct pv_values){ .n = 1, .list = { { .tag = PV_VALUE_INT, .number = 1 } } };
	ck_assert_int_eq(pv_snap_condition(&condition, &values), PV_UNKNOWN);
	ck_assert_ptr_null(pv_condition_parse("a == b", &scope, &condition));
	ck_assert_int_eq(pv_snap_condition(&condition, &values), PV_UNKNOWN);
	condition.n_steps = 0;
	ck_assert_int_eq(pv_snap_condition(&condition, &values), PV_TRUE);
}
END_TEST

/* As the names of arguments: one that is called arg2 is not the second. */
START_TEST(test_names)
{
	static const char *const names[] = { "arg2", "b" };
	struct pv_condition_scope named = { .names = names, .n = 2 }, native = { .n = 6 };
	struct pv_condition_scope many = { .n = 20 };
	struct pv_condition condition;
	struct pv_err *err;

	ck_assert_ptr_null(pv_condition_parse("arg2 > 1", &named, &condition));
	ck_assert_uint_eq(condition.steps[0].left, 0);
	ck_assert_ptr_null(pv_condition_parse("arg1 > 1", &named, &condition));
	ck_assert_uint_eq(condition.steps[0].left, 0);
	ck_assert_ptr_null(pv_condition_parse("arg2 > 1", &native, &condition));
	ck_assert_uint_eq(condition.steps[0].left, 1);
	err = pv_condition_parse("b > 1", &native, &condition);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_str_eq(err->message,
			 "--if \"b > 1\": column 1: arguments are arg1, arg2 ... here");
	pv_err_destroy(err);
	err = pv_condition_parse("arg17 > 1", &many, &condition);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}
END_TEST

static void bad_letters(const char *letters, const char *says)
{
	struct pv_signature signature = { .n = 77 };
	struct pv_err *err = pv_signature_parse(letters, strlen(letters), &signature);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_msg(strstr(err->message, says) != NULL, "%s", err->message);
	ck_assert_uint_eq(signature.n, 77);
	pv_err_destroy(err);
}

START_TEST(test_letters)
{
	struct pv_signature signature;
	size_t n;

	ck_assert_ptr_null(pv_signature_parse("dxs-:p", 6, &signature));
	ck_assert_uint_eq(signature.n, 4);
	ck_assert_uint_eq(signature.argument[0], PV_REGISTER_S32);
	ck_assert_uint_eq(signature.argument[1], PV_REGISTER_HEX);
	ck_assert_uint_eq(signature.argument[2], PV_REGISTER_STRING);
	ck_assert_uint_eq(signature.argument[3], PV_REGISTER_SKIPPED);
	ck_assert_uint_eq(signature.result, PV_REGISTER_POINTER);
	ck_assert_ptr_null(pv_signature_parse(":d", 2, &signature));
	ck_assert_uint_eq(signature.n, 0);
	bad_letters("dq", "'q' is none of d int");
	bad_letters("ddddddd", "only the first 6");
	bad_letters("f", "floating-point");
	bad_letters("d:", "one letter");
	bad_letters("d:xx", "one letter");
	bad_letters("d:q", "'q'");

	signature = (struct pv_signature){ .n = 0 };
	ck_assert_ptr_null(pv_signature_split("libz.so:deflate(pd:d)", &n, &signature));
	ck_assert_uint_eq(n, strlen("libz.so:deflate"));
	ck_assert_uint_eq(signature.n, 2);
	/* names of C++ are no letters */
	signature = (struct pv_signature){ .n = 0 };
	ck_assert_ptr_null(pv_signature_split("f(int, char)", &n, &signature));
	ck_assert_uint_eq(n, strlen("f(int, char)"));
	ck_assert_ptr_null(pv_signature_split("deflate", &n, &signature));
	ck_assert_uint_eq(n, strlen("deflate"));
	ck_assert_ptr_null(pv_signature_split("", &n, &signature));
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(signature.n, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("condition");
	TCase *tc = tcase_create("condition");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_old_texts);
	tcase_add_test(tc, test_c_texts);
	tcase_add_test(tc, test_unread);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_letters);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
