/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of python/detect.h: versions whose threads do not find their state by autoTSSkey.
 * Input: made-up processes, with the offsets of 2.7.18, 3.6.15 and 3.15.2 by hand.
 * Output: Check's report.
 */
#include <stdio.h>

#include "made_process.h"

enum { HEAD = 0x2100, CURRENT = 0x2108, INITIALIZED = 0x2110, KEY = 0x2118, CODE = 0x1300 };

/* mov to(%rip),%eax or %rax or %edi; ret */
static void accessor(struct object *o, const char *name, uint64_t at, uint64_t to, int opcode)
{
	uint8_t *code = o->image + at;
	unsigned int n = 0;

	if (opcode == 64)
		code[n++] = 0x48;
	code[n++] = 0x8b;
	code[n++] = 0x05;
	put(code + n, to - (at + n + 4), 4);
	code[n + 4] = 0xc3;
	symbol(o, name, at, n + 5, STT_FUNC);
}

static struct object *old_python(struct process *p, const char *version, bool two)
{
	struct object *o = object_add(p);

	symbol(o, "_PyThreadState_Current", CURRENT, 8, STT_OBJECT);
	symbol(o, "PyCode_Type", DATA, 8, STT_OBJECT);
	symbol(o, "PyFunction_Type", DATA + 24, 8, STT_OBJECT);
	if (two) {
		symbol(o, "PyString_Type", DATA + 8, 8, STT_OBJECT);
		symbol(o, "PyEval_EvalFrameEx", HOT, 0x80, STT_FUNC);
	} else {
		symbol(o, "PyBytes_Type", DATA + 8, 8, STT_OBJECT);
		symbol(o, "PyUnicode_Type", DATA + 16, 8, STT_OBJECT);
		symbol(o, "_PyEval_EvalFrameDefault", HOT, 0x80, STT_FUNC);
	}
	accessor(o, "PyInterpreterState_Head", CODE, HEAD, 64);
	accessor(o, "Py_IsInitialized", CODE + 0x20, INITIALIZED, 32);
	accessor(o, "PyGILState_GetThisThreadState", CODE + 0x40, KEY, 32);
	sprintf((char *)o->image + TEXT, "%s (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]",
		version);
	put(o->image + HEAD, HEAP + INTERP, 8);
	put(o->image + INITIALIZED, 1, 4);
	heap_put(p, PTHREAD, HEAP + PTHREAD);
	return o;
}

static struct process *python_3_6(void)
{
	struct process *p = process_create();
	struct object *o = old_python(p, "3.6.15", false);

	put(o->image + KEY, 3, 4);
	heap_put(p, INTERP + 8, HEAP + TSTATE); /* tstate_head */
	heap_put(p, TSTATE + 16, HEAP + INTERP);
	heap_put(p, TSTATE + 152, HEAP + PTHREAD); /* thread_id */
	heap_put(p, PTHREAD + 0x510, HEAP + BLOCK);
	heap_put(p, BLOCK + 3 * 16 + 8, HEAP + TSTATE);
	object_open(p, o, "/usr/bin/python3.6");
	add_libc(p);
	return p;
}

static struct process *python_2_7(void)
{
	struct process *p = process_create();
	struct object *o = old_python(p, "2.7.18", true);

	heap_put(p, INTERP + 8, HEAP + TSTATE);
	heap_put(p, TSTATE + 8, HEAP + INTERP);
	heap_put(p, TSTATE + 144, HEAP + PTHREAD);
	object_open(p, o, "/usr/bin/python2.7");
	return p;
}

START_TEST(variables_of_3_6)
{
	struct process *p = python_3_6();
	struct pv_python python = detect(p);
	const struct pv_proc *proc = &python.proc;
	uint64_t bias = p->objects[0].bias;

	ck_assert(python.found && python.initialized);
	ck_assert_str_eq(python.version, "3.6.15");
	ck_assert_uint_eq(proc->runtime + proc->py.rt_interpreters_head, bias + HEAD);
	ck_assert_uint_eq(proc->runtime + proc->py.rt_tstate_current, bias + CURRENT);
	ck_assert_uint_eq(proc->runtime + proc->py.rt_tss_key, bias + KEY);
	ck_assert_uint_ne(proc->py.rt_tstate_current, 0);
	ck_assert_int_eq(proc->py.own_kind, PV_OWN_KEY);
	ck_assert_uint_eq(proc->unicode_type, bias + DATA + 16);
	pv_python_deinit(&python);
	process_destroy(p);

	/* autoTLSkey before Py_Initialize() has set it */
	p = python_3_6();
	put(p->objects[0].image + KEY, UINT32_MAX, 4);
	python = detect(p);
	ck_assert(python.found && !python.initialized);
	pv_python_deinit(&python);
	process_destroy(p);

	p = python_3_6();
	put(p->objects[0].image + KEY, 5000, 4);
	refused(p, "not a thread-specific key");
	p = python_3_6();
	heap_put(p, BLOCK + 3 * 16 + 8, HEAP + TSTATE_2);
	refused(p, "no thread leads to its own thread state");
	/* a function that we do not understand */
	p = process_create();
	struct object *o = old_python(p, "3.6.15", false);

	o->image[CODE + 1] = 0x90;
	object_open(p, o, "/usr/bin/python3.6");
	refused(p, "the code of PyInterpreterState_Head in");
}
END_TEST

START_TEST(variables_of_2_7)
{
	struct process *p = python_2_7();
	struct pv_python python = detect(p);
	const struct pv_proc *proc = &python.proc;
	uint64_t bias = p->objects[0].bias;

	/* without a C library that we know: no key is needed */
	ck_assert(python.found && python.initialized);
	ck_assert_str_eq(python.version, "2.7.18");
	ck_assert_uint_eq(proc->runtime + proc->py.rt_interpreters_head, bias + HEAD);
	ck_assert_uint_eq(proc->runtime + proc->py.rt_tstate_current, bias + CURRENT);
	ck_assert_int_eq(proc->py.own_kind, PV_OWN_LIST);
	ck_assert_uint_eq(proc->bytes_type, bias + DATA + 8);
	ck_assert_uint_eq(proc->unicode_type, bias + DATA + 8);
	ck_assert_uint_eq(proc->eval[0].start, bias + HOT);
	ck_assert_int_eq(proc->py.linetable_kind, PV_LINES_LNOTAB_UNSIGNED);
	pv_python_deinit(&python);
	process_destroy(p);

	p = python_2_7();
	heap_put(p, PTHREAD, HEAP); /* no thread control block */
	refused(p, "no thread leads to its own thread state");
	p = python_2_7();
	heap_put(p, TSTATE + 8, HEAP + INTERP + 8);
	refused(p, "does not point back");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("detect_own");
	Suite *suite = suite_create("detect_own");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, variables_of_3_6);
	tcase_add_test(tcase, variables_of_2_7);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
