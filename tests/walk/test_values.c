/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments of Python functions as they stand in the memory of real interpreters
 * ($PV_FIXTURES/values, recorded by tools/record-values): each is what the program said
 * of itself; and where a read fails it is unread, never another.
 */
#include <check.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "session/values.h"
#include "snap/values.h"
#include "target/mem.h"
#include "values_fixture.h"

enum { FRAMES_MAX = 64 };

struct frame {
	uint64_t frame, code;
	char *text;
};

struct fixture {
	const char *path;
	struct pv_value_layout layout;
	struct frame frames[FRAMES_MAX];
	size_t n;
	struct pv_mem *mem;
};

static void read_fixture(const char *path, struct fixture *ret)
{
	_pv_fclose_ FILE *file = NULL;
	_pv_free_ char *line = NULL;
	size_t capacity = 0;
	char name[4096];

	*ret = (struct fixture){ .path = path };
	snprintf(name, sizeof(name), "%s/values", path);
	file = fopen(name, "re");
	ck_assert_ptr_nonnull(file);
	while (getline(&line, &capacity, file) >= 0) {
		struct frame *f = &ret->frames[ret->n];
		int used = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "frame %" SCNi64 " %" SCNi64 " %n", (int64_t *)&f->frame,
			   (int64_t *)&f->code, &used) == 2 &&
		    used) {
			ck_assert_uint_lt(ret->n, FRAMES_MAX);
			f->text = strdup(line + used);
			ret->n++;
			continue;
		}
		ck_assert_msg(values_fixture_parse(&ret->layout, line), "%s: %s", name, line);
	}
	ck_assert_uint_gt(ret->n, 20);
	snprintf(name, sizeof(name), "%s/memory", path);
	ck_assert_ptr_null(pv_mem_fixture_create(name, &ret->mem));
}

static void fixture_deinit(struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->n; i++)
		free(fixture->frames[i].text);
	pv_mem_destroy(fixture->mem);
}

static void check_texts(struct fixture *fixture)
{
	struct pv_str text = {};

	for (size_t i = 0; i < fixture->n; i++) {
		struct pv_values values, names;

		pv_snap_arguments(fixture->mem, &fixture->layout, fixture->frames[i].frame,
				  &values);
		pv_snap_argument_names(fixture->mem, &fixture->layout, fixture->frames[i].code,
				       &names);
		pv_str_clear(&text);
		ck_assert_ptr_null(pv_arguments_append(&text, &values, &names));
		ck_assert_msg(strcmp(pv_str_text(&text), fixture->frames[i].text) == 0,
			      "%s: %s\nmust be %s", fixture->path, pv_str_text(&text),
			      fixture->frames[i].text);
	}
	pv_str_deinit(&text);
}

typedef void read_fn(struct pv_mem *mem, const struct pv_value_layout *layout, uint64_t at,
		     struct pv_values *ret);

/* Each read fails once: what it was for is unread, all else as before. */
static unsigned int check_failing(struct fixture *fixture, read_fn *read, uint64_t at)
{
	struct pv_values whole, part;
	unsigned int n_reads, n_unread = 0;

	pv_mem_fixture_fail(fixture->mem, 0);
	read(fixture->mem, &fixture->layout, at, &whole);
	n_reads = pv_mem_fixture_reads(fixture->mem);
	for (unsigned int nth = 1; nth <= n_reads; nth++) {
		unsigned int others = 0;

		pv_mem_fixture_fail(fixture->mem, nth);
		read(fixture->mem, &fixture->layout, at, &part);
		if (part.unread) {
			ck_assert_uint_eq(part.n, 0);
			continue;
		}
		ck_assert_uint_eq(part.n, whole.n);
		ck_assert_uint_eq(part.more, whole.more);
		for (size_t i = 0; i < whole.n; i++) {
			if (memcmp(&part.list[i], &whole.list[i], sizeof(part.list[i])) == 0)
				continue;
			ck_assert_uint_eq(part.list[i].tag, PV_VALUE_UNREAD);
			ck_assert_uint_eq(part.list[i].n, 0);
			others++;
		}
		ck_assert_uint_eq(others, 1);
		n_unread += others;
	}
	pv_mem_fixture_fail(fixture->mem, 0);
	return n_unread;
}

static void each_fixture(void (*fn)(struct fixture *fixture))
{
	struct fixture fixture;
	char pattern[4096];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/values/*", getenv("PV_FIXTURES"));
	ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
	ck_assert_uint_ge(found.gl_pathc, 11);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		read_fixture(found.gl_pathv[i], &fixture);
		fn(&fixture);
		fixture_deinit(&fixture);
	}
	globfree(&found);
}

START_TEST(test_arguments)
{
	each_fixture(check_texts);
}
END_TEST

static void fail_each(struct fixture *fixture)
{
	unsigned int n = 0;

	for (size_t i = 0; i < fixture->n; i++) {
		n += check_failing(fixture, pv_snap_arguments, fixture->frames[i].frame);
		n += check_failing(fixture, pv_snap_argument_names, fixture->frames[i].code);
	}
	/* two reads or more for each of the values */
	ck_assert_uint_gt(n, 200);
}

START_TEST(test_failing_reads)
{
	each_fixture(fail_each);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("values");
	TCase *tc = tcase_create("values");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_arguments);
	tcase_add_test(tc, test_failing_reads);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
