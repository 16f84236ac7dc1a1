/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of target/title.h.
 * Input: command lines as /proc has them; the test's own process.
 * Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/title.h"

/* A command line with its last NUL, as a string literal has it. */
#define WORDS(line, name, ret) pv_command_words(line, sizeof(line), name, ret)

#define EXPECT(line, name, its_title, its_script)                                                  \
	do {                                                                                       \
		struct pv_command_words _words;                                                    \
		WORDS(line, name, &_words);                                                        \
		ck_assert_str_eq(_words.title, its_title);                                         \
		ck_assert_str_eq(_words.script, its_script);                                       \
	} while (0)

START_TEST(python_commands)
{
	EXPECT("python3\0app.py", "python3", "app.py", "app.py");
	EXPECT("/usr/bin/python3\0/srv/x/app.py\0-m\0serve", "python3", "app.py", "app.py");
	EXPECT("/usr/bin/python3\0/usr/bin/gunicorn\0app:app", "gunicorn", "gunicorn", "gunicorn");
	EXPECT("python3.11\0-m\0http.server\0008000", "python3.11", "-m http.server",
	       "http.server");
	EXPECT("python3\0-Imhttp.server", "python3", "-m http.server", "http.server");
	EXPECT("python3\0-c\0import x", "python3", "-c", "");
	EXPECT("python3\0-Bc\0import x", "python3", "-c", "");
	EXPECT("python3\0-X\0dev\0-Werror\0-u\0app.py", "python3", "app.py", "app.py");
	EXPECT("python3\0-uX\0dev\0app.py", "python3", "app.py", "app.py");
	EXPECT("python3\0--check-hash-based-pycs\0always\0app.py", "python3", "app.py", "app.py");
	EXPECT("python3\0--\0-odd.py", "python3", "-odd.py", "-odd.py");
	EXPECT("python3\0-i\0-\0x", "python3", "python3", "");
	EXPECT("python3", "python3", "python3", "");
	EXPECT("python3\0-m", "python3", "python3", "");
	EXPECT("python3\0-c", "python3", "-c", "");
	EXPECT("pypy3\0app.py", "pypy3", "app.py", "app.py");
	/* a directory with a __main__.py */
	EXPECT("python3\0dir/", "python3", "dir/", "dir/");
}
END_TEST

START_TEST(other_commands)
{
	struct pv_command_words words;

	EXPECT("sh\0-c\0python3 app.py", "sh", "sh", "");
	EXPECT("/bin/true", "true", "true", "");
	EXPECT("", "true", "true", "");
	pv_command_words(NULL, 0, "true", &words);
	ck_assert_str_eq(words.title, "true");
	/* the kernel keeps 15 bytes of a name */
	EXPECT("/x/a-very-long-program\0-x", "a-very-long-pro", "a-very-long-program", "");
	EXPECT("/x/a-very-long-program\0-x", "named-otherwise", "named-otherwise", "");
	WORDS("/usr/sbin/nginx\0-g\0daemon off;", "nginx", &words);
	ck_assert_str_eq(words.program, "nginx");
}
END_TEST

START_TEST(titles_that_programs_set)
{
	struct pv_command_words words;

	EXPECT("gunicorn: worker [app:app]\0\0\0\0\0\0", "gunicorn: worke",
	       "gunicorn: worker [app:app]", "");
	EXPECT("sshd: root@pts/0", "sshd", "sshd: root@pts/0", "");
	WORDS("gunicorn: worker [app:app]\0\0\0", "gunicorn: worke", &words);
	ck_assert_str_eq(words.program, "gunicorn");
	/* a path with a blank is a path */
	WORDS("/opt/my app/run", "run", &words);
	ck_assert_str_eq(words.title, "run");
	ck_assert_str_eq(words.program, "run");
}
END_TEST

START_TEST(untrusted_bytes)
{
	char line[10000];
	struct pv_command_words words;
	size_t i;

	EXPECT("python3\0a\033[31m\nb.py", "python3", "a?[31m?b.py", "a?[31m?b.py");
	EXPECT("\0\0\0x", "a\nb", "a?b", "");
	/* cut, and not within a character */
	strcpy(line, "python3");
	for (i = 8; i + 2 < sizeof(line); i += 2)
		memcpy(line + i, "\xc3\xa9", 2);
	line[sizeof(line) - 1] = '\0';
	pv_command_words(line, sizeof(line), "python3", &words);
	ck_assert_uint_lt(strlen(words.title), PV_TITLE_BYTES);
	ck_assert_uint_gt(strlen(words.title), PV_TITLE_BYTES - 4);
	ck_assert_uint_eq(strlen(words.title) % 2, 0);
	memset(line, 0x80, sizeof(line));
	pv_command_words(line, sizeof(line), "x", &words);
	ck_assert_uint_lt(strlen(words.program), PV_TITLE_BYTES);
	memcpy(line, "python3\0-m\0", 11);
	pv_command_words(line, sizeof(line), "python3", &words);
	ck_assert_uint_lt(strlen(words.title), PV_TITLE_BYTES);
	ck_assert_uint_lt(strlen(words.script), PV_TITLE_BYTES);
	/* no NUL at the end */
	pv_command_words("python3\0app.pyXX", 14, "python3", &words);
	ck_assert_str_eq(words.title, "app.py");
}
END_TEST

START_TEST(a_process)
{
	struct pv_command_words words;
	struct pv_err *err = pv_process_words(getpid(), "me", &words);

	ck_assert_ptr_null(err);
	ck_assert_str_eq(words.program, "unit_title");
	err = pv_process_words(0x7fffffff, "x", &words);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("title");
	TCase *tcase = tcase_create("title");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, python_commands);
	tcase_add_test(tcase, other_commands);
	tcase_add_test(tcase, titles_that_programs_set);
	tcase_add_test(tcase, untrusted_bytes);
	tcase_add_test(tcase, a_process);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
