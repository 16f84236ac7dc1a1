/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of python/detect.h on made-up processes: small ELF objects and a memory that lies.
 * Input: objects and memory built here, with CPython 3.12.1's and 3.8's offsets by hand.
 * Output: Check's report.
 */
#include "made_process.h"

enum { KEY = 33 };

/* A main thread whose key leads to its thread state, with the offsets of 3.12.1. */
static void start_3_12(struct process *p, struct object *o, uint64_t runtime)
{
	put(o->image + runtime + 40, HEAP + INTERP, 8); /* interpreters.head */
	put(o->image + runtime + 1544, 1, 4);           /* autoTSSkey */
	put(o->image + runtime + 1548, KEY, 4);
	put(o->image + runtime + 16, 1, 4);      /* initialized */
	heap_put(p, INTERP + 72, HEAP + TSTATE); /* threads.head */
	heap_put(p, TSTATE + 16, HEAP + INTERP);
	heap_put(p, TSTATE + 136, HEAP + PTHREAD);
	heap_put(p, PTHREAD, HEAP + PTHREAD);
	/* The second block of 32 keys, the second key in it. */
	heap_put(p, PTHREAD + 0x510 + 8, HEAP + BLOCK);
	heap_put(p, BLOCK + 16 + 8, HEAP + TSTATE);
}

static struct process *python_3_12(void)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	add_version(o, 0x030c01f0);
	start_3_12(p, o, RUNTIME);
	object_open(p, o, "/usr/lib/libpython3.12.so.1.0");
	add_libc(p);
	return p;
}

START_TEST(finds)
{
	struct process *p = python_3_12();
	struct pv_python python = detect(p);
	uint64_t bias = p->objects[0].bias;

	ck_assert(python.found && python.initialized && python.stripped && !python.several);
	ck_assert_str_eq(python.version, "3.12.1");
	ck_assert_str_eq(python.module_path, "/usr/lib/libpython3.12.so.1.0");
	ck_assert_uint_eq(python.proc.has_python, 1);
	ck_assert_uint_eq(python.proc.runtime, bias + RUNTIME);
	ck_assert_uint_eq(python.proc.code_type, bias + DATA);
	ck_assert_uint_eq(python.proc.bytes_type, bias + DATA + 8);
	ck_assert_uint_eq(python.proc.unicode_type, bias + DATA + 16);
	ck_assert_uint_eq(python.proc.eval[0].start, bias + HOT);
	ck_assert_uint_eq(python.proc.eval[0].end, bias + HOT + 0x80);
	ck_assert_uint_eq(python.proc.eval[1].end, 0);
	/* Nothing but nop: the whole prologue counts as the window, and it says so. */
	ck_assert_uint_eq(python.proc.torn.start, bias + HOT);
	ck_assert_uint_eq(python.proc.torn.end, bias + HOT + 0x80);
	ck_assert_msg(strstr(python.sources.torn, "not recognised") != NULL, "%s",
		      python.sources.torn);
	ck_assert_uint_eq(python.proc.pthread_specific, 0x510);
	ck_assert_uint_eq(python.proc.pthread_key_size, 16);
	ck_assert_uint_eq(python.proc.pthread_key_data, 8);
	ck_assert_uint_eq(python.proc.pthread_key_block, 32);
	ck_assert_uint_eq(python.proc.py.version_hex, 0x030c01f0);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

START_TEST(no_python)
{
	struct process *p = process_create();

	add_libc(p);
	ck_assert(!pv_python_is_runtime(p->objects[0].elf));
	struct pv_python python = detect(p), zero = { 0 };

	ck_assert_int_eq(memcmp(&python, &zero, sizeof(zero)), 0);
	process_destroy(p);
	p = python_3_12();
	ck_assert(pv_python_is_runtime(p->objects[0].elf));
	ck_assert(!pv_python_is_runtime(p->objects[1].elf));
	process_destroy(p);
}
END_TEST

/* Steps of Py_Initialize: nothing yet, an interpreter without a thread, no key yet. */
START_TEST(not_initialized)
{
	for (int step = 0; step < 3; step++) {
		struct process *p = python_3_12();
		struct object *o = &p->objects[0];

		put(o->image + RUNTIME + 16, 0, 4);
		if (step == 0)
			put(o->image + RUNTIME + 40, 0, 8);
		else if (step == 1)
			heap_put(p, INTERP + 72, 0);
		else
			put(o->image + RUNTIME + 1544, 0, 4);
		struct pv_python python = detect(p);

		ck_assert(python.found);
		ck_assert(!python.initialized);
		pv_python_deinit(&python);
		process_destroy(p);
	}
}
END_TEST

/* The same memory is not believed once Py_Initialize says that it is done. */
START_TEST(refuses_nonsense)
{
	struct process *p;

	p = python_3_12();
	heap_put(p, TSTATE + 16, HEAP + INTERP + 8);
	refused(p, "does not point back at its interpreter");
	p = python_3_12();
	heap_put(p, PTHREAD, HEAP);
	refused(p, "no thread leads to its own thread state");
	p = python_3_12();
	heap_put(p, BLOCK + 16 + 8, HEAP + TSTATE_2);
	refused(p, "no thread leads to its own thread state");
	p = python_3_12();
	put(p->objects[0].image + RUNTIME + 1548, 70000, 4);
	refused(p, "not a thread-specific key");
	p = python_3_12();
	put(p->objects[0].image + RUNTIME + 40, 0x1234, 8);
	refused(p, "an interpreter state is not readable");
	p = python_3_12();
	heap_put(p, INTERP + 72, 1ULL << 60);
	refused(p, "a thread state is not readable");
	/* The list of threads is a circle, and none of them is right. */
	p = python_3_12();
	heap_put(p, TSTATE + 8, HEAP + TSTATE);
	heap_put(p, INTERP, HEAP + INTERP);
	heap_put(p, PTHREAD, HEAP);
	refused(p, "no thread leads");
	p = python_3_12();
	p->n_objects--; /* no libc */
	struct object *libc = &p->objects[1];
	struct pv_elf *elf = libc->elf;

	refused(p, "neither glibc nor musl in the process");
	pv_elf_close(elf);
}
END_TEST

/* The list of threads changes while we look: a bad moment is not a refusal. */
static int flickering_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct process *p = (struct process *)mem;

	if (addr == HEAP + TSTATE + 16 && p->fail_nth++ < 3) {
		put(dst, 0, n);
		return 0;
	}
	return process_read(mem, dst, n, addr);
}

START_TEST(looks_again)
{
	struct process *p = python_3_12();

	p->mem.read = flickering_read;
	struct pv_python python = detect(p);

	ck_assert(python.initialized);
	ck_assert_uint_ge(p->fail_nth, 4);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

/* The first thread of the list does not match (it has just been born), the second does. */
START_TEST(any_thread)
{
	struct process *p = python_3_12();

	heap_put(p, INTERP + 72, HEAP + TSTATE_2);
	heap_put(p, TSTATE_2 + 8, HEAP + TSTATE);
	heap_put(p, TSTATE_2 + 16, HEAP + INTERP);
	struct pv_python python = detect(p);

	ck_assert(python.initialized);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

START_TEST(every_read_fails)
{
	struct process *p = python_3_12();
	struct pv_python python = detect(p);
	unsigned int reads = p->reads;

	pv_python_deinit(&python);
	ck_assert_uint_ge(reads, 8);
	for (unsigned int i = 1; i <= reads; i++) {
		struct pv_err *err;

		p->reads = 0;
		p->fail_nth = i;
		err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);
		if (!err) {
			ck_assert(python.found);
			pv_python_deinit(&python);
		}
		pv_err_destroy(err);
	}
	process_destroy(p);
}
END_TEST

static struct process *python_3_8(const char *text, const char *tag)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	strcpy((char *)o->image + TEXT, text);
	strcpy((char *)o->image + RODATA, tag);
	object_open(p, o, "/usr/lib/libpython3.8.so.1.0");
	add_libc(p);
	return p;
}

START_TEST(version_by_text)
{
	static const char text[] = "3.8.18 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]";
	struct process *p = python_3_8(text, "cpython-38");
	struct pv_python python = detect(p);

	ck_assert_str_eq(python.version, "3.8.18");
	ck_assert_uint_eq(python.proc.py.version_hex, 0x030812f0);
	ck_assert_int_eq(python.proc.py.linetable_kind, PV_LINES_LNOTAB);
	ck_assert_uint_eq(python.proc.torn.end, 0);
	pv_python_deinit(&python);
	process_destroy(p);

	/* Before Py_GetVersion() was called there is no text: the micro version is not made up. */
	p = python_3_8("", "cpython-38");
	python = detect(p);
	ck_assert(python.found && !python.initialized);
	ck_assert_str_eq(python.version, "3.8");
	pv_python_deinit(&python);
	process_destroy(p);

	/* A debug build of a version that has no window to be found. */
	p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	symbol(o, "_Py_NegativeRefcount", HOT, 1, STT_FUNC);
	strcpy((char *)o->image + TEXT, text);
	object_open(p, o, "/usr/bin/python3.8d");
	add_libc(p);
	python = detect(p);
	ck_assert(python.debug);
	ck_assert_str_eq(python.version, "3.8.18 debug");
	pv_python_deinit(&python);
	process_destroy(p);

	refused(python_3_8(text, "cpython-39"), "contradicts itself");
	refused(python_3_8("", ""), "cannot be found");
	refused(python_3_8("3.8.18 (see below)", ""), "cannot be found");
	refused(python_3_8("3.8.0rc1 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]", ""),
		"3.8.0rc1");
	refused(python_3_8("3.5.16 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]", "cpython-35"),
		"CPython 3.5 is not supported");
	/* The layouts of 3.7 differ between its micro releases. */
	refused(python_3_8("", "cpython-37"), "micro releases");
}
END_TEST

/* PY_VERSION in the code of Py_GetVersion(): lea RODATA + 0x40(%rip), %rdx; ret */
static struct process *python_by_code(const char *text, const char *tag, const char *version)
{
	enum { CODE = HOT + 0x90, STRING = RODATA + 0x40 };
	static const uint8_t lea[] = { 0x48, 0x8d, 0x15, 0, 0, 0, 0, 0xc3 };
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	memcpy(o->image + CODE, lea, sizeof(lea));
	put(o->image + CODE + 3, STRING - (CODE + 7), 4);
	symbol(o, "Py_GetVersion", CODE, sizeof(lea), STT_FUNC);
	strcpy((char *)o->image + STRING, version);
	strcpy((char *)o->image + TEXT, text);
	strcpy((char *)o->image + RODATA, tag);
	object_open(p, o, "/usr/lib/libpython3.so.1.0");
	add_libc(p);
	return p;
}

START_TEST(version_by_code)
{
	static const char text[] = "3.8.18 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]";
	struct process *p = python_by_code("", "cpython-37", "3.7.3");
	struct pv_python python = detect(p);

	/* not initialised, and its micro release is known all the same */
	ck_assert(python.found && !python.initialized);
	ck_assert_str_eq(python.version, "3.7.3");
	ck_assert_uint_eq(python.proc.py.rt_tss_key, 1416);
	pv_python_deinit(&python);
	process_destroy(p);
	refused(python_by_code(text, "cpython-38", "3.8.17"), "contradicts itself");
	refused(python_by_code("", "cpython-38", "3.9.17"), "contradicts itself");
	/* what is no version is not taken for one */
	refused(python_by_code("", "cpython-37", "3.7.3 or so"), "micro releases");
}
END_TEST

START_TEST(refuses_builds)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	add_version(o, 0x030c01f0);
	symbol(o, "_Py_NegativeRefcount", HOT, 1, STT_FUNC);
	object_open(p, o, "/usr/bin/python3.12d");
	refused(p, "3.12.1 debug in /usr/bin/python3.12d: where this debug build switches frames");

	p = process_create();
	o = object_add(p);
	add_symbols(o);
	add_version(o, 0x030c01f0);
	symbol(o, "_Py_NegativeRefcount", HOT, 1, STT_FUNC);
	symbol(o, "_Py_PrintReferences", HOT, 1, STT_FUNC);
	object_open(p, o, "/usr/bin/python3.12d");
	refused(p, "Py_TRACE_REFS");

	p = process_create();
	o = object_add(p);
	add_symbols(o);
	add_version(o, 0x031000f0);
	object_open(p, o, "/usr/bin/python3.16");
	refused(p, "cannot read the CPython 3.16.0 in /usr/bin/python3.16: CPython 3.16 is not");

	p = process_create();
	o = object_add(p);
	symbol(o, "_PyThreadState_Current", DATA, 8, STT_OBJECT);
	strcpy((char *)o->image + TEXT, "3.4.18 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]");
	object_open(p, o, "/usr/bin/python3.4");
	refused(p, "CPython 3.4 is not supported");
}
END_TEST

/* musl 1.2.3, x86-64: all that it says of its thread-specific data is this function. */
static const uint8_t musl_getspecific[] = {
	0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, /* mov %fs:0,%rax */
	0x48, 0x8b, 0x80, 0x80, 0,    0, 0,       /* mov 0x80(%rax),%rax */
	0x89, 0xff,                               /* mov %edi,%edi */
	0x48, 0x8b, 0x04, 0xf8, 0xc3,             /* mov (%rax,%rdi,8),%rax; ret */
};

static struct process *python_musl(size_t at, uint8_t byte)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	add_version(o, 0x030c01f0);
	start_3_12(p, o, RUNTIME);
	object_open(p, o, "/usr/lib/libpython3.12.so.1.0");
	o = object_add(p);
	memcpy(o->image + HOT, musl_getspecific, sizeof(musl_getspecific));
	o->image[HOT + at] = byte;
	symbol(o, "pthread_getspecific", HOT, sizeof(musl_getspecific), STT_FUNC);
	object_open(p, o, "/lib/ld-musl-x86_64.so.1");
	/* an array by key, where glibc has blocks of pairs */
	heap_put(p, PTHREAD + 0x510 + 8, 0);
	heap_put(p, BLOCK + 16 + 8, 0);
	heap_put(p, PTHREAD + 0x80, HEAP + BLOCK);
	heap_put(p, BLOCK + 8 * KEY, HEAP + TSTATE);
	return p;
}

START_TEST(musl)
{
	struct process *p = python_musl(0, musl_getspecific[0]);
	struct pv_python python = detect(p);

	ck_assert(python.initialized);
	ck_assert_uint_eq(python.proc.pthread_specific, 0x80);
	ck_assert_uint_eq(python.proc.pthread_key_size, 8);
	ck_assert_uint_eq(python.proc.pthread_key_data, 0);
	ck_assert_uint_gt(python.proc.pthread_key_block, 128);
	ck_assert_msg(strstr(python.sources.tss, "musl's pthread_getspecific()"), "%s",
		      python.sources.tss);
	pv_python_deinit(&python);
	process_destroy(p);
	/* not quite: another segment, 32 bits, an offset that none has, another index, bytes */
	refused(python_musl(0, 0x65), "neither glibc nor musl");
	refused(python_musl(10, 0x63), "neither glibc nor musl");
	refused(python_musl(12, 0x81), "neither glibc nor musl");
	refused(python_musl(21, 0xf0), "neither glibc nor musl");
	refused(python_musl(21, 0xb8), "neither glibc nor musl");
}
END_TEST

/* An executable linked to libpython without PIC: the loader copies data objects into it. */
START_TEST(copy_relocation)
{
	struct process *p = process_create();
	struct object *exe = object_add(p), *lib = object_add(p);

	symbol(exe, "_PyRuntime", RUNTIME + 0x200, 0x800, STT_OBJECT);
	symbol(exe, "PyCode_Type", DATA + 0x40, 8, STT_OBJECT);
	start_3_12(p, exe, RUNTIME + 0x200);
	object_open(p, exe, "/usr/bin/embeds");
	add_symbols(lib);
	add_version(lib, 0x030c01f0);
	object_open(p, lib, "/usr/lib/libpython3.12.so.1.0");
	add_libc(p);
	struct pv_python python = detect(p);

	ck_assert(python.initialized);
	ck_assert_str_eq(python.module_path, "/usr/lib/libpython3.12.so.1.0");
	ck_assert_uint_eq(python.proc.runtime, exe->bias + RUNTIME + 0x200);
	ck_assert_uint_eq(python.proc.code_type, exe->bias + DATA + 0x40);
	ck_assert_uint_eq(python.proc.bytes_type, lib->bias + DATA + 8);
	ck_assert_uint_eq(python.proc.eval[0].start, lib->bias + HOT);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

/* The same before the loader has copied, and before it has mapped any data. */
START_TEST(not_loaded_yet)
{
	struct process *p = process_create();
	struct object *exe = object_add(p), *lib = object_add(p);

	symbol(exe, "_PyRuntime", RUNTIME, 0x800, STT_OBJECT);
	object_open(p, exe, "/usr/bin/embeds");
	add_symbols(lib);
	add_version(lib, 0x030c01f0);
	object_open(p, lib, "/usr/lib/libpython3.12.so.1.0");
	add_libc(p);
	for (int errnum = 0; errnum <= EFAULT; errnum += EFAULT) {
		p->errnum = errnum;
		struct pv_python python = detect(p);

		ck_assert(python.found && !python.initialized);
		pv_python_deinit(&python);
	}
	p->errnum = EPERM;
	p->errnum = 0;
	p->n_objects--; /* nor libc */
	struct pv_python python = detect(p);

	ck_assert(python.found && !python.initialized);
	pv_python_deinit(&python);
	p->n_objects++;
	p->errnum = EPERM;
	struct pv_err *err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);

	ck_assert(err != NULL);
	ck_assert_int_eq(err->kind, PV_ERR_PERMISSION);
	pv_err_destroy(err);
	process_destroy(p);
}
END_TEST

/* An executable with an interpreter inside that also loaded a libpython. */
START_TEST(two_interpreters)
{
	for (int used = 0; used < 2; used++) {
		struct process *p = process_create();

		for (int i = 0; i < 2; i++) {
			struct object *o = object_add(p);

			add_symbols(o);
			add_version(o, 0x030c01f0);
			if (i == used)
				start_3_12(p, o, RUNTIME);
			object_open(p, o, i ? "second" : "first");
		}
		add_libc(p);
		struct pv_python python = detect(p);

		ck_assert(python.initialized && python.several);
		ck_assert_str_eq(python.module_path, used ? "second" : "first");
		pv_python_deinit(&python);
		process_destroy(p);
	}
}
END_TEST

/* Both run: one of them shown as C code, with nothing that says so, would be a lie. */
START_TEST(two_running)
{
	struct process *p = process_create();

	for (int i = 0; i < 2; i++) {
		struct object *o = object_add(p);

		add_symbols(o);
		add_version(o, 0x030c01f0);
		start_3_12(p, o, RUNTIME);
		object_open(p, o, i ? "second" : "first");
	}
	add_libc(p);
	refused(p, "two CPythons run in this process, 3.12.1 in first and 3.12.1 in second");
}
END_TEST

/* Hot jumps to its cold part, which jumps back, and to a tail call, which does not. */
static struct object *split_eval(struct process *p)
{
	static const uint64_t ranges[][2] = { { HOT, TAIL }, { TAIL, COLD }, { COLD, RODATA } };
	struct object *o = object_add(p);

	add_symbols(o);
	add_version(o, 0x030c01f0);
	frames_add(o, ranges, 3);
	jump(o, HOT + 0x20, TAIL);
	jump(o, HOT + 0x30, COLD + 0x10);
	jump(o, COLD + 0x20, HOT + 0x40);
	return o;
}

START_TEST(cold_part)
{
	for (int named = 0; named < 2; named++) {
		struct process *p = process_create();
		struct object *o = split_eval(p);

		if (named) {
			o->symtab = true;
			symbol(o, "_PyEval_EvalFrameDefault.cold", COLD, 1, STT_FUNC);
		}
		object_open(p, o, "python");
		add_libc(p);
		struct pv_python python = detect(p);

		ck_assert(python.stripped == !named);
		ck_assert_uint_eq(python.proc.eval[0].start, o->bias + HOT);
		ck_assert_uint_eq(python.proc.eval[0].end, o->bias + TAIL);
		ck_assert_uint_eq(python.proc.eval[1].start, o->bias + COLD);
		ck_assert_uint_eq(python.proc.eval[1].end, o->bias + RODATA);
		ck_assert_uint_eq(python.proc.eval[2].end, 0);
		ck_assert_msg(strstr(python.sources.eval, named ? "by symbol" : "by its jumps"),
			      "%s", python.sources.eval);
		pv_python_deinit(&python);
		process_destroy(p);
	}
}
END_TEST

enum { GC_TEXT = RODATA + 0x100 };

/* lea GC_TEXT(%rip),%rdi or mov $GC_TEXT,%edi */
static void use_text(struct object *o, uint64_t at, bool absolute)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0x3d }, mov[] = { 0xbf };
	size_t n = absolute ? sizeof(mov) : sizeof(lea);

	memcpy(o->image + at, absolute ? mov : lea, n);
	put(o->image + at + n, absolute ? GC_TEXT : GC_TEXT - (at + n + 4), 4);
}

/* Where the collector is said to be, and why not. */
static struct pv_python detect_collector(struct process *p, struct object *o)
{
	static const uint64_t ranges[][2] = { { HOT, TAIL }, { TAIL, COLD }, { COLD, RODATA } };
	struct pv_python python;

	add_symbols(o);
	add_version(o, 0x030c01f0);
	frames_add(o, ranges, 3);
	object_open(p, o, "python");
	add_libc(p);
	python = detect(p);
	ck_assert_str_ne(python.sources.collector, "");
	process_destroy(p);
	return python;
}

static void no_collector(struct process *p, struct object *o, const char *why)
{
	struct pv_python python = detect_collector(p, o);

	ck_assert_uint_eq(python.collector[0].end, 0);
	ck_assert_msg(strstr(python.sources.collector, why) != NULL, "%s",
		      python.sources.collector);
	pv_python_deinit(&python);
}

static const char gc_text[] = "gc: collecting generation %d...\n";

/*
 * The text is used in the hot part or in the cold one; they jump into each other, and
 * whether only to the cold part's start makes no difference.  A tail call is no part.
 */
START_TEST(collector)
{
	for (int i = 0; i < 8; i++) {
		struct process *p = process_create();
		struct object *o = object_add(p);
		bool in_cold = i & 1, absolute = i & 2, to_start = i & 4;
		uint64_t bias = o->bias;

		strcpy((char *)o->image + GC_TEXT, gc_text);
		use_text(o, (in_cold ? COLD : TAIL) + 0x40, absolute);
		jump(o, TAIL + 0x20, COLD + (to_start ? 0 : 0x10));
		jump(o, COLD + 0x20, TAIL + 0x30);
		jump(o, TAIL + 0x60, HOT);
		struct pv_python python = detect_collector(p, o);

		ck_assert_str_eq(python.sources.collector, "2 parts by its text");
		ck_assert_uint_eq(python.collector[in_cold].start, bias + TAIL);
		ck_assert_uint_eq(python.collector[in_cold].end, bias + COLD);
		ck_assert_uint_eq(python.collector[!in_cold].start, bias + COLD);
		ck_assert_uint_eq(python.collector[!in_cold].end, bias + RODATA);
		ck_assert_uint_eq(python.collector[2].end, 0);
		pv_python_deinit(&python);
	}
}
END_TEST

/* A compiler's copies each use the text. */
START_TEST(collector_copies)
{
	struct process *p = process_create();
	struct object *o = object_add(p);
	uint64_t bias = o->bias;

	strcpy((char *)o->image + GC_TEXT, gc_text);
	use_text(o, COLD + 0x10, false);
	use_text(o, TAIL + 0x10, false);
	use_text(o, TAIL + 0x20, false);
	struct pv_python python = detect_collector(p, o);

	ck_assert_uint_eq(python.collector[0].start, bias + TAIL);
	ck_assert_uint_eq(python.collector[1].start, bias + COLD);
	ck_assert_uint_eq(python.collector[2].end, 0);
	pv_python_deinit(&python);
}
END_TEST

START_TEST(no_such_collector)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	no_collector(p, o, "its text is not there");
	p = process_create();
	o = object_add(p);
	strcpy((char *)o->image + GC_TEXT, "gc: collecting generation %d...\n and more");
	use_text(o, TAIL, false);
	no_collector(p, o, "its text is not there");
	p = process_create();
	o = object_add(p);
	strcpy((char *)o->image + GC_TEXT, gc_text);
	no_collector(p, o, "no function uses its text");
	p = process_create();
	o = object_add(p);
	strcpy((char *)o->image + GC_TEXT, gc_text);
	strcpy((char *)o->image + GC_TEXT + 0x80, gc_text);
	use_text(o, TAIL, false);
	no_collector(p, o, "or not once");
}
END_TEST

/* Another process with the same file, mapped elsewhere: as if it had been detected there. */
START_TEST(known_elsewhere)
{
	struct process *p, *other = process_create();
	struct object *o = split_eval(other);
	struct pv_python known, moved = { 0 }, detected;
	struct pv_err *err;

	strcpy((char *)o->image + GC_TEXT, gc_text);
	use_text(o, TAIL + 0x40, false);
	object_open(other, o, "python");
	add_libc(other);
	known = detect(other);
	ck_assert(known.exact && !known.apart && !known.initialized);
	/* a process that has the same file 0x4000000 bytes higher, and runs it */
	p = process_create();
	o = object_add(p);
	memcpy(o, &other->objects[0], sizeof(*o));
	o->bias += 0x4000000;
	start_3_12(p, o, RUNTIME);
	object_open(p, o, "python");
	add_libc(p);
	err = pv_python_move(&p->mem, &known, 0x4000000, p->modules, p->n_objects, &moved);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	detected = detect(p);
	ck_assert(moved.found && moved.initialized && detected.proc.eval[1].end);
	ck_assert(detected.collector[0].end);
	ck_assert_int_eq(memcmp(&moved.proc, &detected.proc, sizeof(moved.proc)), 0);
	ck_assert_int_eq(memcmp(moved.collector, detected.collector, sizeof(moved.collector)), 0);
	ck_assert_str_eq(moved.version, detected.version);
	ck_assert_str_eq(moved.module_path, "python");
	pv_python_deinit(&moved);
	pv_python_deinit(&detected);
	/* nonsense at the new place is refused as it is there */
	heap_put(p, TSTATE + 16, 0);
	err = pv_python_move(&p->mem, &known, 0x4000000, p->modules, p->n_objects, &moved);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
	/* data that were copied move by themselves */
	known.apart = true;
	moved = (struct pv_python){ 0 };
	err = pv_python_move(&p->mem, &known, 0, p->modules, p->n_objects, &moved);
	ck_assert(!err && !moved.found);
	pv_python_deinit(&known);
	process_destroy(p);
	process_destroy(other);
}
END_TEST

/* The last digit of the version is looked for again when it can be known. */
START_TEST(known_without_last_digit)
{
	struct process *p = python_3_8("", "cpython-38");
	struct pv_python known = detect(p), moved = { 0 };
	struct pv_err *err;

	ck_assert(!known.exact);
	err = pv_python_move(&p->mem, &known, 0, p->modules, p->n_objects, &moved);
	ck_assert(!err && moved.found && !moved.initialized);
	pv_python_deinit(&moved);
	pv_python_deinit(&known);
	process_destroy(p);
	/* 3.12's layout stands in for one that says so late */
	p = python_3_12();
	known = detect(p);
	known.exact = false;
	moved = (struct pv_python){ 0 };
	err = pv_python_move(&p->mem, &known, 0, p->modules, p->n_objects, &moved);
	ck_assert(!err && !moved.found);
	pv_python_deinit(&known);
	process_destroy(p);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("detect");
	Suite *suite = suite_create("detect");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, finds);
	tcase_add_test(tcase, no_python);
	tcase_add_test(tcase, not_initialized);
	tcase_add_test(tcase, refuses_nonsense);
	tcase_add_test(tcase, looks_again);
	tcase_add_test(tcase, any_thread);
	tcase_add_test(tcase, every_read_fails);
	tcase_add_test(tcase, version_by_text);
	tcase_add_test(tcase, version_by_code);
	tcase_add_test(tcase, refuses_builds);
	tcase_add_test(tcase, copy_relocation);
	tcase_add_test(tcase, not_loaded_yet);
	tcase_add_test(tcase, musl);
	tcase_add_test(tcase, two_interpreters);
	tcase_add_test(tcase, two_running);
	tcase_add_test(tcase, cold_part);
	tcase_add_test(tcase, collector);
	tcase_add_test(tcase, collector_copies);
	tcase_add_test(tcase, no_such_collector);
	tcase_add_test(tcase, known_elsewhere);
	tcase_add_test(tcase, known_without_last_digit);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
