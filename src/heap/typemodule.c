/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The module that a class says it is of.
 * Input: a type's dict.  Output: text.
 *
 * Sources: CPython Objects/typeobject.c (type_module()), Objects/dictobject.c and Include/
 * internal/pycore_dict.h: PyDictKeyEntry is {hash, key, value}, PyDictUnicodeEntry {key, value}.
 */
#include <string.h>

#include "heap/object.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	ENTRIES_MAX = 4096, /* a class has less */
	TEXT_MAX = 128,
};

/* The entries of a dict: where the first one is, how far apart they are, how many. */
struct entries {
	uint64_t at, stride, n;
};

/* 2.7: {hash, key, value} in a table of mask + 1. */
static bool old_entries(struct pv_heap *heap, uint64_t dict, struct entries *ret)
{
	const struct pv_heaplayout *at = pv_heap_layout(heap);
	uint64_t mask, table;

	if (pv_mem_read_u64(pv_heap_mem(heap), dict + at->dict_mask, &mask) ||
	    pv_mem_read_u64(pv_heap_mem(heap), dict + at->dict_table, &table) ||
	    mask >= ENTRIES_MAX)
		return false;
	*ret = (struct entries){ table + 8, 24, mask + 1 };
	return true;
}

/* Up to 3.10 an index is of 1, 2 or 4 bytes, as there are up to 128, 32,768 or more of them. */
static uint64_t index_bytes(uint64_t n)
{
	return n <= 0xff ? n : n <= 0xffff ? 2 * n : 4 * n;
}

static bool find_entries(struct pv_heap *heap, uint64_t dict, struct entries *ret)
{
	const struct pv_heaplayout *at = pv_heap_layout(heap);
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t keys, n, size;
	uint8_t log2, kind;

	if (at->dict_keys == PV_OFF_NONE)
		return old_entries(heap, dict, ret);
	if (pv_mem_read_u64(mem, dict + at->dict_keys, &keys) ||
	    pv_mem_read_u64(mem, keys + at->keys_n, &n) || n > ENTRIES_MAX)
		return false;
	if (at->keys_kind == PV_OFF_NONE) {
		if (pv_mem_read_u64(mem, keys + at->keys_size, &size) || size > 2 * ENTRIES_MAX)
			return false;
		*ret = (struct entries){ keys + at->keys_indices + index_bytes(size) + 8, 24, n };
		return true;
	}
	if (pv_mem_read(mem, &log2, 1, keys + at->keys_log2_index) || log2 > 20 ||
	    pv_mem_read(mem, &kind, 1, keys + at->keys_kind))
		return false;
	*ret = (struct entries){ keys + at->keys_indices + (1ULL << log2) + (kind ? 0 : 8),
				 kind ? 16 : 24, n };
	return true;
}

/* A str of ASCII characters (2.7: a str); its bytes without a NUL. */
static bool read_text(struct pv_heap *heap, uint64_t object, char *ret, size_t *n_ret)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	struct pv_mem *mem = pv_heap_mem(heap);
	bool old = py->str_state == PV_OFF_NONE;
	uint64_t n;
	uint32_t state;

	if (pv_mem_read_u64(mem, object + py->str_length, &n) || !n || n >= TEXT_MAX)
		return false;
	/* kind, compact and ascii */
	if (!old && (pv_mem_read_u32(mem, object + py->str_state, &state) ||
		     (state >> (py->str_kind_shift + 3) & 3) != 3))
		return false;
	if (pv_mem_read(mem, ret, n, object + (old ? py->bytes_data : py->str_ascii_data)))
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)ret[i] < 0x20 || (unsigned char)ret[i] >= 0x7f)
			return false;
	}
	*n_ret = n;
	return true;
}

bool pv_heap_type_module(struct pv_heap *heap, const struct pv_heap_type *type, char *ret,
			 size_t size)
{
	static const char name[] = "__module__";
	struct entries entries;
	char text[TEXT_MAX];
	size_t n;

	if (!type->dict || !find_entries(heap, type->dict, &entries))
		return false;
	for (uint64_t i = 0; i < entries.n; i++) {
		uint64_t pair[2];

		if (pv_mem_read(pv_heap_mem(heap), pair, sizeof(pair),
				entries.at + i * entries.stride))
			return false;
		if (!pair[0] || !pair[1] || !read_text(heap, pair[0], text, &n) ||
		    n != sizeof(name) - 1 || memcmp(text, name, n) != 0)
			continue;
		if (!read_text(heap, pair[1], text, &n) || n >= size)
			return false;
		memcpy(ret, text, n);
		ret[n] = '\0';
		return true;
	}
	return false;
}

/* What C made has its module in its name; a class has it in its dict. */
void pv_heap_type_names(struct pv_heap *heap, const struct pv_heap_type *type, char *module_ret,
			char *name_ret)
{
	const char *dot = type->flags & PV_TPFLAGS_HEAPTYPE ? NULL : strrchr(type->name, '.');
	size_t n;

	if (!dot && pv_heap_type_module(heap, type, module_ret, PV_HEAP_NAME_BYTES)) {
		n = strlen(module_ret);
		/* PyType_FromSpec() gives it both */
		if (strncmp(type->name, module_ret, n) == 0 && type->name[n] == '.')
			dot = type->name + n;
	} else if (dot) {
		n = (size_t)(dot - type->name);
		memcpy(module_ret, type->name, n);
	}
	if (strcmp(module_ret, "builtins") == 0 || strcmp(module_ret, "__builtin__") == 0)
		module_ret[0] = '\0';
	strcpy(name_ret, dot ? dot + 1 : type->name);
}
