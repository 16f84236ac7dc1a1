/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session/watched: the programs of a process, which of them a sample is of, and what the
 * profile says of them and their threads.
 * Input: events made by hand, this very process.  Output: Check's report.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "model/profile.h"
#include "model/strings.h"
#include "session/watched.h"
#include "snap/objects.h"

enum { PID = 5000001, TID = 5000002 }; /* no process has these */

static struct pv_profile *profile;
static struct pv_watched *watched;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void setup(void)
{
	ok(pv_profile_create(&profile));
	ok(pv_watched_create(PID, 1, "first", &watched));
}

static void teardown(void)
{
	pv_watched_destroy(watched);
	pv_profile_destroy(profile);
}

static void becomes(uint32_t generation, uint64_t time_ns, const char *name)
{
	ok(pv_watched_exec(watched, generation, time_ns, name));
}

static const char *text(uint32_t id)
{
	return pv_strings_get(profile->strings, id);
}

static const struct pv_profile_process *described(bool frame)
{
	struct pv_program_run *run = pv_watched_now(watched);

	ok(pv_watched_describe(watched, run, frame, profile));
	return pv_vec_at(&profile->processes, run->process);
}

static const char *frame_text(const struct pv_program_run *run)
{
	return text(((const struct pv_loc *)pv_vec_at(&profile->locs, run->loc))->function);
}

/* ---- programs */

START_TEST(which_program_a_sample_is_of)
{
	const struct pv_program_run *runs;

	becomes(2, 100, "second");
	becomes(5, 200, "fifth"); /* execs between were lost */
	runs = watched->programs.data;
	ck_assert_ptr_eq(pv_watched_at(watched, 1), &runs[0]);
	ck_assert_ptr_eq(pv_watched_at(watched, 2), &runs[1]);
	ck_assert_ptr_eq(pv_watched_at(watched, 4), &runs[1]);
	ck_assert_ptr_eq(pv_watched_at(watched, 5), &runs[2]);
	ck_assert_ptr_eq(pv_watched_at(watched, 9), &runs[2]);
	ck_assert_ptr_eq(pv_watched_now(watched), &runs[2]);
	/* from before the first that is known: that one */
	ck_assert_ptr_eq(pv_watched_at(watched, 0), &runs[0]);
	ck_assert_uint_eq(runs[2].number, 3);
}
END_TEST

/* The old program's generation, but the new one's time: taken in the midst of the exec. */
START_TEST(a_sample_in_the_midst_of_an_exec)
{
	const struct pv_program_run *runs;

	becomes(2, 100, "second");
	becomes(3, 200, "third");
	runs = watched->programs.data;
	ck_assert(!pv_watched_replaced(watched, &runs[0], 99));
	ck_assert(pv_watched_replaced(watched, &runs[0], 100));
	ck_assert(!pv_watched_replaced(watched, &runs[1], 199));
	ck_assert(pv_watched_replaced(watched, &runs[1], 200));
	/* nothing comes after the last one */
	ck_assert(!pv_watched_replaced(watched, &runs[2], UINT64_MAX));
}
END_TEST

/* A program keeps the title that it had at its first sample. */
START_TEST(a_name_is_free_until_the_frame)
{
	struct pv_program_run *run = pv_watched_now(watched);

	pv_watched_rename(watched, "a\033b");
	ck_assert_str_eq(run->name, "a?b");
	ck_assert_str_eq(run->title, "a?b");
	ck_assert(watched->named_anew);
	ck_assert_str_eq(text(described(false)->name), "a?b");
	pv_watched_rename(watched, "now");
	described(true);
	ck_assert_str_eq(frame_text(run), "process now (5000001)");
	watched->named_anew = false;
	pv_watched_rename(watched, "later");
	ck_assert_str_eq(run->name, "now");
	ck_assert(!watched->named_anew);
	/* another program has another */
	becomes(2, 100, "next");
	pv_watched_rename(watched, "later");
	ck_assert_str_eq(text(described(true)->name), "later");
	ck_assert_uint_eq(profile->processes.n, 2);
	ck_assert_str_eq(frame_text(pv_watched_at(watched, 1)), "process now (5000001)");
}
END_TEST

START_TEST(a_child_is_what_its_parent_is)
{
	struct pv_program_run *above, *run;
	struct pv_watched *child;

	becomes(4, 100, "second");
	above = pv_watched_now(watched);
	strcpy(above->title, "app.py");
	strcpy(above->interpreter, "CPython 3.99");
	above->problem = strdup("stripped");
	above->merge.counted = true;
	described(true);
	ok(pv_watched_create(PID + 1, PID, "", &child));
	ok(pv_watched_inherit(child, watched));
	run = pv_watched_now(child);
	ck_assert_uint_eq(run->generation, 4);
	ck_assert_str_eq(run->name, "second");
	ck_assert_str_eq(run->title, "app.py");
	ck_assert_str_eq(run->interpreter, "CPython 3.99");
	ck_assert_str_eq(run->problem, "stripped");
	ck_assert(run->merge.counted);
	/* but for its place in the profile */
	ck_assert_uint_eq(run->process, PV_NOT_IN_PROFILE);
	ck_assert_uint_eq(run->loc, PV_NOT_IN_PROFILE);
	ck_assert_uint_eq(run->number, 1);
	pv_watched_destroy(child);
}
END_TEST

START_TEST(what_is_found_later_is_told_later)
{
	struct pv_program_run *run = pv_watched_now(watched);
	const struct pv_profile_process *process = described(true);

	ck_assert_str_eq(text(process->interpreter), "");
	ck_assert_int_eq(process->pid, PID);
	ck_assert_int_eq(process->parent_pid, 1);
	ck_assert_uint_eq(process->generation, 1);
	strcpy(run->interpreter, "CPython 3.99");
	run->problem = strdup("odd");
	process = described(true);
	ck_assert_uint_eq(profile->processes.n, 1);
	ck_assert_uint_eq(profile->locs.n, 1);
	ck_assert_str_eq(text(process->interpreter), "CPython 3.99");
	ck_assert_str_eq(text(process->problem), "odd");
}
END_TEST

/* ---- this process */

START_TEST(an_image_says_what_its_program_is)
{
	struct pv_objects *objects;
	struct pv_watched *self;

	ok(pv_objects_create(NULL, &objects));
	ok(pv_watched_create(getpid(), getppid(), "self", &self));
	ok(pv_watched_exec(self, 2, 100, "self"));
	/* an exec that was not told yet: the image is of neither of these */
	pv_watched_now(self)->problem = strdup("stays");
	ok(pv_watched_read(self, 3, NULL, objects, false));
	ck_assert_uint_eq(self->image_generation, 3);
	ck_assert_uint_gt(self->image.n_mappings, 0);
	ck_assert_str_eq(pv_watched_now(self)->problem, "stays");
	/* when it is told the image is its own */
	ok(pv_watched_exec(self, 3, 200, "self"));
	ck_assert_ptr_null(pv_watched_now(self)->problem);
	ok(pv_watched_read(self, 3, &self->image, objects, false));
	ck_assert_ptr_null(pv_watched_refused(self, objects));
	pv_watched_destroy(self);
	pv_objects_destroy(objects);
}
END_TEST

START_TEST(a_process_that_is_gone)
{
	struct pv_objects *objects;
	struct pv_err *err;

	ok(pv_objects_create(NULL, &objects));
	err = pv_watched_read(watched, 1, NULL, objects, false);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
	ck_assert_uint_eq(watched->image_generation, 0);
	/* its title stays what it was */
	ok(pv_watched_read_title(watched));
	ck_assert_str_eq(pv_watched_now(watched)->title, "first");
	pv_objects_destroy(objects);
}
END_TEST

/* ---- threads */

static const struct pv_profile_thread *thread_of(struct pv_watched *of, uint32_t tid)
{
	struct pv_program_run *run = pv_watched_now(of);
	uint32_t id;

	ok(pv_watched_describe(of, run, false, profile));
	ok(pv_watched_thread(of, run, tid, profile, &id));
	return pv_vec_at(&profile->threads, id);
}

static const char *name_of(struct pv_watched *of, uint32_t tid)
{
	return text(thread_of(of, tid)->name);
}

START_TEST(names_of_threads)
{
	/* nobody knows it any more */
	ck_assert_str_eq(name_of(watched, TID), "?");
	/* told before its first sample, or after */
	ok(pv_watched_name_thread(watched, TID + 1, "po\nol-1", profile));
	ck_assert_str_eq(name_of(watched, TID + 1), "po?ol-1");
	ok(pv_watched_name_thread(watched, TID, "late", profile));
	ck_assert_str_eq(name_of(watched, TID), "late");
	ok(pv_watched_name_thread(watched, TID, "later", profile));
	ck_assert_str_eq(name_of(watched, TID), "later");
	/* the first one has the process's, and its own */
	ck_assert_str_eq(name_of(watched, PID), "first");
	ok(pv_watched_name_thread(watched, PID, "main", profile));
	ck_assert_str_eq(name_of(watched, PID), "main");
	ck_assert_str_eq(pv_watched_now(watched)->name, "first");
	ck_assert_uint_eq(profile->threads.n, 3);
}
END_TEST

/* Another program's threads are others, whatever their numbers. */
START_TEST(names_end_with_the_program)
{
	uint32_t before = thread_of(watched, PID)->name;

	ok(pv_watched_name_thread(watched, TID, "pool", profile));
	becomes(2, 100, "next");
	ck_assert_str_eq(name_of(watched, TID), "?");
	ck_assert_str_eq(name_of(watched, PID), "next");
	ck_assert_uint_eq(profile->threads.n, 3);
	ck_assert_uint_eq(((struct pv_profile_thread *)pv_vec_at(&profile->threads, 0))->name,
			  before);
}
END_TEST

static void *with_a_name(void *arg)
{
	struct pv_watched *self = arg;

	ck_assert_int_eq(prctl(PR_SET_NAME, "asked"), 0);
	ck_assert_str_eq(name_of(self, gettid()), "asked");
	return NULL;
}

START_TEST(a_live_thread_is_asked)
{
	struct pv_watched *self;
	pthread_t thread;

	ok(pv_watched_create(getpid(), getppid(), "self", &self));
	ck_assert_int_eq(pthread_create(&thread, NULL, with_a_name, self), 0);
	pthread_join(thread, NULL);
	pv_watched_destroy(self);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watched");
	TCase *tcase = tcase_create("watched");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, which_program_a_sample_is_of);
	tcase_add_test(tcase, a_sample_in_the_midst_of_an_exec);
	tcase_add_test(tcase, a_name_is_free_until_the_frame);
	tcase_add_test(tcase, a_child_is_what_its_parent_is);
	tcase_add_test(tcase, what_is_found_later_is_told_later);
	tcase_add_test(tcase, an_image_says_what_its_program_is);
	tcase_add_test(tcase, a_process_that_is_gone);
	tcase_add_test(tcase, names_of_threads);
	tcase_add_test(tcase, names_end_with_the_program);
	tcase_add_test(tcase, a_live_thread_is_asked);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
