/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as bytes, both ways: little-endian words, varints (7 bits a byte, the
 * lowest first, the top bit set but in the last), and zigzag for signed ones.
 */
#ifndef PV_RECFILE_BYTES_H
#define PV_RECFILE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/vec.h"

enum { PV_VARINT_BYTES = 10 };

/* bytes: a PV_VEC(uint8_t) with room for PV_VARINT_BYTES more. */
static inline void pv_put_varint(struct pv_vec *bytes, uint64_t value)
{
	uint8_t *data = bytes->data;

	for (; value >= 0x80; value >>= 7)
		data[bytes->n++] = value | 0x80;
	data[bytes->n++] = value;
}

static inline uint64_t pv_zigzag(uint64_t value)
{
	return value << 1 ^ (value >> 63 ? UINT64_MAX : 0);
}

static inline uint64_t pv_unzigzag(uint64_t value)
{
	return value >> 1 ^ (value & 1 ? UINT64_MAX : 0);
}

static inline void pv_put_le(uint8_t *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = value >> 8 * i;
}

static inline uint64_t pv_get_le(const uint8_t *at, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

/* Bytes to read.  bad: they did not hold what was asked for; all reads are 0 from then on. */
struct pv_cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct pv_cursor pv_cursor_on(const uint8_t *data, size_t n)
{
	return (struct pv_cursor){ .at = data, .end = data + n };
}

static inline uint64_t pv_cursor_varint(struct pv_cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; cursor->at < cursor->end && shift < 64; shift += 7) {
		uint8_t byte = *cursor->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			/* the tenth byte has room for one bit */
			if (shift < 63 || byte < 2)
				return value;
			break;
		}
	}
	cursor->bad = true;
	cursor->at = cursor->end;
	return 0;
}

static inline uint32_t pv_cursor_u32(struct pv_cursor *cursor)
{
	uint64_t value = pv_cursor_varint(cursor);

	if (value <= UINT32_MAX)
		return value;
	cursor->bad = true;
	cursor->at = cursor->end;
	return 0;
}

/* A length and as many bytes. */
static inline const char *pv_cursor_text(struct pv_cursor *cursor, size_t *n_ret)
{
	uint64_t n = pv_cursor_varint(cursor);
	const char *text = (const char *)cursor->at;

	if (n > (size_t)(cursor->end - cursor->at)) {
		cursor->bad = true;
		n = cursor->end - cursor->at;
	}
	cursor->at += n;
	*n_ret = n;
	return text;
}

#endif
