/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of a TOTALS chunk as a table, so that writer and reader cannot
 * differ.  Input: struct pv_profile.  Output: numbers and offsets.
 */
#include "model/profile.h"
#include "recfile/format.h"

#define FIELD(number, type, field)                                                                 \
	{                                                                                          \
		PV_REC_##number, PV_REC_FIELD_##type, offsetof(struct pv_profile, field)           \
	}

const struct pv_rec_field_info pv_rec_fields[] = {
	FIELD(TARGET_NAME, STRING, target_name),
	FIELD(TITLE, STRING, title),
	FIELD(PID, U32, pid),
	FIELD(INTERPRETER, STRING, interpreter),
	FIELD(PROBLEM, STRING, problem),
	FIELD(ENGINE, STRING, engine),
	FIELD(HOST, STRING, host),
	FIELD(NOTE, STRING, note),
	FIELD(WAIT_FUNCTION, STRING, waiting.function),
	FIELD(WAIT_PLACE, STRING, waiting.place),
	FIELD(WAIT_THREAD, STRING, waiting.thread),
	FIELD(NO_NATIVE, BOOL, no_native),
	FIELD(NO_KERNEL, BOOL, no_kernel),
	FIELD(CHILDREN, BOOL, children),
	FIELD(ENDED, BOOL, ended),
	FIELD(CUT, BOOL, cut),
	FIELD(UNWATCHED_LEAST, BOOL, unwatched_least),
	FIELD(WAIT_STOPPED, BOOL, waiting.stopped),
	FIELD(START_UNIX_NS, U64, start_unix_ns),
	FIELD(PERIOD_NS, U64, period_ns),
	FIELD(DURATION_NS, U64, duration_ns),
	FIELD(TARGET_CPU_NS, U64, target_cpu_ns),
	FIELD(OWN_CPU_NS, U64, own_cpu_ns),
	FIELD(PROBE_NS, U64, probe_ns),
	FIELD(N_UNWATCHED, U32, n_unwatched),
	FIELD(UNWATCHED_CPU_NS, U64, unwatched_cpu_ns),
	FIELD(WAIT_TID, U32, waiting.tid),
	FIELD(WAIT_OTHERS, U32, waiting.n_others),
	FIELD(WAIT_PID, U32, waiting.pid),
	FIELD(WAIT_PROCESSES, U32, waiting.n_processes),
	FIELD(Q_SAMPLES, U64, quality.samples),
	FIELD(Q_COMPLETE, U64, quality.complete),
	FIELD(Q_TRUNCATED, U64, quality.truncated),
	FIELD(Q_MARKED, U64, quality.marked),
	FIELD(Q_BRIDGED, U64, quality.bridged),
	FIELD(Q_WITH_PYTHON, U64, quality.with_python),
	FIELD(Q_KERNEL, U64, quality.kernel),
	FIELD(Q_GC, U64, quality.gc),
};

const size_t pv_rec_n_fields = sizeof(pv_rec_fields) / sizeof(*pv_rec_fields);
