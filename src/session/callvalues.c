/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments and results on their way to their calls.  The events of an execution come in
 * their order, so that one record of values waits for each at most.
 */
#include "session/callvalues.h"

#include <stdlib.h>
#include <string.h>

#include "abi/trace.h"
#include "base/map.h"
#include "base/str.h"
#include "session/values.h"

/* What came last of an execution. */
struct waiting {
	uint32_t number, sequence;
	struct pv_values values;
};

struct pv_call_values {
	struct pv_map names; /* key of a code object -> struct pv_values *, owned */
	struct waiting waiting[PV_TRACE_RUNS_MAX];
	size_t next; /* of waiting, where there is none of its execution */
};

struct pv_err *pv_call_values_create(struct pv_call_values **ret)
{
	struct pv_call_values *values = calloc(1, sizeof(*values));

	if (!values)
		return &pv_enomem;
	*ret = values;
	return NULL;
}

void pv_call_values_destroy(struct pv_call_values *values)
{
	if (!values)
		return;
	for (size_t i = 0; i < values->names.capacity; i++) {
		if (values->names.used[i])
			free((void *)(uintptr_t)values->names.slots[i].value);
	}
	pv_map_deinit(&values->names);
	free(values);
}

/* A record's values; false: they are not whole. */
static bool unpack(const struct pv_event *event, size_t size, struct pv_values *ret)
{
	const size_t head = sizeof(struct pv_event_values);
	size_t n = event->size < size ? event->size : size;

	if (n < head + offsetof(struct pv_values, list) || n - head > sizeof(*ret))
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, (const char *)event + head, n - head);
	return ret->n <= PV_VALUES_MAX &&
	       n - head >= offsetof(struct pv_values, list) + ret->n * sizeof(ret->list[0]);
}

static struct pv_err *take_names(struct pv_call_values *values, uint64_t key,
				 const struct pv_values *names)
{
	struct pv_values *copy;
	struct pv_err *err;
	uint64_t known;

	if (pv_map_get(&values->names, key, &known)) {
		*(struct pv_values *)(uintptr_t)known = *names;
		return NULL;
	}
	copy = malloc(sizeof(*copy));
	if (!copy)
		return &pv_enomem;
	*copy = *names;
	err = pv_map_set(&values->names, key, (uintptr_t)copy);
	if (err)
		free(copy);
	return err;
}

static struct waiting *find_waiting(struct pv_call_values *values, uint32_t number)
{
	for (size_t i = 0; i < PV_TRACE_RUNS_MAX; i++) {
		if (values->waiting[i].number == number)
			return &values->waiting[i];
	}
	return NULL;
}

struct pv_err *pv_call_values_take(struct pv_call_values *values, const struct pv_event *event,
				   size_t size)
{
	const struct pv_event_values *record = (const struct pv_event_values *)event;
	struct waiting *waiting;
	struct pv_values all;

	if ((event->type != PV_EVENT_NAMES && event->type != PV_EVENT_VALUES) ||
	    !unpack(event, size, &all))
		return NULL;
	if (event->type == PV_EVENT_NAMES)
		return take_names(values, record->key, &all);
	waiting = find_waiting(values, record->number);
	/* there are no more executions at once than that */
	if (!waiting)
		waiting = &values->waiting[values->next++ % PV_TRACE_RUNS_MAX];
	*waiting = (struct waiting){ record->number, record->sequence, all };
	return NULL;
}

struct pv_err *pv_call_values_append(struct pv_call_values *values,
				     const struct pv_event_call *event,
				     const struct pv_signature *signature, struct pv_str *str)
{
	struct waiting *waiting;
	uint64_t names = 0;

	if (!(event->flags & PV_CALL_EVENT_VALUES))
		return NULL;
	waiting = find_waiting(values, event->number);
	if (!waiting || waiting->sequence != event->sequence)
		return pv_str_append(str, "<lost>", 6);
	if (event->flags & PV_CALL_EVENT_END)
		return pv_result_append(str, &waiting->values, signature ? signature->result : 0);
	if (signature)
		return pv_registers_append(str, &waiting->values, signature);
	pv_map_get(&values->names, event->key, &names);
	return pv_arguments_append(str, &waiting->values,
				   (const struct pv_values *)(uintptr_t)names);
}
