/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd/options: parsing by table.  Input: argument vectors made here.  Output:
 * Check's report.
 */
#include <check.h>
#include <string.h>

#include "base/vec.h"
#include "cmd/options.h"
#include "out/format.h"

struct values {
	bool flag;
	unsigned int count;
	double seconds;
	const char *text;
	struct pv_vec list;
	const struct pv_format *format;
};

static const struct pv_option table[] = {
	{ 'f', "flag", NULL, "a flag", PV_OPTION_FLAG, offsetof(struct values, flag) },
	{ 'c', "count", "N", "a count", PV_OPTION_COUNT, offsetof(struct values, count) },
	{ 'd', "duration", "SEC", "seconds", PV_OPTION_SECONDS, offsetof(struct values, seconds) },
	{ 0, "text", "TEXT", "a text", PV_OPTION_TEXT, offsetof(struct values, text) },
	{ 'l', "list", "ITEM", "a list", PV_OPTION_LIST, offsetof(struct values, list) },
	{ 0, "format", "NAME", "a format", PV_OPTION_FORMAT, offsetof(struct values, format) },
	{ 0 },
};

static struct values values;
static int first;

static struct pv_err *parse(bool program, char **argv)
{
	struct pv_usage usage = { .command = "test",
				  .program = program,
				  .synopsis = "",
				  .summary = "",
				  .example = "",
				  .options = table };
	int argc = 0;
	bool help;

	while (argv[argc])
		argc++;
	values = (struct values){ .list = PV_VEC(const char *) };
	return pv_options_parse(&usage, argc, argv, &values, &first, &help);
}

static void expect_usage(char **argv, const char *part)
{
	struct pv_err *err = parse(true, argv);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_msg(strstr(err->message, part), "%s", err->message);
	pv_err_destroy(err);
	pv_vec_deinit(&values.list);
}

#define ARGV(...) ((char *[]){ (char *)"test", __VA_ARGS__, NULL })

START_TEST(formats)
{
	ck_assert_ptr_null(parse(true, ARGV("--format", "svg")));
	ck_assert_str_eq(values.format->name, "svg");
	expect_usage(ARGV("--format", "sv"), "no format is called \"sv\"");
	expect_usage(ARGV("--format", "svg", "--format", "folded"), "twice");
}
END_TEST

START_TEST(all_types)
{
	ck_assert_ptr_null(parse(
		true, ARGV("-f", "-c", "7", "-d0.5", "--text=x y", "-l", "a", "--list", "b")));
	ck_assert(values.flag);
	ck_assert_uint_eq(values.count, 7);
	ck_assert_double_eq(values.seconds, 0.5);
	ck_assert_str_eq(values.text, "x y");
	ck_assert_uint_eq(values.list.n, 2);
	ck_assert_str_eq(*(char **)pv_vec_at(&values.list, 1), "b");
	ck_assert_int_eq(first, 10);
	pv_vec_deinit(&values.list);
}
END_TEST

START_TEST(a_program_keeps_its_options)
{
	char **argv = ARGV("-f", "--", "prog", "-c", "x");

	ck_assert_ptr_null(parse(true, argv));
	ck_assert(values.flag);
	ck_assert_uint_eq(values.count, 0);
	ck_assert_str_eq(argv[first], "prog");
	ck_assert_str_eq(argv[first - 1], "--");
}
END_TEST

START_TEST(options_may_follow_an_operand)
{
	char **argv = ARGV("4711", "-f");

	ck_assert_ptr_null(parse(false, argv));
	ck_assert(values.flag);
	ck_assert_str_eq(argv[first], "4711");
}
END_TEST

static char *const wrong[][3] = {
	{ "-x" },         { "--nothing" }, { "-c" },        { "-c", "0" },
	{ "-c", "-1" },   { "-c", "1x" },  { "-c", "" },    { "-c", "99999999999" },
	{ "-d", "0" },    { "-d", "-1" },  { "-d", "nan" }, { "-d", "1e99" },
	{ "-d", "five" }, { "--flag=1" },  { "--text" },
};

START_TEST(wrong_usage_is_said)
{
	struct pv_err *err = parse(true, ARGV(wrong[_i][0], wrong[_i][1]));

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	pv_err_destroy(err);
}
END_TEST

START_TEST(process_ids)
{
	static const char *const bad[] = { "", "0", "-4", "4x", "99999999999", "0x10", "python" };
	int pid = 0;

	ck_assert_ptr_null(pv_options_pid("4711", &pid));
	ck_assert_int_eq(pid, 4711);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pv_err *err = pv_options_pid(bad[i], &pid);

		ck_assert_msg(err != NULL, "`%s` is taken for a process id", bad[i]);
		ck_assert_int_eq(err->kind, PV_ERR_USAGE);
		pv_err_destroy(err);
	}
	ck_assert_int_eq(pid, 4711);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, all_types);
	tcase_add_test(tcase, formats);
	tcase_add_test(tcase, a_program_keeps_its_options);
	tcase_add_test(tcase, options_may_follow_an_operand);
	tcase_add_loop_test(tcase, wrong_usage_is_said, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tcase, process_ids);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
