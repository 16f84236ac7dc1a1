# SPDX-License-Identifier: BSD-2-Clause
"""Programs that use musl, whose code has no unwind information: every stack begins in it.

Input: musl-gcc, targets/musl.c; the CPythons of tools/mk-musl.sh, if there are any: they lack modules that other live tests
need.  Output: pytest's report.
"""
import glob
import os

import live
import pytest

ROOTS = os.environ.get("PYROOTS") or os.path.join(live.TOP, "pyroots")
PYTHONS = [path for path in sorted(glob.glob(os.path.join(ROOTS, "*-musl", "bin", "python3.*"))) if "-config" not in path]
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


@pytest.mark.parametrize("python", PYTHONS or [None], ids=lambda path: os.path.basename(path) if path else "none-built")
def test_musl_python(python, spawn):
	"""All that a CPython does, whole, on each of its threads."""
	if not python:
		assert not glob.glob(os.path.join(ROOTS, "*-musl")), "there is one, and it is not found"
		return
	victim = spawn(python, os.path.join(live.TARGETS, "mix.py"))
	stacks, summary, _ = live.record("-p", victim.pid, seconds=2, hz=997)
	assert summary["with_python"] >= 0.98 * summary["samples"], summary
	assert summary["complete"] >= 0.995 * summary["samples"] > 50, (summary["samples"], summary["lost"])
	assert {"worker", "main"} <= {f.function for s in stacks for f in s.frames}
	assert b"stack not complete" not in live.pitviper("stack", victim.pid).out
	assert b"musl's pthread_getspecific()" in live.pitviper("doctor", victim.pid).out
