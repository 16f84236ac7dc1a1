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

/* 0: it is not there, or has none. */
static uint64_t thread_samples(const struct pv_profile *profile, uint32_t tid)
{
	for (size_t i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		if (thread->tid == tid)
			return thread->samples;
	}
	return 0;
}

static uint64_t process_samples(const struct pv_profile *profile, uint32_t pid)
{
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		if (process->pid == pid)
			return process->samples;
	}
	return 0;
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
		/* nobody: it stays as it is */
		{ { 0, "1" }, 0, { 17, 10, 4 }, { 27, 4 } },
		{ { 0, "" }, 0, { 17, 10, 4 }, { 27, 4 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_profile *profile = three_threads();
		static const uint32_t tids[] = { 11, 12, 21 }, pids[] = { 11, 21 };
		uint64_t counted = 0, ticks = 0;
		size_t n;

		ok(pv_profile_keep_threads(profile, &cases[i].filter, &n));
		ck_assert_uint_eq(n, cases[i].n_threads);
		for (size_t k = 0; k < 3; k++)
			ck_assert_uint_eq(thread_samples(profile, tids[k]), cases[i].threads[k]);
		for (size_t k = 0; k < 2; k++)
			ck_assert_uint_eq(process_samples(profile, pids[k]), cases[i].processes[k]);
		for (size_t k = 0; k < profile->samples.n; k++) {
			const struct pv_sample *sample = pv_vec_at(&profile->samples, k);

			ck_assert_uint_lt(sample->thread, profile->threads.n);
			ck_assert_uint_lt(sample->node, profile->nodes.n);
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

static bool has_text(const struct pv_profile *profile, const char *word)
{
	for (uint32_t id = 0; id < pv_strings_n(profile->strings); id++) {
		if (strstr(pv_strings_get(profile->strings, id), word))
			return true;
	}
	return false;
}

static uint32_t text(struct pv_profile *profile, const char *word)
{
	uint32_t id;

	ok(pv_strings_add(profile->strings, word, strlen(word), &id));
	return id;
}

/* A process and a thread of it, all of whose texts have its word. */
static void add_one(struct pv_profile *profile, uint32_t pid, const char *word, uint32_t shared)
{
	char name[64], file[64], module[64], source[64];
	struct pv_profile_process process = { .pid = pid, .generation = 1 };
	uint32_t p, t, node, m;

	snprintf(name, sizeof(name), "%s-name", word);
	snprintf(file, sizeof(file), "/home/%s/lib/python3.11/os.py", word);
	snprintf(module, sizeof(module), "lib%s.so", word);
	snprintf(source, sizeof(source), "%s = 1\n", word);
	process.name = process.title = process.interpreter = process.problem = text(profile, name);
	ok(pv_profile_process(profile, &process, &p));
	ok(pv_profile_thread(profile, p, pid, name, &t));
	node = frame(profile, shared, PV_LOC_PYTHON, name, file, 3);
	struct pv_loc loc = { .kind = PV_LOC_NATIVE,
			      .function = text(profile, name),
			      .module = text(profile, module) };
	struct pv_module native = { .name = loc.module,
				    .path = text(profile, file),
				    .build_id = text(profile, word) };

	ok(pv_profile_module(profile, &native, &m));
	ok(pv_profile_loc(profile, &loc, &m));
	ok(pv_profile_node(profile, node, m, &node));
	ok(pv_profile_add_at(profile, node, t, pid, pid));
	ok(pv_profile_add_source(profile, text(profile, file), source, strlen(source), true));
	if (!profile->pid) {
		profile->pid = pid;
		profile->target_name = profile->title = profile->interpreter = profile->problem =
			process.name;
		profile->waiting.place = text(profile, file);
	}
}

/* A part for somebody holds nothing of the others: no name, no path, no source. */
START_TEST(nothing_of_the_others)
{
	static const char *const words[] = { "alice", "bob", "carol" };

	for (uint32_t i = 0; i < 6; i++) {
		struct pv_profile *profile;
		struct pv_thread_filter filter = { 0 };
		const struct pv_sample *sample;
		const struct pv_source *source;
		const struct pv_module *module;
		const struct pv_loc *loc;
		uint32_t shared, keep = i % 3;
		char name[16];
		size_t n;

		ok(pv_profile_create(&profile));
		shared = frame(profile, 0, PV_LOC_NATIVE, "main", "", 0);
		for (uint32_t k = 0; k < 3; k++)
			add_one(profile, 11 + k, words[k], shared);
		pv_profile_sort_ticks(profile);
		profile->host = text(profile, "machine");
		snprintf(name, sizeof(name), "%s-name", words[keep]);
		if (i < 3)
			filter.pid = 11 + keep;
		else
			filter.thread = name;
		ok(pv_profile_keep_threads(profile, &filter, &n));
		ck_assert_uint_eq(n, 1);
		for (uint32_t k = 0; k < 3; k++)
			ck_assert_msg(has_text(profile, words[k]) == (k == keep),
				      "%s in that of %s", words[k], words[keep]);
		/* and all of its own */
		ck_assert_uint_eq(profile->pid, 11 + keep);
		ck_assert_str_eq(pv_strings_get(profile->strings, profile->target_name), name);
		ck_assert_str_eq(pv_strings_get(profile->strings, profile->host), "machine");
		ck_assert_uint_eq(profile->processes.n, 1);
		ck_assert_uint_eq(profile->threads.n, 1);
		ck_assert_uint_eq(profile->nodes.n, 4);
		ck_assert_uint_eq(profile->prefixes.n, 1);
		ck_assert_uint_eq(profile->samples.n, 1);
		sample = pv_vec_at(&profile->samples, 0);
		ck_assert_uint_eq(sample->count, 11 + keep);
		ck_assert_uint_eq(profile->ticks.n, 1);
		ck_assert_uint_eq(((struct pv_tick *)pv_vec_at(&profile->ticks, 0))->slice,
				  11 + keep);
		ck_assert_uint_eq(profile->sources.n, 1);
		source = pv_vec_at(&profile->sources, 0);
		ck_assert_int_eq(strncmp(source->text, words[keep], strlen(words[keep])), 0);
		ck_assert(source->changed);
		loc = pv_vec_at(
			&profile->locs,
			((struct pv_stack_node *)pv_vec_at(&profile->nodes, sample->node))->loc);
		module = pv_profile_module_of(profile, loc);
		ck_assert_ptr_nonnull(module);
		ck_assert_str_eq(pv_strings_get(profile->strings, module->build_id), words[keep]);
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
	tcase_add_test(tcase, nothing_of_the_others);
	tcase_add_test(tcase, quality_from_markers);
	tcase_add_test(tcase, notes_are_joined);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
