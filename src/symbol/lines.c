/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of native code.  Input: elf/lines.h of the object or its debug file.  Output: struct
 * pv_line.
 */
#include "symbol/lines.h"

#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "elf/inlined.h"
#include "elf/lines.h"
#include "symbol/debugfile.h"

enum { CHAIN_MAX = 32 };

struct pv_lines {
	const struct pv_elf *elf;
	struct pv_elf *debug; /* NULL: none, or not looked for */
	char *path, *root;
	bool opened;
	struct pv_elf_lines *lines; /* NULL: none */
};

struct pv_err *pv_lines_create(const struct pv_elf *elf, const char *path, const char *root,
			       struct pv_lines **ret)
{
	struct pv_lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return &pv_enomem;
	lines->elf = elf;
	lines->path = strdup(path);
	lines->root = strdup(root);
	if (!lines->path || !lines->root) {
		pv_lines_destroy(lines);
		return &pv_enomem;
	}
	*ret = lines;
	return NULL;
}

void pv_lines_destroy(struct pv_lines *lines)
{
	if (!lines)
		return;
	pv_elf_lines_close(lines->lines);
	pv_elf_close(lines->debug);
	free(lines->path);
	free(lines->root);
	free(lines);
}

static struct pv_err *open_lines(struct pv_lines *lines)
{
	const struct pv_elf *elf = lines->elf;

	if (lines->opened)
		return NULL;
	lines->opened = true;
	if (!pv_elf_has_debug_info(elf)) {
		lines->debug = pv_debugfile_open(elf, lines->path, lines->root);
		elf = lines->debug;
	}
	return elf ? pv_elf_lines_open(elf, &lines->lines) : NULL;
}

struct pv_err *pv_lines_known(struct pv_lines *lines, bool *ret)
{
	struct pv_err *err = open_lines(lines);

	*ret = lines->lines;
	return err;
}

static const char *base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

/* CPython Include/object.h, refcount.h, internal/pycore_object.h. */
bool pv_lines_is_helper(const char *function)
{
	/* clang-format off */
	static const char *const names[] = {
		"Py_INCREF", "Py_DECREF", "Py_XINCREF", "Py_XDECREF", "_Py_INCREF", "_Py_DECREF",
		"_Py_XINCREF", "_Py_XDECREF", "Py_NewRef", "Py_XNewRef", "_Py_NewRef", "_Py_XNewRef",
		"Py_IncRef", "Py_DecRef", "_Py_IncRef", "_Py_DecRef", "Py_SET_REFCNT",
		"_Py_DECREF_SPECIALIZED", "_Py_DECREF_NO_DEALLOC", "_Py_RefcntAdd",
		"Py_DECREF_MORTAL", "Py_DECREF_MORTAL_SPECIALIZED", "_Py_INCREF_MORTAL",
		"_Py_DecRefShared", "_Py_DecRefSharedDebug", "_Py_MergeZeroLocalRefcount",
		"_Py_TryIncrefFast", "_Py_TryIncRefShared", "_Py_TryIncref",
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(function, names[i]))
			return true;
	}
	return !strncmp(function, "_Py_atomic_", strlen("_Py_atomic_"));
}

static bool is_helper(const struct pv_elf_place *place)
{
	static const char *const headers[] = { "object.h",        "refcount.h",
					       "pycore_object.h", "pycore_stackref.h",
					       "pyatomic_gcc.h",  "pyatomic.h" };
	const char *file = base_of(place->file);

	for (size_t i = 0; file && i < sizeof(headers) / sizeof(*headers); i++) {
		if (!strcmp(file, headers[i]))
			return true;
	}
	return place->function && pv_lines_is_helper(place->function);
}

struct pv_err *pv_lines_at(struct pv_lines *lines, uint64_t vaddr, struct pv_line *ret,
			   bool *found_ret)
{
	struct pv_elf_place chain[CHAIN_MAX];
	size_t n = 0, i = 0;
	struct pv_err *err = open_lines(lines);

	if (err)
		return err;
	if (lines->lines)
		n = pv_elf_lines_at(lines->lines, vaddr, chain, CHAIN_MAX);
	*found_ret = n;
	if (!n)
		return NULL;
	/* Py_IncRef() itself is no more than that: then it is what is shown */
	while (i + 1 < n && is_helper(&chain[i]))
		i++;
	*ret = (struct pv_line){
		.function = chain[i].function,
		.file = chain[i].file,
		.line = chain[i].line,
		.helper = i ? chain[i - 1].function : NULL,
	};
	return NULL;
}

struct rows {
	bool (*fn)(void *ctx, uint64_t vaddr, const char *file, uint32_t line);
	void *ctx;
};

static bool on_row(void *ctx, uint64_t vaddr, const struct pv_elf_place *place)
{
	struct rows *rows = ctx;

	return rows->fn(rows->ctx, vaddr, place->file, place->line);
}

struct pv_err *pv_lines_rows(struct pv_lines *lines, uint64_t start, uint64_t end,
			     bool (*fn)(void *ctx, uint64_t vaddr, const char *file, uint32_t line),
			     void *ctx)
{
	struct rows rows = { .fn = fn, .ctx = ctx };
	struct pv_err *err = open_lines(lines);

	if (!err && lines->lines)
		pv_elf_lines_rows(lines->lines, start, end, on_row, &rows);
	return err;
}
