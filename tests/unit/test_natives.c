/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions by name (session/natives.h, symbol/search.h, probe/indirect.h) in this
 * very process, which has loaded libraries that are built here.  What a name means is
 * held against dlsym(3) and nm(1).
 * Input: cc, gcc, c++, strip, nm, objcopy.  Output: Check's report; skipped where these are
 * missing.
 */
#include <check.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "elf/elf.h"
#include "elf/inlined.h"
#include "session/inlined.h"
#include "session/natives.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "symbol/search.h"
#include "target/mem.h"

static const char first_source[] =
	"static __attribute__((noinline)) int twice(int x) { return x + 1; }\n"
	"int first_a(int x) { return twice(x) * 2; }\n"
	"int first_b(int x) { return x * 3; }\n"
	"int shared_name(int x) { return x * 5; }\n"
	"__attribute__((visibility(\"hidden\"))) int internal_name(int x) { return x * 7; }\n"
	"int use(int x) { return internal_name(x); }\n"
	"__asm__(\".symver old_one,versioned@V1\\n.symver new_one,versioned@@V2\\n\");\n"
	"int old_one(int x) { return x * 11; }\n"
	"int new_one(int x) { return x * 13; }\n"
	"static __attribute__((noinline)) int choice(int x) { return x * 19; }\n"
	"static void *choose(void) { return (void *)choice; }\n"
	"__attribute__((visibility(\"hidden\"), ifunc(\"choose\"))) int chosen(int x);\n"
	"int use_chosen(int x) { return chosen(x) + 1; }\n";
static const char second_source[] =
	"static __attribute__((noinline)) int twice(int x) { return x + 2; }\n"
	"int second_a(int x) { return twice(x) * 2; }\n"
	"int shared_name(int x) { return x * 9; }\n"
	"int internal_name(int x) { return x * 17; }\n";
static const char cpp_source[] =
	"namespace ns { struct Cart { int add(int) const; int add(long) const; ~Cart(); "
	"int only(int); }; }\n"
	"int ns::Cart::add(int x) const { return x; }\n"
	"int ns::Cart::add(long x) const { return (int)x + 1; }\n"
	"int ns::Cart::only(int x) { return x; }\n"
	"ns::Cart::~Cart() { }\n";

/* gone: nowhere else; kept: has a copy, too; alone: in one place; one more in each of C++'s forms
 */
static const char inlined_source[] =
	"#define HERE static inline __attribute__((always_inline))\n"
	"int sink;\n"
	"HERE int gone(int x) { return x * 7 + sink; }\n"
	"HERE int over(int x) { return gone(x) ^ 5; }\n"
	"HERE int alone(int x) { return x / 3 + sink; }\n"
	"int kept(int x) { return sink * x + 11; }\n"
	"int host_a(int x) { return gone(x) + gone(x * x) + kept(x); }\n"
	"int host_b(int x) { return over(x) - alone(x); }\n"
	"__attribute__((noinline)) static int host_c(int x) { return sink ^ (gone(x) / 5); }\n"
	"int use(int x) { return host_c(x) * 3; }\n";
static const char methods_source[] =
	"namespace ns { struct Till { int n; int sum(int x) { return x * n + n; } int all(int); }; "
	"}\n"
	"__attribute__((noinline)) int ns::Till::all(int x) { return sum(x) * sum(n); }\n";

/* GCC's functions within functions: what comes behind one belongs to the outer. */
static const char nested_source[] =
	"int sink;\n"
	"static inline __attribute__((always_inline)) int gone(int x) { return x * 7 + sink; }\n"
	"int nest(int x) {\n"
	"	__attribute__((noinline)) int inner(int y) { return gone(y) ^ x; }\n"
	"	return inner(x) + gone(x / 7);\n"
	"}\n";

static char dir[64];
static void *first, *second, *cpp, *stripped;
static struct pv_objects *objects;
static struct pv_mem *mem;
static struct pv_image image;
static struct pv_natives *natives;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static __attribute__((format(printf, 1, 2))) int run(const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	ck_assert_int_lt(vsnprintf(command, sizeof(command), format, ap), (int)sizeof(command));
	va_end(ap);
	return system(command);
}

static void *load(const char *name, const char *text, const char *compiler)
{
	char path[128];
	void *handle;
	FILE *file;

	snprintf(path, sizeof(path), "%s/source", dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(run("cd %s && %s source -x none -o %s", dir, compiler, name), 0);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(handle, "%s", dlerror());
	return handle;
}

static void setup(void)
{
	strcpy(dir, "/tmp/pv-natives-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(run("echo 'V1 { }; V2 { };' > %s/map", dir), 0);
	first = load("libpvfirst.so.1", first_source,
		     "cc -O1 -shared -fPIC -Wl,--version-script=map -x c");
	second = load("libpvsecond.so", second_source, "cc -O1 -shared -fPIC -x c");
	cpp = load("libpvcpp-2.so", cpp_source, "c++ -O1 -shared -fPIC -x c++");
	stripped = load("libpvbare.so", second_source,
			"cc -s -O1 -shared -fPIC -fvisibility=hidden -x c");
	ok(pv_objects_create(NULL, &objects));
	ok(pv_mem_live_create(getpid(), &mem));
	ok(pv_image_build(getpid(), objects, mem, NULL, &image));
	ok(pv_natives_create(getpid(), objects, mem, &natives));
	ok(pv_natives_update(natives, &image));
}

static void teardown(void)
{
	pv_natives_destroy(natives);
	pv_image_deinit(&image);
	pv_mem_destroy(mem);
	pv_objects_destroy(objects);
	dlclose(first);
	dlclose(second);
	dlclose(cpp);
	dlclose(stripped);
	ck_assert_int_eq(run("rm -rf %s", dir), 0);
}

static uint64_t nm(const char *library, const char *options, const char *name)
{
	unsigned long value = 0;
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command), "nm %s %s/%s | awk '$3 == \"%s\" { print $1 }'", options,
		 dir, library, name);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_msg(fscanf(pipe, "%lx", &value) == 1, "no %s", name);
	pclose(pipe);
	return value;
}

static struct pv_native_function find_one(const char *word)
{
	struct pv_vec found = PV_VEC(struct pv_native_function);
	struct pv_native_function one;

	ok(pv_natives_find(natives, word, 100, &found));
	ck_assert_msg(found.n == 1, "%s: %zu", word, found.n);
	one = *(struct pv_native_function *)pv_vec_at(&found, 0);
	/* only its numbers are looked at from here on */
	pv_native_functions_deinit(&found);
	one.name = NULL;
	return one;
}

static uint64_t address_of(const char *word)
{
	struct pv_native_function one = find_one(word);

	return pv_natives_module(natives, one.object)->bias + one.vaddr;
}

static void check_is(const char *word, void *function)
{
	ck_assert_msg(address_of(word) == (uintptr_t)function, "%s: %#lx, not %p", word,
		      (unsigned long)address_of(word), function);
}

START_TEST(forms)
{
	ck_assert_int_eq(pv_native_form("handle"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("app.views.Cart.add"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("ns::Cart::add"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("views.py:41"), PV_NATIVE_NEVER);
	ck_assert_int_eq(pv_native_form("/srv/lib:x/views.py:41"), PV_NATIVE_QUALIFIED);
	ck_assert_int_eq(pv_native_form("libfoo.so:bar"), PV_NATIVE_QUALIFIED);
	ck_assert_int_eq(pv_native_form("libfoo.so:ns::bar"), PV_NATIVE_QUALIFIED);
	ck_assert_int_eq(pv_native_form("libfoo.so+0x1230"), PV_NATIVE_QUALIFIED);
	ck_assert_int_eq(pv_native_form("SSL_*"), PV_NATIVE_QUALIFIED);
	ck_assert_int_eq(pv_native_form(":bar"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("libfoo.so:"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("+0x10"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form("libfoo.so+0xg"), PV_NATIVE_PLAIN);
	ck_assert_int_eq(pv_native_form(""), PV_NATIVE_PLAIN);
}
END_TEST

START_TEST(names)
{
	char word[192];

	check_is("first_a", dlsym(first, "first_a"));
	check_is("libpvfirst:first_b", dlsym(first, "first_b"));
	check_is("libpvfirst.so:first_b", dlsym(first, "first_b"));
	check_is("libpvfirst.so.1:first_b", dlsym(first, "first_b"));
	snprintf(word, sizeof(word), "%s/libpvfirst.so.1:first_b", dir);
	check_is(word, dlsym(first, "first_b"));
	snprintf(word, sizeof(word), "%s/libpvfirst.so.1:first_b", strrchr(dir, '/') + 1);
	check_is(word, dlsym(first, "first_b"));
	check_is("libpvsecond:shared_name", dlsym(second, "shared_name"));
	check_is("libpvfirst:shared_name", dlsym(first, "shared_name"));
	/* of two versions the default one */
	check_is("versioned", dlsym(first, "versioned"));
	ck_assert_uint_eq(find_one("versioned").vaddr, nm("libpvfirst.so.1", "", "new_one"));
	/* one library exports it, the other has it for itself */
	check_is("internal_name", dlsym(second, "internal_name"));
	ck_assert_uint_eq(find_one("libpvfirst:internal_name").vaddr,
			  nm("libpvfirst.so.1", "", "internal_name"));
	ck_assert_uint_eq(find_one("libpvfirst:twice").vaddr, nm("libpvfirst.so.1", "", "twice"));
}
END_TEST

START_TEST(mangled)
{
	uint64_t with_int = nm("libpvcpp-2.so", "-D", "_ZNK2ns4Cart3addEi");

	ck_assert_uint_eq(find_one("ns::Cart::add(int) const").vaddr, with_int);
	ck_assert_uint_eq(find_one("_ZNK2ns4Cart3addEi").vaddr, with_int);
	ck_assert_uint_eq(find_one("libpvcpp:ns::Cart::add(int) const").vaddr, with_int);
	ck_assert_uint_eq(find_one("ns::Cart::only").vaddr,
			  nm("libpvcpp-2.so", "-D", "_ZN2ns4Cart4onlyEi"));
	ck_assert_uint_eq(find_one("ns::Cart::~Cart").vaddr,
			  nm("libpvcpp-2.so", "-D", "_ZN2ns4CartD1Ev"));
}
END_TEST

static void check_refused(const char *word, size_t max, const char *text)
{
	struct pv_vec found = PV_VEC(struct pv_native_function);
	struct pv_err *err = pv_natives_find(natives, word, max, &found);

	ck_assert_msg(err, "%s", word);
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_msg(strstr(err->message, text), "%s: %s", word, err->message);
	ck_assert_uint_eq(found.n, 0);
	pv_err_destroy(err);
	pv_native_functions_deinit(&found);
}

START_TEST(several)
{
	check_refused("shared_name", 100, "is the name of 2 native functions: ");
	check_refused("shared_name", 100, "libpvfirst.so.1:shared_name");
	check_refused("shared_name", 100, "libpvsecond.so:shared_name");
	check_refused("ns::Cart::add", 100, "libpvcpp-2.so:ns::Cart::add(long) const");
	check_refused("libpv*:twice", 100, "libpvsecond.so:twice");
}
END_TEST

static size_t count(const char *word)
{
	struct pv_vec found = PV_VEC(struct pv_native_function);
	size_t n;

	ok(pv_natives_find(natives, word, 100, &found));
	n = found.n;
	pv_native_functions_deinit(&found);
	return n;
}

START_TEST(patterns)
{
	ck_assert_uint_eq(count("libpvfirst:first_*"), 2);
	ck_assert_uint_eq(count("libpv*:shared_nam?"), 2);
	ck_assert_uint_eq(count("libpvcpp:ns::Cart::add(*"), 2);
	ck_assert_uint_eq(count("libpvfirst:no_*"), 0);
	check_refused("libpvfirst:first_*", 1, "means 2 functions, and 1 are the most");
	/* no symbols: where its functions begin, as its unwind information has it */
	ck_assert_uint_ge(count("libpvbare:*"), 4);
}
END_TEST

START_TEST(addresses)
{
	uint64_t start = find_one("libpvfirst:first_a").vaddr;
	char word[64];

	snprintf(word, sizeof(word), "libpvfirst+0x%lx", (unsigned long)start);
	check_is(word, dlsym(first, "first_a"));
	snprintf(word, sizeof(word), "libpvfirst+0x%lx", (unsigned long)start + 1);
	check_refused(word, 100, "is within first_a, which begins at libpvfirst.so.1+0x");
	check_refused("libpvbare+0x10", 100, "no function begins at `libpvbare+0x10`");
}
END_TEST

START_TEST(missing)
{
	struct pv_str hint = { 0 };

	ck_assert_uint_eq(count("libpvfirst:first"), 0);
	ok(pv_natives_hint(natives, "libpvfirst:first", &hint));
	ck_assert_msg(strstr(pv_str_text(&hint), "; like it: libpvfirst.so.1:first_") &&
			      strstr(pv_str_text(&hint), "libpvfirst.so.1:first_a"),
		      "%s", pv_str_text(&hint));
	pv_str_clear(&hint);
	ok(pv_natives_hint(natives, "libpvbare:twice", &hint));
	ck_assert_msg(strstr(pv_str_text(&hint), "libpvbare.so has no symbols: name one of its "),
		      "%s", pv_str_text(&hint));
	pv_str_clear(&hint);
	ck_assert(pv_natives_mapped(natives, "first_a"));
	ck_assert(pv_natives_mapped(natives, "libpvfirst:nothing"));
	ck_assert(!pv_natives_mapped(natives, "libpvfir:first_a"));
	ok(pv_natives_hint(natives, "libpvfir:first_a", &hint));
	ck_assert_str_eq(pv_str_text(&hint), "; like it: libpvfirst.so.1");
	pv_str_deinit(&hint);
}
END_TEST

/* With these libraries, too, all are looked at again. */
static void reload(void)
{
	pv_image_deinit(&image);
	ok(pv_image_build(getpid(), objects, mem, NULL, &image));
	ok(pv_natives_update(natives, &image));
}

static void check_hint(const char *word, const char *expected)
{
	struct pv_str hint = { 0 };

	ck_assert_uint_eq(count(word), 0);
	ok(pv_inlined_hint(natives, word, &hint));
	ck_assert_str_eq(pv_str_text(&hint), expected);
	pv_str_deinit(&hint);
}

static void check_note(const char *word, const char *expected)
{
	struct pv_vec found = PV_VEC(struct pv_native_function);
	struct pv_str note = { 0 };

	ok(pv_natives_find(natives, word, 100, &found));
	ck_assert_uint_eq(found.n, 1);
	ok(pv_inlined_note(natives, pv_vec_at(&found, 0), UINT64_MAX, &note));
	ck_assert_str_eq(pv_str_text(&note), expected);
	pv_str_deinit(&note);
	pv_native_functions_deinit(&found);
}

/* The places are those of the source. */
static void check_inlined(const char *library, const char *symbols)
{
	bool swapped = nm(symbols, "", "host_c") < nm(symbols, "", "host_b");
	char word[64], expected[256];

	/* most places first, then by address */
	snprintf(word, sizeof(word), "%s:gone", library);
	snprintf(expected, sizeof(expected),
		 "; it was inlined by the compiler into %s:host_a, %s:%s, %s:%s (4 places) "
		 "and cannot be watched: watch one of those",
		 library, library, swapped ? "host_c" : "host_b", library,
		 swapped ? "host_b" : "host_c");
	check_hint(word, expected);
	snprintf(word, sizeof(word), "%s:alone", library);
	snprintf(expected, sizeof(expected),
		 "; it was inlined by the compiler into %s:host_b (1 place) and cannot be watched: "
		 "watch that",
		 library);
	check_hint(word, expected);
	snprintf(word, sizeof(word), "%s:kept", library);
	snprintf(expected, sizeof(expected),
		 "calls of %s:kept that were inlined by the compiler are not seen: in %s:host_a "
		 "(1 place)",
		 library, library);
	check_note(word, expected);
	snprintf(word, sizeof(word), "%s:host_c", library);
	check_note(word, "");
}

START_TEST(inlined)
{
	static const char *const versions[] = { "-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gz" };

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		char library[32], compiler[128];
		void *handle;

		snprintf(library, sizeof(library), "libpvinlined%zu.so", i);
		snprintf(compiler, sizeof(compiler),
			 "cc -O2 %s -fno-semantic-interposition -shared -fPIC -x c", versions[i]);
		handle = load(library, inlined_source, compiler);
		reload();
		check_inlined(library, library);
		dlclose(handle);
	}
}
END_TEST

/* A debug file that is found by its link; the library's symbols may be there or not. */
START_TEST(inlined_by_debug_file)
{
	static const char *const strips[] = { "--strip-debug", "--strip-all" };

	for (size_t i = 0; i < 2; i++) {
		char library[32], symbols[48], compiler[512];
		void *handle;

		snprintf(library, sizeof(library), "libpvsplit%zu.so", i);
		snprintf(
			compiler, sizeof(compiler),
			"sh -c 'cc -O2 -g -fno-semantic-interposition -shared -fPIC -x c \"$@\" && "
			"objcopy --only-keep-debug %s %s.debug && objcopy %s %s && "
			"objcopy --add-gnu-debuglink=%s.debug %s' sh",
			library, library, strips[i], library, library, library);
		handle = load(library, inlined_source, compiler);
		reload();
		snprintf(symbols, sizeof(symbols), "%s.debug", library);
		check_inlined(library, symbols);
		dlclose(handle);
	}
}
END_TEST

START_TEST(inlined_methods)
{
	void *handle = load("libpvtill.so", methods_source, "c++ -O2 -g -shared -fPIC -x c++");

	reload();
	check_hint(
		"libpvtill:ns::Till::sum",
		"; it was inlined by the compiler into libpvtill.so:ns::Till::all(int) (2 places) "
		"and cannot be watched: watch that");
	check_hint(
		"libpvtill:ns::Till::sum(int)",
		"; it was inlined by the compiler into libpvtill.so:ns::Till::all(int) (2 places) "
		"and cannot be watched: watch that");
	dlclose(handle);
}
END_TEST

START_TEST(inlined_in_nested)
{
	struct pv_str hint = { 0 };
	void *handle = load("libpvnested.so", nested_source, "gcc -O2 -g -shared -fPIC -x c");

	reload();
	ok(pv_inlined_hint(natives, "libpvnested:gone", &hint));
	ck_assert_msg(strstr(pv_str_text(&hint), "libpvnested.so:inner.") &&
			      (strstr(pv_str_text(&hint), "libpvnested.so:nest,") ||
			       strstr(pv_str_text(&hint), "libpvnested.so:nest ")) &&
			      strstr(pv_str_text(&hint), "(2 places)"),
		      "%s", pv_str_text(&hint));
	pv_str_deinit(&hint);
	dlclose(handle);
}
END_TEST

START_TEST(inlined_unknown)
{
	struct pv_str hint = { 0 };
	void *handle = load("libpvnodebug.so", inlined_source, "cc -O2 -g0 -shared -fPIC -x c");
	void *with = load("libpvdebug.so", inlined_source, "cc -O2 -g -shared -fPIC -x c");

	reload();
	check_hint(
		"libpvnodebug:gone",
		"; whether a compiler has inlined it is not known: libpvnodebug.so has no debug "
		"information, which packages called -dbg, -dbgsym or -debuginfo hold, or `cc -g` "
		"makes");
	check_hint("libpvdebug:gon", "");
	/* a word of Python's */
	ok(pv_inlined_hint(natives, "shop.views.gone", &hint));
	ck_assert_str_eq(pv_str_text(&hint), "");
	/* of all that is mapped: one knows */
	ok(pv_inlined_hint(natives, "gone", &hint));
	ck_assert_msg(strstr(pv_str_text(&hint),
			     "; it was inlined by the compiler into libpvdebug.so:host_a, "),
		      "%s", pv_str_text(&hint));
	pv_str_deinit(&hint);
	dlclose(with);
	dlclose(handle);
}
END_TEST

/* What stands in files of its own is not read, and not taken for nothing. */
START_TEST(inlined_in_further_files)
{
	for (int version = 4; version <= 5; version++) {
		char library[32], compiler[128], word[64], expected[256];
		void *handle;

		snprintf(library, sizeof(library), "libpvdwo%d.so", version);
		snprintf(compiler, sizeof(compiler),
			 "cc -O2 -gdwarf-%d -gsplit-dwarf -shared -fPIC -x c", version);
		handle = load(library, inlined_source, compiler);
		reload();
		snprintf(word, sizeof(word), "%s:gone", library);
		snprintf(expected, sizeof(expected),
			 "; whether a compiler has inlined it was not found out: %s has debug "
			 "information that is broken, in further files, or too much for 2 seconds",
			 library);
		check_hint(word, expected);
		dlclose(handle);
	}
}
END_TEST

static bool see_place(void *ctx, const struct pv_elf_inlined *place)
{
	(void)place;
	++*(size_t *)ctx;
	return true;
}

/* Time that is up, and information that is cut off, are told; neither is taken for all. */
START_TEST(inlined_in_part)
{
	void *handle = load("libpvpart.so", inlined_source,
			    "cc -O2 -g -fno-semantic-interposition -shared -fPIC -x c");
	enum pv_inlined_state state;
	struct pv_elf *elf;
	char path[128];
	size_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/libpvpart.so", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ok(pv_elf_open(fd, &elf));
	ok(pv_elf_each_inlined(elf, 0, see_place, &n, &state));
	ck_assert_int_eq(state, PV_INLINED_PART);
	ck_assert_uint_eq(n, 0);
	ok(pv_elf_each_inlined(elf, UINT64_MAX, see_place, &n, &state));
	ck_assert_int_eq(state, PV_INLINED_ALL);
	ck_assert_uint_eq(n, 7); /* gone 4, over, alone, kept */
	pv_elf_close(elf);
	dlclose(handle);
}
END_TEST

/* What the loader has chosen for this CPU, not the function that chooses. */
START_TEST(chosen_at_run_time)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

	ck_assert_ptr_nonnull(libc);
	check_is("libc.so.6:memcpy", dlsym(libc, "memcpy"));
	check_is("libc:strlen", dlsym(libc, "strlen"));
	/* nobody else can call it by its name */
	ck_assert_uint_eq(find_one("libpvfirst:chosen").vaddr, nm("libpvfirst.so.1", "", "choice"));
	dlclose(libc);
}
END_TEST

START_TEST(unloaded)
{
	struct pv_image now;

	ck_assert_ptr_nonnull(pv_natives_at(natives, (uintptr_t)dlsym(first, "first_a")));
	dlclose(first);
	ok(pv_image_build(getpid(), objects, mem, NULL, &now));
	ok(pv_natives_update(natives, &now));
	ck_assert(!pv_natives_mapped(natives, "libpvfirst:first_a"));
	ck_assert_uint_eq(count("first_a"), 0);
	pv_image_deinit(&now);
	first = dlopen("libc.so.6", RTLD_NOW);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("natives");
	TCase *tcase = tcase_create("natives");
	SRunner *runner;
	int failed;

	if (system("command -v cc gcc c++ nm awk objcopy >/dev/null")) {
		printf("skip: needs cc, gcc, c++, nm, awk and objcopy\n");
		return EXIT_SUCCESS;
	}
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, forms);
	tcase_add_test(tcase, names);
	tcase_add_test(tcase, mangled);
	tcase_add_test(tcase, several);
	tcase_add_test(tcase, patterns);
	tcase_add_test(tcase, addresses);
	tcase_add_test(tcase, missing);
	tcase_add_test(tcase, inlined);
	tcase_add_test(tcase, inlined_by_debug_file);
	tcase_add_test(tcase, inlined_methods);
	tcase_add_test(tcase, inlined_in_nested);
	tcase_add_test(tcase, inlined_unknown);
	tcase_add_test(tcase, inlined_in_further_files);
	tcase_add_test(tcase, inlined_in_part);
	tcase_add_test(tcase, chosen_at_run_time);
	tcase_add_test(tcase, unloaded);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
