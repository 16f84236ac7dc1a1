/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON writer.  Input: values in order.  Output: one JSON text (RFC 8259).
 */
#include "base/json.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at s, 0 if there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
	    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
	    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
					  : 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_string(FILE *file, const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + size;
	size_t n;

	fputc('"', file);
	for (; s < end; s += n) {
		/* the text is followed by a NUL, which no sequence has inside */
		n = utf8_length(s);
		if (!n) {
			fprintf(file, "\\udc%02x", *s);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(file, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(file, "\\u%04x", *s);
		} else {
			fwrite(s, 1, n, file);
		}
	}
	fputc('"', file);
}

static void put_key(struct pv_json *json, const char *key)
{
	if (json->comma)
		fputc(',', json->file);
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
	put_key(json, key);
	fprintf(json->file, "%lld", (long long)value);
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
