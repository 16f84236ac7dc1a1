/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where the entries of a dict are.  Input: the head of its PyDictKeysObject, as it was
 * copied, untrusted.  Output: bytes.
 *
 * Sources: CPython Include/internal/pycore_dict.h, 3.8 to 3.10 Objects/dict-common.h
 * (DK_IXSIZE), DK_ENTRIES, DK_UNICODE_ENTRIES.
 */
#ifndef PV_WALK_DICT_H
#define PV_WALK_DICT_H

#include "walk/walk.h"

/* What entries are; in each the last two words are key and value: tools/gen-layouts checks that. */
enum {
	PV_DICT_ENTRY = 24,         /* hash, key, value */
	PV_DICT_UNICODE_ENTRY = 16, /* 3.11+, keys are str only: key, value */
	PV_DICT_INDICES_MAX = 1 << 20,
};

/* Size of one entry; 0: of a kind that is not known. */
static inline __u32 pv_dict_entry(const struct pv_tasklayout *at, const __u8 *keys)
{
	__u8 kind;

	if (at->keys_kind == PV_OFF_NONE)
		return PV_DICT_ENTRY;
	kind = PV_FIELD(__u8, keys, PV_WALK_DICT, at->keys_kind);
	return kind == 0 ? PV_DICT_ENTRY : kind == 1 ? PV_DICT_UNICODE_ENTRY : 0;
}

/* Bytes of the indices, which lie before the entries; negative: too many. */
static inline __s64 pv_dict_indices(const struct pv_tasklayout *at, const __u8 *keys)
{
	__u64 size;

	if (at->keys_size == PV_OFF_NONE) {
		size = PV_FIELD(__u8, keys, PV_WALK_DICT, at->keys_log2_index);
		return size > 20 ? -1 : 1LL << size;
	}
	size = PV_FIELD(__u64, keys, PV_WALK_DICT, at->keys_size);
	if (size > PV_DICT_INDICES_MAX / 4)
		return -1;
	return size <= 0xff ? size : size <= 0xffff ? 2 * size : 4 * size;
}

#endif
