/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions found in memory: objects are laid out as CPython 3.12 has them, in this
 * very process, and searched for from outside.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "python/detect.h"
#include "python/functions.h"
#include "python/layout.h"
#include "target/maps.h"
#include "target/mem.h"

/* The types: their addresses are all that counts, and no pointer to them stands by chance. */
static char types[4];
static struct pv_python python;
static uint8_t *page;

static void put(size_t at, uint64_t value)
{
	memcpy(page + at, &value, 8);
}

/* A compact ASCII str (Include/cpython/unicodeobject.h). */
static uint64_t put_str(size_t at, const char *text)
{
	put(at, 1);
	put(at + 8, (uintptr_t)&types[2]);
	put(at + 16, strlen(text));
	put(at + 24, ~0ULL);
	put(at + 32, 1 << 2 | 1 << 5 | 1 << 6);
	strcpy((char *)page + at + 40, text);
	return (uintptr_t)page + at;
}

static void put_code(size_t at, uint64_t refcnt, uint64_t file, uint64_t name, uint64_t qualname)
{
	const struct pv_pylayout *py = &python.proc.py;

	put(at, refcnt);
	put(at + 8, (uintptr_t)&types[0]);
	put(at + 48, 0x20); /* co_flags: CO_GENERATOR */
	put(at + py->co_filename, file);
	put(at + py->co_name, name);
	put(at + py->co_qualname, qualname);
	put(at + py->co_firstlineno, 41);
}

static void setup(void)
{
	char source[96];
	struct pv_err *err;

	err = pv_pylayout_find(0x030c01f0, NULL, 0, &python.proc.py, NULL, source, sizeof(source));
	ck_assert(!err);
	python.proc.code_type = (uintptr_t)&types[0];
	python.function_type = (uintptr_t)&types[1];
	python.proc.unicode_type = (uintptr_t)&types[2];
	python.module_path = (char *)"";
	page = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(page != MAP_FAILED);
}

static struct pv_python_functions find(void)
{
	struct pv_python_functions functions;
	struct pv_maps maps;
	struct pv_mem *mem;

	ck_assert(!pv_mem_live_create(getpid(), &mem));
	ck_assert(!pv_maps_read(getpid(), &maps));
	ck_assert(!pv_python_functions_find(getpid(), mem, &maps, &python, &functions));
	pv_maps_deinit(&maps);
	pv_mem_destroy(mem);
	return functions;
}

START_TEST(found)
{
	uint64_t file = put_str(0, "/srv/app.py"), name = put_str(128, "handle");
	uint64_t qualname = put_str(256, "App.handle"), module = put_str(384, "app");

	put_code(4096, 3, file, name, qualname);
	/* its function object: func_code, func_module (Include/cpython/funcobject.h) */
	put(3 * 4096, 1);
	put(3 * 4096 + 8, (uintptr_t)&types[1]);
	put(3 * 4096 + 48, (uintptr_t)page + 4096);
	put(3 * 4096 + 104, module);
	struct pv_python_functions functions = find();

	ck_assert_uint_eq(functions.list.n, 1);
	const struct pv_python_function *one =
		pv_python_functions_at(&functions, (uintptr_t)page + 4096);

	ck_assert(one);
	ck_assert_str_eq(one->file, "/srv/app.py");
	ck_assert_str_eq(one->qualname, "App.handle");
	ck_assert_str_eq(one->module, "app");
	ck_assert_uint_eq(one->firstlineno, 41);
	ck_assert_uint_eq(one->file_at, file);
	ck_assert_uint_eq(one->name_at, name);
	ck_assert(one->generator);
	ck_assert_uint_ge(functions.bytes, 3 * 4096);
	ck_assert(!pv_python_functions_at(&functions, (uintptr_t)page));
	pv_python_functions_deinit(&functions);
}
END_TEST

/* What only looks like a code object: freed, without a name, at the end of what is mapped. */
START_TEST(not_found)
{
	uint64_t file = put_str(0, "/srv/app.py"), name = put_str(128, "handle");

	put_code(4096, 0, file, name, name);
	put_code(4096 + 512, (uintptr_t)page, file, name, name); /* a free list's pointer */
	put_code(2 * 4096, 1, file, name, 8);
	put_code(2 * 4096 + 512, 1, (uintptr_t)page + 5, name, name);
	put(8 * 4096 - 8, (uintptr_t)&types[0]);
	put(7 * 4096 + 8, (uintptr_t)&types[1]); /* a function of nothing */
	struct pv_python_functions functions = find();

	ck_assert_uint_eq(functions.list.n, 0);
	pv_python_functions_deinit(&functions);
}
END_TEST

/* Characters of other widths, and such that are none. */
START_TEST(characters)
{
	uint64_t file = put_str(0, "/srv/app.py"), name = put_str(128, "");
	uint16_t wide[] = { 'n', 0xe4, 0x20ac, 0xd800 };

	put(128 + 16, 4);
	put(128 + 32, 2 << 2 | 1 << 5);
	memcpy(page + 128 + 56, wide, sizeof(wide));
	put_code(4096, 1, file, name, name);
	struct pv_python_functions functions = find();

	ck_assert_uint_eq(functions.list.n, 1);
	ck_assert_str_eq(((struct pv_python_function *)pv_vec_at(&functions.list, 0))->qualname,
			 "n\xc3\xa4\xe2\x82\xac?");
	pv_python_functions_deinit(&functions);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("functions");
	TCase *tcase = tcase_create("functions");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, found);
	tcase_add_test(tcase, not_found);
	tcase_add_test(tcase, characters);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
