/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model/doubts: by which numbers a capture is well, and what is said of one that is not.
 * Input: totals made here.  Output: Check's report.
 */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "abi/loss.h"
#include "model/doubts.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/losses.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* 1,000 samples of 10 ms in 10 s, all of them complete. */
static struct pv_profile *profile_of(void)
{
	struct pv_profile *p;
	uint32_t process, thread, loc, node;

	ok(pv_profile_create(&p));
	pv_losses_describe(&p->losses);
	p->period_ns = 10000000;
	p->duration_ns = p->target_cpu_ns = 10000000000;
	p->quality.samples = p->quality.complete = 1000;
	ok(pv_profile_process(p, &(struct pv_profile_process){ .pid = 1, .generation = 1 },
			      &process));
	ok(pv_profile_thread(p, process, 1, "t", &thread));
	ok(pv_profile_loc(p, &(struct pv_loc){ .kind = PV_LOC_PYTHON }, &loc));
	ok(pv_profile_node(p, 0, loc, &node));
	ok(pv_profile_add(p, node, thread, 1000));
	return p;
}

static uint32_t string(struct pv_profile *p, const char *text)
{
	uint32_t id;

	ok(pv_strings_add(p->strings, text, strlen(text), &id));
	return id;
}

/* What is said of a profile, line by line; destroys it. */
static void expect(struct pv_profile *p, const char *text)
{
	struct pv_str said = {};
	struct pv_vec doubts;

	ok(pv_doubts_of(p, &doubts));
	for (size_t i = 0; i < doubts.n; i++) {
		const struct pv_doubt *doubt = pv_vec_at(&doubts, i);

		ok(pv_str_appendf(&said, "%s%s", i ? "\n" : "", pv_str_text(&doubt->text)));
	}
	ck_assert_str_eq(pv_str_text(&said), text);
	pv_doubts_deinit(&doubts);
	pv_str_deinit(&said);
	pv_profile_destroy(p);
}

#define AT(field) offsetof(struct pv_profile, field)

struct total_case {
	size_t offset; /* of a uint64_t */
	uint64_t value;
	const char *text;
};

static const struct total_case totals[] = {
	{ AT(quality.complete), 1000, "" },
	{ AT(quality.complete), 990, "" },
	{ AT(quality.complete), 989, "1.10 % of the stacks are not complete" },
	{ AT(quality.complete), 0, "100 % of the stacks are not complete" },
	{ AT(quality.marked), 10, "" },
	{ AT(quality.marked), 11,
	  "1.10 % of the stacks are marked: their Python half could be wrong, so it is not shown" },
	{ AT(quality.bridged), 1000, "" },
	{ AT(quality.samples), 0, "It is not known how many of the stacks are complete" },
	{ AT(probe_ns), 200000000, "" },
	{ AT(probe_ns), 200000001, "Watching cost the target 2.0 % of one CPU" },
	{ AT(target_cpu_ns), 11260000000, "" }, /* four standard errors may be chance */
	{ AT(target_cpu_ns), 12500000000,
	  "250 samples (20.0 %) fewer than the CPU time that the kernel counted is worth" },
	{ AT(unwatched_cpu_ns), 99999999, "" },
	{ AT(unwatched_cpu_ns), 2000000000,
	  "Child processes used 2.0 s of CPU meanwhile, not recorded: --children takes them "
	  "along" },
};

START_TEST(totals_have_limits)
{
	const struct total_case *c = &totals[_i];
	struct pv_profile *p = profile_of();

	memcpy((char *)p + c->offset, &c->value, sizeof(c->value));
	expect(p, c->text);
}
END_TEST

/* Of a cause that is counted by the stacks nothing more is said; of the others the number. */
START_TEST(each_cause_is_of_one_kind)
{
	static const uint32_t samples[] = { PV_LOSS_RING_SAMPLE, PV_LOSS_PROC_GONE, PV_LOSS_SPARED,
					    PV_LOSS_UNRECORDED };
	static const uint32_t gaps[] = {
		PV_LOSS_SIDEBAND, PV_LOSS_IMAGE,         PV_LOSS_CHILD,          PV_LOSS_PROCESS,
		PV_LOSS_SOURCE,   PV_LOSS_PROBE_SCRATCH, PV_LOSS_PROBE_REPLACED,
	};
	const char *text = "";
	struct pv_str gap = {};

	struct pv_profile *p = profile_of();

	p->losses.count[_i] = 2;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		if (samples[i] == (uint32_t)_i)
			text = "2 samples were lost";
	}
	ok(pv_str_appendf(&gap, "Some of what happened was not taken in: 2 %s",
			  pv_losses_text(&p->losses, _i)));
	for (size_t i = 0; i < sizeof(gaps) / sizeof(*gaps); i++) {
		if (gaps[i] == (uint32_t)_i)
			text = pv_str_text(&gap);
	}
	if (!p->losses.name[_i]) /* of a later version */
		text = pv_str_text(&gap);
	expect(p, text);
	pv_str_deinit(&gap);
}
END_TEST

START_TEST(names_are_named)
{
	struct pv_profile *p = profile_of();
	uint32_t process;

	p->cut = true;
	p->note = string(p, "a; b");
	p->problem = string(p, "too old");
	for (uint32_t i = 1; i < 7; i++) {
		const char *const problems[] = { "too old", "odd", "too new", "odd", "torn", "" };

		ok(pv_profile_process(
			p,
			&(struct pv_profile_process){
				.pid = i, .generation = 1, .problem = string(p, problems[i - 1]) },
			&process));
		ok(pv_profile_add_source(p, string(p, (char[]){ 'a' + i, '\0' }), "x", 1, i != 2));
	}
	expect(p, "The recording breaks off: all that is shown is of the part that is there\n"
		  "Of the recording: a; b\n"
		  "Python frames are not shown: too old; odd; too new; and for other reasons\n"
		  "Sources that may be newer than what the process read, so lines may not be those "
		  "that ran: b, d, e and 2 more");
}
END_TEST

/* One name that is known shows that names can be known. */
START_TEST(kernel_without_names)
{
	struct pv_profile *p = profile_of();
	struct pv_loc loc = { .kind = PV_LOC_KERNEL };
	uint32_t id;

	loc.function = string(p, "[unknown kernel]");
	ok(pv_profile_loc(p, &loc, &id));
	if (_i) {
		loc.function = string(p, "vfs_read");
		ok(pv_profile_loc(p, &loc, &id));
	}
	expect(p, _i ? ""
		     : "Kernel functions have no names: that needs root or CAP_SYSLOG, and "
		       "kernel.kptr_restrict below 2");
}
END_TEST

START_TEST(nothing_is_not_doubted)
{
	struct pv_profile *p;

	ok(pv_profile_create(&p));
	expect(p, "");
}
END_TEST

struct complete_case {
	uint64_t complete, samples;
	const char *text;
};

static const struct complete_case completes[] = {
	{ 5, 5, "all complete" },
	{ 999960, 1000000, "99.99 % complete" },
	{ 999999, 1000000, "99.99 % complete" },
	{ 0, 7, "0.00 % complete" },
	{ 32, 42, "76.19 % complete" },
};

START_TEST(complete_is_cut)
{
	const struct complete_case *c = &completes[_i];
	struct pv_quality quality = { .samples = c->samples, .complete = c->complete };
	struct pv_str text = {};

	ok(pv_complete_text(&quality, &text));
	ck_assert_str_eq(pv_str_text(&text), c->text);
	pv_str_deinit(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doubts");
	TCase *tcase = tcase_create("doubts");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, totals_have_limits, 0, sizeof(totals) / sizeof(*totals));
	tcase_add_loop_test(tcase, each_cause_is_of_one_kind, 1, PV_LOSSES_MAX);
	tcase_add_test(tcase, names_are_named);
	tcase_add_loop_test(tcase, kernel_without_names, 0, 2);
	tcase_add_test(tcase, nothing_is_not_doubted);
	tcase_add_loop_test(tcase, complete_is_cut, 0, sizeof(completes) / sizeof(*completes));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
