/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming JSON writer onto a FILE.  It keeps the commas; nesting is the
 * caller's.  key NULL = an element of an array.  A byte that is not valid UTF-8 becomes the escape
 * of U+DC80..U+DCFF, as Python's surrogateescape has it, so that the output is ASCII or UTF-8 and
 * nothing is lost.  Write errors: ferror().
 */
#ifndef PV_BASE_JSON_H
#define PV_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pv_json {
	FILE *file;
	bool comma; /* the next element needs one */
};

void pv_json_begin(struct pv_json *json, const char *key, char bracket);
void pv_json_end(struct pv_json *json, char bracket);
void pv_json_string(struct pv_json *json, const char *key, const char *value);
void pv_json_bytes(struct pv_json *json, const char *key, const char *value, size_t n);
void pv_json_int(struct pv_json *json, const char *key, int64_t value);
/* value / 1000, all of its digits: "12.345" */
void pv_json_thousandths(struct pv_json *json, const char *key, uint64_t value);
void pv_json_double(struct pv_json *json, const char *key, double value);
void pv_json_bool(struct pv_json *json, const char *key, bool value);

#endif
