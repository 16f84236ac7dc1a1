/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON writer.  Input: values in order.  Output: one JSON text (RFC 8259).
 */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

/* RFC 8259: above U+FFFF a surrogate pair. */
static void put_escape(FILE *file, unsigned int c)
{
	if (c > 0xffff) {
		fprintf(file, "\\u%04x", 0xd800 + ((c - 0x10000) >> 10));
		c = 0xdc00 + ((c - 0x10000) & 0x3ff);
	}
	fprintf(file, "\\u%04x", c);
}

static bool is_plain(const unsigned char *s, unsigned int c)
{
	return *s != '"' && *s != '\\' && !pv_text_is_command(c);
}

static void put_string(FILE *file, const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + size, *run = s;
	unsigned int c;
	size_t n;

	fputc('"', file);
	for (; s < end; s += n) {
		n = pv_text_decode((const char *)s, end - s, &c);
		if (n && is_plain(s, c))
			continue;
		/* what came before in one piece */
		fwrite(run, 1, s - run, file);
		if (!n) {
			fprintf(file, "\\udc%02x", *s);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(file, "\\%c", *s);
		} else {
			put_escape(file, c); /* it may be a terminal that reads */
		}
		run = s + n;
	}
	fwrite(run, 1, end - run, file);
	fputc('"', file);
}

static void put_key(struct pv_json *json, const char *key)
{
	if (json->comma)
		putc_unlocked(',', json->file);
	json->comma = true;
	if (key) {
		put_string(json->file, key, strlen(key));
		fputc(':', json->file);
	}
}

void pv_json_begin(struct pv_json *json, const char *key, char bracket)
{
	put_key(json, key);
	fputc(bracket, json->file);
	json->comma = false;
}

void pv_json_end(struct pv_json *json, char bracket)
{
	fputc(bracket, json->file);
	json->comma = true;
}

void pv_json_string(struct pv_json *json, const char *key, const char *value)
{
	pv_json_bytes(json, key, value, strlen(value));
}

void pv_json_bytes(struct pv_json *json, const char *key, const char *value, size_t n)
{
	put_key(json, key);
	put_string(json->file, value, n);
}

void pv_json_int(struct pv_json *json, const char *key, int64_t value)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	put_key(json, key);
	/* large files are mostly integers, and printf() is slow with them */
	do {
		*--at = '0' + left % 10;
		left /= 10;
	} while (left);
	if (value < 0)
		*--at = '-';
	fwrite(at, 1, digits + sizeof(digits) - at, json->file);
}

void pv_json_thousandths(struct pv_json *json, const char *key, uint64_t value)
{
	put_key(json, key);
	fprintf(json->file, "%" PRIu64 ".%03u", value / 1000, (unsigned int)(value % 1000));
}

void pv_json_double(struct pv_json *json, const char *key, double value)
{
	put_key(json, key);
	if (isfinite(value))
		fprintf(json->file, "%.9g", value);
	else
		fputs("null", json->file);
}

void pv_json_bool(struct pv_json *json, const char *key, bool value)
{
	put_key(json, key);
	fputs(value ? "true" : "false", json->file);
}
