/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses by cause.  Input: counts with their names.  Output: sums.
 */
#include "model/loss.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* Causes by which nothing of a sample is kept; by all others it is, marked. */
static bool is_sample(const char *name)
{
	static const char *const names[] = { "RING_SAMPLE", "PROC_GONE", "SPARED", "UNRECORDED" };

	for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

uint64_t pv_losses_samples(const struct pv_losses *losses)
{
	uint64_t n = 0;

	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (is_sample(losses->name[i]))
			n += losses->count[i];
	}
	return n;
}

bool pv_losses_is_gap(const struct pv_losses *losses, size_t cause)
{
	static const char *const marks[] = { "PY_",        "NAT_",      "MERGE_",    "REANCHOR",
					     "GC_UNKNOWN", "RING_CODE", "CODE_READ", "NAME_MISSING",
					     "SWITCH",     "TASK",      "UNREAD" };
	const char *name = losses->name[cause];

	if (!losses->count[cause] || is_sample(name))
		return false;
	for (size_t i = 0; name && i < sizeof(marks) / sizeof(*marks); i++) {
		if (!strncmp(name, marks[i], strlen(marks[i])))
			return false;
	}
	return true;
}

bool pv_losses_any(const struct pv_losses *losses)
{
	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			return true;
	}
	return false;
}

const char *pv_losses_text(const struct pv_losses *losses, size_t cause)
{
	return losses->text[cause] ? losses->text[cause] : "of an unknown cause";
}

struct pv_loss_name pv_losses_name(const struct pv_losses *losses, size_t cause)
{
	const char *name = losses->name[cause];
	struct pv_loss_name ret = {};

	if (!name)
		snprintf(ret.text, sizeof(ret.text), "unknown_%zu", cause);
	for (size_t i = 0; name && name[i] && i < sizeof(ret.text) - 1; i++)
		ret.text[i] = tolower((unsigned char)name[i]);
	return ret;
}

void pv_losses_json(const struct pv_losses *losses, struct pv_json *json)
{
	pv_json_begin(json, "lost", '{');
	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->name[i] || losses->count[i])
			pv_json_int(json, pv_losses_name(losses, i).text, losses->count[i]);
	}
	pv_json_end(json, '}');
}
