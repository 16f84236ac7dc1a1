/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoders of CPython's line tables: co_lnotab and the two co_linetable formats.
 * Input: the bytes of a table as copied from a target, untrusted.
 * Output: the line of one bytecode offset.
 */
#include "python/lines.h"

#include <limits.h>
#include <stdbool.h>

#include "abi/event.h"

/* A table is at most PV_PIECE_TOTAL_MAX bytes and a step at most 2^32, so int64 cannot overflow. */
static int line_result(int64_t line)
{
	return line >= 0 && line <= INT_MAX ? (int)line : -1;
}

/*
 * Objects/lnotab_notes.txt (3.9): pairs of address and line increments; the
 * line increment is signed from 3.6 (bpo-26107).
 */
static int lnotab_line(bool is_signed, const uint8_t *table, size_t n, int64_t line, uint32_t lasti)
{
	uint64_t addr = 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		addr += table[i];
		if (addr > lasti)
			break;
		line += is_signed ? (int8_t)table[i + 1] : table[i + 1];
	}
	return line_result(line);
}

/*
 * Objects/lnotab_notes.txt (3.10): pairs of range length and line increment;
 * -128 marks a range without a line and leaves the running line alone.
 */
static int pep626_line(const uint8_t *table, size_t n, int64_t line, uint32_t lasti)
{
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		int delta = (int8_t)table[i + 1];

		if (delta != -128)
			line += delta;
		end += table[i];
		if (lasti < end)
			return delta == -128 ? -1 : line_result(line);
	}
	return -1;
}

/* 6 bits a byte, low first, bit 6 = more follows; stops before an entry's first byte (bit 7). */
static uint32_t read_varint(const uint8_t *table, size_t n, size_t i)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; i < n && !(table[i] & 0x80); shift += 6, i++) {
		if (shift < 32)
			value |= (uint64_t)(table[i] & 0x3f) << shift;
		if (!(table[i] & 0x40))
			break;
	}
	return (uint32_t)value;
}

/* Bit 0 is the sign. */
static int64_t read_svarint(const uint8_t *table, size_t n, size_t i)
{
	uint32_t value = read_varint(table, n, i);

	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/*
 * Objects/locations.md (3.11): entries of a first byte 1cccclll, code and
 * length - 1 in code units, and column bytes without bit 7, which we skip.
 */
static int locations_line(const uint8_t *table, size_t n, int64_t line, uint32_t lasti)
{
	enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
	uint64_t end = 0;

	for (size_t i = 0; i < n;) {
		unsigned int code = (table[i] >> 3) & 15;

		if (!(table[i] & 0x80))
			return -1; /* not an entry: damaged */
		end += ((table[i] & 7) + 1) * 2;
		i++;
		if (code >= ONE_LINE_0 && code <= ONE_LINE_2)
			line += code - ONE_LINE_0;
		else if (code == NO_COLUMNS || code == LONG)
			line += read_svarint(table, n, i);
		if (lasti < end)
			return code == NONE ? -1 : line_result(line);
		while (i < n && !(table[i] & 0x80))
			i++;
	}
	return -1;
}

int pv_python_line(enum pv_linetable_kind kind, const uint8_t *table, size_t n,
		   uint32_t firstlineno, uint32_t lasti)
{
	int64_t line = (int32_t)firstlineno;

	if (lasti == (uint32_t)PV_LASTI_NONE)
		return line_result(line);
	switch (kind) {
	case PV_LINES_LNOTAB_UNSIGNED:
		return lnotab_line(false, table, n, line, lasti);
	case PV_LINES_LNOTAB:
		return lnotab_line(true, table, n, line, lasti);
	case PV_LINES_PEP626:
		return pep626_line(table, n, line, lasti);
	case PV_LINES_LOCATIONS:
		return locations_line(table, n, line, lasti);
	}
	return -1;
}
