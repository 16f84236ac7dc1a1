/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * analyse/: the answer in words, and where an idle program waits.
 * Input: profiles made here.  Output: Check's report; the sentences are written by hand.
 */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/answer.h"
#include "analyse/verdict.h"
#include "analyse/wait.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"

#include "stacks.h"

static void expect_answer(const struct pv_profile *p, const struct pv_wait *wait,
			  const char *expected)
{
	struct pv_verdict verdict;
	size_t end = 0;

	ok(pv_verdict_of(p, wait, &verdict));
	ck_assert_str_eq(pv_str_text(&verdict.answer.text), expected);
	for (size_t i = 0; i < verdict.answer.spans.n; i++) {
		const struct pv_span *span = pv_vec_at(&verdict.answer.spans, i);

		ck_assert_uint_ge(span->start, end);
		ck_assert_uint_gt(span->end, span->start);
		ck_assert_uint_le(span->end, verdict.answer.text.n);
		end = span->end;
	}
	pv_verdict_deinit(&verdict);
}

START_TEST(answer_of_the_screens)
{
	struct pv_profile *p = screens_profile();

	expect_answer(
		p, NULL,
		"On CPU 28.4 s of 30.0 s (95 %): 48 % Python, 41 % C, 12 % kernel, in 3 threads; "
		"GC 0.8 %.\n"
		"The largest part, 41 %, is _mysql_ResultObject_fetch_row (_mysql.so) under "
		"report (app.py:52).\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(answer_forms)
{
	struct pv_profile *p = profile_of(1);

	add(p, 60, "p f /a.py 1");
	add(p, 36, "p f /a.py 1|k read - 0");
	expect_answer(
		p, NULL,
		"On CPU 0.96 s of 1.00 s (96 %): 63 % Python, 0 % C, 38 % kernel, in 1 thread.\n"
		"All of it, 100 %, is in f (a.py:1).\n");
	p->no_kernel = true;
	p->no_native = true;
	add_of(p, 12, 12, 224, "p f /a.py 1|n g x.so 0");
	expect_answer(p, NULL,
		      "On CPU 3.20 s in 1.00 s (3.2 CPUs): 89 % Python and the C code it calls, "
		      "the kernel's time included, in 2 threads of 2 processes.\n"
		      "Most of it, 70 %, is g (x.so) under f (a.py:1).\n");
	pv_profile_destroy(p);
	/* no CPython: no share of Python; hours without decimals */
	p = profile_of(3600);
	p->interpreter = 0;
	add(p, 300000, "n main prog 0");
	add(p, 700, "n main prog 0|k read - 0");
	expect_answer(p, NULL,
		      "On CPU 3007 s of 3600 s (84 %): >99 % C, <1 % kernel, in 1 thread.\n"
		      "All of it, 100 %, is in code that is not your own: 100 % in main (prog).\n");
	pv_profile_destroy(p);
	p = profile_of(1);
	for (int i = 0; i < 10; i++) {
		char stack[64];

		snprintf(stack, sizeof(stack), "n start_%d x.so %d", i, i + 1);
		add(p, 10, stack);
	}
	expect_answer(
		p, NULL,
		"On CPU 1.00 s of 1.00 s (100 %): 0 % Python, 100 % C, 0 % kernel, in 1 thread.\n"
		"All of it, 100 %, is in stacks without Python frames.\n");
	add(p, 20, "p start /a.py 1");
	expect_answer(p, NULL,
		      "On CPU 1.20 s in 1.00 s (1.2 CPUs): 17 % Python, 83 % C, 0 % kernel, in 1 "
		      "thread.\n"
		      "Most of it, 83 %, runs no code of your own.\n");
	pv_profile_destroy(p);
}
END_TEST

/* A framework's own time is more than that of any handler: at what one can do something comes
 * first. */
START_TEST(answer_of_a_framework)
{
	struct pv_profile *p = profile_of(1);

	add(p, 44, "p run /usr/lib/python3/dist-packages/gunicorn/sync.py 69|n send libc.so.6 0");
	add(p, 30, "p run /usr/lib/python3/dist-packages/gunicorn/sync.py 69|p report /a.py 5");
	add(p, 26, "p run /usr/lib/python3/dist-packages/gunicorn/sync.py 69|p other /a.py 9");
	expect_answer(
		p, NULL,
		"On CPU 1.00 s of 1.00 s (100 %): 56 % Python, 44 % C, 0 % kernel, in 1 thread.\n"
		"The largest part of your own code's time, 30 %, is in report (a.py:5); 44 % runs "
		"no code of your own.\n");
	pv_profile_destroy(p);
}
END_TEST

/* What was not seen whole is not said to be other people's code. */
START_TEST(answer_of_doubtful_stacks)
{
	struct pv_profile *p = profile_of(1);

	add(p, 51, "m [truncated] - 0|n send libc.so.6 0");
	add(p, 40, "n send libc.so.6 0");
	add(p, 9, "p run /usr/lib/python3.11/json/decoder.py 3");
	expect_answer(
		p, NULL,
		"On CPU 1.00 s of 1.00 s (100 %): 9 % Python, 91 % C, 0 % kernel, in 1 thread.\n"
		"All of it, 100 %, is in incomplete stacks: 51 % in send (libc.so.6).\n");
	add(p, 2, "p run /usr/lib/python3.11/json/decoder.py 3|m [unwind~break] - 0");
	expect_answer(
		p, NULL,
		"On CPU 1.02 s of 1.00 s (102 %): 9 % Python, 89 % C, 0 % kernel, 2.0 % marked, "
		"in 1 thread.\n"
		"All of it, 100 %, is in code that is not your own: 50 % in send (libc.so.6).\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(answer_of_the_collector)
{
	struct pv_profile *p = profile_of(1);

	add(p, 60, "p alloc /a.py 10|m [gc] - 0|n gc_collect_main python3.11 0");
	add(p, 20, "p alloc /a.py 10");
	expect_answer(
		p, NULL,
		"On CPU 0.80 s of 1.00 s (80 %): 25 % Python, 75 % C, 0 % kernel, in 1 thread.\n"
		"Most of it, 75 %, is the garbage collector, started under alloc (a.py:10).\n");
	pv_profile_destroy(p);
}
END_TEST

START_TEST(answer_below_half)
{
	struct pv_profile *p = profile_of(1);

	add(p, 41, "p f /a.py 1|n g x.so 0");
	add(p, 17, "p f /a.py 1");
	add(p, 42, "p rest /a.py 7|k read - 0");
	expect_answer(
		p, NULL,
		"On CPU 1.00 s of 1.00 s (100 %): 17 % Python, 41 % C, 42 % kernel, in 1 thread.\n"
		"The largest part, 41 %, is g (x.so) under f (a.py:1).\n");
	pv_profile_destroy(p);
}
END_TEST

static struct pv_wait wait_of(const char *function, const char *place)
{
	struct pv_wait wait = { .found = true, .main = true };

	ok(pv_str_appendf(&wait.function, "%s", function));
	ok(pv_str_appendf(&wait.place, "%s", place));
	ok(pv_str_appendf(&wait.thread, "pool"));
	return wait;
}

/* Text for people comes out as it went in; what a file may hold instead is not obeyed. */
START_TEST(waiting_in_a_profile)
{
	struct pv_profile *p = profile_of(10);
	struct pv_wait wait = wait_of("epoll_wait", "app\\\\x.py:41"), again;

	p->pid = wait.tid = wait.pid = 4127;
	wait.n_others = 4;
	wait.n_processes = 3;
	wait.main = true;
	ok(pv_wait_put(&wait, p));
	ok(pv_wait_get(p, &again));
	ck_assert_str_eq(pv_str_text(&again.function), "epoll_wait");
	ck_assert_str_eq(pv_str_text(&again.place), "app\\\\x.py:41");
	ck_assert_str_eq(pv_str_text(&again.thread), "pool");
	ck_assert(again.found && again.main && !again.stopped);
	ck_assert_uint_eq(again.n_others, 4);
	ck_assert_uint_eq(again.pid, 4127);
	ck_assert_uint_eq(again.n_processes, 3);
	pv_wait_deinit(&again);
	/* a worker's main thread; and what a recording says that does not say whose it is */
	p->waiting.pid = p->waiting.tid = 4131;
	ok(pv_wait_get(p, &again));
	ck_assert(again.main && again.pid == 4131);
	pv_wait_deinit(&again);
	p->waiting.pid = 0;
	ok(pv_wait_get(p, &again));
	ck_assert(!again.main && again.pid == 4127);
	pv_wait_deinit(&again);
	pv_wait_deinit(&wait);
	ok(pv_strings_add(p->strings, "a\033[2J\\\0b\xff", 9, &p->waiting.function));
	ok(pv_wait_get(p, &again));
	ck_assert_str_eq(pv_str_text(&again.function), "a\\x1b[2J\\\\x00b\\xff");
	pv_wait_deinit(&again);
	p->waiting = (struct pv_waiting){ 0 };
	ok(pv_wait_get(p, &again));
	ck_assert(!again.found);
	pv_wait_deinit(&again);
	pv_profile_destroy(p);
}
END_TEST

/* Nothing is known of the time behind the break, so it was not idle. */
START_TEST(answer_of_a_break_before_the_first_sample)
{
	struct pv_profile *p = profile_of(0);
	struct pv_verdict verdict;

	p->cut = true;
	ok(pv_verdict_of(p, NULL, &verdict));
	ck_assert_str_eq(pv_str_text(&verdict.answer.text),
			 "No sample is there before the break.\n");
	pv_verdict_deinit(&verdict);
	add(p, 3, "p f /a.py 1");
	ok(pv_verdict_of(p, NULL, &verdict));
	ck_assert_ptr_nonnull(strstr(pv_str_text(&verdict.answer.text), "on CPU"));
	pv_verdict_deinit(&verdict);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(answer_of_an_idle_target)
{
	struct pv_profile *p = profile_of(10);
	struct pv_wait wait = wait_of("epoll_wait", "app.py:41");

	p->pid = 4127;
	wait.is_there = true;
	expect_answer(p, NULL, "On CPU 0 % of 10.0 s: it was idle.\n");
	expect_answer(p, &(struct pv_wait){}, "On CPU 0 % of 10.0 s: it was idle.\n");
	expect_answer(p, &wait,
		      "On CPU 0 % of 10.0 s; waiting in epoll_wait under app.py:41; "
		      "try `pitviper stack 4127`.\n");
	add(p, 30, "p f /a.py 1");
	expect_answer(p, &wait,
		      "On CPU 3 % of 10.0 s; waiting in epoll_wait under app.py:41; "
		      "try `pitviper stack 4127`.\n"
		      "Its 0.30 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		      "All of it, 100 %, is in f (a.py:1).\n");
	wait.n_others = 4;
	wait.main = false;
	wait.stopped = true;
	expect_answer(p, &wait,
		      "On CPU 3 % of 10.0 s; stopped by a signal under app.py:41 "
		      "(thread pool, 4 more); try `pitviper stack 4127`.\n"
		      "Its 0.30 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		      "All of it, 100 %, is in f (a.py:1).\n");
	wait.pid = 4131;
	wait.n_processes = 3;
	expect_answer(
		p, &wait,
		"On CPU 3 % of 10.0 s; stopped by a signal under app.py:41 "
		"(thread pool, 4 more) in process 4131, one of 3; try `pitviper stack 4131`.\n"
		"Its 0.30 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		"All of it, 100 %, is in f (a.py:1).\n");
	wait.pid = wait.n_processes = 0;
	/* a recording's process may be gone */
	wait.is_there = false;
	expect_answer(p, &wait,
		      "On CPU 3 % of 10.0 s; stopped by a signal under app.py:41 "
		      "(thread pool, 4 more); while it runs, `pitviper stack 4127` shows more.\n"
		      "Its 0.30 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		      "All of it, 100 %, is in f (a.py:1).\n");
	p->ended = true;
	expect_answer(p, NULL,
		      "On CPU 3 % of 10.0 s: it was idle, and has ended.\n"
		      "Its 0.30 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		      "All of it, 100 %, is in f (a.py:1).\n");
	pv_wait_deinit(&wait);
	pv_profile_destroy(p);
	p = profile_of(0.02);
	p->ended = true;
	expect_answer(p, NULL,
		      "On CPU 0 % of 0.02 s: it ended without using CPU time worth a sample.\n");
	pv_profile_destroy(p);
	p = profile_of(10);
	add(p, 3, "p f /a.py 1");
	expect_answer(p, NULL,
		      "On CPU 0.3 % of 10.0 s: it was idle.\n"
		      "Its 0.03 s on CPU: 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n");
	pv_profile_destroy(p);
}
END_TEST

/* Names of 10 kB and names that a terminal would obey. */
START_TEST(answer_with_odd_names)
{
	struct pv_profile *p = profile_of(1);
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = 7 };
	char *name = malloc(10001);
	uint32_t id, node, thread, process;

	memset(name, 'x', 10000);
	memcpy(name, "\033[31m\n\u202e", 9);
	name[10000] = '\0';
	ok(pv_strings_add(p->strings, name, 10000, &loc.function));
	loc.file = loc.function;
	ok(pv_profile_loc(p, &loc, &id));
	ok(pv_profile_node(p, 0, id, &node));
	ok(pv_profile_process(p, &(struct pv_profile_process){ .pid = 11, .generation = 1 },
			      &process));
	ok(pv_profile_thread(p, process, 11, "main", &thread));
	ok(pv_profile_add(p, node, thread, 100));
	expect_answer(
		p, NULL,
		"On CPU 1.00 s of 1.00 s (100 %): 100 % Python, 0 % C, 0 % kernel, in 1 thread.\n"
		"All of it, 100 %, is in "
		"\\x1b[31m\\x0a\\xe2\\x80\\xaexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
		" (\\x1b[31m\\x0a\\xe2\\x80\\xaexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…).\n");
	free(name);
	pv_profile_destroy(p);
}
END_TEST

/* ---- where it waits */

struct wait_case {
	const char *stack, *state;
	const char *function, *place;
	bool found, stopped;
};

#define KERNEL_EPOLL                                                                               \
	"|k entry_SYSCALL_64_after_hwframe - 0|k do_syscall_64 - 0|k __x64_sys_epoll_wait - 0|"    \
	"k ep_poll - 0|k schedule - 0"

static const struct wait_case wait_cases[] = {
	{ "p <module> /a.py 9|p serve /srv/app.py 41|p select /usr/lib/python3.11/selectors.py 468|"
	  "n select_epoll_poll python3.11 0|n epoll_wait libc.so.6 0" KERNEL_EPOLL,
	  "sleeping", "epoll_wait", "app.py:41", true, false },
	/* libc without symbols: the system call */
	{ "p serve /srv/app.py 41|n [unknown~python3.11+0x1] python3.11 0|"
	  "n __internal libc.so.6 0" KERNEL_EPOLL,
	  "sleeping", "epoll_wait", "app.py:41", true, false },
	/* neither: what there is */
	{ "p serve /srv/app.py 41|n __internal libc.so.6 0|k schedule - 0", "disk sleep",
	  "__internal", "app.py:41", true, false },
	{ "p serve /srv/app.py 41|k schedule - 0", "sleeping", "schedule", "app.py:41", true,
	  false },
	/* no own code: the innermost Python line */
	{ "p run /usr/lib/python3.11/a.py 1|p wait /usr/lib/python3.11/threading.py 320|"
	  "n sem_wait libc.so.6 0|k __x64_sys_futex - 0",
	  "sleeping", "sem_wait", "threading.py:320", true, false },
	/* C above the innermost Python frame is not where it waits */
	{ "n main python3.11 0|p f /a.py 4|k __x64_sys_futex - 0", "sleeping", "futex", "a.py:4",
	  true, false },
	{ "n main prog 0|n nanosleep libc.so.6 0|k __x64_sys_nanosleep - 0", "sleeping",
	  "nanosleep", "", true, false },
	{ "p f /a.py 4|n read libc.so.6 0", "stopped", "read", "a.py:4", true, true },
	{ "p f /a.py 4|n read libc.so.6 0", "running", "", "", false, false },
	{ "", "sleeping", "", "", false, false },
};

START_TEST(where_it_waits)
{
	const struct wait_case *c = &wait_cases[_i];
	struct pv_profile *p = profile_of(10);
	struct pv_snapshot_thread threads[] = {
		{ .pid = 11, .tid = 11, .name = "main", .state = c->state, .consistent = true },
		{ .pid = 11, .tid = 12, .name = "other", .state = "running", .consistent = true },
	};
	struct pv_snapshot snapshot = { .profile = p, .threads = threads, .n_threads = 2 };
	struct pv_wait wait;

	threads[0].node = node_of(p, c->stack);
	threads[1].node = node_of(p, "p busy /a.py 77");
	ok(pv_wait_of(&snapshot, &wait));
	ck_assert_int_eq(wait.found, c->found);
	ck_assert_int_eq(wait.stopped, c->stopped);
	ck_assert_str_eq(pv_str_text(&wait.function), c->function);
	ck_assert_str_eq(pv_str_text(&wait.place), c->place);
	if (c->found) {
		ck_assert(wait.main);
		ck_assert_uint_eq(wait.n_others, 1);
	}
	pv_wait_deinit(&wait);
	pv_profile_destroy(p);
}
END_TEST

START_TEST(which_thread_waits)
{
	struct pv_profile *p = profile_of(10);
	struct pv_snapshot_thread threads[] = {
		{ .pid = 12, .tid = 10, .name = "early\x1b", .state = "sleeping" },
		{ .pid = 12, .tid = 11, .name = "pool", .state = "sleeping" },
		{ .pid = 12, .tid = 12, .name = "main", .state = "sleeping" },
	};
	struct pv_snapshot snapshot = { .profile = p, .threads = threads, .n_threads = 3 };
	struct pv_wait wait;

	threads[0].node = node_of(p, "p early /a.py 1|n read libc.so.6 0");
	threads[1].node = node_of(p, "p pool /a.py 2|n read libc.so.6 0");
	threads[2].node = node_of(p, "p main /a.py 3|n read libc.so.6 0");
	threads[0].consistent = threads[1].consistent = threads[2].consistent = true;
	ok(pv_wait_of(&snapshot, &wait));
	ck_assert_str_eq(pv_str_text(&wait.place), "a.py:3");
	pv_wait_deinit(&wait);
	/* it ran while we looked: its stack is not to be trusted */
	threads[2].consistent = false;
	ok(pv_wait_of(&snapshot, &wait));
	ck_assert_str_eq(pv_str_text(&wait.place), "a.py:1");
	ck_assert_str_eq(pv_str_text(&wait.thread), "early\\x1b");
	ck_assert(!wait.main);
	ck_assert_uint_eq(wait.tid, 10);
	pv_wait_deinit(&wait);
	snapshot.n_threads = 0;
	ok(pv_wait_of(&snapshot, &wait));
	ck_assert(!wait.found);
	pv_profile_destroy(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answer");
	TCase *tcase = tcase_create("answer");
	SRunner *runner = srunner_create(suite);
	int failed;

	setlocale(LC_CTYPE, "C.UTF-8");
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, answer_of_the_screens);
	tcase_add_test(tcase, answer_forms);
	tcase_add_test(tcase, answer_of_a_framework);
	tcase_add_test(tcase, answer_of_doubtful_stacks);
	tcase_add_test(tcase, answer_of_the_collector);
	tcase_add_test(tcase, answer_below_half);
	tcase_add_test(tcase, waiting_in_a_profile);
	tcase_add_test(tcase, answer_of_a_break_before_the_first_sample);
	tcase_add_test(tcase, answer_of_an_idle_target);
	tcase_add_test(tcase, answer_with_odd_names);
	tcase_add_loop_test(tcase, where_it_waits, 0, sizeof(wait_cases) / sizeof(*wait_cases));
	tcase_add_test(tcase, which_thread_waits);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
