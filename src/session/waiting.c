/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an idle process waits.
 * Input: a process id.
 * Output: profile->waiting.
 */
#include "session/waiting.h"

#include "analyse/wait.h"
#include "base/cleanup.h"
#include "model/snapshot.h"
#include "session/session.h"

struct pv_err *pv_waiting_look(pid_t pid, uint32_t n_processes, struct pv_profile *profile)
{
	struct pv_wait wait PV_CLEANUP(pv_wait_deinit) = {};
	struct pv_snapshot snapshot;
	struct pv_err *err = pv_session_snapshot(pid, false, &snapshot);

	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		return NULL;
	}
	if (err)
		return err;
	err = pv_wait_of(&snapshot, &wait);
	wait.n_processes = n_processes;
	pv_snapshot_deinit(&snapshot);
	return err ? err : pv_wait_put(&wait, profile);
}
