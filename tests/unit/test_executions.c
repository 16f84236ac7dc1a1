/* SPDX-License-Identifier: BSD-2-Clause */
/* Executions from events of calls: how they nest, and what becomes of events that did not come. */
#include <check.h>
#include <stdlib.h>

#include "abi/trace.h"
#include "abi/within.h"
#include "model/profile.h"
#include "model/trace.h"
#include "session/executions.h"

enum { ROOT = 0x1000, T0 = 1000, SKIPPED_KEY = 99 };

static struct pv_trace *trace;
static struct pv_executions *executions;
static struct pv_trace_state state;
static uint32_t sequence[8];
static uint64_t now_ns;

static void must(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* The location of a key is the key; one of them is not shown. */
static struct pv_err *name(void *ctx, uint64_t key, uint64_t address, uint32_t *loc_ret,
			   bool *wanted_ret)
{
	(void)ctx;
	(void)address;
	*loc_ret = (uint32_t)key;
	*wanted_ret = key != SKIPPED_KEY;
	return NULL;
}

/* Those of native functions are 100 and up. */
static struct pv_err *name_native(void *ctx, uint32_t function, uint32_t *loc_ret, bool *wanted_ret)
{
	(void)ctx;
	*loc_ret = 100 + function;
	*wanted_ret = true;
	return NULL;
}

static struct pv_err *begin(void *ctx, const struct pv_event_call *first, uint32_t *thread_ret,
			    uint32_t *node_ret)
{
	(void)ctx;
	*thread_ret = first->tid;
	*node_ret = 5;
	return NULL;
}

static void setup_with(uint64_t longer_ns, size_t count)
{
	struct pv_executions_options options = {
		.start_ns = T0,
		.longer_ns = longer_ns,
		.count = count,
		.calls_max = 1000,
		.name = name,
		.name_native = name_native,
		.begin = begin,
	};

	must(pv_trace_create(&trace));
	trace->function = 7;
	options.trace = trace;
	must(pv_executions_create(&options, &executions));
	state = (struct pv_trace_state){ 0 };
	for (int i = 0; i < 8; i++)
		sequence[i] = 0;
	now_ns = T0;
}

static void setup(void)
{
	setup_with(0, 0);
}

static void teardown(void)
{
	pv_executions_destroy(executions);
	pv_trace_destroy(trace);
}

/* Ten ns after the one before. */
static struct pv_event_call event(uint32_t number, uint64_t frame, uint64_t caller, uint16_t flags)
{
	now_ns += 10;
	state.begun = state.begun > number ? state.begun : number;
	return (struct pv_event_call){
		.time_ns = now_ns,
		.frame = frame,
		.caller = caller,
		.key = frame & 0xff,
		.number = number,
		.sequence = sequence[number]++,
		.tid = 3,
		.run = (uint16_t)number,
		.flags = flags,
	};
}

static void take(uint32_t number, uint64_t frame, uint64_t caller, uint16_t flags)
{
	struct pv_event_call one = event(number, frame, caller, flags);

	must(pv_executions_take(executions, &one));
}

static void lose(uint32_t number)
{
	event(number, 0, 0, 0);
}

static void begin_root(uint32_t number)
{
	state.runs[number].number = state.runs[number].last = number;
	take(number, ROOT, 0, PV_CALL_EVENT_ROOT);
}

static void end_root(uint32_t number)
{
	take(number, ROOT, 0, PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END);
	state.runs[number].number = 0;
}

static const struct pv_call *call_at(size_t i)
{
	ck_assert_uint_lt(i, trace->calls.n);
	return pv_vec_at(&trace->calls, i);
}

static const struct pv_execution *execution_at(size_t i)
{
	ck_assert_uint_lt(i, trace->executions.n);
	return pv_vec_at(&trace->executions, i);
}

static void check_call(size_t i, uint32_t function, uint32_t parent, uint32_t flags,
		       uint64_t start_ns, uint64_t end_ns)
{
	const struct pv_call *call = call_at(i);

	ck_assert_uint_eq(call->function, function);
	ck_assert_uint_eq(call->parent, parent);
	ck_assert_uint_eq(call->flags, flags);
	ck_assert_uint_eq(call->start_ns, start_ns);
	ck_assert_uint_eq(call->end_ns, end_ns);
}

START_TEST(nesting)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	take(1, 0x2002, 0x2001, PV_CALL_EVENT_RESUMED);
	take(1, 0x2002, 0, PV_CALL_EVENT_END | PV_CALL_EVENT_YIELDED);
	take(1, 0x2001, 0, PV_CALL_EVENT_END | PV_CALL_EVENT_RAISED);
	/* at the same place in memory */
	take(1, 0x2001, ROOT, 0);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	check_call(0, 7, PV_CALL_NONE, 0, 10, 80);
	check_call(1, 1, 0, PV_CALL_RAISED, 20, 50);
	check_call(2, 2, 1, PV_CALL_RESUMED | PV_CALL_YIELDED, 30, 40);
	check_call(3, 1, 0, 0, 60, 70);
	ck_assert_uint_eq(trace->calls.n, 4);
	ck_assert_uint_eq(execution_at(0)->lost, 0);
	ck_assert_uint_eq(execution_at(0)->thread, 3);
	ck_assert_uint_eq(execution_at(0)->node, 5);
}
END_TEST

/* Two at once, in one thread or two, do not disturb each other. */
START_TEST(several)
{
	begin_root(1);
	begin_root(2);
	take(1, 0x2001, ROOT, 0);
	take(2, 0x3001, ROOT, 0);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	take(2, 0x3001, 0, PV_CALL_EVENT_END);
	end_root(2);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->executions.n, 1);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	must(pv_executions_finish(executions, now_ns));
	/* in the order of their beginnings, the calls, too: the page knows no other */
	for (size_t i = 0; i < 2; i++) {
		const struct pv_execution *one = execution_at(i);

		ck_assert_uint_eq(one->first, 2 * i);
		ck_assert_uint_eq(one->number, i + 1);
		ck_assert_uint_eq(one->n, 2);
		for (size_t k = one->first; k < one->first + one->n; k++)
			ck_assert_uint_eq(call_at(k)->execution, i);
		ck_assert_uint_eq(call_at(one->first + 1)->parent, one->first);
	}
}
END_TEST

START_TEST(lost_end)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	take(1, 0x2002, 0x2001, 0);
	lose(1); /* of 2002 */
	lose(1); /* of 2001 */
	take(1, 0x2003, ROOT, 0);
	take(1, 0x2003, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	check_call(1, 1, 0, PV_CALL_END_GUESSED, 20, 60);
	check_call(2, 2, 1, PV_CALL_END_GUESSED, 30, 60);
	check_call(3, 3, 0, 0, 60, 70);
	ck_assert_uint_eq(execution_at(0)->lost, 2);
}
END_TEST

START_TEST(lost_begin)
{
	begin_root(1);
	lose(1); /* of 2001 */
	take(1, 0x2002, 0x2001, 0);
	take(1, 0x2002, 0, PV_CALL_EVENT_END);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 2);
	check_call(1, 2, 0, 0, 30, 40);
	ck_assert_uint_eq(execution_at(0)->lost, 1);
}
END_TEST

START_TEST(lost_first)
{
	lose(1);
	state.runs[1].number = state.runs[1].last = 1;
	take(1, 0x2001, ROOT, 0);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	check_call(0, 7, PV_CALL_NONE, PV_CALL_BEGIN_GUESSED, 20, 40);
	check_call(1, 1, 0, 0, 20, 30);
	ck_assert_uint_eq(execution_at(0)->lost, 1);
}
END_TEST

/* Nothing that comes tells of its end; the kernel's side does. */
START_TEST(lost_last)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	lose(1);
	lose(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->executions.n, 0);
	state.runs[1].number = 0;
	state.runs[1].ended_ns = now_ns;
	state.runs[1].sequence = sequence[1];
	must(pv_executions_settle(executions, &state));
	check_call(0, 7, PV_CALL_NONE, PV_CALL_CUT, 10, 40);
	check_call(1, 1, 0, PV_CALL_CUT, 20, 40);
	ck_assert_uint_eq(execution_at(0)->lost, 2);
}
END_TEST

/* Its place is another's already: how many are lost is not known any more, but some are. */
START_TEST(lost_last_and_replaced)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	lose(1);
	lose(1);
	state.begun = 2;
	state.runs[1].number = state.runs[1].last = 2;
	must(pv_executions_settle(executions, &state));
	check_call(1, 1, 0, PV_CALL_CUT, 20, 20);
	ck_assert_uint_ge(execution_at(0)->lost, 1);
}
END_TEST

/* The state is older than its first event. */
START_TEST(newer_than_state)
{
	struct pv_trace_state old = state;

	begin_root(1);
	must(pv_executions_settle(executions, &old));
	ck_assert_uint_eq(trace->executions.n, 0);
	end_root(1);
	must(pv_executions_settle(executions, &old));
	check_call(0, 7, PV_CALL_NONE, 0, 10, 20);
}
END_TEST

START_TEST(thread_ends)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	take(1, ROOT, 0, PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_CUT);
	must(pv_executions_settle(executions, &state));
	check_call(0, 7, PV_CALL_NONE, PV_CALL_CUT, 10, 30);
	check_call(1, 1, 0, PV_CALL_CUT, 20, 30);
	ck_assert_uint_eq(execution_at(0)->lost, 0);
}
END_TEST

START_TEST(unbegun)
{
	begin_root(1);
	take(1, 0x2001, ROOT, PV_CALL_EVENT_UNBEGUN);
	take(1, 0x2002, 0x2001, 0);
	take(1, 0x2002, 0, PV_CALL_EVENT_END);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	check_call(1, 1, 0, PV_CALL_BEGIN_GUESSED, 20, 50);
	check_call(2, 2, 1, 0, 30, 40);
}
END_TEST

/* It was waited for: partial, and not one of those that are wanted. */
START_TEST(late)
{
	teardown();
	setup_with(0, 1);
	state.runs[1].number = state.runs[1].last = 1;
	take(1, ROOT, 0, PV_CALL_EVENT_ROOT | PV_CALL_EVENT_LATE);
	take(1, 0x2001, ROOT, PV_CALL_EVENT_UNBEGUN);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert(execution_at(0)->partial && execution_at(0)->late);
	ck_assert(!pv_executions_enough(executions));
	ck_assert_uint_eq(trace->n_late, 1);
	check_call(1, 1, 0, PV_CALL_BEGIN_GUESSED, 20, 30);
	begin_root(2);
	end_root(2);
	must(pv_executions_settle(executions, &state));
	ck_assert(!execution_at(1)->partial && !execution_at(1)->late);
	ck_assert(pv_executions_enough(executions));
}
END_TEST

/* They have ended at some time, or nobody knows: the kernel's side says so, or nothing came. */
START_TEST(late_and_gone)
{
	for (uint32_t i = 1; i <= 2; i++) {
		state.runs[i].number = state.runs[i].last = i;
		take(i, ROOT, 0, PV_CALL_EVENT_ROOT | PV_CALL_EVENT_LATE);
	}
	take(1, ROOT, 0, PV_CALL_EVENT_ROOT | PV_CALL_EVENT_END | PV_CALL_EVENT_GONE);
	state.runs[1].number = 0;
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->n_gone, 1);
	must(pv_executions_finish(executions, now_ns));
	ck_assert_uint_eq(trace->n_gone, 2);
	ck_assert_uint_eq(trace->executions.n, 0);
	ck_assert_uint_eq(trace->n_late, 0);
}
END_TEST

/* What is not shown leaves what it called to its own caller. */
START_TEST(not_shown)
{
	begin_root(1);
	take(1, 0x2000 | SKIPPED_KEY, ROOT, 0);
	take(1, 0x2002, 0x2000 | SKIPPED_KEY, 0);
	take(1, 0x2003, 0x2002, 0);
	take(1, 0x2003, 0, PV_CALL_EVENT_END);
	take(1, 0x2002, 0, PV_CALL_EVENT_END);
	take(1, 0x2000 | SKIPPED_KEY, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 3);
	check_call(1, 2, 0, 0, 30, 60);
	check_call(2, 3, 1, 0, 40, 50);
	ck_assert_uint_eq(call_at(2)->depth, 2);
}
END_TEST

START_TEST(short_ones)
{
	teardown();
	setup_with(30, 1);
	begin_root(1);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->n_short, 1);
	ck_assert(!pv_executions_enough(executions));
	begin_root(2);
	take(2, 0x2001, ROOT, 0);
	take(2, 0x2001, 0, PV_CALL_EVENT_END);
	end_root(2);
	begin_root(3);
	must(pv_executions_settle(executions, &state));
	ck_assert(pv_executions_enough(executions));
	/* one that is under way is more than was asked for */
	must(pv_executions_finish(executions, now_ns + 100));
	ck_assert_uint_eq(trace->executions.n, 1);
	ck_assert_uint_eq(trace->calls.n, 2);
	ck_assert_uint_eq(execution_at(0)->number, 2);
}
END_TEST

/* The calls of those under way and those that are kept: memory has an end. */
START_TEST(room)
{
	begin_root(1);
	for (uint64_t i = 1; i < 500; i++) {
		take(1, 0x1001, ROOT, 0);
		take(1, 0x1001, 0, PV_CALL_EVENT_END);
	}
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 500);
	begin_root(2);
	for (uint64_t i = 1; i < 499; i++) {
		take(2, 0x1001, ROOT, 0);
		take(2, 0x1001, 0, PV_CALL_EVENT_END);
	}
	ck_assert(!pv_executions_full(executions));
	take(2, 0x1001, ROOT, 0);
	ck_assert(pv_executions_full(executions));
}
END_TEST

START_TEST(stop)
{
	begin_root(1);
	take(1, 0x2001, ROOT, 0);
	must(pv_executions_settle(executions, &state));
	must(pv_executions_finish(executions, now_ns + 5));
	check_call(0, 7, PV_CALL_NONE, PV_CALL_CUT, 10, 25);
	check_call(1, 1, 0, PV_CALL_CUT, 20, 25);
	ck_assert_uint_eq(execution_at(0)->lost, 0);
}
END_TEST

enum { SP = 0x7000, OVER = PV_CALL_EVENT_NATIVE | PV_CALL_EVENT_END | PV_CALL_EVENT_OVER };

static void take_native(uint64_t sp, uint64_t caller, uint32_t function, uint16_t flags)
{
	struct pv_event_call one = event(1, sp, caller, PV_CALL_EVENT_NATIVE | flags);

	one.address = function;
	must(pv_executions_take(executions, &one));
}

/* Python calls C, which calls Python, which calls C. */
START_TEST(natives)
{
	begin_root(1);
	take_native(SP, ROOT, 1, 0);
	take_native(SP - 0x100, ROOT, 2, 0);
	/* its caller is the frame, but it is within what that has called */
	take(1, 0x2001, ROOT, 0);
	take_native(SP - 0x800, 0x2001, 3, 0);
	take_native(SP - 0x800, 0, 0, PV_CALL_EVENT_END);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	take_native(SP - 0x100, 0, 0, PV_CALL_EVENT_END);
	take_native(SP, 0, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 5);
	check_call(0, 7, PV_CALL_NONE, 0, 10, 100);
	check_call(1, 101, 0, 0, 20, 90);
	check_call(2, 102, 1, 0, 30, 80);
	check_call(3, 1, 2, 0, 40, 70);
	check_call(4, 103, 3, 0, 50, 60);
	ck_assert(!execution_at(0)->partial);
}
END_TEST

START_TEST(native_that_is_over)
{
	begin_root(1);
	take_native(SP, ROOT, 1, PV_CALL_EVENT_EARLY);
	take_native(SP - 0x100, ROOT, 2, 0);
	take_native(SP, 0, 0, OVER);
	take_native(SP, ROOT, 3, 0);
	/* a Python call whose end did not come, and the C call in it */
	take(1, 0x2001, ROOT, 0);
	take_native(SP - 0x800, 0x2001, 4, 0);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	take_native(SP, 0, 0, PV_CALL_EVENT_END);
	/* a return that is none's */
	take_native(SP, 0, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 6);
	check_call(1, 101, 0, PV_CALL_END_GUESSED, 20, 40);
	check_call(2, 102, 1, PV_CALL_END_GUESSED, 30, 40);
	check_call(3, 103, 0, 0, 50, 90);
	check_call(4, 1, 3, 0, 60, 80);
	check_call(5, 104, 4, PV_CALL_END_GUESSED, 70, 80);
	ck_assert(execution_at(0)->partial);
}
END_TEST

/* One has jumped to the next: the place that both return to is the end of both. */
START_TEST(native_jump)
{
	begin_root(1);
	take_native(SP, ROOT, 1, 0);
	take_native(SP, ROOT, 2, 0);
	take_native(SP, 0, 0, PV_CALL_EVENT_END);
	end_root(1);
	must(pv_executions_settle(executions, &state));
	check_call(1, 101, 0, 0, 20, 40);
	check_call(2, 102, 1, 0, 30, 40);
}
END_TEST

static void begin_native_root(void)
{
	state.runs[1].number = state.runs[1].last = 1;
	take_native(SP, 0x3001, 0, PV_CALL_EVENT_ROOT);
}

START_TEST(native_root)
{
	begin_native_root();
	take(1, 0x2001, 0x3001, 0);
	/* the end of that did not come: the next is beside it */
	take(1, 0x2002, 0x3001, 0);
	take(1, 0x2002, 0, PV_CALL_EVENT_END);
	take_native(SP, 0, 0, PV_CALL_EVENT_END | PV_CALL_EVENT_ROOT);
	state.runs[1].number = 0;
	must(pv_executions_settle(executions, &state));
	ck_assert_uint_eq(trace->calls.n, 3);
	check_call(0, 7, PV_CALL_NONE, 0, 10, 50);
	check_call(1, 1, 0, PV_CALL_END_GUESSED, 20, 30);
	check_call(2, 2, 0, 0, 30, 40);
}
END_TEST

/* Its end was not seen: it lasted at least until the last that was. */
START_TEST(native_root_that_is_over)
{
	begin_native_root();
	take(1, 0x2001, 0x3001, 0);
	take(1, 0x2001, 0, PV_CALL_EVENT_END);
	take_native(SP, 0, 0, OVER | PV_CALL_EVENT_ROOT);
	state.runs[1].number = 0;
	must(pv_executions_settle(executions, &state));
	check_call(0, 7, PV_CALL_NONE, PV_CALL_CUT, 10, 30);
	check_call(1, 1, 0, 0, 20, 30);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("executions");
	TCase *tcase = tcase_create("executions");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nesting);
	tcase_add_test(tcase, several);
	tcase_add_test(tcase, lost_end);
	tcase_add_test(tcase, lost_begin);
	tcase_add_test(tcase, lost_first);
	tcase_add_test(tcase, lost_last);
	tcase_add_test(tcase, lost_last_and_replaced);
	tcase_add_test(tcase, newer_than_state);
	tcase_add_test(tcase, thread_ends);
	tcase_add_test(tcase, unbegun);
	tcase_add_test(tcase, late);
	tcase_add_test(tcase, late_and_gone);
	tcase_add_test(tcase, not_shown);
	tcase_add_test(tcase, short_ones);
	tcase_add_test(tcase, room);
	tcase_add_test(tcase, stop);
	tcase_add_test(tcase, natives);
	tcase_add_test(tcase, native_that_is_over);
	tcase_add_test(tcase, native_jump);
	tcase_add_test(tcase, native_root);
	tcase_add_test(tcase, native_root_that_is_over);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
