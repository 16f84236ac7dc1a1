# SPDX-License-Identifier: BSD-2-Clause
"""--tasks: the frame of a task stands above its coroutine, and nowhere else.

The truth is what targets/tasks.py says of itself: which function runs in which task.
"""
import collections
import json
import os
import shutil
import signal
import subprocess

import live
import pytest
import tasks_check
from tasks_check import labels

TARGET = "tasks.py"
DEBIAN = "/usr/bin/python3"


def check(victim, stacks, summary):
	truth = json.loads(victim.wait_line(b"TASKS")[6:])
	return (truth, *tasks_check.check(truth, stacks, summary))


def test_names(interp, target):
	if interp.version < (3, 8):
		victim = target(interp, "waits.py", "sleep")
		run = live.pitviper("record", "--tasks", "-d", 0.2, "-o", "/dev/null", "-p", victim.pid)
		assert run.status == 4 and b"before CPython 3.8" in run.err, run
		return
	victim = target(interp, TARGET, "asyncio", ready=False)
	line = victim.wait_line(b"TASKS")
	victim.buffer = line.encode() + b"\n" + victim.buffer
	stacks, summary, _ = live.record("-p", victim.pid, "--tasks", seconds=1, hz=1999)
	tasks_check.check_record(json.loads(victim.wait_line(b"TASKS")[6:]), stacks, summary)
	assert victim.alive()


def start(spawn, kind):
	victim = spawn(DEBIAN, os.path.join(live.TARGETS, TARGET), kind, ready=False)
	line = victim.wait_line(b"TASKS")
	victim.buffer = line.encode() + b"\n" + victim.buffer
	return victim


def test_uvloop(spawn):
	victim = start(spawn, "uvloop")
	stacks, summary, _ = live.record("-p", victim.pid, "--tasks", seconds=1, hz=1999)
	truth, seen, unnamed = check(victim, stacks, summary)
	assert len(seen) >= 0.7 * len(truth) and not unnamed


def test_without_the_option(spawn):
	victim = start(spawn, "asyncio")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.3, hz=999)
	assert not any(labels(s) for s in stacks) and not summary["lost"]["task"]


def test_tasks_of_python_code(spawn):
	"""They cannot be read: no name is shown, and each sample says so."""
	victim = start(spawn, "python")
	stacks, summary, _ = live.record("-p", victim.pid, "--tasks", seconds=0.7, hz=999)
	truth, seen, unnamed = check(victim, stacks, summary)
	assert not seen and unnamed > 20
	assert summary["lost"]["task"] >= unnamed


def test_from_the_start(newest, tmp_path):
	"""asyncio is imported while it is recorded: names from then on, and until then it is said."""
	script = tmp_path / "late.py"
	script.write_text("import time\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass\n"
			  "import asyncio\nasync def burn():\n\tend = time.monotonic() + 1\n\twhile time.monotonic() < end: pass\n"
			  "asyncio.run(burn())\n")
	stacks, summary, _ = live.record("--tasks", "--", newest.path, script, hz=999)
	named = sum(s.count for s in stacks if labels(s) == ["Task-1"])
	burning = sum(s.count for s in stacks if any(f.function == "burn" for f in s.python()))
	assert burning > 20 and named >= 0.5 * burning, (named, burning, summary)


WITHIN = """
import asyncio
import _interpreters
INNER = '''
import asyncio
async def burn():
	print("READY", flush=True)
	while True:
		pass
async def main():
	await asyncio.create_task(burn(), name="inner")
asyncio.run(main())
'''
async def outer():
	_interpreters.exec(_interpreters.create(), INNER)
async def main():
	await asyncio.create_task(outer(), name="outer")
asyncio.run(main())
"""


@pytest.mark.minor((3, 14), (3, 15))
def test_tasks_of_interpreters_within(interp, spawn):
	"""A task that runs code of a sub-interpreter, which has one of its own: both are named."""
	victim = spawn(*interp.prefix(), interp.path, "-c", WITHIN)
	stacks, summary, _ = live.record("-p", victim.pid, "--tasks", seconds=0.5, hz=499)
	seen = 0
	for stack in stacks:
		words = [f.text.rpartition(" ")[2] if f.text.startswith("task ") else f.function for f in stack.frames
			 if f.text.startswith(("task ", "interpreter ")) or f.function in ("outer", "burn")]
		words = [w for w in words if not w.startswith("interpreter")]
		if words[-1:] != ["burn"]:
			continue
		assert words == ["Task-1", "outer", "outer", "Task-1", "inner", "burn"], words
		seen += stack.count
	assert seen > 20 and summary["lost"]["task"] == 0


# ---- stack --tasks

def stack_tasks(victim):
	run = live.pitviper("stack", "--tasks", "--json", victim.pid)
	assert run.status == 0, run
	return live.loads(run.out)


def as_truth(shown):
	"""The tasks of pitviper in the words of the target."""
	out = []
	for task in shown["tasks"]:
		out.append({"name": task["name"],
			    "frames": [[f["function"], f["line"]] for f in task["frames"]],
			    "awaited_by": sorted(shown["tasks"][i]["name"] for i in task["awaited_by"])})
	return out


def in_order(tasks):
	return sorted(tasks, key=lambda t: json.dumps(t, sort_keys=True))


@pytest.mark.minor((3, 14), (3, 15))
def test_all_tasks(interp, target):
	"""Names, coroutines with lines, and who waits for whom, as the interpreter itself says."""
	victim = target(interp, "tasktree.py", "still", ready=False)
	truth = json.loads(victim.wait_line(b"TASKS")[6:])
	shown = stack_tasks(victim)
	assert shown["tasks_known"] == "all" and shown["tasks_consistent"]
	whole = {t["name"]: t["whole"] for t in shown["tasks"]}
	# deeper than is shown: its innermost coroutines are left out, and it says so
	assert [n for n, w in whole.items() if not w] == ["very deep"]
	mine = as_truth(shown)
	for tasks in (mine, truth):
		for task in tasks:
			if task["name"] == "very deep":
				task["frames"] = task["frames"][:64]
	assert in_order(mine) == in_order(truth)
	assert len(truth) >= 12 and max(len(t["awaited_by"]) for t in truth) == 2
	text = live.pitviper("stack", "--tasks", victim.pid).out.decode()
	for task in truth:
		assert "task " + task["name"] + "\n" in text or "task %s (not all" % task["name"] in text, (task, text)
	assert text.count("task shared, see above") == 1
	assert text.count("\n%d tasks\n" % len(truth)) == 1


@pytest.mark.minor((3, 14), (3, 15))
def test_tasks_in_a_circle(interp, target):
	victim = target(interp, "tasktree.py", "circle", ready=False)
	truth = json.loads(victim.wait_line(b"TASKS")[6:])
	shown = as_truth(stack_tasks(victim))
	ring = [{"name": t["name"], "awaited_by": t["awaited_by"]} for t in shown if t["name"].startswith("ring")]
	assert in_order(ring) == in_order(truth)
	text = live.pitviper("stack", "--tasks", victim.pid).out.decode()
	assert text.count("in a circle of tasks") == 1 and text.count("task ring 0, see above") == 1


@pytest.mark.minor((3, 14), (3, 15))
def test_futures_that_lead_to_futures(interp, target):
	"""Each is followed once, and one look has an end: what it leaves out is said."""
	victim = target(interp, "tasktree.py", "bomb", "1")
	shown = stack_tasks(victim)
	by_name = {t["name"]: t for t in shown["tasks"]}
	assert shown["tasks_consistent"] and not shown["tasks_too_many"]
	assert by_name["bombed 0"]["whole"]
	assert [shown["tasks"][i]["name"] for i in by_name["bombed 0"]["awaited_by"]] == ["behind"]
	many = target(interp, "tasktree.py", "bomb", "30")
	shown = stack_tasks(many)
	assert shown["tasks_too_many"] and not shown["tasks_consistent"]
	assert any(not t["whole"] for t in shown["tasks"])
	assert b": not all that is there was read" in live.pitviper("stack", "--tasks", many.pid).out
	assert many.alive()


@pytest.mark.minor((3, 14), (3, 15))
def test_tasks_that_come_and_go(interp, target):
	"""What stands still is whole all the same, or it is said that it may not be."""
	victim = target(interp, "tasktree.py", "burst")
	said = collections.Counter()
	still = {"shared", "first", "second", "never", "of another thread"}
	for _ in range(3):
		shown = stack_tasks(victim)
		said[shown["tasks_consistent"]] += 1
		names = {t.get("name") for t in shown["tasks"]}
		if shown["tasks_consistent"]:
			assert still | {"burst"} <= names
	# when nothing changes any more it is as with all others
	os.kill(victim.pid, signal.SIGSTOP)
	assert os.WIFSTOPPED(os.waitpid(victim.pid, os.WUNTRACED)[1])
	shown = stack_tasks(victim)
	os.kill(victim.pid, signal.SIGCONT)
	assert shown["tasks_consistent"] and still <= {t.get("name") for t in shown["tasks"]}, said
	assert victim.alive()


FORGOTTEN = """
import asyncio, sys
async def burn():
	print("READY", flush=True)
	while True:
		pass
import _asyncio
del sys.modules["_asyncio"]
asyncio.run(burn())
"""


@pytest.mark.minor((3, 8), (3, 11), (3, 13))
def test_not_found(interp, spawn):
	"""asyncio is there, and its module is not where it is looked for: each sample says so."""
	victim = spawn(*interp.prefix(), interp.path, "-c", FORGOTTEN)
	stacks, summary, _ = live.record("-p", victim.pid, "--tasks", seconds=0.5, hz=499)
	burning = sum(s.count for s in stacks if any(f.function == "burn" for f in s.python()))
	assert burning > 20 and not any(labels(s) for s in stacks)
	assert summary["lost"]["task"] >= burning
	assert stack_tasks(victim)["tasks_known"] == "unknown"
	assert b"tasks are not known: asyncio is there" in live.pitviper("stack", "--tasks", victim.pid).out


@pytest.mark.minor((3, 14))
def test_no_section_for_debuggers(interp, spawn, tmp_path):
	"""3.14 with an _asyncio whose section is missing: not as if it were an older one."""
	module = interp.outside("/usr/lib/python3.14/lib-dynload")
	name = next(n for n in os.listdir(module) if n.startswith("_asyncio."))
	outside, inside = interp.tempfile("-asyncio")
	os.unlink(outside)
	os.mkdir(outside)
	try:
		subprocess.run(["objcopy", "--rename-section", ".AsyncioDebug=.other", os.path.join(module, name),
				os.path.join(outside, name)], check=True)
		script = "import sys; sys.path.insert(0, %r)\nimport _asyncio\nassert _asyncio.__file__.startswith(%r)\n" % (inside, inside)
		victim = spawn(*interp.prefix(), interp.path, "-c", script + "print('READY', flush=True); input()")
		assert stack_tasks(victim)["tasks_known"] == "unknown"
		assert b"tasks are not known" in live.pitviper("stack", "--tasks", victim.pid).out
	finally:
		shutil.rmtree(outside)


@pytest.mark.few
def test_stack_of_older(interp, target):
	"""The running task in the thread's stack; what is not known is said."""
	if interp.version < (3, 8):
		victim = target(interp, "waits.py", "sleep")
		run = live.pitviper("stack", "--tasks", victim.pid)
		assert run.status == 4 and b"before CPython 3.8" in run.err, run
		return
	if interp.version >= (3, 14):
		return
	victim = target(interp, TARGET, "asyncio")
	shown = stack_tasks(victim)
	assert shown["tasks_known"] == "running only" and "tasks" not in shown
	loops = [t for t in shown["threads"] if any(f["function"].rpartition(".")[2].startswith("work_") for f in t["frames"])]
	for thread in loops:
		assert any(f["kind"] == "label" and f["function"].startswith("task ") for f in thread["frames"]), thread
	assert b"only tasks that run are shown" in live.pitviper("stack", "--tasks", victim.pid).out


@pytest.mark.minor(*((3, minor) for minor in range(8, 16)))
def test_stack_asleep(interp, target):
	"""A task that holds its loop up: its name above its coroutine, and who waits for it."""
	victim = target(interp, TARGET, "asleep", ready=False)
	truth = json.loads(victim.wait_line(b"TASKS")[6:])
	victim.wait_line(b"READY")
	tasks_check.check_stack(truth, stack_tasks(victim))
	assert victim.alive()
