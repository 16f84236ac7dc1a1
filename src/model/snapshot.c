/* SPDX-License-Identifier: BSD-2-Clause */
/* Releases a snapshot.  Input: what session/ filled in.  Output: nothing. */
#include "model/snapshot.h"

#include <stdlib.h>

void pv_snapshot_deinit(struct pv_snapshot *snapshot)
{
	pv_profile_destroy(snapshot->profile);
	free(snapshot->threads);
	free(snapshot->tasks);
	free(snapshot->task_frames);
	free(snapshot->task_awaiters);
	free(snapshot->python_error);
	*snapshot = (struct pv_snapshot){};
}
