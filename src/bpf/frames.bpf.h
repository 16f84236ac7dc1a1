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

enum { FRAME_LINK_WORDS = 4 }; /* power of two */

/* The same, and the frame that it was called by: in one read, where they are near. */
static inline __u64 read_link(__u64 frame, __u64 *previous_ret)
{
	__u32 code = probe.layout.fr_code, previous = probe.layout.fr_previous;
	__u32 start = code < previous ? code : previous;
	__u32 n = (code < previous ? previous : code) + 8 - start;
	__u64 words[FRAME_LINK_WORDS];

	if (n > sizeof(words) || bpf_probe_read_user(words, n, (const void *)(frame + start))) {
		*previous_ret = read_u64(frame + previous);
		return code_of(frame);
	}
	*previous_ret = words[(previous - start) / 8 & (FRAME_LINK_WORDS - 1)];
	return words[(code - start) / 8 & (FRAME_LINK_WORDS - 1)] &
	       ~(__u64)probe.layout.code_tag_mask;
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

/* CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR: Include/code.h */
enum { GENERATOR_FLAGS = 0x20 | 0x80 | 0x100 | 0x200 };

/* Is it known that calls of a code object do not yield? */
static inline bool is_plain(__u64 code)
{
	__u32 flags = 0;

	return probe.layout.co_flags &&
	       !bpf_probe_read_user(&flags, 4, (const void *)(code + probe.layout.co_flags)) &&
	       !(flags & GENERATOR_FLAGS);
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
__noinline __u32 resumed(__u64 frame)
{
	__u8 units[4] = {};
	__s32 lasti = -1;

	if (probe.layout.frame_objects) {
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
