# SPDX-License-Identifier: BSD-2-Clause
"""Recursion deeper than the limit of a sample: 3,072 Python frames, 6,144 native ones.

Input: targets/deeper.py.  What is asked: the innermost Python frames are there to the last, without a hole, the
stack says that its root is missing, and the reason is the depth.
"""

import live
import pytest

LIMIT = 3072
ROOT = ("_bootstrap", "_bootstrap_inner", "run")
MODES = {
	"plain": (3500, [], ["--no-native"]),
	"deep": (50000, [], []),
	"through-c": (4000, [400, 800, 1200, 1600, 2000, 2800, 3600], []),	# cut in its eighth run
	"c-outside": (8000, [3500, 3600, 3700], []),				# cut in the innermost run
}


def name(frame):
	return frame.function.rpartition(".")[2]


def wanted(depth, through_c):
	"""The Python frames from the root to leaf()."""
	frames = ["_bootstrap", "_bootstrap_inner", "run"]
	for n in range(depth, 0, -1):
		frames.append("rec")
		if n in through_c and n % 3 == 1:
			frames.append("rec2")
	return frames + ["leaf"]


def python(stack):
	"""Frames of other versions' threading are called otherwise."""
	return [name(f).replace("__bootstrap", "_bootstrap") for f in stack.python()]


def record(interp, target, depth, through_c, *args):
	victim = target(interp, "deeper.py", depth, *through_c)
	stacks, summary, _ = live.record(*args, "-p", victim.pid, seconds=0.5, hz=499)
	assert summary["samples"] >= 3, summary
	return stacks, summary


@pytest.mark.few
@pytest.mark.parametrize("mode", MODES)
def test_deeper_than_the_limit(interp, target, mode):
	depth, through_c, args = MODES[mode]
	stacks, summary = record(interp, target, depth, through_c, *args)
	frames = wanted(depth, through_c)[-LIMIT:]
	below = set()
	for stack in stacks:
		assert python(stack) == frames, stack.markers()
		assert stack.frames[0].function == "[truncated]", stack.frames[:5]
		assert set(stack.markers()) <= {"[truncated]", "[unwind break]"}, stack.markers()
		if interp.version >= (3, 11) and "[unwind break]" not in stack.markers() and not args:
			check_c(stack, depth, through_c)
			below.add([f.kind for f in stack.frames].index("python"))
	# whatever the leaf was doing, its frames are run by one and the same eval frame
	assert len(below) <= 1, below
	samples, lost = summary["samples"], summary["lost"]
	assert summary["truncated"] == samples and not summary["complete"] and not summary["marked"], summary
	assert lost["py_depth"] + lost["nat_depth"] == samples and not lost["merge_count"], lost


def check_c(stack, depth, through_c):
	"""Native frames stand before the first Python frame that is known, and where the program calls through C."""
	first = len(wanted(depth, through_c)) - LIMIT
	called = [len(ROOT) + depth - n + 1 + sum(m % 3 == 1 for m in through_c if m > n) for n in through_c]
	found, number, before = [], first, None
	for frame in stack.frames:
		if frame.kind == "python":
			found += [number] if before == "native" else []
			number += 1
		before = frame.kind
	assert found == sorted({first, *(n for n in called if n > first)}), (found, first, called)


@pytest.mark.minor((3, 11), (3, 12), (3, 13), (3, 14), (3, 15))
@pytest.mark.few
@pytest.mark.parametrize("more", (0, 1))
def test_at_the_limit(interp, target, more):
	"""The last depth that is whole, and the first that is not."""
	depth = LIMIT - len(ROOT) - 1 + more
	stacks, summary = record(interp, target, depth, [])
	frames = wanted(depth, [])
	for stack in stacks:
		assert python(stack) == frames[-LIMIT:]
		assert stack.markers() == ["[truncated]"] * more
	assert summary["truncated" if more else "complete"] == summary["samples"], summary


@pytest.mark.minor((3, 11), (3, 12))
def test_below_a_subinterpreter(interp, target):
	"""The outermost frames, those of the main interpreter, are cut; the others stay below their label."""
	victim = target(interp, "subinterp.py", 3500)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert summary["samples"] >= 3, summary
	for stack in stacks:
		assert stack.markers() == ["[truncated]"], stack.frames[:5]
		names = python(stack)
		label = next(i for i, f in enumerate(stack.frames) if f.text == "interpreter 1")
		above = [f.function for f in stack.frames[:label] if f.kind == "python"]
		assert set(above) == {"outer"} and len(above) > 3000, stack.frames[-5:]
		assert "outer" not in names[len(above):] and names[len(above)] == "<module>", names[-5:]
