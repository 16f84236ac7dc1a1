/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Python functions of a process.
 * Input: /proc/PID/pagemap, and the process's memory, which may hold anything and
 * changes while it is read.
 * Output: struct pv_python_functions.
 *
 * A code object is a block whose second word is &PyCode_Type, a function object one
 * whose second word is &PyFunction_Type: what looks so is then checked field by
 * field.  Only pages that are in memory are read, so that nothing is brought in.
 */
#include "python/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "python/detect.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	PAGE = 4096,
	CHUNK_PAGES = 256,
	NAME_CHARS_MAX = 4096,
	CODE_BYTES_MAX = 256,
	FUNCTION_BYTES = 128,
};

/*
 * Larger ones are address space that something keeps for itself, such as a sanitizer's
 * shadow: to ask which pages of it there are would take minutes.
 */
#define MAPPING_BYTES_MAX (1ULL << 36)

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGE_PRESENT (1ULL << 63)
#define PAGE_SWAPPED (1ULL << 62)

struct scan {
	struct pv_mem *mem;
	const struct pv_python *python;
	struct pv_vec codes, functions; /* uint64_t: addresses that look so */
	struct pv_python_functions *ret;
	uint64_t *buffer; /* CHUNK_PAGES pages */
};

void pv_python_functions_deinit(struct pv_python_functions *functions)
{
	for (size_t i = 0; i < functions->list.n; i++) {
		struct pv_python_function *one = pv_vec_at(&functions->list, i);

		free(one->module);
		free(one->qualname);
		free(one->file);
	}
	pv_vec_deinit(&functions->list);
}

const struct pv_python_function *pv_python_functions_at(const struct pv_python_functions *functions,
							uint64_t code)
{
	size_t low = 0, high = functions->list.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct pv_python_function *one = pv_vec_at(&functions->list, middle);

		if (one->code == code)
			return one;
		if (one->code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct pv_err *scan_words(struct scan *scan, const uint64_t *words, size_t n, uint64_t start)
{
	uint64_t code_type = scan->python->proc.code_type;
	uint64_t function_type = scan->python->function_type;
	unsigned int ob_type = scan->python->proc.py.ob_type;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++) {
		uint64_t object = start + 8 * i - ob_type;

		if (words[i] == code_type)
			err = pv_vec_append(&scan->codes, &object, 1, NULL);
		else if (function_type && words[i] == function_type)
			err = pv_vec_append(&scan->functions, &object, 1, NULL);
	}
	return err;
}

/* The pages [from, to) of a chunk that begins at start, all in memory a moment ago. */
static struct pv_err *scan_pages(struct scan *scan, uint64_t start, size_t from, size_t to)
{
	size_t n = (to - from) * PAGE;

	start += from * PAGE;
	if (!n || pv_mem_read(scan->mem, scan->buffer, n, start))
		return NULL; /* unmapped since */
	scan->ret->bytes += n;
	return scan_words(scan, scan->buffer, n / 8, start);
}

static struct pv_err *scan_chunk(struct scan *scan, uint64_t start, const uint64_t *pagemap,
				 size_t n)
{
	struct pv_err *err = NULL;
	size_t from = 0;

	for (size_t i = 0; !err && i < n; i++) {
		if (pagemap[i] & PAGE_PRESENT)
			continue;
		if (pagemap[i] & PAGE_SWAPPED)
			scan->ret->swapped += PAGE;
		err = scan_pages(scan, start, from, i);
		from = i + 1;
	}
	return err ? err : scan_pages(scan, start, from, n);
}

static struct pv_err *scan_mapping(struct scan *scan, int pagemap_fd,
				   const struct pv_map_entry *entry)
{
	uint64_t pagemap[CHUNK_PAGES];
	struct pv_err *err = NULL;

	for (uint64_t at = entry->start; !err && at < entry->end; at += CHUNK_PAGES * PAGE) {
		uint64_t bytes = entry->end - at;
		size_t n = bytes < CHUNK_PAGES * PAGE ? bytes / PAGE : CHUNK_PAGES;
		ssize_t got = pread(pagemap_fd, pagemap, 8 * n, (off_t)(at / PAGE * 8));

		if (got <= 0)
			break; /* it has ended or executes another program: nothing is there */
		err = scan_chunk(scan, at, pagemap, (size_t)got / 8);
	}
	return err;
}

/* Where objects can be: private memory, and the interpreter's own data. */
static bool may_hold_objects(const struct pv_map_entry *entry, const char *interpreter)
{
	if (!entry->readable || !entry->writable || strncmp(entry->path, "[stack", 6) == 0)
		return false;
	return !entry->inode || strcmp(entry->path, interpreter) == 0;
}

/* A character as UTF-8; what is none becomes a question mark. */
static struct pv_err *append_character(struct pv_str *str, uint32_t c)
{
	char bytes[4];
	size_t n;

	if ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		c = '?';
	if (c < 0x80) {
		bytes[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		bytes[0] = (char)(0xe0 | c >> 12);
		n = 3;
	} else {
		bytes[0] = (char)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		bytes[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
	return pv_str_append(str, bytes, n);
}

/* PyASCIIObject from ob_type on; in 2.7 PyStringObject has the same start. */
struct string_head {
	uint64_t type, length, hash;
	uint32_t state, pad;
};

/* Where the characters are and how wide; 0: it is not a string. */
static unsigned int string_place(struct scan *scan, uint64_t addr, const struct string_head *head,
				 uint64_t *data_ret)
{
	const struct pv_pylayout *py = &scan->python->proc.py;
	unsigned int kind = head->state >> 2 & 7;

	if (py->str_state == PV_OFF_NONE) {
		*data_ret = addr + py->bytes_data;
		return 1;
	}
	if (kind != 1 && kind != 2 && kind != 4)
		return 0;
	if (head->state >> 5 & 1)
		*data_ret =
			addr + (head->state >> 6 & 1 ? py->str_ascii_data : py->str_compact_data);
	else if (pv_mem_read_u64(scan->mem, addr + py->str_compact_data, data_ret))
		return 0;
	return kind;
}

/* *ret NULL: there is no string at addr.  Owned by the caller. */
static struct pv_err *read_string(struct scan *scan, uint64_t addr, char **ret)
{
	const struct pv_proc *proc = &scan->python->proc;
	PV_CLEANUP(pv_str_deinit) struct pv_str str = { 0 };
	_pv_free_ uint8_t *bytes = NULL;
	struct string_head head;
	struct pv_err *err = NULL;
	unsigned int kind;
	uint64_t data;

	*ret = NULL;
	if (!addr || pv_mem_read(scan->mem, &head, sizeof(head), addr + proc->py.ob_type) ||
	    head.type != proc->unicode_type || head.length > NAME_CHARS_MAX)
		return NULL;
	kind = string_place(scan, addr, &head, &data);
	if (!kind)
		return NULL;
	bytes = malloc(head.length * kind + 1);
	if (!bytes)
		return &pv_enomem;
	if (pv_mem_read(scan->mem, bytes, head.length * kind, data))
		return NULL;
	for (size_t i = 0; !err && i < head.length; i++) {
		uint32_t c = 0;

		memcpy(&c, bytes + i * kind, kind); /* little endian */
		err = append_character(&str, c);
	}
	if (err)
		return err;
	*ret = strdup(pv_str_text(&str));
	return *ret ? NULL : &pv_enomem;
}

static uint64_t u64_at(const uint8_t *bytes, unsigned int offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* Without the GIL PyObject has 16 bytes more (CPython 3.13 Include/object.h, struct _object). */
static unsigned int header_more(const struct pv_pylayout *py)
{
	return py->free_threaded ? 16 : 0;
}

/*
 * struct PyCodeObject.co_flags, Include/code.h up to 3.7 and 3.8 (a new field before
 * it), Include/cpython/code.h 3.11.
 */
static unsigned int flags_offset(const struct pv_pylayout *py)
{
	if (py->frame_kind == PV_FRAME_INTERP)
		return 48 + header_more(py);
	if (py->version_hex < 0x03000000)
		return 28;
	return py->version_hex < 0x03080000 ? 32 : 36;
}

/* CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR */
enum { GENERATOR_FLAGS = 0x20 | 0x80 | 0x100 | 0x200 };

/* walk/code.h, pv_code_lives() */
static bool lives(const uint8_t *code, const struct pv_pylayout *py)
{
	uint64_t refcnt;

	if (py->free_threaded)
		return (uint32_t)u64_at(code, py->ob_ref_local) ||
		       u64_at(code, py->ob_ref_shared) >> 2;
	refcnt = u64_at(code, py->ob_refcnt);
	return refcnt && !(refcnt >> 33 & 0x7fff);
}

/* One that looks like a code object joins the list, if it is one. */
static struct pv_err *add_code(struct scan *scan, uint64_t addr)
{
	const struct pv_proc *proc = &scan->python->proc;
	const struct pv_pylayout *py = &proc->py;
	struct pv_python_function one = { .code = addr };
	uint8_t bytes[CODE_BYTES_MAX + 8] = { 0 };
	struct pv_err *err;
	uint32_t flags;
	uint64_t name;

	if (py->co_len > CODE_BYTES_MAX || pv_mem_read(scan->mem, bytes, py->co_len, addr) ||
	    u64_at(bytes, py->ob_type) != proc->code_type)
		return NULL;
	if (!lives(bytes, py))
		return NULL;
	one.file_at = u64_at(bytes, py->co_filename);
	one.name_at = u64_at(bytes, py->co_name);
	name = py->co_qualname == PV_OFF_NONE ? one.name_at : u64_at(bytes, py->co_qualname);
	memcpy(&one.firstlineno, bytes + py->co_firstlineno, 4);
	memcpy(&flags, bytes + flags_offset(py), 4);
	one.generator = flags & GENERATOR_FLAGS;
	err = read_string(scan, one.file_at, &one.file);
	if (!err)
		err = read_string(scan, name, &one.qualname);
	if (!err && one.file && one.qualname)
		err = pv_vec_append(&scan->ret->list, &one, 1, NULL);
	else
		name = 0; /* a freed one, or chance */
	if (err || !name) {
		free(one.file);
		free(one.qualname);
	}
	return err;
}

/* struct PyFunctionObject: Include/funcobject.h up to 3.9, Include/cpython/funcobject.h 3.10. */
struct function_layout {
	unsigned int code, qualname, module;
};

static struct function_layout function_layout(const struct pv_pylayout *py)
{
	uint32_t version_hex = py->version_hex;
	unsigned int more = header_more(py);

	if (version_hex >= 0x030a0000)
		return (struct function_layout){ 48 + more, 40 + more, 104 + more };
	if (version_hex >= 0x03000000)
		return (struct function_layout){ 16, 104, 88 };
	return (struct function_layout){ 16, 56, 80 }; /* func_name: it has no qualified one */
}

/* What a function object knows of its code object: its module and its full name. */
static struct pv_err *add_function(struct scan *scan, uint64_t addr)
{
	const struct pv_pylayout *py = &scan->python->proc.py;
	struct function_layout layout = function_layout(py);
	uint8_t bytes[FUNCTION_BYTES];
	struct pv_python_function *one;
	struct pv_err *err = NULL;
	char *name;

	if (pv_mem_read(scan->mem, bytes, sizeof(bytes), addr))
		return NULL;
	one = (struct pv_python_function *)pv_python_functions_at(scan->ret,
								  u64_at(bytes, layout.code));
	if (!one)
		return NULL;
	if (!one->module)
		err = read_string(scan, u64_at(bytes, layout.module), &one->module);
	if (err || py->co_qualname != PV_OFF_NONE)
		return err;
	err = read_string(scan, u64_at(bytes, layout.qualname), &name);
	if (!err && name) {
		free(one->qualname);
		one->qualname = name;
	}
	return err;
}

static int compare_addresses(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct pv_err *collect(struct scan *scan)
{
	struct pv_err *err = NULL;
	uint64_t last = 0;

	if (scan->codes.n)
		qsort(scan->codes.data, scan->codes.n, 8, compare_addresses);
	for (size_t i = 0; !err && i < scan->codes.n; i++) {
		uint64_t addr = *(uint64_t *)pv_vec_at(&scan->codes, i);

		if (addr != last)
			err = add_code(scan, addr);
		last = addr;
	}
	for (size_t i = 0; !err && i < scan->functions.n; i++)
		err = add_function(scan, *(uint64_t *)pv_vec_at(&scan->functions, i));
	return err;
}

static struct pv_err *scan_all(struct scan *scan, pid_t pid, const struct pv_maps *maps)
{
	_pv_close_ int fd = -1;
	struct pv_err *err = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return pv_err_create(PV_ERR_NOPROC, "no process %d", (int)pid);
	if (fd < 0)
		return pv_err_errno(errno, "cannot open %s", path);
	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (!may_hold_objects(entry, scan->python->module_path))
			continue;
		if (entry->end - entry->start > MAPPING_BYTES_MAX)
			scan->ret->n_large++;
		else
			err = scan_mapping(scan, fd, entry);
	}
	return err;
}

struct pv_err *pv_python_functions_find(pid_t pid, struct pv_mem *mem, const struct pv_maps *maps,
					const struct pv_python *python,
					struct pv_python_functions *ret)
{
	struct pv_python_functions found = { .list = PV_VEC(struct pv_python_function) };
	struct scan scan = {
		.mem = mem,
		.python = python,
		.codes = PV_VEC(uint64_t),
		.functions = PV_VEC(uint64_t),
		.ret = &found,
		.buffer = malloc(CHUNK_PAGES * PAGE),
	};
	struct pv_err *err = scan.buffer ? scan_all(&scan, pid, maps) : &pv_enomem;

	if (!err)
		err = collect(&scan);
	free(scan.buffer);
	pv_vec_deinit(&scan.codes);
	pv_vec_deinit(&scan.functions);
	if (err)
		pv_python_functions_deinit(&found);
	else
		*ret = found;
	return err;
}
