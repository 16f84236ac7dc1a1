/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants of a condition.  Input: the user's text.  Output: struct
 * pv_condition_constant, a text in every form in which it may stand in a target.
 */
#include "session/constant.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct characters {
	uint32_t list[PV_VALUE_BYTES];
	size_t n;
};

static const char too_long[] = "a text of more than 64 bytes";

static void put(struct pv_condition_text *text, const void *bytes, size_t n)
{
	size_t room = PV_VALUE_BYTES - text->n;

	memcpy((char *)text->words + text->n, bytes, n < room ? n : room);
	memset((char *)text->mask + text->n, 0xff, n < room ? n : room);
	text->n += n < room ? n : room;
}

static void put_raw(struct pv_condition_text *text, uint32_t c)
{
	char utf8[4] = { (char)c };
	size_t n = 1;

	if (c >= 0x10000) {
		utf8[0] = (char)(0xf0 | c >> 18);
		utf8[1] = (char)(0x80 | (c >> 12 & 0x3f));
		n = 2;
	} else if (c >= 0x800) {
		utf8[0] = (char)(0xe0 | c >> 12);
	} else if (c >= 0x80) {
		utf8[0] = (char)(0xc0 | c >> 6);
	}
	if (c >= 0x800)
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	if (c >= 0x80)
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	put(text, utf8, n);
	text->size += n;
}

static void put_2(struct pv_condition_text *text, uint32_t c, bool old)
{
	uint16_t units[2] = { (uint16_t)c };
	size_t n = 1;

	if (c >= 0x10000) {
		/* only 2.7 has surrogates */
		text->possible = text->possible && old;
		units[0] = (uint16_t)(0xd800 | (c - 0x10000) >> 10);
		units[1] = (uint16_t)(0xdc00 | (c & 0x3ff));
		n = 2;
	}
	put(text, units, 2 * n);
	text->size += n;
}

/* A text in all its forms; raw: it is bytes. */
static const char *make_text(const struct characters *c, bool raw, bool old,
			     struct pv_condition_constant *ret)
{
	struct pv_value *value = &ret->value;
	uint8_t width = 1;

	for (size_t i = 0; i < c->n; i++)
		width = c->list[i] >= 0x10000 ? 4 : c->list[i] >= 0x100 && width < 2 ? 2 : width;
	if (c->n * width > PV_VALUE_BYTES)
		return too_long;
	value->tag = raw ? PV_VALUE_RAW : PV_VALUE_STR;
	value->width = raw ? 0 : width;
	value->size = (uint32_t)c->n;
	for (size_t form = 0; form < PV_FORMS; form++)
		ret->text[form].possible = 1;
	for (size_t i = 0; i < c->n; i++) {
		uint8_t byte = (uint8_t)c->list[i];

		if (raw) {
			put(&ret->text[PV_FORM_RAW], &byte, 1);
			ret->text[PV_FORM_RAW].size++;
			/* 2.7: ASCII bytes equal the unicode of the same characters */
			ret->text[PV_FORM_1].possible = 0;
			ret->text[PV_FORM_2].possible &= old && byte < 0x80;
			ret->text[PV_FORM_4].possible &= old && byte < 0x80;
		} else {
			put_raw(&ret->text[PV_FORM_RAW], c->list[i]);
		}
		ret->text[PV_FORM_1].possible &= c->list[i] < 0x100;
		put(&ret->text[PV_FORM_1], &byte, 1);
		ret->text[PV_FORM_1].size++;
		put_2(&ret->text[PV_FORM_2], c->list[i], old);
		put(&ret->text[PV_FORM_4], &c->list[i], 4);
		ret->text[PV_FORM_4].size++;
	}
	return NULL;
}

/* The number that n hexadecimal digits are; -1: they are not there. */
static int64_t hex_digits(const char *text, size_t n)
{
	int64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return -1;
		value = value * 16 + (isdigit((unsigned char)text[i])
					      ? text[i] - '0'
					      : (text[i] | 0x20) - 'a' + 10);
	}
	return value;
}

/* An escape, behind its backslash.  Returns its length, 0: it is none. */
static size_t parse_escape(const char *text, bool raw, uint32_t *ret)
{
	static const char plain[] = "\\'\"nrt0", meant[] = "\\'\"\n\r\t\0";
	const char *found = *text ? strchr(plain, *text) : NULL;
	size_t n = *text == 'x' ? 2 : raw ? 0 : *text == 'u' ? 4 : *text == 'U' ? 8 : 0;
	int64_t value;

	if (found) {
		*ret = (unsigned char)meant[found - plain];
		return 1;
	}
	value = n ? hex_digits(text + 1, n) : -1;
	if (value < 0 || value > 0x10ffff)
		return 0;
	*ret = (uint32_t)value;
	return n + 1;
}

/* A text from its first quote on. */
static size_t parse_text(const char *text, bool raw, bool old, struct pv_condition_constant *ret,
			 const char **why_ret)
{
	struct characters chars = { .n = 0 };
	size_t at = 1, n;

	for (; text[at] != text[0]; at += n) {
		uint32_t c = (unsigned char)text[at];

		if (!text[at]) {
			*why_ret = "a text without its last quote";
			return 0;
		}
		if (text[at] == '\\') {
			n = parse_escape(text + at + 1, raw, &c);
			n += !!n;
			*why_ret = n ? NULL : "an unknown escape in a text";
		} else {
			n = pv_text_decode(text + at, strlen(text + at), &c);
			*why_ret = !n                 ? "a text that is not UTF-8"
				   : raw && c >= 0x80 ? "bytes can only hold ASCII and \\x.."
						      : NULL;
		}
		if (!*why_ret && chars.n == PV_VALUE_BYTES)
			*why_ret = too_long;
		if (*why_ret)
			return 0;
		chars.list[chars.n++] = c;
	}
	*why_ret = make_text(&chars, raw, old, ret);
	return *why_ret ? 0 : at + 1;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t parse_int(const char *text, int base, struct pv_condition_constant *ret,
			const char **why_ret)
{
	char *end;

	errno = 0;
	ret->value.number = strtoull(text, &end, base);
	ret->value.tag = PV_VALUE_INT;
	if (errno)
		*why_ret = "a number of more than 64 bits";
	return *why_ret ? 0 : (size_t)(end - text);
}

/* A number without its sign. */
static size_t parse_number(const char *text, struct pv_condition_constant *ret,
			   const char **why_ret)
{
	int base = text[0] != '0'            ? 10
		   : (text[1] | 0x20) == 'x' ? 16
		   : (text[1] | 0x20) == 'o' ? 8
		   : (text[1] | 0x20) == 'b' ? 2
					     : 10;
	size_t prefix = base == 10 ? 0 : 2, digits, n;
	char *end;
	double number;

	digits = strspn(text + prefix, base == 16  ? "0123456789abcdefABCDEF"
				       : base == 8 ? "01234567"
				       : base == 2 ? "01"
						   : "0123456789");
	if (base != 10 || (text[digits] != '.' && (text[digits] | 0x20) != 'e')) {
		if (!digits) {
			*why_ret = "a number without digits";
			return 0;
		}
		n = parse_int(text + prefix, base, ret, why_ret);
		n += n ? prefix : 0;
	} else {
		number = strtod(text, &end);
		n = (size_t)(end - text);
		memcpy(&ret->value.number, &number, sizeof(number));
		ret->value.tag = PV_VALUE_FLOAT;
	}
	if (!*why_ret && (is_word(text[n]) || text[n] == '.')) {
		*why_ret = "a number that goes on with something else";
		return 0;
	}
	return *why_ret ? 0 : n;
}

static size_t parse_signed(const char *text, struct pv_condition_constant *ret,
			   const char **why_ret)
{
	bool negative = text[0] == '-';
	size_t n = negative ? 1 + strspn(text + 1, " \t") : 0, used;

	if (!isdigit((unsigned char)text[n]) &&
	    !(text[n] == '.' && isdigit((unsigned char)text[n + 1])))
		return 0;
	used = parse_number(text + n, ret, why_ret);
	if (!used)
		return 0;
	if (negative && ret->value.tag == PV_VALUE_FLOAT)
		ret->value.number ^= 1ULL << 63;
	else if (negative && ret->value.number)
		ret->value.flags |= PV_VALUE_NEGATIVE;
	return n + used;
}

static size_t parse_word(const char *text, struct pv_condition_constant *ret)
{
	static const struct {
		const char *name;
		uint8_t tag, number;
	} words[] = {
		{ "None", PV_VALUE_NONE, 0 },
		{ "True", PV_VALUE_BOOL, 1 },
		{ "False", PV_VALUE_BOOL, 0 },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i].name);

		if (strncmp(text, words[i].name, n) == 0 && !is_word(text[n])) {
			ret->value.tag = words[i].tag;
			ret->value.number = words[i].number;
			return n;
		}
	}
	return 0;
}

size_t pv_constant_parse(const char *text, bool old, struct pv_condition_constant *ret,
			 const char **why_ret)
{
	struct pv_condition_constant constant = { .value = { .tag = PV_VALUE_UNREAD } };
	bool raw = *text == 'b', marked = raw || *text == 'u';
	const char *why = NULL;
	size_t n;

	if (marked && (text[1] == '\'' || text[1] == '"')) {
		n = parse_text(text + 1, raw, old, &constant, &why);
		n += !!n;
	} else if (*text == '\'' || *text == '"') {
		n = parse_text(text, false, old, &constant, &why);
	} else {
		n = parse_word(text, &constant);
		if (!n)
			n = parse_signed(text, &constant, &why);
	}
	if (n)
		*ret = constant;
	*why_ret = why;
	return n;
}
