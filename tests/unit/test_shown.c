/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model/frame and model/loss: what is shown of a frame, and which losses are
 * whole samples.  Input: locations and counts made here.  Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "abi/loss.h"
#include "base/str.h"
#include "model/frame.h"
#include "model/loss.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/losses.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

struct frame_case {
	enum pv_loc_kind kind;
	const char *function, *file, *module;
	int first, last;
	const char *text, *place;
};

static const struct frame_case cases[] = {
	{ PV_LOC_PYTHON, "C.m", "/srv/b.py", "", 7, 7, "C.m", "b.py:7" },
	{ PV_LOC_PYTHON, "C.m", "/srv/b.py", "", 7, 9, "C.m", "b.py:7-9" },
	{ PV_LOC_PYTHON, "C.m", "/srv/b.py", "", 0, 0, "C.m", "b.py" },
	{ PV_LOC_PYTHON, "dumps", "/usr/lib/python3.11/json/__init__.py", "", 2, 2, "dumps",
	  "json/__init__.py:2" },
	{ PV_LOC_PYTHON, "f", "", "", 2, 2, "f", "" },
	{ PV_LOC_PYTHON, "", "x.py", "", 2, 2, "[unknown]", "x.py:2" },
	{ PV_LOC_NATIVE, "<[u8; 4]>::x", "", "l.so", 0, 0, "<[u8; 4]>::x", "l.so" },
	{ PV_LOC_NATIVE, "[unknown libz.so.1+0x12]", "", "libz.so.1", 0, 0, "[unknown+0x12]",
	  "libz.so.1" },
	{ PV_LOC_NATIVE, "[unknown libz.so.1+0x12]", "", "other.so", 0, 0,
	  "[unknown libz.so.1+0x12]", "other.so" },
	{ PV_LOC_NATIVE, "[unknown", "", "libz.so.1", 0, 0, "[unknown", "libz.so.1" },
	{ PV_LOC_NATIVE, "f", "", "_json.cpython-311-x86_64-linux-gnu.so", 0, 0, "f", "_json.so" },
	{ PV_LOC_NATIVE, "f", "", "x.cpython-39d.so.1", 0, 0, "f", "x.so.1" },
	{ PV_LOC_NATIVE, "f", "", "x.cpython-39", 0, 0, "f", "x.cpython-39" },
	{ PV_LOC_INLINED, "max", "", "libx.so", 0, 0, "max", "libx.so, inlined" },
	{ PV_LOC_INLINED, "max", "", "", 0, 0, "max", "inlined" },
	{ PV_LOC_KERNEL, "vfs_read", "", "", 0, 0, "vfs_read", "kernel" },
	{ PV_LOC_MARKER, "[truncated]", "", "", 0, 0, "[truncated]", "" },
	{ PV_LOC_PYTHON, "\033]0;t\a", "/a/\u202eb.py", "", 1, 1, "\\x1b]0;t\\x07",
	  "\\xe2\\x80\\xaeb.py:1" },
	{ PV_LOC_NATIVE, "f\n", "", "l\xff.so", 0, 0, "f\\x0a", "l\\xff.so" },
};

static uint32_t string(struct pv_profile *profile, const char *text)
{
	uint32_t id;

	ok(pv_strings_add(profile->strings, text, strlen(text), &id));
	return id;
}

START_TEST(frames_in_words)
{
	const struct frame_case *c = &cases[_i];
	struct pv_profile *profile;
	struct pv_loc loc = { .kind = c->kind };
	struct pv_str text = {};

	ok(pv_profile_create(&profile));
	loc.function = string(profile, c->function);
	loc.file = string(profile, c->file);
	loc.module = string(profile, c->module);
	ok(pv_frame_function(profile, &loc, &text));
	ck_assert_str_eq(pv_str_text(&text), c->text);
	pv_str_clear(&text);
	ok(pv_frame_place(profile, &loc, c->first, c->last, &text));
	ck_assert_str_eq(pv_str_text(&text), c->place);
	pv_str_deinit(&text);
	pv_profile_destroy(profile);
}
END_TEST

/* Counted by abi's own numbers: the names that model/loss.c looks for are those of errors.def. */
static bool says(bool (*question)(const struct pv_profile *, const struct pv_loc *),
		 enum pv_loc_kind kind, const char *function, const char *module)
{
	struct pv_loc loc = { .kind = kind };
	struct pv_profile *profile;
	bool answer;

	ok(pv_profile_create(&profile));
	loc.function = string(profile, function);
	loc.module = string(profile, module);
	answer = question(profile, &loc);
	pv_profile_destroy(profile);
	return answer;
}

START_TEST(how_the_interpreter_calls)
{
	ck_assert(says(pv_frame_is_machinery, PV_LOC_NATIVE, "_PyObject_MakeTpCall", "python3.11"));
	ck_assert(says(pv_frame_is_machinery, PV_LOC_NATIVE, "[unknown python3.11+0x1]",
		       "python3.11"));
	ck_assert(says(pv_frame_is_machinery, PV_LOC_INLINED, "vectorcall_method",
		       "libpython3.12.so.1.0"));
	ck_assert(!says(pv_frame_is_machinery, PV_LOC_NATIVE, "dict_new", "python3.11"));
	ck_assert(!says(pv_frame_is_machinery, PV_LOC_NATIVE, "_PyObject_MakeTpCall", "libfoo.so"));
	ck_assert(!says(pv_frame_is_machinery, PV_LOC_PYTHON, "type_call", "python3.11"));
	ck_assert(!says(pv_frame_is_machinery, PV_LOC_NATIVE, "type_call", "python_ext.so"));
	ck_assert(!says(pv_frame_is_interpreter, PV_LOC_NATIVE, "f", "python_ext.so"));
	ck_assert(!says(pv_frame_is_interpreter, PV_LOC_NATIVE, "f", "libpythonic.so"));
	ck_assert(says(pv_frame_is_interpreter, PV_LOC_NATIVE, "f", "python"));
	ck_assert(says(pv_frame_is_interpreter, PV_LOC_NATIVE, "dict_new", "python3.11"));
	ck_assert(says(pv_frame_is_interpreter, PV_LOC_NATIVE, "start_thread", "libc.so.6"));
	ck_assert(says(pv_frame_is_interpreter, PV_LOC_NATIVE, "start", "ld-musl-x86_64.so.1"));
	ck_assert(!says(pv_frame_is_interpreter, PV_LOC_NATIVE, "deflate", "libz.so.1"));
	ck_assert(!says(pv_frame_is_interpreter, PV_LOC_KERNEL, "vfs_read", ""));
}
END_TEST

START_TEST(losses_that_are_samples)
{
	struct pv_losses losses = {};

	pv_losses_describe(&losses);
	ck_assert(!pv_losses_any(&losses));
	losses.count[PV_LOSS_RING_SAMPLE] = 1;
	losses.count[PV_LOSS_PROC_GONE] = 20;
	losses.count[PV_LOSS_SPARED] = 300;
	ck_assert_uint_eq(pv_losses_samples(&losses), 321);
	ck_assert(pv_losses_any(&losses));
	losses.count[PV_LOSS_PY_TORN] = 5;
	losses.count[PV_LOSS_RING_CODE] = 5;
	losses.count[PV_LOSS_NAME_MISSING] = 5;
	ck_assert_uint_eq(pv_losses_samples(&losses), 321);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shown");
	TCase *tcase = tcase_create("shown");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, frames_in_words, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tcase, how_the_interpreter_calls);
	tcase_add_test(tcase, losses_that_are_samples);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
