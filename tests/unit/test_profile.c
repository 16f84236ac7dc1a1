/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model/strings and model/profile: joining and counting.
 * Input: small profiles made here.  Output: Check's report.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static uint32_t string(struct pv_strings *strings, const char *text)
{
	uint32_t id;

	ok(pv_strings_add(strings, text, strlen(text), &id));
	return id;
}

START_TEST(strings_are_interned)
{
	struct pv_strings *strings;
	uint32_t id, a;
	char text[16];

	ok(pv_strings_create(&strings));
	ck_assert_uint_eq(string(strings, ""), 0);
	ck_assert_uint_eq(pv_strings_n(strings), 1);
	a = string(strings, "a");
	ck_assert_uint_eq(string(strings, "a"), a);
	ok(pv_strings_add(strings, "ab", 1, &id));
	ck_assert_uint_eq(id, a);
	ok(pv_strings_add(strings, "a\0b", 3, &id));
	ck_assert_uint_ne(id, a);
	ck_assert_uint_eq(pv_strings_length(strings, id), 3);
	ck_assert_mem_eq(pv_strings_get(strings, id), "a\0b", 4);
	for (int i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		ck_assert_uint_eq(string(strings, text), i + 3);
	}
	for (int i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		ck_assert_str_eq(pv_strings_get(strings, i + 3), text);
	}
	pv_strings_destroy(strings);
	pv_strings_destroy(NULL);
}
END_TEST

START_TEST(long_strings)
{
	struct pv_strings *strings;
	size_t n = 300000;
	char *text = malloc(n);
	uint32_t id;

	memset(text, 'x', n);
	ok(pv_strings_create(&strings));
	ok(pv_strings_add(strings, text, n, &id));
	ck_assert_uint_eq(pv_strings_length(strings, id), n);
	ck_assert_mem_eq(pv_strings_get(strings, id), text, n);
	ck_assert_str_eq(pv_strings_get(strings, string(strings, "after")), "after");
	pv_strings_destroy(strings);
	free(text);
}
END_TEST

static uint32_t loc(struct pv_profile *profile, const char *function, const char *file, int line,
		    enum pv_loc_kind kind)
{
	struct pv_loc at = { .function = string(profile->strings, function),
			     .file = string(profile->strings, file),
			     .line = line,
			     .kind = kind };
	uint32_t id;

	ok(pv_profile_loc(profile, &at, &id));
	return id;
}

static uint32_t node(struct pv_profile *profile, uint32_t parent, uint32_t at)
{
	uint32_t id;

	ok(pv_profile_node(profile, parent, at, &id));
	return id;
}

static uint32_t process(struct pv_profile *profile, uint32_t pid, uint32_t generation)
{
	struct pv_profile_process add = { .pid = pid, .generation = generation };
	uint32_t id;

	ok(pv_profile_process(profile, &add, &id));
	return id;
}

static uint32_t thread(struct pv_profile *profile, uint32_t tid, const char *name)
{
	uint32_t id;

	ok(pv_profile_thread(profile, process(profile, 100, 1), tid, name, &id));
	return id;
}

START_TEST(equal_things_are_one)
{
	struct pv_profile *profile;
	uint32_t a, b, n, t;

	ok(pv_profile_create(&profile));
	a = loc(profile, "f", "a.py", 1, PV_LOC_PYTHON);
	b = loc(profile, "f", "a.py", 2, PV_LOC_PYTHON);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_ne(loc(profile, "f", "a.py", 1, PV_LOC_NATIVE), a);
	ck_assert_uint_eq(loc(profile, "f", "a.py", 1, PV_LOC_PYTHON), a);
	n = node(profile, 0, a);
	ck_assert_uint_eq(node(profile, 0, a), n);
	ck_assert_uint_ne(node(profile, n, a), n);
	ck_assert_uint_eq(((struct pv_stack_node *)pv_vec_at(&profile->nodes, 2))->depth, 2);
	t = thread(profile, 7, "born");
	ck_assert_uint_eq(thread(profile, 7, ""), t);
	ck_assert_uint_eq(thread(profile, 7, "named"), t);
	ck_assert_uint_ne(thread(profile, 8, "named"), t);
	ok(pv_profile_add(profile, n, t, 2));
	ok(pv_profile_add(profile, n, t, 3));
	ck_assert_uint_eq(profile->samples.n, 1);
	ck_assert_uint_eq(((struct pv_sample *)pv_vec_at(&profile->samples, 0))->count, 5);
	ck_assert_uint_eq(((struct pv_profile_thread *)pv_vec_at(&profile->threads, t))->samples,
			  5);
	ck_assert_str_eq(
		pv_strings_get(profile->strings,
			       ((struct pv_profile_thread *)pv_vec_at(&profile->threads, t))->name),
		"named");
	pv_profile_destroy(profile);
	pv_profile_destroy(NULL);
}
END_TEST

START_TEST(many_locations)
{
	struct pv_profile *profile;
	uint32_t first[2000];

	ok(pv_profile_create(&profile));
	for (int i = 0; i < 2000; i++)
		first[i] = loc(profile, "f", "a.py", i, PV_LOC_PYTHON);
	for (int i = 0; i < 2000; i++)
		ck_assert_uint_eq(loc(profile, "f", "a.py", i, PV_LOC_PYTHON), first[i]);
	ck_assert_uint_eq(profile->locs.n, 2000);
	pv_profile_destroy(profile);
}
END_TEST

/*
 * thread main (1) > main:1 > fib:5 > fib:6 > fib:5        10 samples
 *                                  > fib:6 > memcpy        4
 *                          > g:9                           4 (and 1 in another thread)
 * By hand: fib self 10, total 14; memcpy 4/4; g 5/5; main 0/19.
 */
START_TEST(hottest_by_hand)
{
	struct pv_profile *profile;
	struct pv_hot *hot;
	size_t n;
	uint32_t t1, t2, root, main_node, fib5, fib6, deepest, native, g;
	static const struct {
		const char *name;
		uint64_t self, total;
	} expected[] = { { "fib", 10, 14 }, { "g", 5, 5 }, { "memcpy", 4, 4 }, { "main", 0, 19 } };

	ok(pv_profile_create(&profile));
	t1 = thread(profile, 1, "main");
	t2 = thread(profile, 2, "other");
	root = node(profile, 0, loc(profile, "thread main (1)", "", 0, PV_LOC_THREAD));
	main_node = node(profile, root, loc(profile, "main", "a.py", 1, PV_LOC_PYTHON));
	fib5 = node(profile, main_node, loc(profile, "fib", "a.py", 5, PV_LOC_PYTHON));
	fib6 = node(profile, fib5, loc(profile, "fib", "a.py", 6, PV_LOC_PYTHON));
	deepest = node(profile, fib6, loc(profile, "fib", "a.py", 5, PV_LOC_PYTHON));
	native = node(profile, fib6, loc(profile, "memcpy", "", 0, PV_LOC_NATIVE));
	g = node(profile, main_node, loc(profile, "g", "a.py", 9, PV_LOC_PYTHON));
	loc(profile, "never", "a.py", 99, PV_LOC_PYTHON);
	ok(pv_profile_add(profile, deepest, t1, 10));
	ok(pv_profile_add(profile, native, t1, 4));
	ok(pv_profile_add(profile, g, t1, 4));
	ok(pv_profile_add(profile, g, t2, 1));
	ok(pv_profile_hottest(profile, &hot, &n));
	ck_assert_uint_eq(n, 4);
	for (size_t i = 0; i < n; i++) {
		const struct pv_loc *at = pv_vec_at(&profile->locs, hot[i].loc);

		ck_assert_str_eq(pv_strings_get(profile->strings, at->function), expected[i].name);
		ck_assert_uint_eq(hot[i].self, expected[i].self);
		ck_assert_uint_eq(hot[i].total, expected[i].total);
	}
	free(hot);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(hottest_of_nothing)
{
	struct pv_profile *profile;
	struct pv_hot *hot = NULL;
	size_t n = 1;

	ok(pv_profile_create(&profile));
	ok(pv_profile_hottest(profile, &hot, &n));
	ck_assert_uint_eq(n, 0);
	free(hot);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(layers_by_leaf)
{
	struct pv_profile *profile;
	struct pv_layers layers;
	uint32_t t, python;

	ok(pv_profile_create(&profile));
	t = thread(profile, 1, "main");
	python = node(profile, 0, loc(profile, "f", "a.py", 1, PV_LOC_PYTHON));
	ok(pv_profile_add(profile, python, t, 1));
	ok(pv_profile_add(profile, node(profile, python, loc(profile, "n", "", 0, PV_LOC_NATIVE)),
			  t, 10));
	ok(pv_profile_add(profile, node(profile, python, loc(profile, "i", "", 0, PV_LOC_INLINED)),
			  t, 100));
	ok(pv_profile_add(profile, node(profile, python, loc(profile, "k", "", 0, PV_LOC_KERNEL)),
			  t, 1000));
	ok(pv_profile_add(profile,
			  node(profile, 0, loc(profile, "[truncated]", "", 0, PV_LOC_MARKER)), t,
			  10000));
	ok(pv_profile_add(profile, 0, t, 100000));
	/* the collector at work, its own frames left out */
	ok(pv_profile_add(profile,
			  node(profile, python, loc(profile, "[gc]", "", 0, PV_LOC_MARKER)), t,
			  1000000));
	layers = pv_profile_layers(profile);
	ck_assert_uint_eq(layers.python, 1);
	ck_assert_uint_eq(layers.native, 1000110);
	ck_assert_uint_eq(layers.kernel, 1000);
	ck_assert_uint_eq(layers.other, 110000);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(processes_keep_their_samples)
{
	struct pv_profile *profile;
	struct pv_profile_process change = { .pid = 100, .generation = 1 };
	uint32_t t, again, other;

	ok(pv_profile_create(&profile));
	t = thread(profile, 7, "main");
	ok(pv_profile_add(profile, 0, t, 3));
	change.title = string(profile->strings, "app.py");
	ok(pv_profile_process(profile, &change, &again));
	ck_assert_uint_eq(again, 0);
	ck_assert_uint_eq(((struct pv_profile_process *)profile->processes.data)->samples, 3);
	ck_assert_uint_eq(((struct pv_profile_process *)profile->processes.data)->title,
			  change.title);
	/* an exec, and a thread with the same id in it */
	other = process(profile, 100, 2);
	ck_assert_uint_ne(other, again);
	ok(pv_profile_thread(profile, other, 7, "main", &again));
	ck_assert_uint_ne(again, t);
	ck_assert_uint_eq(((struct pv_profile_thread *)pv_vec_at(&profile->threads, again))->pid,
			  100);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(ticks_are_joined_and_sorted)
{
	static const struct pv_tick expected[] = {
		{ 0, 0, 2 }, { 0, 1, 1 }, { 1, 1, 4 }, { 3, 0, 5 }
	};
	struct pv_profile *profile;
	uint32_t t, a, b;

	ok(pv_profile_create(&profile));
	t = thread(profile, 1, "main");
	a = node(profile, 0, loc(profile, "a", "a.py", 1, PV_LOC_PYTHON));
	b = node(profile, 0, loc(profile, "b", "a.py", 2, PV_LOC_PYTHON));
	ok(pv_profile_add_at(profile, a, t, 0, 1));
	ok(pv_profile_add_at(profile, a, t, 0, 1));
	ok(pv_profile_add_at(profile, b, t, 1, 4));
	ok(pv_profile_add_at(profile, a, t, 3, 5));
	ok(pv_profile_add_at(profile, b, t, 0, 1)); /* late */
	pv_profile_sort_ticks(profile);
	ck_assert_uint_eq(profile->ticks.n, 4);
	ck_assert_mem_eq(profile->ticks.data, expected, sizeof(expected));
	ck_assert_uint_eq(profile->n_slices, 4);
	ck_assert_uint_eq(((struct pv_sample *)pv_vec_at(&profile->samples, 0))->count, 7);
	ck_assert_uint_eq(((struct pv_profile_thread *)profile->threads.data)->samples, 12);
	pv_profile_forget_stacks(profile);
	ck_assert_uint_eq(profile->ticks.n + profile->samples.n, 0);
	ck_assert_uint_eq(node(profile, 0, 0), 1);
	pv_profile_destroy(profile);
}
END_TEST

/* What came without looking is found by those who look, and the other way round. */
START_TEST(new_nodes_are_found)
{
	struct pv_profile *profile;
	uint32_t nodes[40], id;

	ok(pv_profile_create(&profile));
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t parent = i < 3 ? 0 : nodes[i / 3];
		uint32_t at = loc(profile, "f", "a.py", i, PV_LOC_PYTHON);

		if (i % 4 == 3)
			nodes[i] = node(profile, parent, at);
		else
			ok(pv_profile_new_node(profile, parent, at, &nodes[i]));
		ck_assert_uint_eq(nodes[i], i + 1);
	}
	for (uint32_t i = 0; i < 40; i++) {
		const struct pv_stack_node *have = pv_vec_at(&profile->nodes, nodes[i]);

		ck_assert_uint_eq(node(profile, have->parent, have->loc), nodes[i]);
	}
	ck_assert_uint_eq(profile->nodes.n, 41);
	/* one that is not new stands twice, and stays countable */
	ok(pv_profile_new_node(profile, 0, 0, &id));
	ck_assert_uint_eq(id, 41);
	ck_assert_uint_eq(node(profile, 0, 0), nodes[0]);
	pv_profile_forget_stacks(profile);
	ok(pv_profile_new_node(profile, 0, 5, &id));
	ck_assert_uint_eq(node(profile, 0, 5), id);
	ck_assert_uint_eq(node(profile, 0, 6), id + 1);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(modules_and_sources_are_kept_once)
{
	struct pv_profile *profile;
	struct pv_module module = { 0 };
	struct pv_loc at = { .kind = PV_LOC_NATIVE };
	const struct pv_source *source;
	uint32_t id, again, file;

	ok(pv_profile_create(&profile));
	ck_assert_ptr_null(pv_profile_module_of(profile, &at));
	module.name = at.module = string(profile->strings, "libz.so.1");
	module.path = string(profile->strings, "/usr/lib/libz.so.1");
	ok(pv_profile_module(profile, &module, &id));
	module.path = 0;
	ok(pv_profile_module(profile, &module, &again));
	ck_assert_uint_eq(id, again);
	ck_assert_str_eq(pv_strings_get(profile->strings, pv_profile_module_of(profile, &at)->path),
			 "/usr/lib/libz.so.1");
	file = string(profile->strings, "/srv/app.py");
	ck_assert_uint_eq(profile->sources.n, 0);
	ok(pv_profile_add_source(profile, file, "a\0b", 3, true));
	ok(pv_profile_add_source(profile, file, "other", 5, false));
	ck_assert_uint_eq(profile->sources.n, 1);
	source = pv_vec_at(&profile->sources, 0);
	ck_assert_uint_eq(source->file, file);
	ck_assert_uint_eq(source->n, 3);
	ck_assert_mem_eq(source->text, "a\0b", 4);
	ck_assert(source->changed);
	pv_profile_destroy(profile);
}
END_TEST

/* Names are the target's: many made-up prefixes must not make each look-up long. */
START_TEST(prefixes_are_few)
{
	struct pv_profile *profile;

	ok(pv_profile_create(&profile));
	for (int i = 0; i < 1000; i++) {
		struct pv_loc loc = { .kind = PV_LOC_PYTHON };
		char path[64];
		uint32_t id;

		snprintf(path, sizeof(path), "/srv/%d/lib/python3/a.py", i);
		loc.file = string(profile->strings, path);
		ok(pv_profile_loc(profile, &loc, &id));
	}
	ck_assert_uint_eq(profile->locs.n, 1000);
	ck_assert_uint_eq(profile->prefixes.n, 64);
	pv_profile_destroy(profile);
}
END_TEST

/* One function for --json and the page; a cause of a later version is not left out. */
START_TEST(losses_in_json)
{
	struct pv_losses losses = {};
	char *text = NULL;
	size_t n = 0;
	FILE *file = open_memstream(&text, &n);
	struct pv_json json = { .file = file };

	losses.name[1] = "PY_READ";
	losses.name[2] = "RING_SAMPLE";
	losses.text[2] = "samples dropped";
	losses.count[2] = 7;
	losses.count[60] = 3;
	pv_json_begin(&json, NULL, '{');
	pv_losses_json(&losses, &json);
	pv_json_end(&json, '}');
	fclose(file);
	ck_assert_str_eq(text, "{\"lost\":{\"py_read\":0,\"ring_sample\":7,\"unknown_60\":3}}");
	free(text);
	ck_assert_str_eq(pv_losses_text(&losses, 2), "samples dropped");
	ck_assert_str_eq(pv_losses_text(&losses, 60), "of an unknown cause");
}
END_TEST

START_TEST(whose_code_it_is)
{
	static const char *const libraries[] = {
		"/srv/venv/lib/python3.12/site-packages/flask/app.py",
		"/srv/venv/lib/python3.12/site-packages/x/lib/python3.9/y.py",
		"/opt/py/lib64/python3.13/os.py",
		"/usr/lib/python3/dist-packages/flask/app.py",
		"/bad/lib/pythonic/os.py",
		"/lib/python3.12/os.py",
	};
	static const struct {
		enum pv_loc_kind kind;
		const char *path;
		bool own;
	} cases[] = {
		{ PV_LOC_PYTHON, "/srv/app/app.py", true },
		{ PV_LOC_PYTHON, "app.py", true },
		{ PV_LOC_PYTHON, "<string>", true },
		{ PV_LOC_PYTHON, "", false },
		{ PV_LOC_PYTHON, "<frozen importlib._bootstrap>", false },
		/* code that a library makes up; of the others nobody knows */
		{ PV_LOC_PYTHON, "<__array_function__ internals>", false },
		{ PV_LOC_PYTHON, "<attrs generated init app.Point>", false },
		{ PV_LOC_PYTHON, "<decorator-gen-12>", false },
		{ PV_LOC_PYTHON, "<stdin>", true },
		{ PV_LOC_PYTHON, "<frozen>", true },
		{ PV_LOC_PYTHON, "<attrs>", true },
		/* the system's directories */
		{ PV_LOC_PYTHON, "/usr/share/foo/foo.py", false },
		{ PV_LOC_PYTHON, "/usr/lib/foo/foo.py", false },
		{ PV_LOC_PYTHON, "/usr/libexec/foo.py", false },
		{ PV_LOC_PYTHON, "/lib/foo/foo.py", false },
		{ PV_LOC_PYTHON, "/nix/store/aa-foo/foo.py", false },
		{ PV_LOC_PYTHON, "/usr/src/app/app.py", true },
		{ PV_LOC_PYTHON, "/usr/local/app/app.py", true },
		{ PV_LOC_PYTHON, "/srv/usr/share/foo.py", true },
		{ PV_LOC_PYTHON, "/usr/shared/foo.py", true },
		{ PV_LOC_PYTHON, "/srv/my-packages/app.py", true },
		{ PV_LOC_PYTHON, "/usr/bin/gunicorn", false },
		{ PV_LOC_PYTHON, "/usr/sbin/job.py", false },
		{ PV_LOC_PYTHON, "/bin/job", false },
		{ PV_LOC_PYTHON, "/usr/lib64/python3.11/json/decoder.py", false },
		/* what an installer put beside an interpreter that the profile knows */
		{ PV_LOC_PYTHON, "/srv/venv/bin/flask", false },
		{ PV_LOC_PYTHON, "/srv/venv/bin/mine.py", true },
		{ PV_LOC_PYTHON, "/srv/venv/bin/tools/mine", true },
		{ PV_LOC_PYTHON, "/srv/venv/sbin/mine", true },
		{ PV_LOC_PYTHON, "/opt/py/bin/gunicorn", false },
		{ PV_LOC_PYTHON, "/srv/other/bin/serve", true },
		{ PV_LOC_PYTHON, "/srv/bin/serve", true },
		{ PV_LOC_PYTHON, "/opt/mine/bin/serve", true },
		{ PV_LOC_PYTHON, "/bad/bin/serve", true }, /* no version: /bad/lib/pythonic/ */
		{ PV_LOC_PYTHON, "bin/serve", true },
		{ PV_LOC_PYTHON, "/usr/lib/python3.11/json/decoder.py", false },
		{ PV_LOC_PYTHON, "/srv/venv/lib/python3.12/site-packages/flask/app.py", false },
		{ PV_LOC_PYTHON, "/usr/lib/python3/dist-packages/flask/app.py", false },
		{ PV_LOC_NATIVE, "/srv/app/_fast.cpython-311.so", true },
		{ PV_LOC_NATIVE, "/usr/lib/x86_64-linux-gnu/libz.so.1", false },
		{ PV_LOC_NATIVE, "/opt/python/bin/python3.12", false },
		{ PV_LOC_NATIVE, "/opt/python/lib/libpython3.12.so.1.0", false },
		{ PV_LOC_NATIVE, "/srv/venv/lib/python3.12/site-packages/numpy/core/_m.so", false },
		{ PV_LOC_NATIVE, "[vdso]", false },
		{ PV_LOC_NATIVE, "/usr/sbin/foo", false },
		{ PV_LOC_NATIVE, "/usr/libexec/foo", false },
		{ PV_LOC_NATIVE, "/usr/local/lib/libfoo.so", true },
		/* the interpreter, and what only begins like it */
		{ PV_LOC_NATIVE, "/opt/python/bin/python", false },
		{ PV_LOC_NATIVE, "/opt/python/bin/python-dbg", false },
		{ PV_LOC_NATIVE, "/opt/python/lib/libpython.so", false },
		{ PV_LOC_NATIVE, "/srv/app/python_ext.so", true },
		{ PV_LOC_NATIVE, "/srv/app/pythonmonkey.so", true },
		{ PV_LOC_NATIVE, "/srv/app/libpythonic.so", true },
		{ PV_LOC_KERNEL, "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_loc at = { .kind = cases[i].kind };
		struct pv_profile *profile;
		struct pv_module module;
		uint32_t id;

		ok(pv_profile_create(&profile));
		for (size_t k = 0; k < sizeof(libraries) / sizeof(*libraries); k++) {
			struct pv_loc loc = { .kind = PV_LOC_PYTHON };

			loc.file = string(profile->strings, libraries[k]);
			ok(pv_profile_loc(profile, &loc, &id));
			loc.line++;
			ok(pv_profile_loc(profile, &loc, &id));
		}
		ck_assert_uint_eq(profile->prefixes.n, 3);
		if (at.kind == PV_LOC_PYTHON) {
			at.file = string(profile->strings, cases[i].path);
		} else {
			at.module = string(profile->strings, "name");
			module = (struct pv_module){ .name = at.module };
			module.path = string(profile->strings, cases[i].path);
			ok(pv_profile_module(profile, &module, &id));
		}
		ck_assert_msg(pv_loc_is_own(profile, &at) == cases[i].own, "%s", cases[i].path);
		pv_profile_destroy(profile);
	}
}
END_TEST

static void code(struct pv_profile *profile, const char *function, const char *file, int32_t line)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = line };
	uint32_t id;

	loc.function = string(profile->strings, function);
	loc.file = string(profile->strings, file);
	ok(pv_profile_loc(profile, &loc, &id));
}

static bool is_own_code(struct pv_profile *profile, const char *function, const char *file,
			int32_t line)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = line };

	loc.function = string(profile->strings, function);
	loc.file = string(profile->strings, file);
	return pv_loc_is_own(profile, &loc);
}

/* `python -c` is one's own, unless it is multiprocessing's, which starts its children so. */
START_TEST(commands_of_multiprocessing)
{
	static const struct {
		const char *function, *file;
		bool own;
	} starts[] = {
		{ "spawn_main", "/usr/lib/python3.11/multiprocessing/spawn.py", false },
		{ "main", "/usr/lib/python3.11/multiprocessing/forkserver.py", false },
		{ "main", "/opt/py/lib/python3.8/multiprocessing/resource_tracker.py", false },
		{ "main", "/opt/py/lib/python3.6/multiprocessing/semaphore_tracker.py", false },
		{ "_main", "/usr/lib/python3.11/multiprocessing/spawn.py", true },
		{ "main", "/srv/app/spawn.py", true },
		{ "Pool.map", "/usr/lib/python3.11/multiprocessing/pool.py", true },
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		struct pv_profile *profile;

		ok(pv_profile_create(&profile));
		code(profile, "<module>", "<string>", 1);
		ck_assert(is_own_code(profile, "<module>", "<string>", 1));
		code(profile, starts[i].function, starts[i].file, 100);
		for (int32_t line = -1; line <= 1; line++)
			ck_assert_msg(is_own_code(profile, "<module>", "<string>", line) ==
					      starts[i].own,
				      "%s", starts[i].file);
		/* what has more lines than one is somebody's who has children of that kind */
		ck_assert(is_own_code(profile, "<module>", "<string>", 2));
		ck_assert(is_own_code(profile, "f", "<string>", 1));
		ck_assert(is_own_code(profile, "<module>", "<stdin>", 1));
		pv_profile_destroy(profile);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profile");
	TCase *tcase = tcase_create("profile");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, strings_are_interned);
	tcase_add_test(tcase, long_strings);
	tcase_add_test(tcase, equal_things_are_one);
	tcase_add_test(tcase, many_locations);
	tcase_add_test(tcase, hottest_by_hand);
	tcase_add_test(tcase, hottest_of_nothing);
	tcase_add_test(tcase, layers_by_leaf);
	tcase_add_test(tcase, processes_keep_their_samples);
	tcase_add_test(tcase, ticks_are_joined_and_sorted);
	tcase_add_test(tcase, new_nodes_are_found);
	tcase_add_test(tcase, modules_and_sources_are_kept_once);
	tcase_add_test(tcase, whose_code_it_is);
	tcase_add_test(tcase, commands_of_multiprocessing);
	tcase_add_test(tcase, prefixes_are_few);
	tcase_add_test(tcase, losses_in_json);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
