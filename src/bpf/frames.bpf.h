/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a Python frame is, and where it stands.  Input: addresses of frames, the layout
 * (abi/probe.h).  Output: plain answers; of memory that cannot be read: no.
 */
#ifndef PV_BPF_FRAMES_BPF_H
#define PV_BPF_FRAMES_BPF_H

#include "bpf/vmlinux.h"

#include "abi/trace.h"
#include "bpf/probe.bpf.h"

static inline __u64 code_of(__u64 frame)
{
	return read_u64(frame + probe.layout.fr_code) & ~(__u64)probe.layout.code_tag_mask;
}

static inline bool is_boundary(__u64 frame)
{
	__u8 owner = 0;

	if (probe.layout.owner_boundary == 0xff)
		return false;
	bpf_probe_read_user(&owner, 1, (const void *)(frame + probe.layout.fr_owner));
	return owner >= probe.layout.owner_boundary;
}

/*
 * The frame below a specialised call of a class has static code, which cleans up after
 * __init__ and is not a function's: _Py_InitCleanup, its file is its name (CPython 3.12 to 3.15
 * Python/specialize.c).
 */
static inline bool is_cleanup(__u64 code)
{
	return read_u64(code + probe.layout.co_filename) == read_u64(code + probe.layout.co_name);
}

static inline bool is_resume(__u8 opcode)
{
	return opcode && (opcode == probe.python.resume[0] || opcode == probe.python.resume[1] ||
			  opcode == probe.python.resume[2] || opcode == probe.python.resume[3]);
}

static inline bool is_yield(__u8 opcode)
{
	return opcode && (opcode == probe.python.yield[0] || opcode == probe.python.yield[1]);
}

/* The instruction that a generator's frame stands at, and the next one; false: it is none's. */
static inline bool read_units(__u64 frame, __u8 units[4])
{
	__u8 owner = 0;

	bpf_probe_read_user(&owner, 1, (const void *)(frame + probe.layout.fr_owner));
	return owner == probe.layout.owner_generator &&
	       !bpf_probe_read_user(units, 4,
				    (const void *)read_u64(frame + probe.layout.fr_instr));
}

/*
 * PV_CALL_EVENT_RESUMED if a frame goes on that had yielded.  From 3.11 on the RESUME says so
 * that is executed, or at a throw() would be; the frame may still have the instruction before.
 */
static inline __u32 resumed(__u64 frame)
{
	__u8 units[4] = {};
	__s32 lasti = -1;

	if (probe.layout.keyed_by_caller) {
		bpf_probe_read_user(&lasti, 4, (const void *)(frame + probe.layout.fr_instr));
		return lasti >= 0 ? PV_CALL_EVENT_RESUMED : 0;
	}
	if (!read_units(frame, units))
		return 0;
	/* 0: the start of a function, 1 to 3: after yield, yield from, await */
	if (is_resume(units[0]))
		return units[1] & 3 ? PV_CALL_EVENT_RESUMED : 0;
	return is_resume(units[2]) && units[3] & 3 ? PV_CALL_EVENT_RESUMED : 0;
}

/* It has left by YIELD_VALUE, which still calls a profiler (INSTRUMENTED_YIELD_VALUE). */
static inline bool is_yielding(__u64 frame)
{
	__u8 units[4] = {};

	if (!read_units(frame, units))
		return false;
	return (is_resume(units[0]) && units[1] & 3) || (is_yield(units[0]) && is_resume(units[2]));
}

#endif
