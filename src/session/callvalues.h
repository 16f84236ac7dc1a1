/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments and results on their way to the calls that they belong to.  Input: records
 * of names and values (abi/trace.h).  Output: their text.
 */
#ifndef PV_SESSION_CALLVALUES_H
#define PV_SESSION_CALLVALUES_H

#include <stddef.h>

#include "base/err.h"

struct pv_call_values;
struct pv_event;
struct pv_event_call;
struct pv_signature;
struct pv_str;

struct pv_err *pv_call_values_create(struct pv_call_values **ret);
void pv_call_values_destroy(struct pv_call_values *values);

/* Takes a record in; one of another type than these is ignored. */
struct pv_err *pv_call_values_take(struct pv_call_values *values, const struct pv_event *event,
				   size_t size);

/*
 * Appends what a call's event has with it: its arguments, with PV_CALL_EVENT_END its result.
 * "<lost>" if that did not come.  signature: of a native function; NULL: it is Python's, or is not
 * known.
 */
struct pv_err *pv_call_values_append(struct pv_call_values *values,
				     const struct pv_event_call *event,
				     const struct pv_signature *signature, struct pv_str *str);

#endif
