/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of symbol/native.h against nm(1), on libraries of this machine and on
 * objects built here.
 * Input: libc, libstdc++, a pyenv Python, the vdso; cc, objcopy, strip, nm, c++filt.
 * Output: Check's report; what is not installed is skipped by name.
 */
#include <check.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "elf/elf.h"
#include "symbol/demangle.h"
#include "symbol/native.h"

struct nm_symbol {
	unsigned long addr, size;
	char type;
	char *name;
};

struct nm_table {
	struct nm_symbol *symbols;
	size_t n;
};

static char dir[64];

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static __attribute__((format(printf, 1, 2))) int run(const char *format, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, format);
	ck_assert_int_lt(vsnprintf(command, sizeof(command), format, ap), (int)sizeof(command));
	va_end(ap);
	return system(command);
}

static bool tools_there(const char *test)
{
	if (run("command -v cc nm objcopy strip c++filt >/dev/null") == 0)
		return true;
	printf("skip: %s: needs cc, nm, objcopy, strip and c++filt\n", test);
	return false;
}

static void dir_make(void)
{
	strcpy(dir, "/tmp/pv-native-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void dir_remove(void)
{
	ck_assert_int_eq(run("rm -rf %s", dir), 0);
}

/* The text symbols as nm sees them; symbols without a size have size 0. */
static struct nm_table nm_read(const char *options, const char *path)
{
	struct nm_table table = { 0 };
	char command[512], *line = NULL;
	size_t capacity = 0;

	snprintf(command, sizeof(command), "nm --defined-only -f posix %s '%s' 2>/dev/null",
		 options, path);
	FILE *pipe = popen(command, "r");

	ck_assert_ptr_nonnull(pipe);
	while (getline(&line, &capacity, pipe) >= 0) {
		struct nm_symbol symbol = { 0 };
		char *type = strchr(line, ' ');

		if (!type || !strchr("TtWwi", type[1]))
			continue;
		*type = '\0';
		symbol.type = type[1];
		if (sscanf(type + 3, "%lx %lx", &symbol.addr, &symbol.size) < 1)
			continue;
		line[1 + strcspn(line + 1, "@")] = '\0';
		symbol.name = strdup(line);
		table.symbols = realloc(table.symbols, (table.n + 1) * sizeof(symbol));
		table.symbols[table.n++] = symbol;
	}
	free(line);
	pclose(pipe);
	return table;
}

static void nm_free(struct nm_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->symbols[i].name);
	free(table->symbols);
}

static unsigned long nm_addr(const struct nm_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++) {
		if (strcmp(table->symbols[i].name, name) == 0)
			return table->symbols[i].addr;
	}
	ck_abort_msg("nm has no %s", name);
	return 0;
}

struct object {
	struct pv_elf *elf;
	struct pv_native_symbols *symbols;
};

static struct object object_open(const char *path, const char *shown_path, const char *root)
{
	struct object object = { 0 };

	ok(pv_elf_open(open(path, O_RDONLY), &object.elf));
	ok(pv_native_symbols_create(object.elf, shown_path, root, &object.symbols));
	return object;
}

static void object_close(struct object *object)
{
	pv_native_symbols_destroy(object->symbols);
	pv_elf_close(object->elf);
}

static void expect(const struct object *object, unsigned long vaddr, const char *expected)
{
	const char *name = "?";
	uint64_t start = 0;
	bool found = pv_native_symbol_at(object->symbols, vaddr, &name, &start);

	if (expected)
		ck_assert_msg(found && strcmp(name, expected) == 0, "%lx is %s, not %s", vaddr,
			      found ? name : "unknown", expected);
	else
		ck_assert_msg(!found, "%lx is %s, not unknown", vaddr, name);
}

/* Finds where the innermost symbol around addr starts and its size; false: none with a size. */
static bool nm_innermost(const struct nm_table *table, unsigned long addr, struct nm_symbol *ret)
{
	bool found = false;

	for (size_t i = 0; i < table->n; i++) {
		const struct nm_symbol *s = &table->symbols[i];

		if (addr < s->addr || addr - s->addr >= s->size)
			continue;
		if (!found || s->addr > ret->addr ||
		    (s->addr == ret->addr && s->size < ret->size)) {
			*ret = *s;
			found = true;
		}
	}
	return found;
}

/* Is name what c++filt makes of one of the aliases of that start and size, a global if any? */
static bool nm_alias(const struct nm_table *table, char **filtered, const struct nm_symbol *of,
		     const char *name)
{
	bool any_global = false, match_global = false, match_local = false;
	size_t shortest = SIZE_MAX, n_match = 0;

	for (size_t i = 0; i < table->n; i++) {
		const struct nm_symbol *s = &table->symbols[i];

		if (s->addr != of->addr || s->size != of->size)
			continue;
		bool global = s->type != 't';

		any_global |= global;
		if (global && strlen(s->name) < shortest)
			shortest = strlen(s->name);
		if (strcmp(filtered[i], name) != 0)
			continue;
		*(global ? &match_global : &match_local) = true;
		if (global && (n_match == 0 || strlen(s->name) < n_match))
			n_match = strlen(s->name);
	}
	return any_global ? match_global && n_match == shortest : match_local;
}

static char **nm_filter(const struct nm_table *table)
{
	char **filtered = calloc(table->n + 1, sizeof(*filtered)), path[] = "/tmp/pv-names-XXXXXX";
	char command[128], *line = NULL;
	size_t capacity = 0, n = 0;
	FILE *file = fdopen(mkstemp(path), "w");

	for (size_t i = 0; i < table->n; i++)
		fprintf(file, "%s\n", table->symbols[i].name);
	fclose(file);
	snprintf(command, sizeof(command), "c++filt -i < %s", path);
	file = popen(command, "r");
	while (n < table->n && getline(&line, &capacity, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		filtered[n++] = strdup(line);
	}
	ck_assert_int_eq(pclose(file), 0);
	ck_assert_uint_eq(n, table->n);
	free(line);
	unlink(path);
	return filtered;
}

static void compare_at(const struct object *object, const struct nm_table *table, char **filtered,
		       unsigned long addr)
{
	struct nm_symbol innermost;
	const char *name = NULL;
	uint64_t start = 0;
	bool found = pv_native_symbol_at(object->symbols, addr, &name, &start);

	/* Symbols without a size are for the tests with objects that we made. */
	if (!nm_innermost(table, addr, &innermost))
		return;
	ck_assert_msg(found, "%lx: unknown, nm has %s", addr, innermost.name);
	if (start > innermost.addr) {
		for (size_t i = 0; i < table->n; i++) {
			if (table->symbols[i].addr == start && table->symbols[i].size == 0)
				return;
		}
	}
	ck_assert_msg(start == innermost.addr, "%lx: starts at %lx (%s), nm has %lx (%s)", addr,
		      (unsigned long)start, name, innermost.addr, innermost.name);
	ck_assert_msg(nm_alias(table, filtered, &innermost, name), "%lx: %s, nm has %s", addr, name,
		      innermost.name);
}

/* Some hundred functions of a file: first, middle and last byte, and the byte behind. */
static void compare_with_nm(const char *path, const char *options, size_t at_least)
{
	struct object object = object_open(path, path, "/nonexistent");
	struct nm_table table = nm_read(options, path);
	char **filtered = nm_filter(&table);
	size_t step = table.n / 400 + 1, n = 0, n_unknown = 0;

	for (size_t i = 0; i < table.n; i += step) {
		const struct nm_symbol *s = &table.symbols[i];

		if (s->size == 0)
			continue;
		compare_at(&object, &table, filtered, s->addr);
		compare_at(&object, &table, filtered, s->addr + s->size / 2);
		compare_at(&object, &table, filtered, s->addr + s->size - 1);
		n++;

		struct nm_symbol other;
		const char *name;
		uint64_t start;

		if (nm_innermost(&table, s->addr + s->size, &other))
			continue;
		if (!pv_native_symbol_at(object.symbols, s->addr + s->size, &name, &start))
			n_unknown++;
		else
			ck_assert_uint_ne(start, s->addr);
	}
	printf("%s: %zu functions agree with nm %s, %zu gaps behind them unknown\n", path, n,
	       options, n_unknown);
	ck_assert_uint_ge(n, at_least);
	for (size_t i = 0; i < table.n; i++)
		free(filtered[i]);
	free(filtered);
	nm_free(&table);
	object_close(&object);
}

static int library_path(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so.6"))
		return 0;
	*(char **)ctx = strdup(info->dlpi_name);
	return 1;
}

START_TEST(libc_like_nm)
{
	char *path = NULL;

	if (!tools_there("libc_like_nm"))
		return;
	dl_iterate_phdr(library_path, &path);
	ck_assert_ptr_nonnull(path);
	compare_with_nm(path, "-D", 200);
	free(path);
}
END_TEST

START_TEST(libstdcxx_like_nm)
{
	void *handle = dlopen("libstdc++.so.6", RTLD_LAZY);
	struct link_map *map = NULL;

	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map)) {
		printf("skip: libstdcxx_like_nm: no libstdc++.so.6\n");
		return;
	}
	if (!tools_there("libstdcxx_like_nm"))
		return;
	compare_with_nm(map->l_name, "-D", 200);
	dlclose(handle);
}
END_TEST

START_TEST(python_like_nm)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
	char pattern[512];
	glob_t found = { 0 };

	if (root)
		snprintf(pattern, sizeof(pattern), "%s/versions/3.*/lib/libpython3.*.so.1.0", root);
	else
		snprintf(pattern, sizeof(pattern), "%s/.pyenv/versions/3.*/lib/libpython3.*.so.1.0",
			 home ? home : "");
	if (glob(pattern, 0, NULL, &found) != 0 || !tools_there("python_like_nm")) {
		printf("skip: python_like_nm: no pyenv Python\n");
		return;
	}
	/* The newest has the most of what compilers do: .cold, .constprop, .isra. */
	const char *newest = found.gl_pathv[0];

	for (size_t i = 1; i < found.gl_pathc; i++) {
		if (strverscmp(found.gl_pathv[i], newest) > 0)
			newest = found.gl_pathv[i];
	}
	compare_with_nm(newest, "", 200);
	globfree(&found);
}
END_TEST

/* The rules for what compilers do not make, by assembler; the truth is the source. */
START_TEST(sizes_nesting_and_sections)
{
	if (!tools_there("sizes_nesting_and_sections"))
		return;
	dir_make();
	char path[128];

	snprintf(path, sizeof(path), "%s/a.s", dir);
	FILE *file = fopen(path, "w");

	fputs(".text\n"
	      ".globl outer, outer_longer, _ZN3foo3barEi, lib_call\n"
	      ".type outer,@function\n.type outer_longer,@function\n.type outer_local,@function\n"
	      "outer:\nouter_longer:\nouter_local:\nnop\n"
	      "label_inside:\n.space 15,0x90\n"
	      ".type inner,@function\ninner: .space 4,0x90\n.size inner,4\n"
	      ".space 11,0x90\n"
	      ".type entry,@function\nentry: nop\n" /* an entry without size, in outer */
	      ".size outer,32\n.size outer_longer,32\n.size outer_local,32\n"
	      ".space 16,0x90\n" /* nobody's */
	      ".type nosize,@function\nnosize: .space 16,0x90\n"
	      "label_outside: .space 16,0x90\n"
	      ".type outer.cold,@function\nouter.cold: .space 8,0x90\n.size outer.cold,8\n"
	      ".type _ZN3foo3barEi,@function\n_ZN3foo3barEi: .space 8,0x90\n"
	      ".size _ZN3foo3barEi,8\n"
	      ".type versioned,@function\nversioned: .space 8,0x90\n.size versioned,8\n"
	      ".symver versioned,lib_call@@V1\n"
	      ".type toolong,@function\ntoolong: .space 8,0x90\n.size toolong,100000000\n"
	      ".type whole,@function\nwhole:\n.type head,@function\nhead: .space 8,0x90\n"
	      ".size whole,8\n.size head,4\n"
	      ".type last,@function\nlast: .space 8,0x90\n"
	      ".section .fini,\"ax\"\n.p2align 12\n"
	      ".type final,@function\nfinal: .space 8,0x90\n.size final,8\n"
	      ".data\n.type variable,@object\nvariable: .quad 1\n.size variable,8\n",
	      file);
	fclose(file);
	ck_assert_int_eq(run("cd %s && echo 'V1 { global: lib_call; outer*; _Z*; };' > map && "
			     "cc -nostdlib -shared -Wl,--version-script=map -o a.so a.s",
			     dir),
			 0);
	snprintf(path, sizeof(path), "%s/a.so", dir);
	struct nm_table table = nm_read("", path);
	struct object object = object_open(path, path, "");
	unsigned long outer = nm_addr(&table, "outer"), nosize = nm_addr(&table, "nosize");
	unsigned long last = nm_addr(&table, "last"), final = nm_addr(&table, "final");

	expect(&object, outer, "outer");
	expect(&object, outer + 1, "outer");
	expect(&object, outer + 15, "outer");
	expect(&object, outer + 16, "inner");
	expect(&object, outer + 19, "inner");
	expect(&object, outer + 20, "outer");
	expect(&object, outer + 31, "entry");
	expect(&object, outer + 32, NULL);
	expect(&object, nosize - 1, NULL);
	expect(&object, nosize, "nosize");
	expect(&object, nosize + 15, "nosize");
	expect(&object, nosize + 16, "label_outside");
	expect(&object, nosize + 31, "label_outside");
	expect(&object, nm_addr(&table, "outer.cold"), "outer.cold");
	expect(&object, nm_addr(&table, "_ZN3foo3barEi") + 7, "foo::bar(int)");
	expect(&object, nm_addr(&table, "toolong") - 8, "lib_call");
	expect(&object, nm_addr(&table, "toolong") + 7, "toolong");
	expect(&object, nm_addr(&table, "whole") + 3, "head");
	expect(&object, nm_addr(&table, "whole") + 4, "whole");
	expect(&object, last + 7, "last");
	expect(&object, last + 8, NULL);
	expect(&object, final - 1, NULL);
	expect(&object, final + 7, "final");
	expect(&object, final + 8, NULL);
	expect(&object, 0, NULL);
	expect(&object, UINT64_MAX, NULL);
	struct pv_elf_symbol variable;

	ck_assert(pv_elf_find_symbol(object.elf, "variable", &variable));
	expect(&object, variable.vaddr, NULL);
	object_close(&object);
	nm_free(&table);
	dir_remove();
}
END_TEST

/* tiny, stripped, and its debug file beside it; hidden() is only in the latter. */
static void tiny_build(const char *name, const char *hidden, const char *build_id)
{
	ck_assert_int_eq(run("cd %s && printf '__attribute__((noinline)) static int %s(int x) "
			     "{ return x * 3 + 1; }\\nint main(int c, char **v) "
			     "{ (void)v; return %s(c); }\\n' > %s.c && "
			     "cc -O1 -g -Wl,--build-id=%s -o %s %s.c && "
			     "nm %s | grep ' %s$' | cut -d' ' -f1 > %s.addr && "
			     "objcopy --only-keep-debug %s %s.debug && strip %s && "
			     "objcopy --add-gnu-debuglink=%s.debug %s",
			     dir, hidden, hidden, name, build_id, name, name, name, hidden, name,
			     name, name, name, name, name),
			 0);
}

static unsigned long tiny_addr(const char *name)
{
	char path[128];
	unsigned long addr = 0;

	snprintf(path, sizeof(path), "%s/%s.addr", dir, name);
	FILE *file = fopen(path, "r");

	ck_assert_int_eq(fscanf(file, "%lx", &addr), 1);
	fclose(file);
	return addr;
}

/* Looks hidden() up in dir/tiny, as seen from root dir: path is "/tiny". */
static void tiny_expect(const char *name, const char *expected)
{
	char path[128], shown[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(shown, sizeof(shown), "/%s", name);
	struct object object = object_open(path, shown, dir);

	expect(&object, tiny_addr(name) + 1, expected);
	object_close(&object);
}

/* As Fedora makes it: the symbols that strip takes out, packed into the object itself. */
START_TEST(packed_symbols)
{
	if (!tools_there("packed_symbols"))
		return;
	if (run("command -v xz >/dev/null")) {
		printf("skip: packed_symbols: needs xz\n");
		return;
	}
	dir_make();
	tiny_build("tiny", "hidden", "0x1234567890abcdef");
	ck_assert_int_eq(run("cd %s && objcopy --remove-section=.gnu_debuglink tiny && "
			     "cp tiny broken && mv tiny.debug mini && xz -k mini && "
			     "objcopy --add-section .gnu_debugdata=mini.xz tiny && "
			     "head -c 500 mini.xz > cut.xz && cp tiny.addr broken.addr && "
			     "objcopy --add-section .gnu_debugdata=cut.xz broken",
			     dir),
			 0);
	tiny_expect("tiny", "hidden");
	/* what does not unpack is as if it were not there */
	tiny_expect("broken", NULL);
	dir_remove();
}
END_TEST

START_TEST(debug_file_by_link)
{
	if (!tools_there("debug_file_by_link"))
		return;
	dir_make();
	tiny_build("tiny", "hidden", "none");
	tiny_expect("tiny", "hidden");
	run("mkdir %s/.debug && mv %s/tiny.debug %s/.debug", dir, dir, dir);
	tiny_expect("tiny", "hidden");
	run("mkdir -p %s/usr/lib/debug && mv %s/.debug/tiny.debug %s/usr/lib/debug", dir, dir, dir);
	tiny_expect("tiny", "hidden");
	/* A FIFO, a text file and a directory of that name do not hide it. */
	run("cd %s && mkfifo tiny.debug && echo text > .debug/tiny.debug", dir);
	tiny_expect("tiny", "hidden");
	/* one bit of content more and the CRC is another */
	run("echo >> %s/usr/lib/debug/tiny.debug", dir);
	tiny_expect("tiny", NULL);
	dir_remove();
}
END_TEST

START_TEST(debug_file_by_build_id)
{
	if (!tools_there("debug_file_by_build_id"))
		return;
	dir_make();
	tiny_build("tiny", "hidden", "0xabcdef0123");
	tiny_expect("tiny", "hidden");
	run("cd %s && mkdir -p usr/lib/debug/.build-id/ab && "
	    "mv tiny.debug usr/lib/debug/.build-id/ab/cdef0123.debug",
	    dir);
	tiny_expect("tiny", "hidden");
	run("rm -r %s/usr", dir);
	tiny_expect("tiny", NULL);
	/* Another build's under its name: by link, and by build-id. */
	tiny_build("other", "wrong", "0xabcdef0124");
	run("cd %s && cp other.debug tiny.debug && mkdir -p usr/lib/debug/.build-id/ab && "
	    "cp other.debug usr/lib/debug/.build-id/ab/cdef0123.debug",
	    dir);
	tiny_expect("tiny", NULL);
	tiny_expect("other", "wrong");
	/* What looks like a debug file but was stripped itself is passed over. */
	run("cd %s && cp other usr/lib/debug/.build-id/ab/cdef0124.debug", dir);
	tiny_expect("other", "wrong");
	dir_remove();
}
END_TEST

START_TEST(vdso_from_memory)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	void *handle = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	const char *function = handle ? dlsym(handle, "__vdso_clock_gettime") : NULL;
	unsigned long start = 0, end = 0;
	char line[256];

	if (!base || !function) {
		printf("skip: vdso_from_memory: no vdso\n");
		return;
	}
	FILE *file = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), file) && !strstr(line, "[vdso]"))
		;
	fclose(file);
	ck_assert_int_eq(sscanf(line, "%lx-%lx", &start, &end), 2);
	struct object object = { 0 };

	ok(pv_elf_open_memory(base, end - start, &object.elf));
	ok(pv_native_symbols_create(object.elf, "", "", &object.symbols));
	expect(&object, (unsigned long)(function - base) + 1, "clock_gettime");
	object_close(&object);
	dlclose(handle);
}
END_TEST

/* The FDEs' own starts and ends answer, as libdw's or readelf's would: symbols are not asked. */
START_TEST(nameless_functions_begin_at_their_fde)
{
	struct pv_native_symbols *symbols;
	struct pv_fde_range *fdes;
	struct pv_elf *elf;
	size_t n;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(pv_elf_open(fd, &elf));
	ck_assert_ptr_null(pv_native_symbols_create(elf, "/proc/self/exe", "", &symbols));
	ck_assert_ptr_null(pv_elf_fde_ranges(elf, &fdes, &n));
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_eq(pv_native_function_start(symbols, fdes[0].start), fdes[0].start);
	ck_assert_uint_eq(pv_native_function_start(symbols, fdes[5].end - 1), fdes[5].start);
	ck_assert_uint_eq(pv_native_function_start(symbols, fdes[n - 1].end - 1),
			  fdes[n - 1].start);
	/* outside of all of them an address stands for itself */
	ck_assert_uint_eq(pv_native_function_start(symbols, fdes[n - 1].end), fdes[n - 1].end);
	ck_assert_uint_eq(pv_native_function_start(symbols, 1), 1);
	free(fdes);
	pv_native_symbols_destroy(symbols);
	pv_elf_close(elf);
}
END_TEST

START_TEST(demangled_names)
{
	static const char *const names[][2] = {
		{ "_Znwm", "operator new(unsigned long)" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZN3fooL3barEv.cold", "foo::bar() [clone .cold]" },
		{ "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
		  "core::fmt::Write::write_fmt" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "main", NULL },
		{ "_Z", NULL },
		{ "_ZN", NULL },
		{ "", NULL },
		{ "_PyEval_EvalFrameDefault", NULL },
	};
	struct pv_str text = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		bool done = pv_demangle(names[i][0], &text);

		ck_assert_msg(done == (names[i][1] != NULL), "%s", names[i][0]);
		if (done)
			ck_assert_str_eq(pv_str_text(&text), names[i][1]);
	}
	pv_str_deinit(&text);
}
END_TEST

START_TEST(demangling_is_bounded)
{
	struct pv_str text = { 0 };
	char *name = malloc(PV_MANGLED_MAX + 100);
	size_t n = (size_t)sprintf(name, "_Z1fSt4pairIiiES_IS0_S0_E");

	/* Each type holds the one before twice: 2^30 ints. */
	for (int i = 1; i < 30; i++)
		n += (size_t)sprintf(name + n, "S_IS%c_S%c_E", i < 10 ? '0' + i : 'A' + i - 10,
				     i < 10 ? '0' + i : 'A' + i - 10);
	ck_assert(!pv_demangle(name, &text));
	ck_assert_uint_le(text.n, PV_DEMANGLED_MAX);

	/* libiberty by itself refuses more than 1,024 bytes. */
	n = (size_t)sprintf(name, "_ZN");
	for (int i = 0; i < 500; i++)
		n += (size_t)sprintf(name + n, "4abcd");
	sprintf(name + n, "Ev");
	ck_assert(pv_demangle(name, &text));
	ck_assert_uint_eq(text.n, 500 * 4 + 499 * 2 + 2);
	static const char *const nests[] = { "P", "F", "cv", "sr", "I1aI", "N1aI", "KP", "Dp" };

	for (size_t i = 0; i < sizeof(nests) / sizeof(*nests); i++) {
		n = (size_t)sprintf(name, "_Z1f");
		while (n + strlen(nests[i]) < PV_MANGLED_MAX)
			n += (size_t)sprintf(name + n, "%s", nests[i]);
		pv_demangle(name, &text); /* must not overflow a stack */
	}
	memset(name, 'a', PV_MANGLED_MAX + 1);
	memcpy(name, "_Z9999", 6);
	name[PV_MANGLED_MAX + 1] = '\0';
	ck_assert(!pv_demangle(name, &text));
	free(name);
	pv_str_deinit(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("native");
	TCase *tcase = tcase_create("native");

	tcase_add_test(tcase, libc_like_nm);
	tcase_add_test(tcase, libstdcxx_like_nm);
	tcase_add_test(tcase, python_like_nm);
	tcase_add_test(tcase, sizes_nesting_and_sections);
	tcase_add_test(tcase, packed_symbols);
	tcase_add_test(tcase, debug_file_by_link);
	tcase_add_test(tcase, debug_file_by_build_id);
	tcase_add_test(tcase, vdso_from_memory);
	tcase_add_test(tcase, nameless_functions_begin_at_their_fde);
	tcase_add_test(tcase, demangled_names);
	tcase_add_test(tcase, demangling_is_bounded);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
