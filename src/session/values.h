/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of a target as text for people: "path='/srv/a', n=3".  What is appended is
 * already escaped: no terminal obeys any of it, and nobody escapes it once more.
 */
#ifndef PV_SESSION_VALUES_H
#define PV_SESSION_VALUES_H

#include "abi/value.h"
#include "base/err.h"

struct pv_str;

/* One value as Python shows it; form: enum pv_register_form, 0 for Python's. */
struct pv_err *pv_value_append(struct pv_str *str, const struct pv_value *value, unsigned int form);

/* A name as it is in the source, without stars; nothing if it could not be read. */
struct pv_err *pv_argument_name(struct pv_str *str, const struct pv_value *name);

/* The arguments of a call; names: NULL or without entries, they are arg1, arg2 ... */
struct pv_err *pv_arguments_append(struct pv_str *str, const struct pv_values *values,
				   const struct pv_values *names);

/* The same of a native function. */
struct pv_err *pv_registers_append(struct pv_str *str, const struct pv_values *values,
				   const struct pv_signature *signature);

/* What was returned; nothing where that was not seen, or an exception was raised. */
struct pv_err *pv_result_append(struct pv_str *str, const struct pv_values *values,
				unsigned int form);

#endif
