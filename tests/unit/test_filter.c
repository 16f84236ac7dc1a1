/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model/filter: the samples of some threads, and the quality of what is left.
 * Input: profiles made here.  Output: Check's report.
 */
#include "model/filter.h"

#include "recordings.h"

/* Threads: 11 main and 12 pool of process 11, 21 pool of process 21. */
static struct pv_profile *three_threads(void)
{
	struct pv_profile_process process = { .pid = 11, .generation = 1 };
	struct pv_profile *profile;
	uint32_t p, t[3], a, b;

	ok(pv_profile_create(&profile));
	ok(pv_profile_process(profile, &process, &p));
	ok(pv_profile_thread(profile, p, 11, "main", &t[0]));
	ok(pv_profile_thread(profile, p, 12, "pool", &t[1]));
	process.pid = 21;
	ok(pv_profile_process(profile, &process, &p));
	ok(pv_profile_thread(profile, p, 21, "pool", &t[2]));
	a = frame(profile, 0, PV_LOC_PYTHON, "a", "a.py", 1);
	b = frame(profile, a, PV_LOC_KERNEL, "read", "", 0);
	ok(pv_profile_add_at(profile, a, t[0], 0, 1));
	ok(pv_profile_add_at(profile, a, t[1], 0, 2));
	ok(pv_profile_add_at(profile, b, t[2], 1, 4));
	ok(pv_profile_add_at(profile, b, t[1], 1, 8));
	ok(pv_profile_add_at(profile, b, t[0], 2, 16));
	pv_profile_sort_ticks(profile);
	return profile;
}

static uint64_t thread_samples(const struct pv_profile *profile, size_t i)
{
	return ((const struct pv_profile_thread *)pv_vec_at(&profile->threads, i))->samples;
}

static uint64_t process_samples(const struct pv_profile *profile, size_t i)
{
	return ((const struct pv_profile_process *)pv_vec_at(&profile->processes, i))->samples;
}

START_TEST(threads_are_kept)
{
	static const struct {
		struct pv_thread_filter filter;
		size_t n_threads;
		uint64_t threads[3], processes[2];
	} cases[] = {
		{ { 0, NULL }, 3, { 17, 10, 4 }, { 27, 4 } },
		{ { 11, NULL }, 2, { 17, 10, 0 }, { 27, 0 } },
		{ { 21, NULL }, 1, { 0, 0, 4 }, { 0, 4 } },
		{ { 0, "pool" }, 2, { 0, 10, 4 }, { 10, 4 } },
		{ { 11, "pool" }, 1, { 0, 10, 0 }, { 10, 0 } },
		{ { 0, "11" }, 1, { 17, 0, 0 }, { 17, 0 } },
		{ { 0, "1" }, 0, { 0, 0, 0 }, { 0, 0 } },
		{ { 0, "" }, 0, { 0, 0, 0 }, { 0, 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_profile *profile = three_threads();
		uint64_t counted = 0, ticks = 0;
		size_t n;

		ok(pv_profile_keep_threads(profile, &cases[i].filter, &n));
		ck_assert_uint_eq(n, cases[i].n_threads);
		for (size_t k = 0; k < 3; k++)
			ck_assert_uint_eq(thread_samples(profile, k), cases[i].threads[k]);
		for (size_t k = 0; k < 2; k++)
			ck_assert_uint_eq(process_samples(profile, k), cases[i].processes[k]);
		for (size_t k = 0; k < profile->samples.n; k++) {
			const struct pv_sample *sample = pv_vec_at(&profile->samples, k);

			ck_assert_uint_gt(cases[i].threads[sample->thread], 0);
			counted += sample->count;
		}
		for (size_t k = 0; k < profile->ticks.n; k++) {
			const struct pv_tick *tick = pv_vec_at(&profile->ticks, k);

			ck_assert_uint_lt(tick->sample, profile->samples.n);
			ticks += tick->count;
		}
		ck_assert_uint_eq(counted, cases[i].processes[0] + cases[i].processes[1]);
		ck_assert_uint_eq(ticks, counted);
		pv_profile_destroy(profile);
	}
}
END_TEST

START_TEST(quality_from_markers)
{
	static const struct {
		const char *marker;
		struct pv_quality quality;
	} cases[] = {
		{ "[gc]", { .complete = 1, .gc = 1 } },
		{ "[truncated]", { .truncated = 1 } },
		{ "[new mapping]", { .truncated = 1 } },
		{ "[unwind break]", { .bridged = 1 } },
		{ "[torn]", { .marked = 1 } },
		{ "[mismatch]", { .marked = 1 } },
		{ "[python unreadable]", { .marked = 1 } },
		{ "[unknown code]", { 0 } },
		{ "[of later times]", { 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct pv_quality *expected = &cases[i].quality;
		struct pv_profile *profile = three_threads();
		const struct pv_quality *quality;
		uint32_t node = frame(profile, 0, PV_LOC_MARKER, cases[i].marker, "", 0);

		quality = &profile->quality;
		/* Python below the kernel: the leaf alone counts for the kernel */
		node = frame(profile, node, PV_LOC_KERNEL, "read", "", 0);
		node = frame(profile, node, PV_LOC_NATIVE, "read", "", 0);
		ok(pv_profile_add(profile, node, 0, 100));
		ok(pv_profile_add(profile, 0, 0, 1000)); /* without a frame */
		ok(pv_profile_count_quality(profile));
		ck_assert_uint_eq(quality->samples, 1131);
		ck_assert_uint_eq(quality->complete, 31 + 100 * expected->complete);
		ck_assert_uint_eq(quality->truncated, 100 * expected->truncated);
		ck_assert_uint_eq(quality->bridged, 100 * expected->bridged);
		ck_assert_uint_eq(quality->marked, 100 * expected->marked);
		ck_assert_uint_eq(quality->gc, 100 * expected->gc);
		ck_assert_uint_eq(quality->with_python, 31);
		ck_assert_uint_eq(quality->kernel, 28);
		pv_profile_destroy(profile);
	}
}
END_TEST

START_TEST(notes_are_joined)
{
	struct pv_profile *profile;

	ok(pv_profile_create(&profile));
	ok(pv_profile_add_note(profile, "%d of them", 3));
	ck_assert_str_eq(note_of(profile), "3 of them");
	ok(pv_profile_add_note(profile, "more"));
	ck_assert_str_eq(note_of(profile), "3 of them; more");
	pv_profile_destroy(profile);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filter");
	TCase *tcase = tcase_create("filter");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, threads_are_kept);
	tcase_add_test(tcase, quality_from_markers);
	tcase_add_test(tcase, notes_are_joined);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
