/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPython a module is.
 * Input: its symbol Py_Version (3.11+), or before that the text of
 * Py_GetVersion() in its data, that function's code and the cache tag in its file
 * (all untrusted).
 * Output: PY_VERSION_HEX.
 */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"
#include "target/mem.h"

enum {
	CHUNK_BYTES = 64 << 10,
	OVERLAP_BYTES = 256, /* Python/getversion.c: static char version[250] */
	DATA_BYTES_MAX = 64 << 20,
};

/* A number of at most 3 digits at *at; -1: none. */
static int read_number(const char **at, const char *end)
{
	int value = 0, digits = 0;

	for (; *at < end && isdigit((unsigned char)**at) && digits < 3; (*at)++, digits++)
		value = value * 10 + (**at - '0');
	return digits ? value : -1;
}

/* "a1", "b2", "rc1" -> the low byte of PY_VERSION_HEX, 0xf0 for a release. */
static uint32_t read_level(const char **at, const char *end)
{
	uint32_t level;
	int serial;

	if (*at < end && (**at == 'a' || **at == 'b'))
		level = **at == 'a' ? 0xa : 0xb;
	else if (end - *at >= 2 && memcmp(*at, "rc", 2) == 0)
		level = 0xc;
	else
		return 0xf0;
	*at += level == 0xc ? 2 : 1;
	serial = read_number(at, end);
	return level << 4 | (serial >= 0 && serial <= 0xf ? (uint32_t)serial : 0);
}

/* "3.8.18", "3.9.0rc1+": *at goes behind it; 0 if there is none. */
static uint32_t read_version(const char **at, const char *end)
{
	int major, minor, micro;
	uint32_t level;

	major = read_number(at, end);
	if ((major != 2 && major != 3) || *at >= end || *(*at)++ != '.')
		return 0;
	minor = read_number(at, end);
	if (minor < 0 || minor > 0xff || *at >= end || *(*at)++ != '.')
		return 0;
	micro = read_number(at, end);
	if (micro < 0 || micro > 0xff)
		return 0;
	level = read_level(at, end);
	if (*at < end && **at == '+')
		(*at)++;
	return (uint32_t)major << 24 | (uint32_t)minor << 16 | (uint32_t)micro << 8 | level;
}

/*
 * "3.8.18 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]": the version if
 * such a text begins at at, else 0.
 */
static uint32_t read_text(const char *at, const char *end)
{
	uint32_t version = read_version(&at, end);
	const char *limit, *bracket;

	if (!version || end - at < 2 || memcmp(at, " (", 2) != 0)
		return 0;
	limit = memchr(at, '\0', (size_t)(end - at));
	if (!limit)
		return 0;
	bracket = memchr(at, '[', (size_t)(limit - at));
	if (!bracket || bracket - at < 4 || !memmem(at, (size_t)(bracket - at), ") ", 2))
		return 0;
	return version;
}

struct text_scan {
	uint32_t version; /* 0: none found */
	bool conflict;
};

static void scan_bytes(struct text_scan *scan, const char *data, size_t n)
{
	const char *at = data, *end = data + n;

	while ((at = memmem(at, (size_t)(end - at), " (", 2)) != NULL) {
		const char *start = at;
		uint32_t version;

		/* Back over "3.8.18rc1+" to where the number begins. */
		while (start > data && at - start < 16 &&
		       (isalnum((unsigned char)start[-1]) || start[-1] == '.' || start[-1] == '+'))
			start--;
		version = read_text(start, end);
		if (version && scan->version && version != scan->version)
			scan->conflict = true;
		if (version)
			scan->version = version;
		at += 2;
	}
}

/* The text of Py_GetVersion() in the module's writable data, .bss included. */
static struct pv_err *scan_data(struct pv_mem *mem, const struct pv_python_module *module,
				struct text_scan *scan)
{
	_pv_free_ char *buffer = malloc(CHUNK_BYTES);

	if (!buffer)
		return &pv_enomem;
	for (size_t i = 0; i < pv_elf_n_loads(module->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(module->elf, i);
		uint64_t size = load->mem_size;

		if (!load->writable)
			continue;
		if (size > DATA_BYTES_MAX)
			size = DATA_BYTES_MAX;
		for (uint64_t at = 0; at < size; at += CHUNK_BYTES - OVERLAP_BYTES) {
			size_t n = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;

			if (pv_mem_read(mem, buffer, n, module->bias + load->vaddr + at) == 0)
				scan_bytes(scan, buffer, n);
		}
	}
	return NULL;
}

/* "38\0", "310\0" of "cpython-38": the version, or 0. */
static uint32_t read_tag(const char *at, const char *end)
{
	uint32_t major;
	int minor;

	if (at >= end || (*at != '2' && *at != '3'))
		return 0;
	major = (uint32_t)(*at++ - '0');
	minor = read_number(&at, end);
	if (minor < 0 || minor > 0xff || at >= end || *at != '\0')
		return 0;
	return major << 24 | (uint32_t)minor << 16 | 0xf0;
}

/* sys.implementation.cache_tag in the read-only part of the file; 0: none or several. */
static uint32_t scan_tag(const struct pv_elf *elf)
{
	static const char tag[] = "cpython-";
	uint32_t version = 0;

	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		const char *at = pv_elf_data(elf, load->vaddr, load->file_size);
		const char *end;

		if (load->writable || !at)
			continue;
		end = at + load->file_size;
		while ((at = memmem(at, (size_t)(end - at), tag, sizeof(tag) - 1)) != NULL) {
			uint32_t found;

			at += sizeof(tag) - 1;
			found = read_tag(at, end);
			if (found && version && version != found)
				return 0;
			if (found)
				version = found;
		}
	}
	return version;
}

struct code_scan {
	const struct pv_elf *elf;
	uint32_t version;
};

static bool on_constant(void *ctx, uint64_t address)
{
	enum { LONGEST = 16 };
	struct code_scan *scan = ctx;
	const char *at = pv_elf_data(scan->elf, address, LONGEST);
	const char *end = at + LONGEST;

	if (at) {
		scan->version = read_version(&at, end);
		if (at >= end || *at)
			scan->version = 0;
	}
	return !scan->version;
}

/*
 * Py_GetVersion() makes its text when it is first called; PY_VERSION itself is
 * a constant in its code: there before the interpreter is initialised.
 */
static uint32_t scan_code(const struct pv_elf *elf)
{
	struct code_scan scan = { .elf = elf };
	struct pv_elf_symbol symbol;
	const void *code;

	if (!pv_elf_find_symbol(elf, "Py_GetVersion", &symbol))
		return 0;
	code = pv_elf_data(elf, symbol.vaddr, symbol.size);
	if (code)
		pv_insn_each_constant(code, symbol.size, symbol.vaddr, on_constant, &scan);
	return scan.version;
}

struct pv_err *pv_python_version(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				 uint32_t *ret, bool *exact_ret, char *source, size_t source_size)
{
	const struct pv_python_module *module = interpreter->code;
	struct text_scan scan = { 0 };
	struct pv_elf_symbol symbol;
	const void *data;
	struct pv_err *err;
	uint32_t tag, code;

	*exact_ret = true;
	if (interpreter->bare && interpreter->bare->version) {
		*ret = interpreter->bare->version;
		snprintf(source, source_size, "_Py_DebugOffsets");
		return NULL;
	}
	if (pv_elf_find_symbol(module->elf, "Py_Version", &symbol)) {
		data = pv_elf_data(module->elf, symbol.vaddr, sizeof(*ret));
		if (!data)
			return pv_err_create(PV_ERR_NOPROC, "Py_Version of %s is not in the file",
					     module->path);
		memcpy(ret, data, sizeof(*ret));
		snprintf(source, source_size, "Py_Version");
		return NULL;
	}
	err = scan_data(mem, module, &scan);
	if (err)
		return err;
	tag = scan_tag(module->elf);
	code = scan_code(module->elf);
	if (scan.conflict || (tag && scan.version && tag >> 16 != scan.version >> 16) ||
	    (tag && code && tag >> 16 != code >> 16) ||
	    (scan.version && code && scan.version != code))
		return pv_err_create(PV_ERR_NOPROC, "%s contradicts itself about its version",
				     module->path);
	if (!tag && !scan.version && !code)
		return pv_err_create(PV_ERR_NOPROC,
				     "the version of the CPython in %s cannot be found",
				     module->path);
	*exact_ret = scan.version || code;
	*ret = scan.version ? scan.version : code ? code : tag;
	snprintf(source, source_size, "%s",
		 scan.version
			 ? tag ? "text of Py_GetVersion(), cache tag" : "text of Py_GetVersion()"
		 : code ? "Py_GetVersion()"
			: "cache tag (not initialised)");
	return NULL;
}
