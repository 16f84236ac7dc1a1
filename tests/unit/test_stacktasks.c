/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd/stacktasks.h: the tree of tasks as text, and as JSON.
 * Input: snapshots made here.  Output: Check's report; the texts are written by hand.
 */
#include "cmd/stacktasks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"

enum { TASKS_MAX = 160, EDGES_MAX = 320 };

struct made {
	struct pv_snapshot snapshot;
	struct pv_snapshot_task tasks[TASKS_MAX];
	uint32_t frames[TASKS_MAX];
	uint32_t awaiters[EDGES_MAX];
	uint32_t n_frames, n_awaiters;
};

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void made_init(struct made *made)
{
	*made = (struct made){ .snapshot = { .tasks_state = PV_SNAPSHOT_LISTED,
					     .tasks_consistent = true } };
	ok(pv_profile_create(&made->snapshot.profile));
	made->snapshot.tasks = made->tasks;
	made->snapshot.task_frames = made->frames;
	made->snapshot.task_awaiters = made->awaiters;
}

static void made_deinit(struct made *made)
{
	pv_profile_destroy(made->snapshot.profile);
}

/* name NULL: it could not be read. */
static struct pv_snapshot_task *add(struct made *made, const char *name)
{
	struct pv_snapshot_task *task = &made->tasks[made->snapshot.n_tasks++];

	*task = (struct pv_snapshot_task){ .native_tid = 77,
					   .first_frame = made->n_frames,
					   .first_awaiter = made->n_awaiters };
	task->has_name = name != NULL;
	if (name)
		ok(pv_strings_add(made->snapshot.profile->strings, name, strlen(name),
				  &task->name));
	return task;
}

static void in(struct made *made, const char *function, int line)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = line };
	struct pv_strings *strings = made->snapshot.profile->strings;

	ok(pv_strings_add(strings, function, strlen(function), &loc.function));
	ok(pv_strings_add(strings, "/a/b.py", 7, &loc.file));
	ok(pv_profile_loc(made->snapshot.profile, &loc, &made->frames[made->n_frames++]));
	made->tasks[made->snapshot.n_tasks - 1].n_frames++;
}

/* The last one that was added is awaited by the task of this number. */
static void by(struct made *made, uint32_t awaiter)
{
	made->awaiters[made->n_awaiters++] = awaiter;
	made->tasks[made->snapshot.n_tasks - 1].n_awaiters++;
}

/* What is printed; for the caller to free. */
static char *printed(const struct made *made)
{
	int saved = dup(STDOUT_FILENO), file = memfd_create("stdout", MFD_CLOEXEC);
	char *text;
	off_t n;

	ck_assert_int_ge(file, 0);
	fflush(stdout);
	ck_assert_int_eq(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
	ok(pv_stack_print_tasks(&made->snapshot));
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = lseek(file, 0, SEEK_END);
	text = calloc(1, (size_t)n + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(pread(file, text, (size_t)n, 0), n);
	close(file);
	return text;
}

static void prints(const struct made *made, const char *expected)
{
	char *text = printed(made);

	ck_assert_str_eq(text, expected);
	free(text);
}

static void says(const struct made *made, const char *expected)
{
	size_t size = 0;
	char *text = NULL;
	struct pv_json json = { .file = open_memstream(&text, &size) };

	pv_json_begin(&json, NULL, '{');
	pv_stack_tasks_json(&json, &made->snapshot);
	pv_json_end(&json, '}');
	fclose(json.file);
	ck_assert_str_eq(text, expected);
	free(text);
}

static size_t times(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

START_TEST(what_is_not_known)
{
	static const struct {
		enum pv_snapshot_tasks state;
		const char *text, *json;
	} cases[] = {
		{ PV_SNAPSHOT_NOT_ASKED, "", "{}" },
		{ PV_SNAPSHOT_NO_ASYNCIO, "\nno tasks: asyncio is not imported\n",
		  "{\"tasks_known\":\"no asyncio\"}" },
		{ PV_SNAPSHOT_NO_LIST,
		  "\nonly tasks that run are shown: CPython keeps a list of all from 3.14 on\n",
		  "{\"tasks_known\":\"running only\"}" },
		{ PV_SNAPSHOT_NOT_FOUND,
		  "\ntasks are not known: asyncio is there, but not where it keeps them\n",
		  "{\"tasks_known\":\"unknown\"}" },
	};
	struct made made;

	made_init(&made);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		made.snapshot.tasks_state = cases[i].state;
		prints(&made, cases[i].text);
		says(&made, cases[i].json);
	}
	made.snapshot.tasks_state = PV_SNAPSHOT_LISTED;
	prints(&made, "\n0 tasks\n");
	says(&made, "{\"tasks_known\":\"all\",\"tasks_consistent\":true,\"tasks_too_many\":false,"
		    "\"tasks\":[]}");
	made_deinit(&made);
}
END_TEST

/* Two wait for one, which waits for another: below each, and its own once. */
START_TEST(a_tree)
{
	struct made made;

	made_init(&made);
	add(&made, "shared")->running = true;
	in(&made, "outer", 3);
	in(&made, "inner", 5);
	by(&made, 1);
	by(&made, 2);
	add(&made, "first");
	in(&made, "waits", 9);
	add(&made, "second");
	add(&made, NULL)->cut = true;
	by(&made, 0);
	prints(&made, "\n4 tasks\n"
		      "task first\n"
		      "    waits (b.py:9)\n"
		      "    task shared, running\n"
		      "        outer (b.py:3)\n"
		      "        inner (b.py:5)\n"
		      "        task [unknown] (not all of it could be read)\n"
		      "task second\n"
		      "    task shared, running, see above\n");
	says(&made,
	     "{\"tasks_known\":\"all\",\"tasks_consistent\":true,\"tasks_too_many\":false,"
	     "\"tasks\":["
	     "{\"name\":\"shared\",\"native_tid\":77,\"running\":true,\"whole\":true,\"frames\":["
	     "{\"function\":\"outer\",\"file\":\"/a/b.py\",\"line\":3},"
	     "{\"function\":\"inner\",\"file\":\"/a/b.py\",\"line\":5}],\"awaited_by\":[1,2]},"
	     "{\"name\":\"first\",\"native_tid\":77,\"running\":false,\"whole\":true,\"frames\":["
	     "{\"function\":\"waits\",\"file\":\"/a/b.py\",\"line\":9}],\"awaited_by\":[]},"
	     "{\"name\":\"second\",\"native_tid\":77,\"running\":false,\"whole\":true,\"frames\":[]"
	     ","
	     "\"awaited_by\":[]},"
	     "{\"native_tid\":77,\"running\":false,\"whole\":false,\"frames\":[],\"awaited_by\":[0]"
	     "}]}");
	made_deinit(&made);
}
END_TEST

START_TEST(what_changed_or_was_too_much)
{
	struct made made;
	char *text;

	made_init(&made);
	add(&made, "one");
	made.snapshot.tasks_consistent = false;
	text = printed(&made);
	ck_assert_ptr_nonnull(strstr(text, "\n1 task, which changed while we looked"));
	free(text);
	made.snapshot.tasks_too_many = true;
	text = printed(&made);
	ck_assert_ptr_nonnull(strstr(text, "\n1 task: not all that is there was read"));
	ck_assert_ptr_null(strstr(text, "changed"));
	free(text);
	made_deinit(&made);
}
END_TEST

/* One that waits for it is not in the list (it has just begun): it stands by itself. */
START_TEST(an_awaiter_that_is_not_listed)
{
	struct made made;

	made_init(&made);
	add(&made, "orphan");
	by(&made, 1); /* n_tasks */
	prints(&made, "\n1 task\ntask orphan\n");
	says(&made, "{\"tasks_known\":\"all\",\"tasks_consistent\":true,\"tasks_too_many\":false,"
		    "\"tasks\":[{\"name\":\"orphan\",\"native_tid\":77,\"running\":false,\"whole\":"
		    "true,\"frames\":[],\"awaited_by\":[]}]}");
	made_deinit(&made);
}
END_TEST

/* Nobody is outermost: each once, and it is said. */
START_TEST(a_circle)
{
	struct made made;

	made_init(&made);
	add(&made, "alone");
	add(&made, "a");
	by(&made, 2);
	add(&made, "b");
	by(&made, 1);
	prints(&made, "\n3 tasks\n"
		      "task alone\n"
		      "in a circle of tasks that wait for one another:\n"
		      "task a\n"
		      "    task b\n"
		      "        task a, see above\n");
	made_deinit(&made);
}
END_TEST

/* Deeper than is shown in one piece: what is left follows, nothing is lost. */
START_TEST(very_deep)
{
	struct made made;
	char name[16], *text;

	made_init(&made);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "t%02d", i);
		add(&made, name);
		if (i)
			by(&made, (uint32_t)i - 1);
	}
	text = printed(&made);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "task t%02d\n", i);
		ck_assert_uint_eq(times(text, name), 1);
	}
	ck_assert_uint_eq(times(text, "more tasks\n"), 1);
	free(text);
	made_deinit(&made);
}
END_TEST

/* Names are the target's: nothing in them reaches the terminal as it is. */
START_TEST(hostile_names)
{
	struct made made;
	char *text;

	made_init(&made);
	add(&made, "a\n\033[31mtask forged\xe2\x80\xae");
	in(&made, "f\033]0;x\007", 1);
	text = printed(&made);
	ck_assert_ptr_null(strchr(text, '\033'));
	ck_assert_ptr_null(strchr(text, '\007'));
	ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
	ck_assert_uint_eq(times(text, "\n"),
			  4); /* the empty line, the count, the task, its frame */
	free(text);
	made_deinit(&made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stacktasks");
	TCase *tcase = tcase_create("stacktasks");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, what_is_not_known);
	tcase_add_test(tcase, a_tree);
	tcase_add_test(tcase, what_changed_or_was_too_much);
	tcase_add_test(tcase, an_awaiter_that_is_not_listed);
	tcase_add_test(tcase, a_circle);
	tcase_add_test(tcase, very_deep);
	tcase_add_test(tcase, hostile_names);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
