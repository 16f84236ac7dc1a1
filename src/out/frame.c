/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of one frame.
 * Input: a location; names come from the target and may be any bytes.
 * Output: text; escaped, it has no control character, no line end of any kind
 * and is valid UTF-8, and the original bytes can be had back.
 */
#include <string.h>

#include "base/str.h"
#include "base/text.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"

/* Bytes at the start of text that stand for themselves. */
static size_t plain_length(const char *s, size_t n, enum pv_escape escape)
{
	size_t length = 0, step;
	unsigned int c;

	for (; length < n; length += step) {
		step = pv_text_decode(s + length, n - length, &c);
		if (!step || pv_text_is_command(c) || c == '\\' ||
		    (c == ';' && escape == PV_ESCAPE_LINE))
			break;
	}
	return length;
}

struct pv_err *pv_escape_text(struct pv_str *str, const char *text, size_t n, enum pv_escape escape)
{
	struct pv_err *err = NULL;

	if (escape == PV_ESCAPE_NONE)
		return pv_str_append(str, text, n);
	while (n && !err) {
		size_t plain = plain_length(text, n, escape), step, i;
		unsigned int c;

		err = pv_str_append(str, text, plain);
		text += plain;
		n -= plain;
		if (err || !n)
			break;
		step = pv_text_decode(text, n, &c);
		if (step == 1 && c == '\\') {
			err = pv_str_append(str, "\\\\", 2);
		} else {
			step = step ? step : 1;
			for (i = 0; i < step && !err; i++)
				err = pv_str_appendf(str, "\\x%02x", (unsigned char)text[i]);
		}
		text += step;
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
