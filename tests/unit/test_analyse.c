/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * analyse/: verdicts on profiles whose answers are known.
 * Input: profiles made here by hand; expected shares are counted by hand.
 * Output: Check's report.
 */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/calltree.h"
#include "analyse/hotpath.h"
#include "analyse/hottest.h"
#include "analyse/lines.h"
#include "analyse/load.h"
#include "analyse/turn.h"
#include "base/str.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"

#include "stacks.h"

/* ---- lines */

struct lines_case {
	struct pv_line_weight weights[4];
	int first, last, hottest;
};

static const struct lines_case lines_cases[] = {
	{ { { 0, 0 } }, 0, 0, 0 },
	{ { { 7, 5 } }, 7, 7, 7 },
	/* one line carries nearly all */
	{ { { 9, 1 }, { 5, 95 }, { 1, 4 } }, 5, 5, 5 },
	/* spread; what matters not does not widen it */
	{ { { 9, 40 }, { 5, 50 }, { 1, 4 } }, 5, 9, 5 },
	/* the same line twice, unknown lines, a tie goes to the first */
	{ { { 3, 10 }, { 3, 10 }, { -1, 99 }, { 8, 20 } }, 3, 8, 3 },
	{ { { 0, 3 }, { -1, 3 } }, 0, 0, 0 },
};

START_TEST(lines_to_name)
{
	struct lines_case c = lines_cases[_i];
	struct pv_lines lines = pv_lines_of(c.weights, 4);

	ck_assert_int_eq(lines.first, c.first);
	ck_assert_int_eq(lines.last, c.last);
	ck_assert_int_eq(lines.hottest, c.hottest);
}
END_TEST

/* ---- load */

static struct pv_load load_of(const struct pv_profile *p)
{
	struct pv_load load;

	ok(pv_load_of(p, &load));
	return load;
}

START_TEST(load_of_one_thread)
{
	struct pv_profile *p = profile_of(10);
	struct pv_load load;

	add(p, 300, "p f /a.py 1");
	add(p, 150, "p f /a.py 1|n g libz.so.1 0");
	add(p, 50, "p f /a.py 1|n g libz.so.1 0|k read - 0");
	add(p, 50, "p f /a.py 1|i h libz.so.1 0");
	add(p, 6, "m [truncated] - 0");
	load = load_of(p);
	ck_assert_uint_eq(load.samples, 556);
	ck_assert_uint_eq(load.cpu_ns, 5560000000);
	ck_assert_double_eq_tol(load.cpus, 0.556, 1e-9);
	ck_assert_uint_eq(load.layers.python, 300);
	ck_assert_uint_eq(load.layers.native, 200);
	ck_assert_uint_eq(load.layers.kernel, 50);
	ck_assert_uint_eq(load.layers.other, 6);
	ck_assert_uint_eq(load.n_threads, 1);
	ck_assert_uint_eq(load.n_processes, 1);
	ck_assert(!load.idle && !load.rough);
	pv_profile_destroy(p);
}
END_TEST

/* Threads and processes without a sample were not on a CPU; an exec is no other process. */
START_TEST(load_of_processes)
{
	struct pv_profile *p = profile_of(10);
	uint32_t process, thread;
	struct pv_load load;

	add_of(p, 11, 11, 700, "p f /a.py 1");
	add_of(p, 11, 12, 500, "p f /a.py 1");
	add_of(p, 13, 13, 300, "p f /a.py 1");
	ok(pv_profile_process(p, &(struct pv_profile_process){ .pid = 14, .generation = 1 },
			      &process));
	ok(pv_profile_thread(p, process, 14, "idle", &thread));
	ok(pv_profile_process(p, &(struct pv_profile_process){ .pid = 13, .generation = 2 },
			      &process));
	ok(pv_profile_thread(p, process, 13, "other", &thread));
	ok(pv_profile_add(p, node_of(p, "n main cat 0"), thread, 100));
	load = load_of(p);
	ck_assert_uint_eq(load.n_processes, 2);
	ck_assert_uint_eq(load.n_threads, 3);
	ck_assert_double_eq_tol(load.cpus, 1.6, 1e-9);
	pv_profile_destroy(p);
}
END_TEST

struct missing_case {
	uint64_t samples, target_samples, lost;
	uint64_t missing, cpu_samples;
};

static const struct missing_case missing_cases[] = {
	{ 1000, 1000, 0, 0, 1000 },
	{ 1000000, 1009000, 0, 0, 1000000 }, /* less than 1 % */
	{ 990000, 1000000, 0, 0, 990000 },
	{ 989999, 1000000, 0, 10001, 1000000 },
	{ 0, 16, 0, 0, 0 }, /* a few samples are chance */
	{ 0, 17, 0, 17, 17 },
	{ 1000, 1120, 0, 0, 1000 }, /* so are four times the root of them */
	{ 1440, 1600, 0, 0, 1440 },
	{ 1439, 1600, 0, 161, 1600 },
	{ 1000, 1200, 0, 200, 1200 }, /* the kernel's count is the truth then */
	{ 1000, 1050, 45, 0, 1050 },  /* what is counted as lost is not missing */
	{ 1000, 0, 0, 0, 1000 },      /* the target is gone: not known */
	{ 1050, 1000, 0, 0, 1050 },
};

START_TEST(missing_samples)
{
	const struct missing_case *c = &missing_cases[_i];
	struct pv_profile *p = profile_of(100);
	struct pv_load load;

	add(p, c->samples, "p f /a.py 1");
	p->target_cpu_ns = c->target_samples * p->period_ns;
	p->losses.count[48] = c->lost;
	p->losses.name[48] = "RING_SAMPLE";
	load = load_of(p);
	ck_assert_uint_eq(load.missing, c->missing);
	ck_assert_uint_eq(load.lost, c->lost);
	ck_assert_uint_eq(load.cpu_ns, c->cpu_samples * p->period_ns);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(idle_and_rough)
{
	struct pv_profile *p = profile_of(10);

	ck_assert(load_of(p).idle);
	add(p, 49, "p f /a.py 1");
	ck_assert(load_of(p).idle && load_of(p).rough);
	add(p, 1, "p f /a.py 1");
	ck_assert(!load_of(p).idle && load_of(p).rough);
	add(p, 50, "p f /a.py 1");
	ck_assert(!load_of(p).idle && !load_of(p).rough);
	pv_profile_destroy(p);
}
END_TEST

/* ---- the tree of calls */

/* "report app.py:52 1625; health app.py:70 100": the children of a call, heaviest first. */
static void expect_children(struct pv_calltree *tree, const struct pv_profile *p, uint32_t id,
			    const char *expected)
{
	struct pv_str text = {};
	uint32_t first, n, i;

	ok(pv_calltree_children(tree, id, &first, &n));
	for (i = 0; i < n; i++) {
		const struct pv_call *call = pv_calltree_call(tree, first + i);
		const struct pv_loc *loc = pv_vec_at(&p->locs, call->loc);

		ok(pv_str_appendf(&text, i ? "; " : ""));
		ok(pv_frame_function(p, loc, &text));
		ok(pv_str_appendf(&text, " "));
		ok(pv_frame_place(p, loc, call->lines.first, call->lines.last, &text));
		ok(pv_str_appendf(&text, " %u", (unsigned int)call->total));
	}
	ck_assert_str_eq(pv_str_text(&text), expected);
	pv_str_deinit(&text);
}

static uint32_t child(struct pv_calltree *tree, uint32_t id)
{
	uint32_t first, n;

	ok(pv_calltree_children(tree, id, &first, &n));
	ck_assert_uint_gt(n, 0);
	return first;
}

START_TEST(calls_join_lines)
{
	struct pv_profile *p = profile_of(10);
	struct pv_calltree *tree;

	add(p, 5, "p main /a.py 9|p f /a.py 3|p g /b.py 1");
	add(p, 4, "p main /a.py 9|p f /a.py 5|p g /b.py 2");
	add(p, 3, "p main /a.py 10|p f /a.py 3");
	add(p, 2, "p main /a.py 10|p h /a.py 20");
	/* the same name in another file is another function */
	add(p, 1, "p main /a.py 10|p f /other.py 3");
	ok(pv_calltree_create(p, PV_CALLTREE_ALL, &tree));
	ck_assert_uint_eq(pv_calltree_call(tree, PV_CALLTREE_ROOT)->total, 15);
	expect_children(tree, p, PV_CALLTREE_ROOT, "main a.py:9-10 15");
	expect_children(tree, p, child(tree, PV_CALLTREE_ROOT),
			"f a.py:3-5 12; h a.py:20 2; f other.py:3 1");
	expect_children(tree, p, child(tree, child(tree, PV_CALLTREE_ROOT)), "g b.py:1-2 9");
	/* asked twice: the same answer */
	expect_children(tree, p, child(tree, child(tree, PV_CALLTREE_ROOT)), "g b.py:1-2 9");
	pv_calltree_destroy(tree);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(calls_over_threads_and_processes)
{
	struct pv_profile *p = profile_of(10);
	struct pv_calltree *tree;

	add_of(p, 1, 1, 5, "P process~a~(1) - 0|t thread~x~(1) - 0|p f /a.py 3");
	add_of(p, 1, 2, 4, "P process~a~(1) - 0|t thread~y~(2) - 0|p f /a.py 3");
	add_of(p, 3, 3, 3, "P process~b~(3) - 0|t thread~z~(3) - 0|p f /a.py 3|p g /a.py 4");
	ok(pv_calltree_create(p, PV_CALLTREE_ALL, &tree));
	expect_children(tree, p, PV_CALLTREE_ROOT, "f a.py:3 12");
	expect_children(tree, p, child(tree, PV_CALLTREE_ROOT), "g a.py:4 3");
	pv_calltree_destroy(tree);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(recursion_is_one_call)
{
	struct pv_profile *p = profile_of(10);
	struct pv_calltree *tree;
	uint32_t fib;

	add(p, 5, "p main /a.py 9|p fib /a.py 3");
	add(p, 4, "p main /a.py 9|p fib /a.py 3|p fib /a.py 4|p fib /a.py 3");
	/* through the interpreter's machinery, too */
	add(p, 3,
	    "p main /a.py 9|p fib /a.py 3|n _PyFunction_Vectorcall libpython3.8.so.1.0 0|"
	    "p fib /a.py 4|p leaf /a.py 7");
	ok(pv_calltree_create(p, PV_CALLTREE_ALL, &tree));
	fib = child(tree, child(tree, PV_CALLTREE_ROOT));
	expect_children(tree, p, child(tree, PV_CALLTREE_ROOT), "fib a.py:3 12");
	expect_children(tree, p, fib, "leaf a.py:7 3");
	ck_assert(pv_calltree_call(tree, fib)->recursive);
	ck_assert(!pv_calltree_call(tree, child(tree, PV_CALLTREE_ROOT))->recursive);
	pv_calltree_destroy(tree);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(machinery_and_unnamed_code)
{
	struct pv_profile *p = profile_of(10);
	struct pv_calltree *tree;
	uint32_t f;

	add(p, 5, "p f /a.py 3|n cfunction_call python3.11 0|n dumps _json.so 0");
	add(p, 4, "p f /a.py 3|n _PyObject_MakeTpCall python3.11 0|n type_call python3.11 0");
	add(p, 3, "p f /a.py 3|n [unknown~python3.11+0x12] python3.11 0|n dumps _json.so 0");
	/* a namesake elsewhere is no machinery */
	add(p, 2, "p f /a.py 3|n type_call mine.so 0");
	add(p, 7, "p f /a.py 3|n [unknown~x.so+0x12] x.so 0|n [unknown~x.so+0x99] x.so 0");
	add(p, 1, "p f /a.py 3|n [unknown~x.so+0x30] x.so 0|n [unknown~y.so+0x99] y.so 0");
	ok(pv_calltree_create(p, PV_CALLTREE_ALL, &tree));
	f = child(tree, PV_CALLTREE_ROOT);
	expect_children(tree, p, f, "dumps _json.so 8; [unknown+0x12] x.so 8; type_call mine.so 2");
	expect_children(tree, p, child(tree, f) + 1, "[unknown+0x99] y.so 1");
	ck_assert(pv_calltree_call(tree, child(tree, f) + 1)->unnamed);
	ck_assert(!pv_calltree_call(tree, child(tree, f) + 1)->recursive);
	pv_calltree_destroy(tree);
	pv_profile_destroy(p);
}
END_TEST

/* ---- the hottest path */

/* Rows as "  NAME TOTAL", indented by depth, "…" for folded ones, "*" for own code. */
static void expect_path(const struct pv_profile *p, size_t max, const char *expected)
{
	struct pv_hotpath_row *rows;
	struct pv_calltree *tree;
	struct pv_str text = {};
	size_t n, i;

	ok(pv_calltree_create(p, PV_CALLTREE_ALL, &tree));
	ok(pv_hotpath_of(p, tree, max, &rows, &n));
	for (i = 0; i < n; i++) {
		ok(pv_str_appendf(&text, "%*s%s", 1 + (int)rows[i].depth, "",
				  rows[i].call.own ? "*" : ""));
		if (rows[i].folded)
			ok(pv_str_appendf(&text, "…%u ", rows[i].folded));
		ok(pv_frame_function(p, pv_vec_at(&p->locs, rows[i].call.loc), &text));
		ok(pv_str_appendf(&text, " %u\n", (unsigned int)rows[i].call.total));
	}
	ck_assert_str_eq(pv_str_text(&text), expected);
	pv_str_deinit(&text);
	free(rows);
	pv_calltree_destroy(tree);
}

START_TEST(path_of_the_screens)
{
	struct pv_profile *p = screens_profile();

	expect_path(p, 12,
		    " …3 wsgi_app 2725\n"
		    "  *report 1625\n"
		    "   fetchall 1375\n"
		    "    _mysql_ResultObject_fetch_row 1150\n"
		    "     _mysql_field_to_python 594\n"
		    "    copy_to_user 225\n"
		    "  *index 1000\n"
		    "   render 600\n"
		    "   *root 400\n");
	/* the heaviest stay when there is less room */
	expect_path(p, 4,
		    " …3 wsgi_app 2725\n"
		    "  *report 1625\n"
		    "   fetchall 1375\n"
		    "    _mysql_ResultObject_fetch_row 1150\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(path_folds_what_only_hands_on)
{
	struct pv_profile *p = profile_of(10);

	/* own code near the root is folded, its last call is not; so is the first call out of it */
	add(p, 90,
	    "n _start python3.11 0|p <module> /a.py 9|p main /a.py 8|p work /a.py 7|"
	    "n compress zlib.so 0|n deflate libz.so.1 0|n slow libz.so.1 0|n match libz.so.1 0");
	add(p, 10, "n _start python3.11 0|p <module> /a.py 9|p main /a.py 8|p other /a.py 5");
	expect_path(p, 12,
		    " *…1 main 100\n"
		    "  *work 90\n"
		    "   compress 90\n"
		    "    …2 match 90\n"
		    "  *other 10\n");
	pv_profile_destroy(p);
}
END_TEST

/* Called from other Python code, the first own call is the user's entry: it stays. */
START_TEST(path_keeps_the_entry_into_own_code)
{
	struct pv_profile *p = profile_of(10);

	add(p, 100,
	    "p run /usr/lib/python3.11/threading.py 1|p a /a.py 1|p b /a.py 2|p c /a.py 3|"
	    "p d /a.py 4|p loads /usr/lib/python3.11/json/__init__.py 5");
	expect_path(p, 12,
		    " *…1 a 100\n"
		    "  *…2 d 100\n"
		    "   loads 100\n");
	pv_profile_destroy(p);
}
END_TEST

/* A framework's calls that each keep a little are folded, a fork is not. */
START_TEST(path_through_a_framework)
{
	struct pv_profile *p = profile_of(10);
#define FLASK(function) "p " #function " /usr/lib/python3/dist-packages/flask/app.py 1|"

	add(p, 46, FLASK(run) FLASK(call) FLASK(wsgi) FLASK(dispatch) "p report /a.py 5");
	add(p, 30, FLASK(run) FLASK(call) FLASK(wsgi) FLASK(dispatch) "p digest /a.py 9");
	add(p, 4, FLASK(run) FLASK(call) FLASK(wsgi));
	add(p, 4, FLASK(run) FLASK(call));
	add(p, 16, FLASK(run));
	expect_path(p, 12,
		    " …3 dispatch 76\n"
		    "  *report 46\n"
		    "  *digest 30\n");
	add(p, 10, FLASK(run) FLASK(call) FLASK(finalize));
	expect_path(p, 12,
		    " …1 call 94\n"
		    "  wsgi 80\n"
		    "   dispatch 76\n"
		    "    *report 46\n"
		    "    *digest 30\n"
		    "  finalize 10\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(path_leaves_the_light_out)
{
	struct pv_profile *p = profile_of(10);

	add(p, 91, "p f /a.py 1");
	add(p, 5, "p g /a.py 1");
	add(p, 4, "p h /a.py 1");
	expect_path(p, 12, " *f 91\n *g 5\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(path_of_nothing)
{
	struct pv_profile *p = profile_of(10);

	expect_path(p, 12, "");
	/* samples without any frame */
	add(p, 3, "");
	expect_path(p, 12, "");
	pv_profile_destroy(p);
}
END_TEST

/* ---- the turning point */

static void expect_turn(const struct pv_profile *p, const char *what, const char *under)
{
	struct pv_str text = {};
	struct pv_turn turn;

	ok(pv_turn_of(p, &turn));
	ck_assert_int_eq(turn.found, !!what);
	if (what) {
		ok(pv_str_appendf(&text, "%s", turn.what.own ? "in " : ""));
		ok(pv_frame_function(p, pv_vec_at(&p->locs, turn.what.loc), &text));
		ok(pv_str_appendf(&text, " %u", (unsigned int)turn.what.total));
		ck_assert_str_eq(pv_str_text(&text), what);
	}
	ck_assert_int_eq(turn.has_under, !!under);
	if (under) {
		pv_str_clear(&text);
		ok(pv_frame_function(p, pv_vec_at(&p->locs, turn.under.loc), &text));
		ck_assert_str_eq(pv_str_text(&text), under);
	}
	pv_str_deinit(&text);
}

START_TEST(turn_of_the_screens)
{
	struct pv_profile *p = screens_profile();

	expect_turn(p, "_mysql_ResultObject_fetch_row 1150", "report");
	pv_profile_destroy(p);
}
END_TEST

/* Pure Python: the own function itself, since what it calls is spread; a line if it has most. */
START_TEST(turn_in_own_code)
{
	struct pv_profile *p = profile_of(10);

	add(p, 40, "p main /a.py 1|p score /a.py 5");
	add(p, 10, "p main /a.py 1|p score /a.py 5|n long_add python3.11 0");
	add(p, 25, "p main /a.py 1|p score /a.py 6|n list_append python3.11 0");
	add(p, 25, "p main /a.py 1|p other /a.py 9");
	expect_turn(p, "in score 75", NULL);
	add(p, 40, "p main /a.py 1|p score /a.py 5|n long_add python3.11 0");
	expect_turn(p, "long_add 50", "score");
	pv_profile_destroy(p);
}
END_TEST

/* Half of it is enough to go down, three quarters to name a line; less is not. */
START_TEST(turn_at_exactly_half)
{
	struct pv_profile *p = profile_of(10);

	add(p, 50, "p f /a.py 1");
	add(p, 50, "p f /a.py 1|n g x.so 0");
	expect_turn(p, "g 50", "f");
	add(p, 1, "p f /a.py 1");
	expect_turn(p, "in f 101", NULL);
	pv_profile_destroy(p);
	p = profile_of(10);
	add(p, 75, "p f /a.py 1");
	add(p, 25, "p f /a.py 2");
	expect_turn(p, "in f 75", NULL);
	add(p, 1, "p f /a.py 2");
	expect_turn(p, "in f 101", NULL);
	pv_profile_destroy(p);
}
END_TEST

/* A sample belongs to its innermost own call, whoever called that. */
START_TEST(turn_in_a_helper_of_many)
{
	struct pv_profile *p = profile_of(10);
	static const char dispatch[] =
		"p <module> /a.py 1|p dispatch /usr/lib/python3/dist-packages/flask/app.py 2|";
	char stack[256];
	int i;

	for (i = 0; i < 8; i++) {
		snprintf(stack, sizeof(stack), "%sp view_%d /a.py %d", dispatch, i, 10 * i);
		add(p, 5, stack);
		snprintf(stack, sizeof(stack),
			 "%sp view_%d /a.py %d|p query /db.py 7|"
			 "p execute /usr/lib/python3.11/sqlite3/dbapi2.py 1|n step _sqlite3.so 0",
			 dispatch, i, 10 * i + 1);
		add(p, 7, stack);
	}
	expect_turn(p, "step 56", "query");
	pv_profile_destroy(p);
}
END_TEST

/* Threads that run no own code, such as a library's workers, may have most of it. */
START_TEST(turn_in_threads_of_a_library)
{
	struct pv_profile *p = profile_of(10);

	add_of(p, 11, 12, 81,
	       "n start_thread libc.so.6 0|n worker libblas.so 0|n dgemm libblas.so 0");
	add(p, 19, "p <module> /a.py 1|p dot /a.py 3|n dgemm libblas.so 0");
	expect_turn(p, "dgemm 81", NULL);
	/* unless own code has a fair share beside them */
	add(p, 2, "p <module> /a.py 1|p dot /a.py 3|n dgemm libblas.so 0");
	expect_turn(p, "dgemm 21", "dot");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(turn_without_own_code)
{
	struct pv_profile *p = profile_of(10);

	add(p, 60,
	    "n _start python3.11 0|p main /usr/lib/python3.11/timeit.py 1|"
	    "p loads /usr/lib/python3.11/json/__init__.py 2|n scan _json.so 0");
	add(p, 40, "n _start python3.11 0|p main /usr/lib/python3.11/timeit.py 1");
	expect_turn(p, "scan 60", "loads");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(turn_of_a_program_without_python)
{
	struct pv_profile *p = profile_of(10);

	module_of(p, "prog", "/srv/bin/prog");
	module_of(p, "libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6");
	add(p, 60, "n _start libc.so.6 0|n main prog 0|n qsort libc.so.6 0");
	add(p, 40, "n _start libc.so.6 0|n main prog 0");
	expect_turn(p, "qsort 60", "main");
	pv_profile_destroy(p);
}
END_TEST

/* A caller with a name says more than its module's nameless code, which says more than nothing. */
START_TEST(turn_without_names)
{
	struct pv_profile *p = profile_of(10);

	add(p, 70, "p f /a.py 1|n dumps x.so 0|n [unknown~x.so+0x12] x.so 0");
	add(p, 30, "p f /a.py 1");
	expect_turn(p, "dumps 70", "f");
	pv_profile_destroy(p);
	p = profile_of(10);
	add(p, 70, "p f /a.py 1|n [unknown~x.so+0x12] x.so 0|n [unknown~y.so+0x12] y.so 0");
	add(p, 30, "p f /a.py 1");
	expect_turn(p, "[unknown+0x12] 70", "f");
	pv_profile_destroy(p);
}
END_TEST

/* A marker is no place: what is below it is, and what is above. */
START_TEST(turn_and_markers)
{
	struct pv_profile *p = profile_of(10);

	add(p, 60, "m [truncated] - 0|p f /a.py 1|m [unwind~break] - 0|n g x.so 0");
	add(p, 40, "m [truncated] - 0|p f /a.py 1|m [unwind~break] - 0");
	expect_turn(p, "g 60", "f");
	pv_profile_destroy(p);
	p = profile_of(10);
	add(p, 100, "m [truncated] - 0");
	expect_turn(p, NULL, NULL);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(turn_of_what_is_spread)
{
	struct pv_profile *p = profile_of(10);
	char stack[64];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(stack, sizeof(stack), "n start_%d x.so 0", i);
		add(p, 10, stack);
	}
	expect_turn(p, NULL, NULL);
	pv_profile_destroy(p);
}
END_TEST

/* ---- the hottest functions */

START_TEST(hottest_with_lines)
{
	struct pv_profile *p = profile_of(10);
	struct pv_hottest *hot;
	size_t n;

	/* by the lines of the function's own time, not those from which it calls */
	add(p, 50, "p f /a.py 3");
	add(p, 20, "p f /a.py 5");
	add(p, 90, "p f /a.py 9|n g x.so 0");
	add(p, 10, "p only_calls /a.py 30|p f /a.py 3");
	ok(pv_hottest_of(p, 10, &hot, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(hot[0].self, 90);
	ck_assert_int_eq(hot[0].lines.first, 0);
	ck_assert(!hot[0].own);
	ck_assert_uint_eq(hot[1].self, 80);
	ck_assert_uint_eq(hot[1].total, 170);
	ck_assert_int_eq(hot[1].lines.hottest, 3);
	ck_assert_int_eq(hot[1].lines.first, 3);
	ck_assert_int_eq(hot[1].lines.last, 5);
	ck_assert(hot[1].own);
	free(hot);
	ok(pv_hottest_of(p, 1, &hot, &n));
	ck_assert_uint_eq(n, 1);
	free(hot);
	pv_profile_destroy(p);
}
END_TEST

/* ---- sentences */

static TCase *verdict_cases(void)
{
	TCase *tcase = tcase_create("verdicts");

	tcase_add_loop_test(tcase, lines_to_name, 0, sizeof(lines_cases) / sizeof(*lines_cases));
	tcase_add_test(tcase, load_of_one_thread);
	tcase_add_test(tcase, load_of_processes);
	tcase_add_loop_test(tcase, missing_samples, 0,
			    sizeof(missing_cases) / sizeof(*missing_cases));
	tcase_add_test(tcase, idle_and_rough);
	tcase_add_test(tcase, calls_join_lines);
	tcase_add_test(tcase, calls_over_threads_and_processes);
	tcase_add_test(tcase, recursion_is_one_call);
	tcase_add_test(tcase, machinery_and_unnamed_code);
	tcase_add_test(tcase, path_of_the_screens);
	tcase_add_test(tcase, path_folds_what_only_hands_on);
	tcase_add_test(tcase, path_keeps_the_entry_into_own_code);
	tcase_add_test(tcase, path_through_a_framework);
	tcase_add_test(tcase, path_leaves_the_light_out);
	tcase_add_test(tcase, path_of_nothing);
	tcase_add_test(tcase, turn_of_the_screens);
	tcase_add_test(tcase, turn_in_own_code);
	tcase_add_test(tcase, turn_at_exactly_half);
	tcase_add_test(tcase, turn_in_a_helper_of_many);
	tcase_add_test(tcase, turn_in_threads_of_a_library);
	tcase_add_test(tcase, turn_without_own_code);
	tcase_add_test(tcase, turn_of_a_program_without_python);
	tcase_add_test(tcase, turn_without_names);
	tcase_add_test(tcase, turn_and_markers);
	tcase_add_test(tcase, turn_of_what_is_spread);
	tcase_add_test(tcase, hottest_with_lines);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("analyse");
	SRunner *runner = srunner_create(suite);
	int failed;

	setlocale(LC_CTYPE, "C.UTF-8");
	suite_add_tcase(suite, verdict_cases());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
