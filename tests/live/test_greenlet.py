# SPDX-License-Identifier: BSD-2-Clause
"""Greenlets exchange the C stack of their thread: every stack is of one of them, and whole.

The truth is what targets/greenlets.py says of itself; Debian's python3-greenlet and python3-gevent.
"""
import json
import os

import live
import pytest

PYTHON = "/usr/bin/python3"
TARGET = os.path.join(live.TARGETS, "greenlets.py")


def start(spawn, kind, mode):
	one = spawn(PYTHON, TARGET, kind, mode, ready=False)
	one.paths = json.loads(one.wait_line(b"PATHS")[6:])
	one.wait_line(b"READY")
	return one


def own(frames):
	"""The frames of the program itself, root first."""
	return [f for f in frames if f.kind == "python" and f.file == "greenlets.py"]


def impossible(stack, paths):
	"""None, or why this stack cannot have been."""
	names = [f.function for f in own(stack.frames)]
	marked = [m for m in stack.markers() if m not in ("[unwind break]", "[new mapping]")]
	if marked:
		return None
	if not names:
		return None if stack.python() else "no Python frame, and no mark"
	if not any(names == path[:len(names)] for path in paths):
		return "no path of the program"
	labels = [i for i, f in enumerate(stack.frames) if f.text == "greenlet"]
	if labels != ([] if names[0] == "<module>" else [0]):
		return "labelled wrongly"
	between = []
	for frame in stack.frames[stack.frames.index(own(stack.frames)[0]) + 1:]:
		if frame.kind == "native":
			between.append(frame)
		elif frame.kind == "python":
			called_by_c = frame.function.startswith("via_") or frame.file != "greenlets.py"
			if between and frame.file == "greenlets.py" and not called_by_c:
				return "C frames between Python frames that call each other"
			between = []
	return None


@pytest.mark.parametrize("kind", ["greenlet", "gevent"])
def test_no_impossible_stack(spawn, kind, full):
	victim = start(spawn, kind, "busy")
	stacks, summary, _ = live.record_cpu(victim, 20 if full else 4, hz=4999)
	wrong = {}
	for stack in stacks:
		why = impossible(stack, victim.paths)
		if why:
			wrong[why] = wrong.get(why, 0) + stack.count
			print(why, stack)
	assert not wrong, (wrong, summary)
	assert summary["samples"] > 500
	# it does little else but switch; while it does, it says so
	switch = sum(s.count for s in stacks if "[greenlet switch]" in s.markers())
	assert switch <= 0.1 * summary["samples"], summary["lost"]
	assert summary["marked"] - switch <= 0.005 * summary["samples"], summary["lost"]
	assert summary["complete"] >= 0.985 * (summary["samples"] - switch), summary
	# each of them, and in the place where each of them works
	leaves = {own(s.frames)[-1].function for s in stacks if own(s.frames)}
	assert {"leaf_a", "leaf_b", "leaf_c", "leaf_d"} <= leaves
	assert victim.alive()


@pytest.mark.parametrize("kind", ["greenlet", "gevent"])
def test_blocked(spawn, kind):
	"""The very stack that the program says it blocks in, of each greenlet in turn, many times."""
	victim = start(spawn, kind, "blocked")
	for _ in range(9):
		victim.say("block")
		path = json.loads(victim.wait_line(b"IN")[3:])
		assert live.gone(lambda: open("/proc/%d/syscall" % victim.pid).read().split()[0] == "0")
		run = live.pitviper("stack", victim.pid, "--json")
		assert run.status == 0, run
		thread = next(t for t in live.loads(run.out)["threads"] if t["tid"] == victim.pid)
		frames = list(reversed(thread["frames"]))
		shown = [f["function"] for f in frames if f["kind"] == "python" and f["file"].endswith("greenlets.py")]
		assert shown == path, (shown, path)
		assert thread["complete"] and frames[0]["function"] == "greenlet" and frames[0]["kind"] == "label", frames[0]
		assert not [f for f in frames if f["kind"] == "marker"]
		victim.say("on")
