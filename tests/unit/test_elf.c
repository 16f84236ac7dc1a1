/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of elf/elf.h.  Input: this program, libc, the vdso, copies of them
 * with something cut or changed; the truth is what the dynamic linker and
 * binutils' readelf say.  Output: Check's report.
 */
#include <check.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf/elf.h"

static const char self[] = "/proc/self/exe";

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static struct pv_elf *elf_of(const char *path)
{
	struct pv_elf *elf;

	ok(pv_elf_open(open(path, O_RDONLY | O_CLOEXEC), &elf));
	return elf;
}

static struct pv_elf *elf_of_image(const void *image, size_t n)
{
	struct pv_elf *elf;

	ok(pv_elf_open_memory(image, n, &elf));
	return elf;
}

static uint8_t *read_whole(const char *path, size_t *n_ret)
{
	struct stat st;
	FILE *in = fopen(path, "re");

	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(fstat(fileno(in), &st), 0);
	*n_ret = (size_t)st.st_size;
	uint8_t *image = malloc(*n_ret);

	ck_assert_ptr_nonnull(image);
	ck_assert_uint_eq(fread(image, 1, *n_ret, in), *n_ret);
	fclose(in);
	return image;
}

/* Where libc's file and its load bias are, as the dynamic linker has it. */
struct libc {
	char path[256];
	uint64_t bias;
};

static int find_libc(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct libc *libc = ctx;

	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so.6"))
		return 0;
	snprintf(libc->path, sizeof(libc->path), "%s", info->dlpi_name);
	libc->bias = info->dlpi_addr;
	return 1;
}

static struct libc the_libc(void)
{
	struct libc libc;

	ck_assert_int_eq(dl_iterate_phdr(find_libc, &libc), 1);
	return libc;
}

static FILE *readelf(const char *options, const char *path)
{
	char command[512];
	FILE *out;

	/* ASan's preloads are not for binutils */
	snprintf(command, sizeof(command), "LC_ALL=C readelf -W %s '%s' 2>/dev/null", options,
		 path);
	out = popen(command, "re");
	ck_assert_ptr_nonnull(out);
	return out;
}

/* --- symbols --- */

struct seen {
	uint64_t sum, n, functions, globals, dynamic;
};

static uint64_t mix(uint64_t vaddr, uint64_t size, const char *name, size_t n)
{
	uint64_t hash = vaddr * 31 + size;

	for (size_t i = 0; i < n; i++)
		hash = hash * 131 + (uint8_t)name[i];
	return hash;
}

static bool see(void *ctx, const struct pv_elf_symbol *symbol)
{
	struct seen *seen = ctx;

	/* readelf puts the versions of .dynsym into the names, and .symtab has them there */
	seen->sum += mix(symbol->vaddr, symbol->size, symbol->name, strcspn(symbol->name, "@"));
	seen->n++;
	seen->functions += symbol->is_function;
	seen->globals += symbol->is_global;
	seen->dynamic += symbol->from_dynsym;
	return true;
}

static void readelf_symbols(const char *path, struct seen *seen)
{
	FILE *out = readelf("-s", path);
	char line[4096], type[32], bind[32], section[32], name[2048], size[32];
	bool dynamic = false;
	uint64_t vaddr;

	while (fgets(line, sizeof(line), out)) {
		if (!strncmp(line, "Symbol table '", 14))
			dynamic = strstr(line, ".dynsym") != NULL;
		if (sscanf(line, " %*d: %" SCNx64 " %31s %31s %31s %*s %31s %2047s", &vaddr, size,
			   type, bind, section, name) != 6)
			continue;
		if (strcmp(type, "NOTYPE") && strcmp(type, "OBJECT") && strcmp(type, "FUNC") &&
		    strcmp(type, "IFUNC"))
			continue;
		if (!strcmp(section, "UND") || !strcmp(section, "ABS"))
			continue;
		seen->sum += mix(vaddr, strtoull(size, NULL, 0), name, strcspn(name, "@"));
		seen->n++;
		seen->functions += strstr(type, "FUNC") != NULL;
		seen->globals += strcmp(bind, "LOCAL") != 0;
		seen->dynamic += dynamic;
	}
	ck_assert_int_eq(pclose(out), 0);
}

static void compare_symbols(const char *path)
{
	struct pv_elf *elf = elf_of(path);
	struct seen ours = { 0 }, theirs = { 0 };

	pv_elf_each_symbol(elf, see, &ours);
	readelf_symbols(path, &theirs);
	ck_assert_uint_gt(theirs.n, 10);
	ck_assert_uint_eq(ours.n, theirs.n);
	ck_assert_uint_eq(ours.functions, theirs.functions);
	ck_assert_uint_eq(ours.globals, theirs.globals);
	ck_assert_uint_eq(ours.dynamic, theirs.dynamic);
	ck_assert_uint_eq(ours.sum, theirs.sum);
	pv_elf_close(elf);
}

/* The child's /proc/self/exe is readelf: name it by pid. */
START_TEST(symbols_equal_readelf)
{
	char path[64];
	struct libc libc = the_libc();

	snprintf(path, sizeof(path), "/proc/%d/exe", getpid());
	compare_symbols(path);
	compare_symbols(libc.path);
}
END_TEST

START_TEST(found_symbols)
{
	struct libc libc = the_libc();
	struct pv_elf *elf = elf_of(libc.path);
	struct pv_elf_symbol symbol = { .vaddr = 1 };

	ck_assert(pv_elf_find_symbol(elf, "malloc_usable_size", &symbol));
	ck_assert_uint_eq(symbol.vaddr + libc.bias,
			  (uintptr_t)dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD),
					   "malloc_usable_size"));
	ck_assert(symbol.is_function && symbol.is_global && symbol.from_dynsym);
	ck_assert_str_eq(symbol.name, "malloc_usable_size");
	ck_assert(pv_elf_find_symbol(elf, "_thread_db_pthread_specific", &symbol));
	ck_assert(!symbol.is_function);
	uint64_t vaddr = symbol.vaddr;

	/* a prefix, an undefined one, a version, a TLS variable */
	ck_assert(!pv_elf_find_symbol(elf, "malloc_usable_siz", &symbol));
	ck_assert(!pv_elf_find_symbol(elf, "__tls_get_addr", &symbol));
	ck_assert(!pv_elf_find_symbol(elf, "GLIBC_2.2.5", &symbol));
	ck_assert(!pv_elf_find_symbol(elf, "errno", &symbol));
	ck_assert(!pv_elf_find_symbol(elf, "", &symbol));
	ck_assert_uint_eq(symbol.vaddr, vaddr);
	pv_elf_close(elf);
}
END_TEST

/* --- identity, segments, sections --- */

START_TEST(build_id_equals_readelf)
{
	struct libc libc = the_libc();
	FILE *out = readelf("-n", libc.path);
	struct pv_elf *elf = elf_of(libc.path);
	const struct pv_build_id *id = pv_elf_build_id(elf);
	char line[512], want[128] = "", have[128] = "";

	while (fgets(line, sizeof(line), out)) {
		const char *at = strstr(line, "Build ID: ");

		if (at)
			sscanf(at, "Build ID: %127s", want);
	}
	pclose(out);
	for (size_t i = 0; i < id->n; i++)
		sprintf(have + 2 * i, "%02x", id->bytes[i]);
	ck_assert_uint_gt(strlen(want), 8);
	ck_assert_str_eq(have, want);
	pv_elf_close(elf);
}
END_TEST

/* Every mapping of libc, as the kernel shows it, has the dynamic linker's bias. */
START_TEST(bias_of_every_mapping)
{
	struct libc libc = the_libc();
	FILE *maps = fopen("/proc/self/maps", "re");
	struct pv_elf *elf;
	char line[1024];
	uint64_t start[32], offset[32], bias = 0;
	int n = 0;

	ck_assert_ptr_nonnull(maps);
	/* before it is opened, which maps it once more */
	while (fgets(line, sizeof(line), maps) && n < 32)
		n += strstr(line, "/libc.so.6") &&
		     sscanf(line, "%" SCNx64 "-%*x %*s %" SCNx64, &start[n], &offset[n]) == 2;
	fclose(maps);
	ck_assert_int_ge(n, 4);
	elf = elf_of(libc.path);
	for (int i = 0; i < n; i++) {
		ck_assert(pv_elf_bias(elf, start[i], offset[i], &bias));
		ck_assert_uint_eq(bias, libc.bias);
	}
	bias = 5;
	ck_assert(!pv_elf_bias(elf, 0x10000, 1ULL << 40, &bias));
	ck_assert_uint_eq(bias, 5);
	pv_elf_close(elf);
}
END_TEST

/*
 * Segments that share a page of the file, as lld lays them out: what begins at
 * that page is the later one, and of two that do, code.
 */
START_TEST(bias_on_shared_pages)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr[3];
	} image = {
		.ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_phoff = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3 },
		.phdr = { { PT_LOAD, PF_R | PF_X, 0, 0, 0, 0x5240, 0x5240, 4096 },
			  { PT_LOAD, PF_R | PF_W, 0x5240, 0x7240, 0, 0x10, 0x10, 4096 },
			  { PT_LOAD, PF_R | PF_X, 0x5250, 0x9250, 0, 0x2000, 0x2000, 4096 } },
	};
	struct pv_elf *elf = elf_of_image(&image, sizeof(image));
	uint64_t bias;

	ck_assert(pv_elf_bias(elf, 0x10000, 0, &bias));
	ck_assert_uint_eq(bias, 0x10000);
	/* split by mprotect() */
	ck_assert(pv_elf_bias(elf, 0x14000, 0x4000, &bias));
	ck_assert_uint_eq(bias, 0x10000);
	ck_assert(pv_elf_bias(elf, 0x19000, 0x5000, &bias));
	ck_assert_uint_eq(bias, 0x10000);
	ck_assert(pv_elf_bias(elf, 0x1b000, 0x7000, &bias));
	ck_assert_uint_eq(bias, 0x10000);
	ck_assert(!pv_elf_bias(elf, 0x1c000, 0x8000, &bias));
	pv_elf_close(elf);
	/* without the second piece of code, data begins there, though code reaches into it */
	image.ehdr.e_phnum = 2;
	elf = elf_of_image(&image, sizeof(image));
	ck_assert(pv_elf_bias(elf, 0x17000, 0x5000, &bias));
	ck_assert_uint_eq(bias, 0x10000);
	pv_elf_close(elf);
}
END_TEST

START_TEST(data_equals_memory)
{
	struct libc libc = the_libc();
	struct pv_elf *elf = elf_of(libc.path);
	const struct pv_elf_load *load;
	struct pv_elf_section section;
	bool seen_code = false, seen_bss = false;

	ck_assert_uint_ge(pv_elf_n_loads(elf), 2);
	ck_assert_ptr_null(pv_elf_load_at(elf, pv_elf_n_loads(elf)));
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		load = pv_elf_load_at(elf, i);
		uint64_t last = load->vaddr + load->file_size - 1;

		ck_assert_ptr_nonnull(pv_elf_data(elf, last, 1));
		ck_assert_ptr_null(pv_elf_data(elf, last, 2));
		seen_bss |= load->writable && load->mem_size > load->file_size &&
			    !pv_elf_data(elf, last + 1, 1);
		if (!load->executable)
			continue;
		seen_code = true;
		ck_assert(!memcmp(pv_elf_data(elf, load->vaddr, load->file_size),
				  (void *)(load->vaddr + libc.bias), load->file_size));
	}
	ck_assert(seen_code);
	ck_assert(seen_bss);
	ck_assert_ptr_null(pv_elf_data(elf, UINT64_MAX - 3, 8));
	ck_assert_ptr_null(pv_elf_data(elf, 0, SIZE_MAX));
	ck_assert(pv_elf_section(elf, ".bss", &section));
	ck_assert_ptr_null(section.data);
	ck_assert(pv_elf_section(elf, ".text", &section));
	ck_assert_ptr_eq(section.data, pv_elf_data(elf, section.vaddr, section.size));
	ck_assert(!pv_elf_section(elf, ".tex", &section));
	pv_elf_close(elf);
}
END_TEST

/* --- FDEs --- */

static int compare_starts(const void *a, const void *b)
{
	const struct pv_fde_range *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1)
				    : (x->end > y->end) - (x->end < y->end);
}

START_TEST(fde_ranges_equal_readelf)
{
	struct libc libc = the_libc();
	struct pv_elf *elf = elf_of(libc.path);
	FILE *out = readelf("--debug-dump=frames", libc.path);
	struct pv_fde_range *ours, *theirs = calloc(100000, sizeof(*theirs));
	size_t n, m = 0;
	char line[1024], *pc;

	ck_assert_ptr_nonnull(theirs);
	while (fgets(line, sizeof(line), out)) {
		pc = strstr(line, " pc=");
		/* what is under .eh_frame only: libc has no .debug_frame */
		if (!strstr(line, " FDE ") || !pc || m == 100000)
			continue;
		m += sscanf(pc, " pc=%" SCNx64 "..%" SCNx64, &theirs[m].start, &theirs[m].end) == 2;
	}
	pclose(out);
	qsort(theirs, m, sizeof(*theirs), compare_starts);
	ok(pv_elf_fde_ranges(elf, &ours, &n));
	ck_assert_uint_gt(m, 1000);
	ck_assert_uint_eq(n, m);
	ck_assert(!memcmp(ours, theirs, n * sizeof(*ours)));
	free(ours);
	free(theirs);
	pv_elf_close(elf);
}
END_TEST

/* Without section headers, as sstrip leaves it, .eh_frame is found by its header's pointer. */
START_TEST(without_section_headers)
{
	size_t size, n, m;
	uint8_t *image = read_whole(self, &size);
	struct pv_elf *whole = elf_of(self), *cut;
	struct pv_elf_section a, b;
	struct pv_fde_range *x, *y;
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)image;

	ehdr->e_shoff = 0;
	ehdr->e_shnum = 0;
	ehdr->e_shstrndx = 0;
	cut = elf_of_image(image, size);
	ck_assert(pv_elf_eh_frame(whole, &a));
	ck_assert(pv_elf_eh_frame(cut, &b));
	ck_assert_uint_eq(a.vaddr, b.vaddr);
	/* the section counts its terminator */
	ck_assert_uint_eq(a.size, b.size + 4);
	ck_assert(!pv_elf_section(cut, ".eh_frame", &b));
	ok(pv_elf_fde_ranges(whole, &x, &n));
	ok(pv_elf_fde_ranges(cut, &y, &m));
	ck_assert_uint_eq(n, m);
	ck_assert(!memcmp(x, y, n * sizeof(*x)));
	ck_assert(pv_elf_build_id(cut)->n == pv_elf_build_id(whole)->n);
	free(x);
	free(y);
	free(image);
	pv_elf_close(cut);
	pv_elf_close(whole);
}
END_TEST

/* Without the program header, .eh_frame is found by its section. */
START_TEST(without_eh_frame_hdr)
{
	size_t size;
	uint8_t *image = read_whole(self, &size);
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)image;
	Elf64_Phdr *phdr = (Elf64_Phdr *)(image + ehdr->e_phoff);
	struct pv_elf_section a, b;
	struct pv_elf *elf;

	for (int i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_GNU_EH_FRAME || phdr[i].p_type == PT_NOTE)
			phdr[i].p_type = PT_NULL;
	}
	elf = elf_of_image(image, size);
	ck_assert(pv_elf_eh_frame(elf, &a));
	ck_assert(pv_elf_section(elf, ".eh_frame", &b));
	ck_assert_uint_eq(a.vaddr, b.vaddr);
	ck_assert_uint_eq(a.size, b.size);
	ck_assert_uint_gt(pv_elf_build_id(elf)->n, 0);
	pv_elf_close(elf);
	free(image);
}
END_TEST

START_TEST(vdso)
{
	void *image = (void *)getauxval(AT_SYSINFO_EHDR);
	struct pv_elf_symbol symbol;
	struct pv_fde_range *ranges;
	struct pv_elf *elf;
	size_t n;

	ck_assert_ptr_nonnull(image);
	elf = elf_of_image(image, 8192);
	ck_assert_uint_gt(pv_elf_build_id(elf)->n, 0);
	ck_assert(pv_elf_find_symbol(elf, "__vdso_clock_gettime", &symbol));
	ok(pv_elf_fde_ranges(elf, &ranges, &n));
	ck_assert_uint_gt(n, 0);
	free(ranges);
	pv_elf_close(elf);
}
END_TEST

/* --- debug links --- */

/* objcopy makes the link, and computes the CRC with its own code. */
START_TEST(debuglink)
{
	char dir[64] = "/tmp/pv-elf-XXXXXX", command[1024], path[128];
	const char *name;
	struct pv_elf *elf, *debug;
	uint32_t crc;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cd %s && cp /proc/%d/exe a && objcopy --only-keep-debug a x.debug && "
		 "objcopy --strip-all --add-gnu-debuglink=x.debug a b",
		 dir, getpid());
	ck_assert_int_eq(system(command), 0);
	snprintf(path, sizeof(path), "%s/b", dir);
	elf = elf_of(path);
	ck_assert(pv_elf_debuglink(elf, &name, &crc));
	ck_assert_str_eq(name, "x.debug");
	snprintf(path, sizeof(path), "%s/x.debug", dir);
	debug = elf_of(path);
	ck_assert_uint_eq(pv_elf_file_crc(debug), crc);
	ck_assert_uint_ne(pv_elf_file_crc(elf), crc);
	ck_assert(!pv_elf_debuglink(debug, &name, &crc));
	/* a debug file has no code, but the same id */
	ck_assert_uint_eq(pv_elf_build_id(debug)->n, pv_elf_build_id(elf)->n);
	ck_assert(!memcmp(pv_elf_build_id(debug)->bytes, pv_elf_build_id(elf)->bytes, 20));
	ck_assert_uint_gt(pv_elf_build_id(elf)->n, 0);
	struct seen stripped = { 0 }, full = { 0 };

	pv_elf_each_symbol(debug, see, &full);
	pv_elf_each_symbol(elf, see, &stripped);
	ck_assert_uint_gt(full.n, stripped.n);
	ck_assert_uint_eq(stripped.n, stripped.dynamic);
	ck_assert_uint_eq(full.dynamic, 0);
	pv_elf_close(debug);
	pv_elf_close(elf);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* --- refusals --- */

static void refused(const void *image, size_t n, const char *why)
{
	struct pv_elf *elf = NULL;
	struct pv_err *err = pv_elf_open_memory(image, n, &elf);

	ck_assert_msg(err, "accepted, expected: %s", why);
	ck_assert_ptr_null(elf);
	ck_assert_msg(strstr(err->message, why), "\"%s\" says nothing of \"%s\"", err->message,
		      why);
	pv_err_destroy(err);
}

START_TEST(refusals)
{
	size_t size;
	uint8_t *image = read_whole(self, &size);
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)image, good = *ehdr;

	refused("", 0, "not an ELF file");
	refused("#!/bin/sh", 9, "not an ELF file");
	refused(image, 20, "cut off");
	ehdr->e_ident[EI_CLASS] = ELFCLASS32;
	refused(image, size, "32-bit");
	*ehdr = good;
	ehdr->e_ident[EI_DATA] = ELFDATA2MSB;
	refused(image, size, "only x86-64");
	*ehdr = good;
	ehdr->e_machine = EM_AARCH64;
	refused(image, size, "machine 183");
	*ehdr = good;
	ehdr->e_type = ET_REL;
	refused(image, size, "not linked");
	*ehdr = good;
	ehdr->e_phoff = size - 8;
	refused(image, size, "program headers are cut off");
	free(image);
}
END_TEST

START_TEST(not_files)
{
	struct pv_elf *elf = NULL;
	struct pv_err *err = pv_elf_open(open("/dev/null", O_RDONLY | O_CLOEXEC), &elf);
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
	ck_assert_int_ge(fd, 0);
	err = pv_elf_open(fd, &elf);
	ck_assert_ptr_nonnull(err);
	ck_assert(strstr(err->message, "empty"));
	pv_err_destroy(err);
	/* it owned the descriptor, also on failure */
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	err = pv_elf_open(-1, &elf);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
	ck_assert_ptr_null(elf);
}
END_TEST

/* Every way to cut a file short leaves fewer facts, never a read beyond it (ASan sees those). */
START_TEST(cut_short)
{
	size_t size, n;
	uint8_t *image = read_whole(self, &size);
	struct pv_fde_range *ranges;

	for (size_t cut = 64; cut < size; cut += size / 97 + 1) {
		struct pv_elf_section section;
		struct pv_elf_symbol symbol;
		struct seen seen = { 0 };
		const char *name;
		struct pv_elf *elf;
		uint32_t crc;
		struct pv_err *err = pv_elf_open_memory(image, cut, &elf);

		if (err) {
			pv_err_destroy(err);
			continue;
		}
		pv_elf_each_symbol(elf, see, &seen);
		ok(pv_elf_fde_ranges(elf, &ranges, &n));
		free(ranges);
		ck_assert(!pv_elf_find_symbol(elf, "no such symbol", &symbol));
		pv_elf_section(elf, ".text", &section);
		pv_elf_debuglink(elf, &name, &crc);
		pv_elf_close(elf);
	}
	free(image);
}
END_TEST

/* An open object costs its mapping and little else; ASan's malloc has no mallinfo2. */
START_TEST(open_object_is_cheap)
{
	struct libc libc = the_libc();
	size_t before = mallinfo2().uordblks;
	struct pv_elf *elf = elf_of(libc.path);
	size_t after = mallinfo2().uordblks;

	ck_assert_uint_lt(after - before, 8192);
	pv_elf_close(elf);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tcase = tcase_create("elf");

	tcase_add_test(tcase, symbols_equal_readelf);
	tcase_add_test(tcase, found_symbols);
	tcase_add_test(tcase, build_id_equals_readelf);
	tcase_add_test(tcase, bias_of_every_mapping);
	tcase_add_test(tcase, bias_on_shared_pages);
	tcase_add_test(tcase, data_equals_memory);
	tcase_add_test(tcase, fde_ranges_equal_readelf);
	tcase_add_test(tcase, without_section_headers);
	tcase_add_test(tcase, without_eh_frame_hdr);
	tcase_add_test(tcase, vdso);
	tcase_add_test(tcase, debuglink);
	tcase_add_test(tcase, refusals);
	tcase_add_test(tcase, not_files);
	tcase_add_test(tcase, cut_short);
	tcase_add_test(tcase, open_object_is_cheap);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
