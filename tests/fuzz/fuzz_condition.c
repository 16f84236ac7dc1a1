/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for session/condition.h, walk/condition.h and session/values.h.
 * Input: byte 0: bit 0 old, bit 1 without names, bit 2: the rest is a condition's own bytes;
 * else the text up to a NUL; behind it the arguments' bytes.
 * Output: a crash where a program is made that no stack machine takes, or something is read
 * outside of it, whatever is in it.  Corpus: tests/fuzz/corpus/condition.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session/condition.h"
#include "session/values.h"
#include "snap/values.h"
#include "target/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_operand(const struct pv_condition *condition, uint8_t code, size_t n_arguments)
{
	if (code & PV_CONDITION_CONSTANT)
		check((code & ~PV_CONDITION_CONSTANT) < (int)condition->n_constants);
	else
		check(code < n_arguments);
}

static void check_condition(const struct pv_condition *condition, size_t n_arguments)
{
	size_t depth = 0;

	check(condition->n_steps > 0 && condition->n_steps <= PV_CONDITION_STEPS);
	check(condition->n_constants <= PV_CONDITION_CONSTANTS);
	for (size_t i = 0; i < condition->n_steps; i++) {
		const struct pv_condition_step *step = &condition->steps[i];

		switch (step->op) {
		case PV_CONDITION_NOT:
			check(depth >= 1);
			break;
		case PV_CONDITION_AND:
		case PV_CONDITION_OR:
			check(depth >= 2);
			depth--;
			break;
		default:
			check(step->op >= PV_CONDITION_EQ && step->op <= PV_CONDITION_TRUTH);
			check(!(step->left & PV_CONDITION_CONSTANT));
			check_operand(condition, step->left, n_arguments);
			check_operand(condition, step->right, n_arguments);
			depth++;
		}
		check(depth <= PV_CONDITION_STEPS);
	}
	check(depth == 1);
	for (size_t i = 0; i < condition->n_constants; i++) {
		for (size_t form = 0; form < PV_FORMS; form++)
			check(condition->constants[i].text[form].n <= PV_VALUE_BYTES);
	}
}

static void run(const struct pv_condition *condition, const uint8_t *data, size_t n)
{
	struct pv_values values = { .n = 2 };
	struct pv_str text = {};

	memcpy(values.list, data, n < sizeof(values.list) ? n : sizeof(values.list));
	for (size_t i = 0; i < PV_VALUES_MAX; i++)
		values.list[i].n %= PV_VALUE_BYTES + 1;
	/* a byte of the stack can be anything but what it makes must be a truth */
	check(pv_snap_condition(condition, &values) <= 3);
	for (size_t i = 0; i < 2; i++)
		check(!pv_value_append(&text, &values.list[i], n % PV_REGISTER_FORMS));
	pv_str_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { "path", "n" };
	struct pv_condition condition = {};
	struct pv_condition_scope scope = { .n = 2 };
	struct pv_err *err;
	size_t length;
	char *text;

	if (n < 1)
		return 0;
	if (data[0] & 4) {
		length = n - 1 < sizeof(condition) ? n - 1 : sizeof(condition);
		memcpy(&condition, data + 1, length);
		run(&condition, data + 1 + length, n - 1 - length);
		return 0;
	}
	scope.old = data[0] & 1;
	scope.names = data[0] & 2 ? NULL : names;
	length = strnlen((const char *)data + 1, n - 1);
	/* a copy of its own, so that ASan sees one byte too many */
	text = strndup((const char *)data + 1, length);
	err = pv_condition_parse(text, &scope, &condition);
	if (!err) {
		check_condition(&condition, scope.n);
		run(&condition, data + 1 + length, n - 1 - length);
	}
	pv_err_destroy(err);
	free(text);
	return 0;
}
