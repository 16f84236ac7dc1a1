/* SPDX-License-Identifier: BSD-2-Clause */
/* Named findings, as doctor shows them: plain data. */
#ifndef PV_MODEL_FACTS_H
#define PV_MODEL_FACTS_H

#include "base/err.h"
#include "base/vec.h"

enum pv_fact_state {
	PV_FACT_INFO,
	PV_FACT_OK,
	PV_FACT_MISSING, /* something does not work; hint says what would help */
	PV_FACT_UNKNOWN,
};

struct pv_fact {
	const char *section;       /* static */
	char *name, *value, *hint; /* owned; hint "" if none */
	enum pv_fact_state state;
};

/* Appends one; value is a format. */
struct pv_err *pv_facts_add(struct pv_vec *facts, const char *section, enum pv_fact_state state,
			    const char *name, const char *hint, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* facts: struct pv_fact. */
void pv_facts_deinit(struct pv_vec *facts);

#endif
