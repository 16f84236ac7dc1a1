# SPDX-License-Identifier: BSD-2-Clause
"""Threads blocked in known places: `pitviper stack` must say what CPython says, frame by frame."""
import json
import re

import live
import pytest


def python_frames(thread):
	return [[f.get("file"), f["function"], f.get("line")] for f in thread["frames"] if f["kind"] == "python"]


def line_of(line):
	return line if line and line > 0 else None


def differences(truth, seen):
	"""Per thread, the first frame that differs."""
	out, frames = [], 0
	for thread in truth["threads"]:
		frames += len(thread["frames"])
		if thread["tid"] not in seen:
			out.append("%s: thread %s is missing" % (thread["case"], thread["tid"]))
			continue
		got = python_frames(seen[thread["tid"]])
		want = thread["frames"]
		for n, (a, b) in enumerate(zip(want, got)):
			if a[:2] != b[:2] or line_of(a[2]) != line_of(b[2]):
				out.append("%s: frame %d is %r, shown as %r" % (thread["case"], n, a, b))
				break
		else:
			if len(want) != len(got):
				out.append("%s: %d frames, shown %d" % (thread["case"], len(want), len(got)))
	return out, frames


def wrong_between(truth, seen):
	"""A callback from C: the native frame that calls must stand between the two Python frames."""
	out = []
	for thread in truth["threads"]:
		rule = truth["between"].get(thread["case"])
		if not rule:
			continue
		outer, inner, native = rule
		frames = seen[thread["tid"]]["frames"][::-1]
		found = False
		for n, frame in enumerate(frames):
			if frame["kind"] != "python" or frame["function"] != outer:
				continue
			middle = []
			for later in frames[n + 1:]:
				if later["kind"] == "python":
					break
				middle.append(later["function"])
			else:
				continue
			if later["function"] == inner:
				found = True
				if not any(re.search(native, name) for name in middle):
					out.append("%s: between %s and %s only %s" % (thread["case"], outer, inner, middle))
		if not found:
			out.append("%s: %s does not call %s" % (thread["case"], outer, inner))
	return out


def script_of(interp):
	return "blocked.py" if interp.version >= (3,) else "blocked27.py"


def snapshot(pid):
	run = live.pitviper("stack", "--json", pid)
	assert run.status == 0, run
	answer = live.loads(run.out)
	assert answer["pid"] == pid
	return {t["tid"]: t for t in answer["threads"]}


def test_blocked_equal(interp, target):
	"""100 % equal in file, name (qualname from 3.11) and line; twice, as nothing may wear off."""
	victim = target(interp, script_of(interp), truth=True, timeout=120)
	with open(victim.truth) as truth_file:
		truth = json.load(truth_file)
	assert len(truth["threads"]) > (85 if interp.version >= (3,) else 65)
	for _again in range(2):
		seen = snapshot(victim.pid)
		wrong, frames = differences(truth, seen)
		assert frames > (3000 if interp.version >= (3,) else 2500)
		assert not wrong, "%d of %d threads differ:\n%s" % (len(wrong), len(truth["threads"]), "\n".join(wrong))
		for thread in truth["threads"]:
			one = seen[thread["tid"]]
			if interp.version < (3, 11) and len(thread["frames"]) > 500:
				# three or four native frames for each of Python: may be cut, and must then say so
				assert one["complete"] or any(f["kind"] == "marker" for f in one["frames"]), thread["case"]
			else:
				assert one["complete"], "%s is not complete" % thread["case"]
			assert one["state"] == "sleeping", (thread["case"], one["state"])
			assert not one["gil"], thread["case"]
			assert one["main"] == (thread["tid"] == victim.pid)
	if interp.version >= (3, 11) and interp.symtab:
		assert not wrong_between(truth, seen)
	assert victim.alive()


def test_blocked_pure_calls_have_no_native_between(interp, target):
	"""From 3.11 a Python function called by a Python function has no C frame of its own."""
	victim = target(interp, script_of(interp), truth=True, env={"PV_CASES": "recursion_250"})
	with open(victim.truth) as truth_file:
		truth = json.load(truth_file)
	thread = next(t for t in truth["threads"] if t["case"] == "recursion_250")
	frames = snapshot(victim.pid)[thread["tid"]]["frames"]
	kinds, before = [], None
	for frame in frames:
		if frame["kind"] == "python" and frame["function"] == "down" and before is not None:
			kinds.append(before)
		before = frame["kind"]
	# leaf first: what stands just leafward of each `down`
	if interp.version >= (3, 11):
		assert kinds.count("python") > 240
	elif interp.version >= (3,):	# 2.7's compilers may make one function of the loop and its calls
		assert kinds.count("native") > 240


@pytest.mark.noroot
def test_checker_finds_differences():
	"""The comparison itself, on made-up answers."""
	truth = {"threads": [{"tid": 7, "case": "c", "frames": [["a.py", "f", 3], ["a.py", "<module>", 9]]}],
		 "between": {"c": ("<module>", "f", "sort")}}

	def answer(*frames):
		return {7: {"tid": 7, "frames": [dict(zip(("kind", "file", "function", "line"), f)) for f in frames]}}
	leaf, native = ("python", "a.py", "f", 3), ("native", None, "list_sort", 0)
	root = ("python", "a.py", "<module>", 9)
	assert differences(truth, answer(leaf, native, root)) == ([], 2)
	assert not wrong_between(truth, answer(leaf, native, root))
	for broken in ((leaf, root[:3] + (8,)), (leaf,), (leaf, root, root), (("python", "b.py", "f", 3), root),
		       (("python", "a.py", "g", 3), root)):
		assert len(differences(truth, answer(*broken))[0]) == 1
	assert differences(truth, {})[0]
	assert wrong_between(truth, answer(leaf, root))
	assert wrong_between(truth, answer(native, leaf, root))
