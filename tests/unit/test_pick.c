/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions by name: which are meant, and what is said where none or several are. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "python/functions.h"
#include "session/pick.h"

static const struct pv_python_function all[] = {
	{ .code = 0x10,
	  .module = (char *)"app",
	  .qualname = (char *)"run",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 3 },
	{ .code = 0x20,
	  .module = (char *)"lib.jobs",
	  .qualname = (char *)"run",
	  .file = (char *)"/srv/lib/jobs.py",
	  .firstlineno = 9 },
	{ .code = 0x30,
	  .module = (char *)"app",
	  .qualname = (char *)"Worker.handle",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 20 },
	/* the module was imported anew */
	{ .code = 0x40,
	  .module = (char *)"app",
	  .qualname = (char *)"Worker.handle",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 20 },
	/* nobody has made a function of it yet */
	{ .code = 0x50,
	  .qualname = (char *)"outer.<locals>.inner",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 31 },
	{ .code = 0x60,
	  .qualname = (char *)"<module>",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 1 },
	{ .code = 0x70,
	  .module = (char *)"app",
	  .qualname = (char *)"first",
	  .file = (char *)"/srv/app.py",
	  .firstlineno = 1 },
	{ .code = 0x80,
	  .module = (char *)"other",
	  .qualname = (char *)"only",
	  .file = (char *)"/srv/myapp.py",
	  .firstlineno = 3 },
};

static const struct pv_python_functions functions = {
	.list = { .data = (void *)all,
		  .n = sizeof(all) / sizeof(all[0]),
		  .element_size = sizeof(all[0]) },
};

static void check_picked(const char *word, uint64_t code, size_t n)
{
	struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err = pv_pick(&functions, word, &picked);

	ck_assert_msg(!err, "%s: %s", word, err ? err->message : "");
	ck_assert_uint_eq(picked.n, n);
	ck_assert_uint_eq((*(const struct pv_python_function **)pv_vec_at(&picked, 0))->code, code);
	pv_vec_deinit(&picked);
}

static void check_refused(const char *word, const char *text)
{
	struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err = pv_pick(&functions, word, &picked);

	ck_assert_msg(err, "%s", word);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_msg(strstr(err->message, text), "%s: %s", word, err->message);
	ck_assert_uint_eq(picked.n, 0);
	pv_err_destroy(err);
	pv_vec_deinit(&picked);
}

START_TEST(meant)
{
	check_picked("app.run", 0x10, 1);
	check_picked("lib.jobs.run", 0x20, 1);
	check_picked("Worker.handle", 0x30, 2);
	check_picked("app.Worker.handle", 0x30, 2);
	check_picked("outer.<locals>.inner", 0x50, 1);
	check_picked("/srv/app.py:20", 0x30, 2);
	check_picked("app.py:31", 0x50, 1);
	check_picked("jobs.py:9", 0x20, 1);
	/* not the module's own code */
	check_picked("app.py:1", 0x70, 1);
	/* whole names of files only */
	check_picked("app.py:3", 0x10, 1);
}
END_TEST

START_TEST(several)
{
	check_refused("run", "2 functions: app.run (app.py:3), lib.jobs.run (jobs.py:9); name one");
}
END_TEST

START_TEST(none)
{
	check_refused("handle",
		      "no Python function `handle` now; like it: app.Worker.handle (app.py:20)");
	check_refused("jobs.ru", "like it: app.run");
	check_refused("xyzzy", "no Python function `xyzzy` now");
	check_refused("app.py:25", "begins at app.py:25; near it: app.Worker.handle (app.py:20)");
	check_refused("app.py:0", "no Python function `app.py:0`");
	check_refused("", "no Python function ``");
}
END_TEST

/* The program's own come first, then what is installed, the library, what is frozen into Python. */
START_TEST(likely)
{
	static const struct pv_python_function of_all[] = {
		{ .code = 0x10,
		  .module = (char *)"importlib._bootstrap",
		  .qualname = (char *)"_handle_fromlist",
		  .file = (char *)"<frozen importlib._bootstrap>",
		  .firstlineno = 1 },
		{ .code = 0x20,
		  .module = (char *)"logging",
		  .qualname = (char *)"Logger.handle",
		  .file = (char *)"/usr/lib/python3.11/logging/__init__.py",
		  .firstlineno = 2 },
		{ .code = 0x30,
		  .module = (char *)"web",
		  .qualname = (char *)"handle",
		  .file = (char *)"/srv/venv/lib/python3.11/site-packages/web.py",
		  .firstlineno = 3 },
		{ .code = 0x40,
		  .module = (char *)"app",
		  .qualname = (char *)"handle_all",
		  .file = (char *)"/srv/app.py",
		  .firstlineno = 4 },
		{ .code = 0x50,
		  .module = (char *)"app",
		  .qualname = (char *)"Cart.handle",
		  .file = (char *)"/srv/app.py",
		  .firstlineno = 5 },
	};
	const struct pv_python_functions some = {
		.list = { .data = (void *)of_all, .n = 5, .element_size = sizeof(of_all[0]) },
	};
	static const struct {
		const char *word, *says;
	} cases[] = {
		/* two exchanged, one missing, one too many, one changed */
		{ "hnadle", "like it: app.Cart.handle (app.py:5), web.handle (web.py:3), "
			    "logging.Logger.handle (logging/__init__.py:2)" },
		{ "handl", "like it: app.Cart.handle (app.py:5), app.handle_all (app.py:4), web" },
		{ "Cart.handlee", "like it: app.Cart.handle (app.py:5), web.handle" },
		{ "hamdle", "like it: app.Cart.handle (app.py:5), web.handle" },
		{ "hundred", "no Python function `hundred` now" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pv_vec picked = PV_VEC(const struct pv_python_function *);
		struct pv_err *err = pv_pick(&some, cases[i].word, &picked);

		ck_assert(err);
		ck_assert_msg(strstr(err->message, cases[i].says), "%s", err->message);
		pv_err_destroy(err);
	}
}
END_TEST

/* What is not found may be where nobody looked. */
START_TEST(not_looked_through)
{
	struct pv_python_functions part = functions;
	struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err;

	part.swapped = 5 << 20;
	part.n_large = 2;
	err = pv_pick(&part, "xyzzy", &picked);
	ck_assert(err);
	ck_assert_msg(strstr(err->message, "5 MiB are swapped out, 2 mappings are too large"), "%s",
		      err->message);
	pv_err_destroy(err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pick");
	TCase *tcase = tcase_create("pick");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, meant);
	tcase_add_test(tcase, several);
	tcase_add_test(tcase, none);
	tcase_add_test(tcase, likely);
	tcase_add_test(tcase, not_looked_through);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
