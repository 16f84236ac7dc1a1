/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of one frame.
 * Input: a location; names come from the target and may be any bytes.
 * Output: text; escaped, it has no control character, no line end of any kind
 * and is valid UTF-8, and the original bytes can be had back.
 */
#include <string.h>

#include "base/str.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"

/*
 * Bytes of the UTF-8 sequence at s, 0 if there is no valid one (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF).
 */
static size_t utf8_sequence(const unsigned char *s, size_t n, unsigned int *ret)
{
	static const unsigned int smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
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

/*
 * C0, C1, DEL, the separators at which Unicode-aware readers break a line, and
 * what no XML 1.0 document may hold (section 2.2).
 */
static bool is_unsafe(unsigned int c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfffe ||
	       c == 0xffff;
}

/* Bytes at the start of text that stand for themselves. */
static size_t plain_length(const unsigned char *s, size_t n, enum pv_escape escape)
{
	size_t length = 0, step;
	unsigned int c;

	for (; length < n; length += step) {
		step = utf8_sequence(s + length, n - length, &c);
		if (!step || is_unsafe(c) || c == '\\' || (c == ';' && escape == PV_ESCAPE_LINE))
			break;
	}
	return length;
}

struct pv_err *pv_escape_text(struct pv_str *str, const char *text, size_t n, enum pv_escape escape)
{
	const unsigned char *s = (const unsigned char *)text;
	struct pv_err *err = NULL;

	if (escape == PV_ESCAPE_NONE)
		return pv_str_append(str, text, n);
	while (n && !err) {
		size_t plain = plain_length(s, n, escape), step, i;
		unsigned int c;

		err = pv_str_append(str, (const char *)s, plain);
		s += plain;
		n -= plain;
		if (err || !n)
			break;
		step = utf8_sequence(s, n, &c);
		if (step == 1 && c == '\\') {
			err = pv_str_append(str, "\\\\", 2);
		} else {
			step = step ? step : 1;
			for (i = 0; i < step && !err; i++)
				err = pv_str_appendf(str, "\\x%02x", s[i]);
		}
		s += step;
		n -= step;
	}
	return err;
}

/* " (text:line)"; nothing for the empty string, no line unless it is known. */
static struct pv_err *append_place(struct pv_str *str, const struct pv_strings *strings,
				   uint32_t id, int line, enum pv_escape escape)
{
	const char *text = pv_strings_get(strings, id);
	size_t n = pv_strings_length(strings, id), skip = pv_path_skip(text, n);
	struct pv_err *err;

	if (!n)
		return NULL;
	err = pv_str_append(str, " (", 2);
	if (!err)
		err = pv_escape_text(str, text + skip, n - skip, escape);
	if (!err && line > 0)
		err = pv_str_appendf(str, ":%d", line);
	return err ? err : pv_str_append(str, ")", 1);
}

struct pv_err *pv_frame_text(const struct pv_strings *strings, const struct pv_loc *loc,
			     enum pv_escape escape, struct pv_str *str)
{
	static const char unknown[] = "[unknown";
	const char *function = pv_strings_get(strings, loc->function);
	size_t n = pv_strings_length(strings, loc->function);
	struct pv_err *err = pv_escape_text(str, function, n, escape);

	if (!err && !n)
		err = pv_str_appendf(str, "%s]", unknown);
	if (err)
		return err;
	switch (loc->kind) {
	case PV_LOC_PYTHON:
		return append_place(str, strings, loc->file, loc->line, escape);
	case PV_LOC_NATIVE:
		/* "[unknown libfoo.so+0x12]" names its library already. */
		if (!strncmp(function, unknown, sizeof(unknown) - 1))
			return NULL;
		return append_place(str, strings, loc->module, 0, escape);
	case PV_LOC_INLINED:
		return pv_str_appendf(str, " (inlined)");
	case PV_LOC_KERNEL:
		return pv_str_appendf(str, "_[k]");
	default:
		return NULL;
	}
}
