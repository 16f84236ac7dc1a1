/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the registers of a native function hold.  Input: the user's letters.
 * Output: struct pv_signature.
 */
#include "session/signature.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const struct {
	char letter;
	enum pv_register_form form;
} letters[] = {
	{ 'd', PV_REGISTER_S32 },     { 'u', PV_REGISTER_U32 },  { 'l', PV_REGISTER_S64 },
	{ 'z', PV_REGISTER_U64 },     { 'x', PV_REGISTER_HEX },  { 'p', PV_REGISTER_POINTER },
	{ 's', PV_REGISTER_STRING },  { 'c', PV_REGISTER_CHAR }, { 'b', PV_REGISTER_BOOL },
	{ '-', PV_REGISTER_SKIPPED },
};

static const char known[] =
	"d int, u unsigned, l long, z size_t, x hexadecimal, p pointer, s text, "
	"c char, b bool, - not shown";

static bool form_of(char letter, uint8_t *ret)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++) {
		if (letters[i].letter == letter) {
			*ret = (uint8_t)letters[i].form;
			return true;
		}
	}
	return false;
}

static struct pv_err *refuse(const char *text, size_t n, const char *why)
{
	return pv_err_create(PV_ERR_USAGE, "letters of arguments \"%.*s\": %s", (int)n, text, why);
}

struct pv_err *pv_signature_parse(const char *text, size_t n, struct pv_signature *ret)
{
	struct pv_signature signature = { .n = 0 };
	size_t i;

	for (i = 0; i < n && text[i] != ':'; i++) {
		if (signature.n == PV_VALUE_REGISTERS)
			return refuse(text, n, "only the first 6 arguments are in registers");
		if (text[i] == 'f')
			return refuse(text, n,
				      "floating-point numbers are in registers that a "
				      "probe does not see");
		if (!form_of(text[i], &signature.argument[signature.n]))
			return pv_err_create(PV_ERR_USAGE,
					     "letters of arguments \"%.*s\": '%c' is none of %s",
					     (int)n, text, text[i], known);
		signature.n++;
	}
	if (i < n) {
		if (n - i != 2)
			return refuse(text, n, "one letter for the result follows the colon");
		if (!form_of(text[i + 1], &signature.result))
			return pv_err_create(PV_ERR_USAGE,
					     "letters of arguments \"%.*s\": '%c' is none of %s",
					     (int)n, text, text[i + 1], known);
	}
	*ret = signature;
	return NULL;
}

struct pv_signature pv_signature_default(void)
{
	struct pv_signature signature = { .n = PV_VALUE_REGISTERS };

	memset(signature.argument, PV_REGISTER_S64, sizeof(signature.argument));
	return signature;
}

struct pv_err *pv_signature_split(const char *function, size_t *n_ret, struct pv_signature *ret)
{
	size_t n = strlen(function), open = n;

	if (!n || function[n - 1] != ')') {
		*n_ret = n;
		return NULL;
	}
	while (open && function[open - 1] != '(')
		open--;
	/* parentheses with anything but letters between them belong to a C++ name */
	if (!open || strcspn(function + open, " ,*&<>") < n - open) {
		*n_ret = n;
		return NULL;
	}
	*n_ret = open - 1;
	return pv_signature_parse(function + open, n - 1 - open, ret);
}
