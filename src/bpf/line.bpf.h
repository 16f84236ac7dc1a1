/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which line of Python code a thread executes, by a key.  Input: the thread's own memory, the
 * layout of the probe's constants.  Output: equal keys for equal places.
 */
#ifndef PV_BPF_LINE_BPF_H
#define PV_BPF_LINE_BPF_H

#include "abi/native.h"
#include "bpf/probe.bpf.h"
#include "walk/walk.h"

#define NO_PYTHON 1ULL /* key of all that no Python function has led to */

const volatile struct pv_native_path frame_path; /* to the Python frame that is current */

/*
 * The place in Python code that runs: the frame's instruction, and the code object's version or
 * file, since another may be made in its place.  NO_PYTHON: none runs.
 */
static inline __u64 line_key(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 at = task->thread.fsbase, code, instr;
	__u32 i, other = 0;

	for (i = 0; i < PV_NATIVE_PATH_MAX && i < frame_path.n && at; i++)
		at = read_u64(at + frame_path.offsets[i]);
	if (!at)
		return NO_PYTHON;
	code = read_u64(at + probe.layout.fr_code) & ~(__u64)probe.layout.code_tag_mask;
	instr = read_u64(at + probe.layout.fr_instr);
	/* up to 3.10 an int, f_lasti */
	if (probe.layout.frame_objects)
		instr = (__u32)instr;
	bpf_probe_read_user(
		&other, 4,
		(const void *)(code + (probe.layout.co_version ? probe.layout.co_version
							       : probe.layout.co_filename)));
	return pv_mix(pv_mix(code, instr), other) >> 1 | 2;
}

#endif
