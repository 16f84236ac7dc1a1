/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tui/ and cmd/progress: widths, cutting, breaking, colours; the line of progress.
 * Input: texts made here.  Output: Check's report; the expected lines are written
 * by hand.
 */
#include <check.h>
#include <fcntl.h>
#include <locale.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/progress.h"
#include "tui/prose.h"
#include "tui/rows.h"
#include "tui/term.h"

static char *text;
static size_t text_size;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static struct pv_term begin(unsigned int width, bool colours)
{
	FILE *file = open_memstream(&text, &text_size);

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	return pv_term_fixed(file, width, colours);
}

static void expect(const struct pv_term *term, const char *expected)
{
	fclose(term->file);
	ck_assert_str_eq(text, expected);
	free(text);
}

static void add_row(struct pv_rows *rows, unsigned int indent, const char *name, const char *place)
{
	struct pv_row *row;

	ok(pv_rows_add(rows, &row));
	strcpy(row->numbers, "1 % ");
	row->indent = indent;
	ok(pv_str_appendf(&row->name, "%s", name));
	ok(pv_str_appendf(&row->place, "%s", place));
}

/* Two short rows and a long one, at a width. */
static void print_rows(unsigned int width, const char *expected)
{
	struct pv_term term = begin(width, false);
	struct pv_rows rows;

	pv_rows_init(&rows);
	add_row(&rows, 0, "report", "app.py:52");
	add_row(&rows, 2, "a_rather_long_name", "package/module.py:1");
	add_row(&rows, 4, "日本", "x.so");
	ok(pv_rows_print(&rows, &term));
	pv_rows_deinit(&rows);
	expect(&term, expected);
}

START_TEST(places_stand_in_a_column)
{
	print_rows(80, "1 % report                app.py:52\n"
		       "1 %   a_rather_long_name  package/module.py:1\n"
		       "1 %     日本              x.so\n");
	/* exactly wide enough */
	print_rows(45, "1 % report                app.py:52\n"
		       "1 %   a_rather_long_name  package/module.py:1\n"
		       "1 %     日本              x.so\n");
}
END_TEST

START_TEST(the_place_gives_way_first)
{
	/* cut at its end; the others' column may begin within the long name */
	print_rows(44, "1 % report                app.py:52\n"
		       "1 %   a_rather_long_name  package/module.py…\n"
		       "1 %     日本              x.so\n");
	print_rows(34, "1 % report            app.py:52\n"
		       "1 %   a_rather_long_name  package…\n"
		       "1 %     日本          x.so\n");
	print_rows(33, "1 % report           app.py:52\n"
		       "1 %   a_rather_long_name\n"
		       "1 %     日本         x.so\n");
	print_rows(20, "1 % report\n"
		       "1 %   a_rather_long…\n"
		       "1 %     日本\n");
	print_rows(3, "1 % \n1 %   \n1 %     \n");
}
END_TEST

START_TEST(rows_in_colour)
{
	struct pv_term term = begin(80, true);
	struct pv_rows rows;
	struct pv_row *row;

	pv_rows_init(&rows);
	add_row(&rows, 0, "f", "a.py:1");
	row = rows.list.data;
	row->colour = PV_COLOUR_PYTHON;
	row->bold = true;
	row->folded = true;
	ok(pv_rows_print(&rows, &term));
	pv_rows_deinit(&rows);
	expect(&term, "1 % \033[38;5;245m… \033[0m\033[38;5;33m\033[1mf\033[0m  a.py:1\n");
	term = begin(80, false);
	pv_rows_init(&rows);
	ok(pv_rows_print(&rows, &term));
	pv_rows_deinit(&rows);
	expect(&term, "");
}
END_TEST

static void print_prose(const char *sentence, unsigned int width, bool terminal,
			const char *expected)
{
	struct pv_term term = begin(width, false);
	struct pv_prose prose;

	term.terminal = terminal;
	pv_prose_init(&prose);
	ok(pv_str_appendf(&prose.text, "%s", sentence));
	pv_prose_print(&prose, &term);
	pv_prose_deinit(&prose);
	expect(&term, expected);
}

START_TEST(prose_breaks_between_words)
{
	print_prose("one two three\nfour\n", 9, true, "one two\nthree\nfour\n");
	print_prose("one two three\nfour\n", 7, true, "one two\nthree\nfour\n");
	print_prose("one two three\nfour\n", 6, true, "one\ntwo\nthree\nfour\n");
	/* a word that is too long is not broken; a number keeps its unit */
	print_prose("toolong a", 4, true, "toolong\na");
	print_prose("it is 47 % Python, 0.4 s in all", 8, true,
		    "it is\n47 %\nPython,\n0.4 s in\nall");
	/* wide characters */
	print_prose("日本 日本 日本", 9, true, "日本 日本\n日本");
	/* not on a file */
	print_prose("one two three\n", 6, false, "one two three\n");
	print_prose("", 6, true, "");
	print_prose("\n\na\n", 6, true, "\n\na\n");
}
END_TEST

START_TEST(prose_in_colour)
{
	struct pv_term term = begin(10, true);
	struct pv_prose prose;
	size_t start;

	pv_prose_init(&prose);
	ok(pv_str_appendf(&prose.text, "On CPU "));
	start = prose.text.n;
	ok(pv_str_appendf(&prose.text, "47 %% Python"));
	ok(pv_prose_ink(&prose, start, PV_COLOUR_PYTHON, false));
	ok(pv_prose_ink(&prose, prose.text.n, PV_COLOUR_KERNEL, false));
	ok(pv_str_appendf(&prose.text, ".\n"));
	pv_prose_print(&prose, &term);
	pv_prose_deinit(&prose);
	/* a colour goes on behind a break */
	expect(&term, "On CPU\n\033[38;5;33m47 %\033[0m\n\033[38;5;33mPython\033[0m.\n");
}
END_TEST

/* ---- what a stream is */

static FILE *open_terminal(int *master_ret, unsigned short columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int slave;

	ck_assert_int_eq(openpty(master_ret, &slave, NULL, NULL, &size), 0);
	return fdopen(slave, "w");
}

START_TEST(what_a_terminal_is)
{
	int master;
	FILE *file = open_terminal(&master, 77);

	setenv("TERM", "xterm-256color", 1);
	unsetenv("NO_COLOR");
	setenv("COLUMNS", "55", 1);
	ck_assert_uint_eq(pv_term_of(file).width, 77);
	ck_assert(pv_term_of(file).terminal && pv_term_of(file).erases);
	ck_assert_str_eq(pv_term_of(file).sequence[PV_COLOUR_PYTHON], "\033[38;5;33m");
	setenv("TERM", "xterm", 1);
	unsetenv("COLORTERM");
	ck_assert_str_eq(pv_term_of(file).sequence[PV_COLOUR_PYTHON], "\033[34m");
	setenv("NO_COLOR", "", 1);
	ck_assert_ptr_nonnull(pv_term_of(file).sequence);
	setenv("NO_COLOR", "1", 1);
	ck_assert_ptr_null(pv_term_of(file).sequence);
	ck_assert(pv_term_of(file).erases);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	ck_assert_ptr_null(pv_term_of(file).sequence);
	ck_assert(!pv_term_of(file).erases);
	unsetenv("TERM");
	ck_assert_ptr_null(pv_term_of(file).sequence);
	fclose(file);
	close(master);
	/* a terminal that does not know its width */
	file = open_terminal(&master, 0);
	ck_assert_uint_eq(pv_term_of(file).width, 55);
	fclose(file);
	close(master);
}
END_TEST

START_TEST(what_a_file_is)
{
	FILE *file = fopen("/dev/null", "w");

	setenv("TERM", "xterm-256color", 1);
	unsetenv("COLUMNS");
	ck_assert_uint_eq(pv_term_of(file).width, 100);
	ck_assert(!pv_term_of(file).terminal && !pv_term_of(file).erases);
	ck_assert_ptr_null(pv_term_of(file).sequence);
	setenv("COLUMNS", "120", 1);
	ck_assert_uint_eq(pv_term_of(file).width, 120);
	setenv("COLUMNS", "3", 1);
	ck_assert_uint_eq(pv_term_of(file).width, 20);
	setenv("COLUMNS", "nonsense", 1);
	ck_assert_uint_eq(pv_term_of(file).width, 100);
	fclose(file);
}
END_TEST

/* ---- progress */

struct line_case {
	const char *title;
	double elapsed, duration;
	unsigned int samples, columns;
	const char *line;
};

#define TITLE "gunicorn: worker [app:app] (4127), CPython 3.12.1, bpf engine, 99 Hz"
static const struct line_case line_cases[] = {
	{ TITLE, 12.4, 0, 1228, 120, "  " TITLE "      12.4 s  1,228 samples, 99/s  0 lost" },
	{ TITLE, 12.4, 30, 1228, 120, "  " TITLE "      12.4 / 30 s  1,228 samples, 99/s  0 lost" },
	{ TITLE, 0.04, 0.5, 0, 120, "  " TITLE "      0.0 / 0.5 s  0 samples, 0/s  0 lost" },
	/* the gap gives way, then the title */
	{ TITLE, 12.4, 0, 1228, 110, "  " TITLE "     12.4 s  1,228 samples, 99/s  0 lost" },
	{ TITLE, 12.4, 0, 1228, 80,
	  "  gunicorn: worker [app:app] (4127), CPyth…  12.4 s  1,228 samples, 99/s  0 lost" },
	{ TITLE, 12.4, 0, 1228, 20, "  12.4 s  1,228 sam…" },
	{ "\033[31m\n\u202e", 1, 0, 1, 80,
	  "  \\x1b[31m\\x0a\\xe2\\x80\\xae      1.0 s  1 samples, 1/s  0 lost" },
};

START_TEST(progress_line)
{
	const struct line_case *c = &line_cases[_i];
	struct pv_str line = {};

	setlocale(LC_CTYPE, "C.UTF-8");
	ok(pv_progress_line(c->title, c->elapsed, c->duration, c->samples, c->samples / c->elapsed,
			    0, c->columns, &line));
	ck_assert_str_eq(pv_str_text(&line), c->line);
	pv_str_deinit(&line);
}
END_TEST

START_TEST(no_progress_without_a_terminal)
{
	struct pv_progress *progress = (void *)1;
	FILE *file = fopen("/dev/null", "w");

	setenv("TERM", "xterm", 1);
	ok(pv_progress_create(file, "title", 0, &progress));
	ck_assert_ptr_null(progress);
	/* nothing to do, and no harm */
	ok(pv_progress_update(progress, 1, 1, 0));
	pv_progress_destroy(progress);
	fclose(file);
}
END_TEST

/* Another session's terminal is not ours to write to. */
START_TEST(no_progress_in_the_background)
{
	struct pv_progress *progress;
	int master, flags;
	FILE *file = open_terminal(&master, 80);
	char byte;

	setenv("TERM", "xterm", 1);
	ok(pv_progress_create(file, "title", 0, &progress));
	ck_assert_ptr_nonnull(progress);
	ok(pv_progress_update(progress, 1, 1, 0));
	pv_progress_destroy(progress);
	flags = fcntl(master, F_GETFL);
	ck_assert_int_eq(fcntl(master, F_SETFL, flags | O_NONBLOCK), 0);
	ck_assert_int_lt(read(master, &byte, 1), 0);
	fclose(file);
	close(master);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tui");
	TCase *tcase = tcase_create("tui");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, places_stand_in_a_column);
	tcase_add_test(tcase, the_place_gives_way_first);
	tcase_add_test(tcase, rows_in_colour);
	tcase_add_test(tcase, prose_breaks_between_words);
	tcase_add_test(tcase, prose_in_colour);
	tcase_add_test(tcase, what_a_terminal_is);
	tcase_add_test(tcase, what_a_file_is);
	tcase_add_loop_test(tcase, progress_line, 0, sizeof(line_cases) / sizeof(*line_cases));
	tcase_add_test(tcase, no_progress_without_a_terminal);
	tcase_add_test(tcase, no_progress_in_the_background);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
