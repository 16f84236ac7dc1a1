/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * out/frame and out/formats: the text of a frame, escaped and not, and the
 * choice of a format.  Input: locations made here.  Output: Check's report.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"

struct frame_case {
	enum pv_loc_kind kind;
	const char *function, *file, *module;
	int line;
	const char *plain, *escaped;
};

static const struct frame_case cases[] = {
	{ PV_LOC_PYTHON, "C.m", "/a/b.py", "", 7, "C.m (b.py:7)", "C.m (b.py:7)" },
	/* a library's file from its package on; __init__.py with its package */
	{ PV_LOC_PYTHON, "dumps", "/usr/lib/python3.11/json/__init__.py", "", 231,
	  "dumps (json/__init__.py:231)", "dumps (json/__init__.py:231)" },
	{ PV_LOC_PYTHON, "heappop", "/usr/lib/python3.11/heapq.py", "", 3, "heappop (heapq.py:3)",
	  "heappop (heapq.py:3)" },
	{ PV_LOC_PYTHON, "run", "/v/lib/python3.11/site-packages/gunicorn/workers/sync.py", "", 84,
	  "run (gunicorn/workers/sync.py:84)", "run (gunicorn/workers/sync.py:84)" },
	{ PV_LOC_PYTHON, "g", "/usr/lib/python3/dist-packages/flask/app.py", "", 9,
	  "g (flask/app.py:9)", "g (flask/app.py:9)" },
	{ PV_LOC_PYTHON, "g", "/srv/shop/__main__.py", "", 9, "g (shop/__main__.py:9)",
	  "g (shop/__main__.py:9)" },
	{ PV_LOC_PYTHON, "g", "/__init__.py", "", 9, "g (__init__.py:9)", "g (__init__.py:9)" },
	{ PV_LOC_PYTHON, "g", "/lib/python", "", 9, "g (python:9)", "g (python:9)" },
	{ PV_LOC_PYTHON, "f.<locals>.<lambda>", "<string>", "", 1,
	  "f.<locals>.<lambda> (<string>:1)", "f.<locals>.<lambda> (<string>:1)" },
	{ PV_LOC_PYTHON, "f", "<a/b>", "", 1, "f (<a/b>:1)", "f (<a/b>:1)" },
	{ PV_LOC_PYTHON, "f", "x.py", "", 0, "f (x.py)", "f (x.py)" },
	{ PV_LOC_PYTHON, "f", "x.py", "", -1, "f (x.py)", "f (x.py)" },
	{ PV_LOC_PYTHON, "f", "dir/", "", 2, "f (dir/:2)", "f (dir/:2)" },
	{ PV_LOC_PYTHON, "f", "", "", 2, "f", "f" },
	{ PV_LOC_PYTHON, "", "x.py", "", 2, "[unknown] (x.py:2)", "[unknown] (x.py:2)" },
	{ PV_LOC_NATIVE, "memcpy", "", "libc.so.6", 0, "memcpy (libc.so.6)", "memcpy (libc.so.6)" },
	{ PV_LOC_NATIVE, "memcpy", "x.c", "", 5, "memcpy", "memcpy" },
	{ PV_LOC_NATIVE, "[unknown libz.so.1+0x12]", "", "libz.so.1", 0, "[unknown libz.so.1+0x12]",
	  "[unknown libz.so.1+0x12]" },
	{ PV_LOC_INLINED, "max", "", "libx.so", 0, "max (inlined)", "max (inlined)" },
	{ PV_LOC_KERNEL, "do_syscall_64", "", "", 0, "do_syscall_64_[k]", "do_syscall_64_[k]" },
	{ PV_LOC_MARKER, "[truncated]", "", "", 0, "[truncated]", "[truncated]" },
	{ PV_LOC_THREAD, "thread a;b (7)", "", "", 0, "thread a;b (7)", "thread a\\x3bb (7)" },
	/* What would break a line or a reader. */
	{ PV_LOC_NATIVE, "<[u8; 4]>::x", "", "l;b", 0, "<[u8; 4]>::x (l;b)",
	  "<[u8\\x3b 4]>::x (l\\x3bb)" },
	{ PV_LOC_PYTHON, "a\nb", "c\rd.py", "", 1, "a\nb (c\rd.py:1)", "a\\x0ab (c\\x0dd.py:1)" },
	{ PV_LOC_PYTHON, "a\\x3b", "f", "", 1, "a\\x3b (f:1)", "a\\\\x3b (f:1)" },
	{ PV_LOC_PYTHON, "\033[31m\177", "f", "", 1, "\033[31m\177 (f:1)", "\\x1b[31m\\x7f (f:1)" },
	{ PV_LOC_PYTHON, "größe", "日本.py", "", 1, "größe (日本.py:1)", "größe (日本.py:1)" },
	{ PV_LOC_PYTHON, "\xf0\x9f\x90\x8d", "f", "", 1, "\xf0\x9f\x90\x8d (f:1)",
	  "\xf0\x9f\x90\x8d (f:1)" },
	{ PV_LOC_PYTHON, "\xe2\x80\xa8", "f", "", 1, "\xe2\x80\xa8 (f:1)",
	  "\\xe2\\x80\\xa8 (f:1)" },
	{ PV_LOC_PYTHON, "\xc2\x85", "f", "", 1, "\xc2\x85 (f:1)", "\\xc2\\x85 (f:1)" },
	/* no character of XML */
	{ PV_LOC_PYTHON, "\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "f", "", 1,
	  "\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd (f:1)",
	  "\\xef\\xbf\\xbe\\xef\\xbf\\xbf\xef\xbf\xbd (f:1)" },
	/* Invalid UTF-8: lone, cut, overlong, surrogate, too large. */
	{ PV_LOC_PYTHON, "\xff", "f", "", 1, "\xff (f:1)", "\\xff (f:1)" },
	{ PV_LOC_PYTHON, "a\xe2\x82", "f", "", 1, "a\xe2\x82 (f:1)", "a\\xe2\\x82 (f:1)" },
	{ PV_LOC_PYTHON, "\xc0\xaf", "f", "", 1, "\xc0\xaf (f:1)", "\\xc0\\xaf (f:1)" },
	{ PV_LOC_PYTHON, "\xe0\x80\xaf", "f", "", 1, "\xe0\x80\xaf (f:1)",
	  "\\xe0\\x80\\xaf (f:1)" },
	{ PV_LOC_PYTHON, "\xed\xb2\x80", "f", "", 1, "\xed\xb2\x80 (f:1)",
	  "\\xed\\xb2\\x80 (f:1)" },
	{ PV_LOC_PYTHON, "\xf4\x90\x80\x80", "f", "", 1, "\xf4\x90\x80\x80 (f:1)",
	  "\\xf4\\x90\\x80\\x80 (f:1)" },
	/* what hides or reorders its neighbours, as on a terminal */
	{ PV_LOC_PYTHON, "a\u202eb", "c\u200b.py", "", 1, "a\u202eb (c\u200b.py:1)",
	  "a\\xe2\\x80\\xaeb (c\\xe2\\x80\\x8b.py:1)" },
	{ PV_LOC_PYTHON, "\xc3(", "f", "", 1, "\xc3( (f:1)", "\\xc3( (f:1)" },
};

static uint32_t string(struct pv_strings *strings, const char *text)
{
	uint32_t id;

	ck_assert_ptr_null(pv_strings_add(strings, text, strlen(text), &id));
	return id;
}

START_TEST(frame_text)
{
	const struct frame_case *c = &cases[_i];
	struct pv_strings *strings;
	struct pv_str text = { 0 };
	struct pv_loc loc = { .line = c->line, .kind = c->kind };

	ck_assert_ptr_null(pv_strings_create(&strings));
	loc.function = string(strings, c->function);
	loc.file = string(strings, c->file);
	loc.module = string(strings, c->module);
	ck_assert_ptr_null(pv_frame_text(strings, &loc, PV_ESCAPE_NONE, &text));
	ck_assert_str_eq(pv_str_text(&text), c->plain);
	/* Appends: what is there stays. */
	ck_assert_ptr_null(pv_str_append(&text, ";", 1));
	ck_assert_ptr_null(pv_frame_text(strings, &loc, PV_ESCAPE_LINE, &text));
	ck_assert_str_eq(pv_str_text(&text) + strlen(c->plain) + 1, c->escaped);
	pv_str_deinit(&text);
	pv_strings_destroy(strings);
}
END_TEST

START_TEST(nul_in_a_name)
{
	struct pv_strings *strings;
	struct pv_str text = { 0 };
	struct pv_loc loc = { .kind = PV_LOC_PYTHON };

	ck_assert_ptr_null(pv_strings_create(&strings));
	ck_assert_ptr_null(pv_strings_add(strings, "a\0b", 3, &loc.function));
	ck_assert_ptr_null(pv_frame_text(strings, &loc, PV_ESCAPE_LINE, &text));
	ck_assert_str_eq(pv_str_text(&text), "a\\x00b");
	pv_str_deinit(&text);
	pv_strings_destroy(strings);
}
END_TEST

/* Not for one-line formats: a ';' stays, all else is as it is there. */
START_TEST(escape_text)
{
	struct pv_str text = { 0 };

	ck_assert_ptr_null(pv_escape_text(&text, "<[u8; 4]>\n\\\xff", 12, PV_ESCAPE_TEXT));
	ck_assert_str_eq(pv_str_text(&text), "<[u8; 4]>\\x0a\\\\\\xff");
	pv_str_deinit(&text);
}
END_TEST

START_TEST(formats_by_name_and_path)
{
	const struct pv_format *format = NULL;
	struct pv_err *err;

	ck_assert_ptr_null(pv_format_by_name(pv_formats, "folded", &format));
	ck_assert_str_eq(format->name, "folded");
	ck_assert_ptr_null(pv_format_by_path(pv_formats, "/x/a.b.txt", &format));
	ck_assert_str_eq(format->name, "folded");
	format = NULL;
	ck_assert_ptr_null(pv_format_by_path(pv_formats, "-", &format));
	ck_assert_str_eq(format->name, "folded");
	format = NULL;
	ck_assert_ptr_null(pv_format_by_path(pv_formats, "/dev/fd/63", &format));
	ck_assert_str_eq(format->name, "folded");
	format = NULL;
	err = pv_format_by_name(pv_formats, "fold", &format);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, "folded"));
	pv_err_destroy(err);
	err = pv_format_by_path(pv_formats, "folded", &format);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, ".folded"));
	ck_assert_ptr_null(format);
	pv_err_destroy(err);
}
END_TEST

/* Those of traces have the same endings for other things. */
START_TEST(formats_of_traces)
{
	const struct pv_format *format = NULL;
	struct pv_err *err;

	ck_assert_ptr_null(pv_format_by_path(pv_trace_formats, "/x/a.b.txt", &format));
	ck_assert_str_eq(format->name, "text");
	ck_assert_ptr_null(pv_format_by_path(pv_trace_formats, "a.folded", &format));
	ck_assert_ptr_nonnull(format->write_trace);
	ck_assert_ptr_null(pv_format_by_path(pv_trace_formats, "a.json", &format));
	ck_assert_str_eq(format->name, "chrome");
	ck_assert_ptr_null(pv_format_by_path(pv_trace_formats, "-", &format));
	ck_assert_str_eq(format->name, "text");
	ck_assert_ptr_null(pv_format_by_path(pv_trace_formats, "/dev/fd/63", &format));
	ck_assert_str_eq(format->name, "text");
	err = pv_format_by_name(pv_trace_formats, "svg", &format);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, "perfetto"));
	pv_err_destroy(err);
}
END_TEST

/* Each line of a table is whole, and each suffix leads back to it. */
START_TEST(formats_table)
{
	const struct pv_format *const *table = _i ? pv_trace_formats : pv_formats;

	for (size_t i = 0; table[i]; i++) {
		const struct pv_format *format;

		ck_assert_ptr_null(pv_format_by_name(table, table[i]->name, &format));
		ck_assert_ptr_eq(format, table[i]);
		/* and by what its files end in, as one might think */
		for (const char *const *end = table[i]->suffixes; *end; end++) {
			format = NULL;
			ck_assert_ptr_null(pv_format_by_name(table, *end, &format));
			ck_assert_ptr_eq(format, table[i]);
			format = NULL;
			ck_assert_ptr_null(pv_format_by_name(table, *end + 1, &format));
			ck_assert_ptr_eq(format, table[i]);
		}
		ck_assert_ptr_eq(format, table[i]);
		ck_assert_ptr_nonnull(format->help);
		ck_assert_int_eq(!format->write, _i);
		ck_assert_int_eq(!format->write_trace, !_i);
		ck_assert_ptr_nonnull(format->suffixes[0]);
		for (const char *const *s = table[i]->suffixes; *s; s++) {
			ck_assert_ptr_null(pv_format_by_path(table, *s, &format));
			ck_assert_ptr_eq(format, table[i]);
		}
	}
}
END_TEST

static struct pv_err *try_open(const char *path, const char *name)
{
	const struct pv_format *given, *format;
	struct pv_output *output = NULL;
	struct pv_err *err;

	ck_assert_ptr_null(pv_format_by_name(pv_formats, name, &given));
	err = pv_format_open(pv_formats, path, given, &format, &output);
	ck_assert_int_eq(!err, !!output);
	ck_assert(err || format == given);
	pv_output_destroy(output);
	return err;
}

/* As a terminal itself, and as standard output. */
START_TEST(binary_is_not_for_a_terminal)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	const char *const paths[] = { ptsname(master), "-" };

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master) | unlockpt(master), 0);
	slave = open(paths[0], O_RDWR | O_NOCTTY);
	ck_assert_int_ge(slave, 0);
	ck_assert_int_eq(dup2(slave, STDOUT_FILENO), STDOUT_FILENO);
	for (size_t i = 0; i < 2; i++) {
		struct pv_err *err = try_open(paths[i], "pprof");

		ck_assert_ptr_nonnull(err);
		ck_assert_int_eq(err->kind, PV_ERR_USAGE);
		ck_assert_ptr_nonnull(strstr(err->message, "pprof is binary"));
		pv_err_destroy(err);
		ck_assert_ptr_null(try_open(paths[i], "folded"));
	}
	close(slave);
	close(master);
}
END_TEST

START_TEST(binary_into_a_pipe_or_file)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_ptr_null(try_open("-", "pprof"));
	ck_assert_ptr_null(try_open("/dev/null", "pprof"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frame");
	TCase *tcase = tcase_create("frame");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, frame_text, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tcase, nul_in_a_name);
	tcase_add_test(tcase, escape_text);
	tcase_add_test(tcase, formats_by_name_and_path);
	tcase_add_test(tcase, formats_of_traces);
	tcase_add_loop_test(tcase, formats_table, 0, 2);
	tcase_add_test(tcase, binary_is_not_for_a_terminal);
	tcase_add_test(tcase, binary_into_a_pipe_or_file);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
