/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Made-up processes for the tests of detection: small ELF objects and a memory that
 * lies.  Input: what a test puts where.  Output: modules and a struct pv_mem.
 */
#ifndef PV_TESTS_UNIT_MADE_PROCESS_H
#define PV_TESTS_UNIT_MADE_PROCESS_H

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "python/detect.h"
#include "target/mem.h"

/* An object: [0, DATA) is text and read-only data, [DATA, IMAGE) is .data, at the same offsets. */
enum {
	DYNSYM = 0x200,
	DYNSTR = 0x800,
	SYMTAB = 0xa00,
	SECTIONS = 0xe00,
	EH_FRAME = 0xc00,
	HOT = 0x1000,
	TAIL = 0x1100,
	COLD = 0x1200,
	RODATA = 0x1400,
	DATA = 0x2000,
	RUNTIME = 0x2100,
	TEXT = 0x2f00,
	IMAGE = 0x3000,
	HEAP_BYTES = 0x2000,
	OBJECTS_MAX = 4,
};
#define HEAP 0x10000000ULL

/* What lies where on the heap. */
enum { INTERP = 0x000, TSTATE = 0x200, PTHREAD = 0x400, BLOCK = 0xc00, TSTATE_2 = 0xe00 };

struct object {
	uint8_t image[IMAGE];
	size_t n_symbols, n_names;
	bool symtab; /* symbols go to .symtab from now on */
	size_t n_symtab;
	uint64_t bias;
	struct pv_elf *elf;
};

struct process {
	struct pv_mem mem;
	struct object objects[OBJECTS_MAX];
	struct pv_python_module modules[OBJECTS_MAX];
	size_t n_objects;
	uint8_t heap[HEAP_BYTES];
	unsigned int reads, fail_nth;
	int errnum; /* of every read, 0: they work */
};

static inline void put(void *at, uint64_t value, size_t n)
{
	memcpy(at, &value, n);
}

static inline void heap_put(struct process *p, uint64_t at, uint64_t value)
{
	put(p->heap + at, value, 8);
}

static inline int process_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct process *p = (struct process *)mem;

	if (++p->reads == p->fail_nth)
		return -EFAULT;
	if (p->errnum)
		return -p->errnum;
	if (addr >= HEAP && addr - HEAP < HEAP_BYTES && n <= HEAP_BYTES - (addr - HEAP)) {
		memcpy(dst, p->heap + (addr - HEAP), n);
		return 0;
	}
	for (size_t i = 0; i < p->n_objects; i++) {
		uint64_t at = addr - p->objects[i].bias;

		if (at < IMAGE && n <= IMAGE - at) {
			memcpy(dst, p->objects[i].image + at, n);
			return 0;
		}
	}
	return -EFAULT;
}

static inline struct process *process_create(void)
{
	struct process *p = calloc(1, sizeof(*p));

	p->mem.read = process_read;
	return p;
}

static inline void process_destroy(struct process *p)
{
	for (size_t i = 0; i < p->n_objects; i++)
		pv_elf_close(p->objects[i].elf);
	free(p);
}

static inline void symbol(struct object *o, const char *name, uint64_t value, uint64_t size,
			  int type)
{
	size_t *n = o->symtab ? &o->n_symtab : &o->n_symbols;
	Elf64_Sym sym = {
		.st_name = (Elf64_Word)(o->n_names + 1),
		.st_info = ELF64_ST_INFO(o->symtab ? STB_LOCAL : STB_GLOBAL, type),
		.st_shndx = 1,
		.st_value = value,
		.st_size = size,
	};

	ck_assert_uint_lt(*n, 20);
	memcpy(o->image + (o->symtab ? SYMTAB : DYNSYM) + ++*n * sizeof(sym), &sym, sizeof(sym));
	strcpy((char *)o->image + DYNSTR + sym.st_name, name);
	o->n_names += strlen(name) + 1;
	ck_assert_uint_lt(o->n_names, SYMTAB - DYNSTR);
}

static inline struct object *object_add(struct process *p)
{
	struct object *o = &p->objects[p->n_objects++];

	o->bias = 0x7f0000000000ULL + p->n_objects * 0x100000;
	memset(o->image + HOT, 0x90, RODATA - HOT);
	return o;
}

static inline void section(struct object *o, unsigned int i, Elf64_Shdr shdr)
{
	memcpy(o->image + SECTIONS + i * sizeof(shdr), &shdr, sizeof(shdr));
}

/* Closes the object: headers last, then it is opened as an ELF file would be. */
static inline void object_open(struct process *p, struct object *o, const char *path)
{
	static const char names[] = "\0.eh_frame";
	Elf64_Ehdr ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_shoff = SECTIONS,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 6,
		.e_shstrndx = 4,
	};
	Elf64_Phdr phdr[2] = {
		{ PT_LOAD, PF_R | PF_X, 0, 0, 0, DATA, DATA, 0x1000 },
		{ PT_LOAD, PF_R | PF_W, DATA, DATA, DATA, IMAGE - DATA, IMAGE - DATA, 0x1000 },
	};
	size_t i = (size_t)(o - p->objects);
	struct pv_err *err;

	memcpy(o->image, &ehdr, sizeof(ehdr));
	memcpy(o->image + sizeof(ehdr), phdr, sizeof(phdr));
	memcpy(o->image + 0x1c0, names, sizeof(names));
	section(o, 1,
		(Elf64_Shdr){ .sh_type = SHT_DYNSYM,
			      .sh_offset = DYNSYM,
			      .sh_link = 2,
			      .sh_addr = DYNSYM,
			      .sh_entsize = sizeof(Elf64_Sym),
			      .sh_size = (o->n_symbols + 1) * sizeof(Elf64_Sym) });
	section(o, 2,
		(Elf64_Shdr){
			.sh_type = SHT_STRTAB, .sh_offset = DYNSTR, .sh_size = o->n_names + 2 });
	if (o->symtab)
		section(o, 3,
			(Elf64_Shdr){ .sh_type = SHT_SYMTAB,
				      .sh_offset = SYMTAB,
				      .sh_link = 2,
				      .sh_entsize = sizeof(Elf64_Sym),
				      .sh_size = (o->n_symtab + 1) * sizeof(Elf64_Sym) });
	section(o, 4,
		(Elf64_Shdr){
			.sh_type = SHT_STRTAB, .sh_offset = 0x1c0, .sh_size = sizeof(names) });
	err = pv_elf_open_memory(o->image, sizeof(o->image), &o->elf);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	p->modules[i] = (struct pv_python_module){ .elf = o->elf, .bias = o->bias, .path = path };
}

/* One CIE and an FDE per range (LSB 5.0, 10.6): pc-relative, 4 bytes. */
static inline void frames_add(struct object *o, const uint64_t (*ranges)[2], size_t n)
{
	static const uint8_t cie[] = { 0x14, 0,    0,  0, 0,    0,    0, 0, 1,    'z', 'R', 0,
				       1,    0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,   0,   0 };
	size_t at = EH_FRAME + sizeof(cie);

	memcpy(o->image + EH_FRAME, cie, sizeof(cie));
	for (size_t i = 0; i < n; i++, at += 20) {
		put(o->image + at, 16, 4);
		put(o->image + at + 4, at + 4 - EH_FRAME, 4);
		put(o->image + at + 8, ranges[i][0] - (at + 8), 4);
		put(o->image + at + 12, ranges[i][1] - ranges[i][0], 4);
		put(o->image + at + 16, 0, 4);
	}
	section(o, 5,
		(Elf64_Shdr){ .sh_name = 1,
			      .sh_type = SHT_PROGBITS,
			      .sh_addr = EH_FRAME,
			      .sh_offset = EH_FRAME,
			      .sh_size = at + 4 - EH_FRAME });
}

/* jmp rel32 */
static inline void jump(struct object *o, uint64_t from, uint64_t to)
{
	o->image[from] = 0xe9;
	put(o->image + from + 1, to - (from + 5), 4);
}

static inline void add_libc(struct process *p)
{
	static const uint32_t data[] = { 2048, 1, 0x510, 128, 32, 0, 64, 1, 8, 16 };
	struct object *o = object_add(p);

	memcpy(o->image + RODATA, data, sizeof(data));
	symbol(o, "_thread_db_pthread_specific", RODATA, 12, STT_OBJECT);
	symbol(o, "_thread_db_pthread_key_data_level2_data", RODATA + 12, 12, STT_OBJECT);
	symbol(o, "_thread_db_pthread_key_data_data", RODATA + 24, 12, STT_OBJECT);
	symbol(o, "_thread_db_sizeof_pthread_key_data", RODATA + 36, 4, STT_OBJECT);
	object_open(p, o, "/lib/libc.so.6");
}

static inline void add_symbols(struct object *o)
{
	symbol(o, "_PyRuntime", RUNTIME, 0x800, STT_OBJECT);
	symbol(o, "PyCode_Type", DATA, 8, STT_OBJECT);
	symbol(o, "PyBytes_Type", DATA + 8, 8, STT_OBJECT);
	symbol(o, "PyUnicode_Type", DATA + 16, 8, STT_OBJECT);
	symbol(o, "PyFunction_Type", DATA + 24, 8, STT_OBJECT);
	symbol(o, "_PyEval_EvalFrameDefault", HOT, 0x80, STT_FUNC);
}

static inline void add_version(struct object *o, uint32_t hex)
{
	put(o->image + RODATA, hex, 4);
	symbol(o, "Py_Version", RODATA, 4, STT_OBJECT);
}

static inline struct pv_python detect(struct process *p)
{
	struct pv_python python;
	struct pv_err *err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);

	ck_assert_msg(!err, "%s", err ? err->message : "");
	return python;
}

static inline void refused(struct process *p, const char *why)
{
	struct pv_python python;
	struct pv_err *err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);

	ck_assert_msg(err != NULL, "not refused: %s", why);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	ck_assert_msg(strstr(err->message, why) != NULL, "%s", err->message);
	pv_err_destroy(err);
	process_destroy(p);
}

#endif
