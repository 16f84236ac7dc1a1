/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interned strings.
 * Input: bytes of any length and content.
 * Output: ids, and the texts behind them, which never move.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"
#include "model/strings.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct strings_block {
	struct strings_block *next;
	size_t n, size; /* bytes used and there */
	char data[];
};

struct strings_entry {
	const char *text;
	size_t n;
};

struct pv_strings {
	struct strings_block *blocks; /* newest first */
	struct pv_vec entries;        /* struct strings_entry by id */
	struct pv_map index;          /* hash, rehashed on collision -> id */
};

struct pv_err *pv_strings_create(struct pv_strings **ret)
{
	struct pv_strings *strings = calloc(1, sizeof(*strings));
	struct pv_err *err;
	uint32_t id;

	if (!strings)
		return &pv_enomem;
	strings->entries = (struct pv_vec)PV_VEC(struct strings_entry);
	err = pv_strings_add(strings, "", 0, &id);
	if (err) {
		pv_strings_destroy(strings);
		return err;
	}
	*ret = strings;
	return NULL;
}

void pv_strings_destroy(struct pv_strings *strings)
{
	if (!strings)
		return;
	while (strings->blocks) {
		struct strings_block *next = strings->blocks->next;

		free(strings->blocks);
		strings->blocks = next;
	}
	pv_vec_deinit(&strings->entries);
	pv_map_deinit(&strings->index);
	free(strings);
}

/* Copies the bytes and a NUL into memory that lives as long as the table. */
static struct pv_err *strings_copy(struct pv_strings *strings, const char *bytes, size_t n,
				   const char **ret)
{
	struct strings_block *block = strings->blocks;
	char *text;

	if (n >= SIZE_MAX / 2)
		return &pv_enomem;
	if (!block || block->size - block->n < n + 1) {
		size_t size = n + 1 > BLOCK_BYTES ? n + 1 : BLOCK_BYTES;

		block = malloc(sizeof(*block) + size);
		if (!block)
			return &pv_enomem;
		*block = (struct strings_block){ .next = strings->blocks, .size = size };
		strings->blocks = block;
	}
	text = block->data + block->n;
	if (n)
		memcpy(text, bytes, n);
	text[n] = '\0';
	block->n += n + 1;
	*ret = text;
	return NULL;
}

struct pv_err *pv_strings_add(struct pv_strings *strings, const char *bytes, size_t n,
			      uint32_t *ret)
{
	uint64_t key = pv_hash_bytes(bytes, n), id;
	struct strings_entry entry = { .n = n };
	struct pv_err *err;

	while (pv_map_get(&strings->index, key, &id)) {
		const struct strings_entry *have = pv_vec_at(&strings->entries, id);

		if (have->n == n && (!n || !memcmp(have->text, bytes, n))) {
			*ret = id;
			return NULL;
		}
		key = pv_hash(key + 1);
	}
	id = strings->entries.n;
	if (id >= UINT32_MAX)
		return pv_err_create(PV_ERR_FAILED, "cannot keep more than 2^32 strings");
	err = strings_copy(strings, bytes, n, &entry.text);
	if (!err)
		err = pv_map_set(&strings->index, key, id);
	if (!err) {
		err = pv_vec_append(&strings->entries, &entry, 1, NULL);
		if (err)
			pv_map_remove(&strings->index, key);
	}
	if (err)
		return err;
	*ret = id;
	return NULL;
}

const char *pv_strings_get(const struct pv_strings *strings, uint32_t id)
{
	return ((const struct strings_entry *)pv_vec_at(&strings->entries, id))->text;
}

size_t pv_strings_length(const struct pv_strings *strings, uint32_t id)
{
	return ((const struct strings_entry *)pv_vec_at(&strings->entries, id))->n;
}

size_t pv_strings_n(const struct pv_strings *strings)
{
	return strings->entries.n;
}
