/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of callees against sums made in the plainest way, and what is said to be missing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/callees.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"

#include "stacks.h"

enum { FUNCTIONS = 6 };

static struct pv_trace *new_trace(void)
{
	struct pv_trace *trace;

	ok(pv_trace_create(&trace));
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		struct pv_loc loc = { .line = (int32_t)i + 1 };
		uint32_t id;

		loc.function = string_of(trace->profile, "f");
		ok(pv_profile_loc(trace->profile, &loc, &id));
		ck_assert_uint_eq(id, i);
	}
	return trace;
}

static void begin(struct pv_trace *trace)
{
	ok(pv_trace_begin(trace, &(struct pv_execution){ .number = trace->executions.n + 1 }));
}

static uint32_t call(struct pv_trace *trace, uint32_t parent, uint32_t function, uint64_t start,
		     uint64_t end, uint32_t flags)
{
	struct pv_call of = { .function = function,
			      .start_ns = start,
			      .end_ns = end,
			      .flags = flags,
			      .off_cpu_ns = (end - start) / 2 };
	uint32_t id;

	ok(pv_trace_add(trace, &of, parent, &id));
	return id;
}

static const struct pv_callee *find(const struct pv_callees *callees, uint32_t function)
{
	for (size_t i = 0; i < callees->n; i++) {
		if (callees->list[i].function == function)
			return &callees->list[i];
	}
	return NULL;
}

/* f0 calls f1, which calls itself twice and f2 in between. */
START_TEST(recursion_counts_once)
{
	struct pv_trace *trace = new_trace();
	struct pv_callees callees;
	const struct pv_callee *of;
	uint32_t top, outer, inner;

	begin(trace);
	top = call(trace, PV_CALL_NONE, 0, 100, 1100, 0);
	outer = call(trace, top, 1, 200, 700, 0);
	inner = call(trace, outer, 1, 300, 500, 0);
	inner = call(trace, inner, 2, 310, 490, 0);
	call(trace, inner, 1, 400, 450, 0);
	call(trace, outer, 2, 600, 650, 0);
	call(trace, top, 1, 800, 810, 0);
	ok(pv_callees_init(&callees, trace));
	of = find(&callees, 1);
	ck_assert_uint_eq(of->calls, 4);
	ck_assert_uint_eq(of->total_ns, 500 + 10);
	ck_assert_uint_eq(of->self_ns, (500 - 200 - 50) + (200 - 180) + 50 + 10);
	ck_assert_uint_eq(of->off_cpu_ns, 250 + 5);
	ck_assert_uint_eq(of->min_ns, 10);
	ck_assert_uint_eq(of->p50_ns, 50);
	ck_assert_uint_eq(of->max_ns, 500);
	ck_assert(of->recursive && callees.recursive);
	/* below another call of f1, but itself the outermost of f2 */
	of = find(&callees, 2);
	ck_assert_uint_eq(of->total_ns, 180 + 50);
	ck_assert_uint_eq(of->self_ns, 130 + 50);
	ck_assert(!of->recursive);
	ck_assert_uint_eq(callees.duration_ns, 1000);
	ck_assert_ptr_null(find(&callees, 3));
	pv_callees_deinit(&callees);
	pv_trace_destroy(trace);
}
END_TEST

/* What was guessed or cut counts, but tells no shortest and no longest. */
START_TEST(guesses_are_not_measured)
{
	struct pv_trace *trace = new_trace();
	struct pv_callees callees;
	const struct pv_callee *of;
	uint32_t top;

	begin(trace);
	top = call(trace, PV_CALL_NONE, 0, 0, 1000, PV_CALL_CUT);
	call(trace, top, 1, 0, 1, PV_CALL_END_GUESSED);
	call(trace, top, 1, 10, 30, PV_CALL_YIELDED);
	call(trace, top, 1, 40, 50, PV_CALL_RESUMED | PV_CALL_RAISED);
	call(trace, top, 1, 100, 900, PV_CALL_BEGIN_GUESSED);
	ok(pv_callees_init(&callees, trace));
	of = find(&callees, 1);
	ck_assert_uint_eq(of->calls, 3);
	ck_assert_uint_eq(of->resumed, 1);
	ck_assert_uint_eq(of->yielded, 1);
	ck_assert_uint_eq(of->raised, 1);
	ck_assert_uint_eq(of->guessed, 2);
	ck_assert_uint_eq(of->cut, 0);
	ck_assert_uint_eq(of->measured, 2);
	ck_assert_uint_eq(of->min_ns, 10);
	ck_assert_uint_eq(of->max_ns, 20);
	ck_assert_uint_eq(of->total_ns, 1 + 20 + 10 + 800);
	of = find(&callees, 0);
	ck_assert_uint_eq(of->cut, 1);
	ck_assert_uint_eq(of->measured, 0);
	ck_assert_uint_eq(of->max_ns, 0);
	ck_assert_uint_eq(callees.guessed_begins, 1);
	ck_assert_uint_eq(callees.guessed_ends, 1);
	ck_assert_uint_eq(callees.cut, 1);
	pv_callees_deinit(&callees);
	pv_trace_destroy(trace);
}
END_TEST

START_TEST(percentiles_are_exact)
{
	struct pv_trace *trace = new_trace();
	struct pv_callees callees;
	const struct pv_callee *of;
	uint32_t top;

	begin(trace);
	top = call(trace, PV_CALL_NONE, 0, 0, 1000000, 0);
	/* durations 1 to 200, not in their order */
	for (uint64_t i = 0; i < 200; i++)
		call(trace, top, 1, i * 1000, i * 1000 + i * 73 % 200 + 1, 0);
	ok(pv_callees_init(&callees, trace));
	of = find(&callees, 1);
	ck_assert_uint_eq(of->min_ns, 1);
	ck_assert_uint_eq(of->p50_ns, 100);
	ck_assert_uint_eq(of->p99_ns, 198);
	ck_assert_uint_eq(of->max_ns, 200);
	pv_callees_deinit(&callees);
	pv_trace_destroy(trace);
}
END_TEST

/* Calls below a parent, in the order of time and without a gap now and then. */
static void grow(struct pv_trace *trace, uint32_t parent, uint64_t start, uint64_t end,
		 unsigned int depth, uint64_t *state)
{
	uint64_t at = start;

	while (at < end && depth < 40) {
		uint64_t length;
		uint32_t id;

		*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
		length = (*state >> 33) % (end - at + 1);
		if (at > start && (*state >> 60) < 3)
			break;
		id = call(trace, parent, (*state >> 20) % FUNCTIONS, at, at + length,
			  (*state >> 40) & 63);
		grow(trace, id, at + (length > 3), at + length, depth + 1, state);
		at += length + ((*state >> 50) & 1);
	}
}

static bool is_outermost(const struct pv_trace *trace, const struct pv_call *of)
{
	for (uint32_t at = of->parent; at != PV_CALL_NONE;) {
		const struct pv_call *above = pv_vec_at(&trace->calls, at);

		if (above->function == of->function)
			return false;
		at = above->parent;
	}
	return true;
}

static uint64_t self_of(const struct pv_trace *trace, uint32_t index)
{
	const struct pv_call *calls = trace->calls.data;
	uint64_t ns = calls[index].end_ns - calls[index].start_ns;

	for (size_t i = 0; i < trace->calls.n; i++) {
		if (calls[i].parent == index)
			ns -= calls[i].end_ns - calls[i].start_ns;
	}
	return ns;
}

/* The k-th smallest, by counting. */
static uint64_t ranked(const struct pv_trace *trace, uint32_t function, double part)
{
	const uint32_t unseen = PV_CALL_END_GUESSED | PV_CALL_BEGIN_GUESSED | PV_CALL_CUT;
	const struct pv_call *calls = trace->calls.data;
	size_t n = trace->calls.n, all = 0;
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < n; i++)
		all += calls[i].function == function && !(calls[i].flags & unseen);
	for (size_t i = 0; i < n; i++) {
		uint64_t ns = calls[i].end_ns - calls[i].start_ns;
		size_t below = 0;

		if (calls[i].function != function || calls[i].flags & unseen)
			continue;
		for (size_t k = 0; k < n; k++)
			below += calls[k].function == function && !(calls[k].flags & unseen) &&
				 calls[k].end_ns - calls[k].start_ns <= ns;
		if ((double)below >= part * (double)all && ns < best)
			best = ns;
	}
	return all ? best : 0;
}

static void compare(const struct pv_trace *trace, const struct pv_callees *callees,
		    uint32_t function)
{
	const struct pv_call *calls = trace->calls.data;
	const struct pv_callee *of = find(callees, function), none = { .calls = 0 };
	uint64_t total = 0, self = 0, stays = 0;

	of = of ? of : &none;
	for (uint32_t i = 0; i < trace->calls.n; i++) {
		if (calls[i].function != function)
			continue;
		stays++;
		self += self_of(trace, i);
		if (is_outermost(trace, &calls[i]))
			total += calls[i].end_ns - calls[i].start_ns;
	}
	ck_assert_uint_eq(of->calls + of->resumed, stays);
	ck_assert_uint_eq(of->total_ns, total);
	ck_assert_uint_eq(of->self_ns, self);
	ck_assert_uint_eq(of->min_ns, ranked(trace, function, 0));
	ck_assert_uint_eq(of->p50_ns, ranked(trace, function, 0.5));
	ck_assert_uint_eq(of->p99_ns, ranked(trace, function, 0.99));
	ck_assert_uint_eq(of->max_ns, ranked(trace, function, 1));
}

START_TEST(sums_of_random_traces)
{
	struct pv_trace *trace = new_trace();
	uint64_t state = 77 + _i, self = 0;
	struct pv_callees callees;

	for (unsigned int i = 0; i < 3; i++) {
		begin(trace);
		grow(trace, call(trace, PV_CALL_NONE, i, i * 1000, i * 1000 + 400, 0), i * 1000,
		     i * 1000 + 400, 0, &state);
	}
	ok(pv_callees_init(&callees, trace));
	ck_assert_uint_gt(trace->calls.n, 3);
	for (uint32_t i = 0; i < FUNCTIONS; i++)
		compare(trace, &callees, i);
	for (size_t i = 0; i < callees.n; i++) {
		self += callees.list[i].self_ns;
		ck_assert(!i || callees.list[i - 1].self_ns >= callees.list[i].self_ns);
	}
	ck_assert_uint_eq(self, callees.duration_ns);
	ck_assert_uint_eq(self, 3 * 400);
	pv_callees_deinit(&callees);
	pv_trace_destroy(trace);
}
END_TEST

static void expect_doubts(const struct pv_trace *trace, size_t n, const char *const *texts)
{
	struct pv_callees callees;
	struct pv_vec doubts;

	ok(pv_callees_init(&callees, trace));
	ok(pv_trace_doubts(trace, &callees, &doubts));
	ck_assert_uint_eq(doubts.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(pv_str_text(pv_vec_at(&doubts, i)), texts[i]);
	pv_trace_doubts_deinit(&doubts);
	pv_callees_deinit(&callees);
}

START_TEST(doubts)
{
	struct pv_trace *trace = new_trace();
	struct pv_execution *execution;
	uint32_t top;

	expect_doubts(trace, 0, NULL);
	begin(trace);
	top = call(trace, PV_CALL_NONE, 0, 0, 1000, 0);
	expect_doubts(trace, 0, NULL);
	call(trace, top, 1, 0, 1, PV_CALL_END_GUESSED);
	expect_doubts(trace, 1,
		      (const char *const[]){ "1 end of calls was not seen, and is guessed" });
	call(trace, top, 1, 1, 2, PV_CALL_BEGIN_GUESSED | PV_CALL_CUT);
	execution = pv_vec_at(&trace->executions, 0);
	execution->partial = true;
	execution->lost = 1234;
	trace->strangers = 1;
	trace->end = PV_TRACE_BUDGET;
	expect_doubts(trace, 6,
		      (const char *const[]){
			      "It ended early: the probes cost more than the budget",
			      "1,234 events were lost: calls are missing in 1 execution",
			      "1 execution began before all places were probed: calls are missing "
			      "or their ends guessed in it",
			      "1 call had not ended when the record did",
			      "1 end and 1 beginning of calls were not seen, and are guessed",
			      "1 hit of probes in forked children" });
	pv_trace_destroy(trace);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("callees");
	TCase *tcase = tcase_create("callees");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, recursion_counts_once);
	tcase_add_test(tcase, guesses_are_not_measured);
	tcase_add_test(tcase, percentiles_are_exact);
	tcase_add_loop_test(tcase, sums_of_random_traces, 0, 50);
	tcase_add_test(tcase, doubts);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
