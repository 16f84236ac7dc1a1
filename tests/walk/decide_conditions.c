/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides conditions for test_conditions.py.  Input: lines "arg VALUE" and "if EXPR" on stdin;
 * each "if" is of the arguments before it, which are then forgotten; "name NAME" names them.
 * Values as CPython 3 keeps them: "none", "bool 0", "int -5", "large 70 BITS", "float HEXBITS",
 * "str WIDTH HEX", "bytes HEX", "object NAME", "unread".  Output for each: false, true, unknown,
 * or the error.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "session/condition.h"
#include "snap/values.h"

static char *names[64];
static size_t n_names;
static struct pv_values values;

static void fill(struct pv_value *v, const char *hex, size_t width)
{
	size_t n = strlen(hex) / 2;

	v->size = (uint32_t)(n / width);
	v->n = (uint8_t)(n < PV_VALUE_BYTES ? n : PV_VALUE_BYTES);
	if (n > PV_VALUE_BYTES)
		v->flags |= PV_VALUE_CUT;
	for (size_t i = 0; i < v->n; i++) {
		unsigned int byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		v->bytes[i] = (uint8_t)byte;
	}
}

static void add_value(char *text)
{
	struct pv_value *v = &values.list[values.n++];
	char *rest = strchr(text, ' ');

	if (values.n > PV_VALUES_MAX)
		exit(2);
	memset(v, 0, sizeof(*v));
	if (rest)
		*rest++ = '\0';
	if (strcmp(text, "none") == 0) {
		v->tag = PV_VALUE_NONE;
	} else if (strcmp(text, "bool") == 0) {
		v->tag = PV_VALUE_BOOL;
		v->number = *rest == '1';
	} else if (strcmp(text, "int") == 0 || strcmp(text, "large") == 0) {
		v->tag = *text == 'i' ? PV_VALUE_INT : PV_VALUE_LARGE;
		v->flags = *rest == '-' ? PV_VALUE_NEGATIVE : 0;
		v->number = strtoull(rest + (*rest == '-'), NULL, 10);
		if (v->tag == PV_VALUE_LARGE) {
			v->size = (uint32_t)v->number;
			v->number = 0;
		}
	} else if (strcmp(text, "float") == 0) {
		v->tag = PV_VALUE_FLOAT;
		v->number = strtoull(rest, NULL, 16);
	} else if (strcmp(text, "str") == 0) {
		v->tag = PV_VALUE_STR;
		v->width = (uint8_t)(*rest - '0');
		fill(v, rest + 2, v->width);
	} else if (strcmp(text, "bytes") == 0) {
		v->tag = PV_VALUE_RAW;
		fill(v, rest ? rest : "", 1);
	} else if (strcmp(text, "object") == 0) {
		v->tag = PV_VALUE_OBJECT;
	}
}

static void decide(const char *text)
{
	static const char *const truths[] = { "false", "true", "unknown" };
	struct pv_condition_scope scope = { .names = n_names ? (const char *const *)names : NULL,
					    .n = values.n };
	struct pv_condition condition;
	struct pv_err *err = pv_condition_parse(text, &scope, &condition);

	if (err)
		printf("%s\n", err->message);
	else
		printf("%s\n", truths[pv_snap_condition(&condition, &values)]);
	pv_err_destroy(err);
}

int main(void)
{
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "arg ", 4) == 0) {
			add_value(line + 4);
		} else if (strncmp(line, "name ", 5) == 0) {
			names[n_names++ % 64] = strdup(line + 5);
		} else if (strncmp(line, "if ", 3) == 0) {
			decide(line + 3);
			while (n_names)
				free(names[--n_names]);
			values.n = 0;
		}
	}
	free(line);
	return 0;
}
