/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses by cause.  Input: counts with their names.  Output: sums.
 */
#include "model/loss.h"

#include <stddef.h>
#include <string.h>

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

bool pv_losses_any(const struct pv_losses *losses)
{
	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			return true;
	}
	return false;
}
