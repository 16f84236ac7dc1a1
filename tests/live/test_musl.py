# SPDX-License-Identifier: BSD-2-Clause
"""Programs that use musl, whose code has no unwind information: every stack begins in it.

Input: musl-gcc, targets/musl.c; a CPython of tools/mk-musl.sh where there is one, to which all other live tests
apply, too.  Output: pytest's report.
"""
import os

import live

SOURCE = os.path.join(live.TARGETS, "musl.c")


def burned(stacks, leaf):
	return [s for s in stacks if any(f.function == leaf for f in s.frames)]


def test_musl(spawn, tmp_path):
	"""Threads, and calls that go through the C library and back: whole, down to what began them."""
	victim = spawn(live.compile_c(SOURCE, str(tmp_path / "musl"), compiler="musl-gcc"))
	stacks, summary, _ = live.record("-p", victim.pid, seconds=1, hz=997)
	assert summary["complete"] >= 0.995 * summary["samples"] > 50, (summary["samples"], summary["lost"])
	sorting, waiting = burned(stacks, "compare"), burned(stacks, "on_thread")
	assert sorting and waiting, stacks[:3]
	for stack in sorting:
		names = [f.function for f in stack.frames]
		# its root is the program's entry, and the C library's own sort, which ends in a jump to qsort_r(), calls back
		assert names[0] == "_start" and "main" in names and "qsort_r" in names[:names.index("compare")], names
	for stack in waiting:
		names = [f.function for f in stack.frames]
		assert names.index("on_thread") == 2, names	# clone()'s child and musl's start(), which have no names
		# a hidden function has not the name of the exported one before it
		assert not {"memset", "memcpy", "memmove"} & set(names[:2]), names
