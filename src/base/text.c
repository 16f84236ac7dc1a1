/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Untrusted bytes as text for people.
 * Input: any bytes.
 * Output: UTF-8 without anything that a terminal obeys, and its width.
 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/str.h"

size_t pv_text_decode(const char *text, size_t n, unsigned int *ret)
{
	static const unsigned int smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	unsigned int c = s[0];
	size_t length = c < 0x80   ? 1
			: c < 0xc0 ? 0
			: c < 0xe0 ? 2
			: c < 0xf0 ? 3
			: c < 0xf8 ? 4
				   : 0;

	if (!length || length > n)
		return 0;
	if (length > 1)
		c &= 0x7f >> length;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return length;
}

/* Of Unicode 15: Cc, Zl, Zp, Cf, variation selectors of no effect here, and what is never assigned.
 */
bool pv_text_is_command(unsigned int c)
{
	static const struct {
		unsigned int first, last;
	} ranges[] = {
		{ 0x00, 0x1f },       { 0x7f, 0x9f },       { 0xad, 0xad },
		{ 0x600, 0x605 },     { 0x61c, 0x61c },     { 0x6dd, 0x6dd },
		{ 0x70f, 0x70f },     { 0x890, 0x891 },     { 0x8e2, 0x8e2 },
		{ 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
		{ 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfeff, 0xfeff },
		{ 0xfff0, 0xfffb },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
		{ 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges) && c >= ranges[i].first; i++) {
		if (c <= ranges[i].last)
			return true;
	}
	return (c & 0xfffe) == 0xfffe; /* never a character */
}

static struct pv_err *append(struct pv_str *str, const char *bytes, size_t n, bool escaped)
{
	struct pv_err *err = NULL;

	while (n && !err) {
		unsigned int c;
		size_t length = pv_text_decode(bytes, n, &c), step = length ? length : 1;

		if (!length || pv_text_is_command(c)) {
			for (size_t i = 0; i < step && !err; i++)
				err = pv_str_appendf(str, "\\x%02x", (unsigned char)bytes[i]);
		} else if (c == '\\' && !escaped) {
			err = pv_str_append(str, "\\\\", 2);
		} else {
			err = pv_str_append(str, bytes, step);
		}
		bytes += step;
		n -= step;
	}
	return err;
}

struct pv_err *pv_text_append(struct pv_str *str, const char *bytes, size_t n)
{
	return append(str, bytes, n, false);
}

struct pv_err *pv_text_append_escaped(struct pv_str *str, const char *bytes, size_t n)
{
	return append(str, bytes, n, true);
}

/* Bytes of the next character, its columns in width_ret. */
static size_t next(const char *text, size_t n, size_t *width_ret)
{
	unsigned int c;
	size_t length = pv_text_decode(text, n, &c);
	int width = length > 1 ? wcwidth(c) : 1;

	*width_ret = width < 0 ? 1 : width;
	return length ? length : 1;
}

size_t pv_text_width(const char *text, size_t n)
{
	size_t columns = 0, width, at;

	for (at = 0; at < n; columns += width)
		at += next(text + at, n - at, &width);
	return columns;
}

struct pv_err *pv_text_cut(struct pv_str *str, size_t from, size_t columns)
{
	static const char more[] = "…";
	size_t at = from, used = 0, width, keep = from;

	if (pv_text_width(pv_str_text(str) + from, str->n - from) <= columns)
		return NULL;
	while (at < str->n) {
		at += next(str->data + at, str->n - at, &width);
		used += width;
		if (used + 1 > columns)
			break;
		keep = at;
	}
	str->n = keep;
	str->data[keep] = '\0';
	return columns ? pv_str_append(str, more, sizeof(more) - 1) : NULL;
}

struct pv_number pv_text_number(uint64_t n)
{
	struct pv_number number;
	char *at = number.text + sizeof(number.text) - 1;
	int digits = 0;

	*at = '\0';
	do {
		if (digits && digits % 3 == 0)
			*--at = ',';
		*--at = '0' + n % 10;
		digits++;
	} while (n /= 10);
	memmove(number.text, at, strlen(at) + 1);
	return number;
}

/* Three digits of a number and its unit; those below the first have no parts. */
static void put_scaled(char *text, size_t size, double value, const char *const *units, size_t n)
{
	double magnitude = value < 0 ? -value : value;
	size_t unit = 0;

	while (unit + 1 < n && magnitude >= 999.5) {
		magnitude /= 1000;
		value /= 1000;
		unit++;
	}
	snprintf(text, size, "%.*f %s",
		 !unit || magnitude >= 99.95 ? 0
		 : magnitude >= 9.995        ? 1
					     : 2,
		 value, units[unit]);
}

struct pv_duration pv_text_duration(uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	struct pv_duration duration;

	put_scaled(duration.text, sizeof(duration.text), (double)ns, units, 4);
	return duration;
}

struct pv_bytes pv_text_bytes(double n)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	struct pv_bytes bytes;

	put_scaled(bytes.text, sizeof(bytes.text), n, units, 5);
	return bytes;
}

struct pv_percent pv_text_percent(uint64_t part, uint64_t whole, unsigned int decimals)
{
	static const uint64_t scales[] = { 1, 10, 100 };
	enum { LAST = sizeof(scales) / sizeof(*scales) - 1 };
	unsigned int digits = decimals < LAST ? decimals : LAST;
	uint64_t scale = scales[digits], units;
	struct pv_percent ret = { "0 %" };
	bool less = part < whole, all = part == whole;

	if (!part || !whole)
		return ret;
	/* so that the products below fit */
	for (; part >> 48 || whole >> 48; part >>= 1)
		whole >>= 1;
	if (!whole)
		whole = 1;
	units = (2 * 100 * scale * part + whole) / (2 * whole);
	if (all)
		snprintf(ret.text, sizeof(ret.text), "100 %%");
	else if (100 * scale * part < whole)
		snprintf(ret.text, sizeof(ret.text), "<%.*f %%", digits, 1.0 / scale);
	else if (less && units == 100 * scale)
		snprintf(ret.text, sizeof(ret.text), ">%.*f %%", digits, 100 - 1.0 / scale);
	else
		snprintf(ret.text, sizeof(ret.text), "%.*f %%", digits, (double)units / scale);
	return ret;
}
