/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for libraries.  Input: what a process has mapped.  Output: whether that has changed.
 */
#include "session/loads.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "target/maps.h"

/* Executable mappings of files, as one number: has anything been loaded? */
static uint64_t count_mapped(const struct pv_maps *maps)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < maps->n; i++) {
		if (maps->entries[i].executable && maps->entries[i].inode)
			sum = sum * 31 + maps->entries[i].inode + maps->entries[i].start;
	}
	return sum;
}

struct pv_err *pv_loads_look(struct pv_loads *loads, pid_t pid, bool *changed_ret)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	uint64_t now = pv_now_ns(), mapped;
	struct pv_err *err;

	if (now - loads->looked_ns < PV_LOADS_MS * 1000000ULL)
		return NULL;
	loads->looked_ns = now;
	err = pv_maps_read(pid, &maps);
	if (err)
		return err;
	mapped = count_mapped(&maps);
	*changed_ret = mapped != loads->mapped;
	loads->mapped = mapped;
	return NULL;
}
