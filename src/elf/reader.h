/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded cursor over untrusted bytes in DWARF's encodings.  Input: a part
 * of .eh_frame.  Output: numbers; once a read does not fit, `bad` stays set
 * and everything read after it is 0.
 */
#ifndef PV_ELF_READER_H
#define PV_ELF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pv_reader {
	const uint8_t *at, *end;
	bool bad;
};

/* Pointer encodings, LSB 5.0 core, 10.5.1 "DWARF Exception Header Encoding". */
enum pv_pointer_encoding {
	PV_PE_ABSPTR = 0x00,
	PV_PE_ULEB128 = 0x01,
	PV_PE_UDATA2 = 0x02,
	PV_PE_UDATA4 = 0x03,
	PV_PE_UDATA8 = 0x04,
	PV_PE_SLEB128 = 0x09,
	PV_PE_SDATA2 = 0x0a,
	PV_PE_SDATA4 = 0x0b,
	PV_PE_SDATA8 = 0x0c,
	PV_PE_FORMAT_MASK = 0x0f,
	PV_PE_PCREL = 0x10,
	PV_PE_DATAREL = 0x30,
	PV_PE_APPLICATION_MASK = 0x70,
	PV_PE_INDIRECT = 0x80,
	PV_PE_OMIT = 0xff,
};

static inline bool pv_reader_take(struct pv_reader *r, void *dst, size_t n)
{
	if (r->bad || (size_t)(r->end - r->at) < n) {
		r->bad = true;
		memset(dst, 0, n);
		return false;
	}
	memcpy(dst, r->at, n);
	r->at += n;
	return true;
}

static inline uint8_t pv_reader_u8(struct pv_reader *r)
{
	uint8_t value;

	pv_reader_take(r, &value, sizeof(value));
	return value;
}

static inline uint16_t pv_reader_u16(struct pv_reader *r)
{
	uint16_t value;

	pv_reader_take(r, &value, sizeof(value));
	return value;
}

static inline uint32_t pv_reader_u32(struct pv_reader *r)
{
	uint32_t value;

	pv_reader_take(r, &value, sizeof(value));
	return value;
}

static inline uint64_t pv_reader_u64(struct pv_reader *r)
{
	uint64_t value;

	pv_reader_take(r, &value, sizeof(value));
	return value;
}

/* Bits beyond the 64th are dropped, as every consumer of .eh_frame does. */
static inline uint64_t pv_reader_uleb(struct pv_reader *r)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = pv_reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static inline int64_t pv_reader_sleb(struct pv_reader *r)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = pv_reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (int64_t)value;
}

static inline void pv_reader_skip(struct pv_reader *r, uint64_t n)
{
	if (r->bad || (uint64_t)(r->end - r->at) < n)
		r->bad = true;
	else
		r->at += n;
}

/*
 * An encoded pointer whose first byte is at field_vaddr; data_vaddr is the
 * base of DATAREL.  Encodings that need the running process (indirect) or a
 * base that x86-64 does not define (textrel, funcrel) make the reader bad.
 */
uint64_t pv_reader_encoded(struct pv_reader *r, uint8_t encoding, uint64_t field_vaddr,
			   uint64_t data_vaddr);

#endif
