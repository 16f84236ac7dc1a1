/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of a target as text for people.  Input: struct pv_value, whose bytes may
 * be anything.  Output: text as Python's repr() has it, marked where there is more.
 */
#include "session/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"

static struct pv_err *append_text(struct pv_str *str, const char *text)
{
	return pv_str_append(str, text, strlen(text));
}

static size_t encode(unsigned int c, char ret[4])
{
	if (c < 0x80) {
		ret[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		ret[0] = (char)(0xc0 | c >> 6);
		ret[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		ret[0] = (char)(0xe0 | c >> 12);
		ret[1] = (char)(0x80 | (c >> 6 & 0x3f));
		ret[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	ret[0] = (char)(0xf0 | c >> 18);
	ret[1] = (char)(0x80 | (c >> 12 & 0x3f));
	ret[2] = (char)(0x80 | (c >> 6 & 0x3f));
	ret[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* One character between quotes; raw: it is a byte, which above ASCII has no meaning. */
static struct pv_err *append_char(struct pv_str *str, unsigned int c, char quote, bool raw)
{
	char utf8[4];

	switch (c) {
	case '\n':
		return append_text(str, "\\n");
	case '\r':
		return append_text(str, "\\r");
	case '\t':
		return append_text(str, "\\t");
	case '\\':
		return append_text(str, "\\\\");
	}
	if (c == (unsigned char)quote)
		return pv_str_appendf(str, "\\%c", quote);
	if (raw ? c < 0x20 || c >= 0x7f
		: pv_text_is_command(c) || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return pv_str_appendf(str,
				      c < 0x100     ? "\\x%02x"
				      : c < 0x10000 ? "\\u%04x"
						    : "\\U%08x",
				      c);
	return pv_str_append(str, utf8, encode(c, utf8));
}

static size_t width_of(const struct pv_value *value)
{
	return value->tag == PV_VALUE_STR && (value->width == 2 || value->width == 4) ? value->width
										      : 1;
}

/* Character i of a text of n bytes, of which it takes *used bytes. */
static unsigned int char_at(const struct pv_value *value, size_t at, size_t *used)
{
	uint32_t wide = 0;
	unsigned int c;

	if (value->tag == PV_VALUE_C_STRING) {
		*used = pv_text_decode((const char *)value->bytes + at, value->n - at, &c);
		if (*used)
			return c;
	}
	*used = width_of(value);
	memcpy(&wide, value->bytes + at, *used);
	/* 2.7: UTF-16 where it is narrow */
	if (value->flags & PV_VALUE_OLD && value->width == 2 && wide >= 0xd800 && wide < 0xdc00 &&
	    at + 4 <= value->n) {
		uint16_t low;

		memcpy(&low, value->bytes + at + 2, sizeof(low));
		if (low >= 0xdc00 && low < 0xe000) {
			*used = 4;
			return 0x10000 + ((wide & 0x3ff) << 10 | (low & 0x3ff));
		}
	}
	return wide;
}

static struct pv_err *append_quoted(struct pv_str *str, const struct pv_value *value)
{
	bool raw = value->tag == PV_VALUE_RAW, c_string = value->tag == PV_VALUE_C_STRING;
	bool old = value->flags & PV_VALUE_OLD;
	size_t width = width_of(value), used;
	bool has_single = false, has_double = false;
	struct pv_err *err;
	char quote;

	for (size_t at = 0; at + width <= value->n; at += used) {
		unsigned int c = char_at(value, at, &used);

		has_single = has_single || c == '\'';
		has_double = has_double || c == '"';
	}
	quote = c_string || (has_single && !has_double) ? '"' : '\'';
	err = pv_str_appendf(str, "%s%c", raw && !old ? "b" : !raw && old ? "u" : "", quote);
	for (size_t at = 0; !err && at + width <= value->n; at += used) {
		unsigned int c = char_at(value, at, &used);

		err = append_char(str, c, quote, raw || (c_string && used == 1 && c >= 0x80));
	}
	if (!err)
		err = pv_str_append(str, &quote, 1);
	if (err || !(value->flags & PV_VALUE_CUT))
		return err;
	if (c_string)
		return append_text(str, "…");
	return pv_str_appendf(str, "…+%zu", (size_t)value->size - value->n / width);
}

/* The fewest digits that are this number, as repr() of a float. */
static struct pv_err *append_float(struct pv_str *str, uint64_t bits)
{
	char text[40], digits[20];
	double number;
	int precision, exponent, n;

	memcpy(&number, &bits, sizeof(number));
	if (isnan(number))
		return append_text(str, "nan");
	if (isinf(number))
		return append_text(str, number < 0 ? "-inf" : "inf");
	for (precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, fabs(number));
		if (strtod(text, NULL) == fabs(number))
			break;
	}
	exponent = atoi(strchr(text, 'e') + 1);
	digits[0] = text[0];
	n = 1;
	for (int i = 0; i < precision; i++)
		digits[n++] = text[2 + i];
	while (n > 1 && digits[n - 1] == '0')
		n--;
	if (signbit(number) && pv_str_append(str, "-", 1))
		return &pv_enomem;
	if (exponent < -4 || exponent >= 16)
		return pv_str_appendf(str, "%c%s%.*se%c%02d", digits[0], n > 1 ? "." : "", n - 1,
				      digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
	if (exponent < 0)
		return pv_str_appendf(str, "0.%.*s%.*s", -exponent - 1, "000", n, digits);
	if (n <= exponent + 1)
		return pv_str_appendf(str, "%.*s%.*s.0", n, digits, exponent + 1 - n,
				      "000000000000000");
	return pv_str_appendf(str, "%.*s.%.*s", exponent + 1, digits, n - exponent - 1,
			      digits + exponent + 1);
}

static struct pv_err *append_int(struct pv_str *str, const struct pv_value *value,
				 unsigned int form)
{
	bool negative = value->flags & PV_VALUE_NEGATIVE;
	unsigned long long number = value->number;
	struct pv_err *err;

	if (form == PV_REGISTER_HEX || form == PV_REGISTER_POINTER)
		return pv_str_appendf(str, "0x%llx", number);
	if (form == PV_REGISTER_CHAR && !negative) {
		err = pv_str_append(str, "'", 1);
		if (!err)
			err = append_char(str, (unsigned int)number, '\'', true);
		return err ? err : pv_str_append(str, "'", 1);
	}
	return pv_str_appendf(str, "%s%llu", negative ? "-" : "", number);
}

static struct pv_err *append_type(struct pv_str *str, const struct pv_value *value)
{
	struct pv_err *err = pv_str_append(str, "<", 1);

	if (!err)
		err = pv_text_append(str, (const char *)value->bytes, value->n);
	return err ? err : append_text(str, value->flags & PV_VALUE_CUT ? "…>" : ">");
}

struct pv_err *pv_value_append(struct pv_str *str, const struct pv_value *value, unsigned int form)
{
	switch (value->tag) {
	case PV_VALUE_UNBOUND:
		return append_text(str, "<unbound>");
	case PV_VALUE_NONE:
		return append_text(str, form == PV_REGISTER_STRING ? "NULL" : "None");
	case PV_VALUE_BOOL:
		if (form == PV_REGISTER_BOOL)
			return append_text(str, value->number ? "true" : "false");
		return append_text(str, value->number ? "True" : "False");
	case PV_VALUE_INT:
		return append_int(str, value, form);
	case PV_VALUE_LARGE:
		return pv_str_appendf(str, "<%sint of %u bits>",
				      value->flags & PV_VALUE_NEGATIVE ? "negative " : "",
				      value->size);
	case PV_VALUE_FLOAT:
		return append_float(str, value->number);
	case PV_VALUE_STR:
	case PV_VALUE_RAW:
	case PV_VALUE_C_STRING:
		return append_quoted(str, value);
	case PV_VALUE_OBJECT:
		return append_type(str, value);
	default:
		return append_text(str, "<unread>");
	}
}

/* A name is an identifier, but for who made it by hand. */
struct pv_err *pv_argument_name(struct pv_str *str, const struct pv_value *name)
{
	struct pv_err *err = NULL;
	size_t used;

	if (name->tag != PV_VALUE_STR && !(name->tag == PV_VALUE_RAW && name->flags & PV_VALUE_OLD))
		return NULL;
	for (size_t at = 0; !err && at + width_of(name) <= name->n; at += used) {
		unsigned int c = char_at(name, at, &used);

		err = append_char(str, c, '\'', name->tag == PV_VALUE_RAW);
	}
	return err;
}

static struct pv_err *append_name(struct pv_str *str, const struct pv_value *name, size_t i)
{
	size_t before;
	struct pv_err *err;

	if (name && name->n) {
		err = append_text(str, name->flags & PV_VALUE_POSITIONALS ? "*"
				       : name->flags & PV_VALUE_KEYWORDS  ? "**"
									  : "");
		before = str->n;
		if (!err)
			err = pv_argument_name(str, name);
		if (!err && name->flags & PV_VALUE_CUT)
			err = append_text(str, "…");
		if (err || str->n > before)
			return err;
	}
	return pv_str_appendf(str, "arg%zu", i + 1);
}

static struct pv_err *append_all(struct pv_str *str, const struct pv_values *values,
				 const struct pv_values *names,
				 const struct pv_signature *signature)
{
	struct pv_err *err = NULL;
	bool first = true;

	if (values->unread)
		return append_text(str, "<unread>");
	for (size_t i = 0; !err && i < values->n && i < PV_VALUES_MAX; i++) {
		unsigned int form = signature && i < signature->n ? signature->argument[i] : 0;

		if (signature && form == PV_REGISTER_SKIPPED)
			continue;
		if (!first)
			err = append_text(str, ", ");
		first = false;
		if (!err)
			err = append_name(str, names && i < names->n ? &names->list[i] : NULL, i);
		if (!err)
			err = append_text(str, "=");
		if (!err)
			err = pv_value_append(str, &values->list[i], form);
	}
	if (!err && values->more)
		err = pv_str_appendf(str, ", … %u more", values->more);
	return err;
}

struct pv_err *pv_arguments_append(struct pv_str *str, const struct pv_values *values,
				   const struct pv_values *names)
{
	return append_all(str, values, names, NULL);
}

struct pv_err *pv_registers_append(struct pv_str *str, const struct pv_values *values,
				   const struct pv_signature *signature)
{
	return append_all(str, values, NULL, signature);
}

struct pv_err *pv_result_append(struct pv_str *str, const struct pv_values *values,
				unsigned int form)
{
	if (values->result != PV_RESULT_RETURNED || values->n != 1)
		return NULL;
	return pv_value_append(str, &values->list[0], form);
}
