/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of findings.  Input: names and values.  Output: struct pv_fact. */
#include "model/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fact_deinit(struct pv_fact *fact)
{
	free(fact->name);
	free(fact->value);
	free(fact->hint);
}

struct pv_err *pv_facts_add(struct pv_vec *facts, const char *section, enum pv_fact_state state,
			    const char *name, const char *hint, const char *format, ...)
{
	struct pv_fact fact = { .section = section, .state = state };
	struct pv_err *err;
	va_list args;

	fact.name = strdup(name);
	fact.hint = strdup(hint);
	va_start(args, format);
	if (vasprintf(&fact.value, format, args) < 0)
		fact.value = NULL;
	va_end(args);
	err = fact.name && fact.hint && fact.value ? pv_vec_append(facts, &fact, 1, NULL)
						   : &pv_enomem;
	if (err)
		fact_deinit(&fact);
	return err;
}

void pv_facts_deinit(struct pv_vec *facts)
{
	size_t i;

	for (i = 0; i < facts->n; i++)
		fact_deinit(pv_vec_at(facts, i));
	pv_vec_deinit(facts);
}
