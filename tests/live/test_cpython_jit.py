# SPDX-License-Identifier: BSD-2-Clause
"""CPython's own JIT (PYTHON_JIT=1): its code has no unwind information, and the frames must be true all the same."""
import json
import os
import re
import subprocess

import live
import oracle_check
import pytest

JIT = {"PYTHON_JIT": "1"}
LOOP = """import os
def inner(n):
	total = 0
	for i in range(n):
		total += i * i % 7
	return total
def work():
	while True:
		inner(100000)
for _ in range(20):
	inner(100000)
os.write(1, b"READY\\n")
work()
"""
BREAK = "[unwind break]"


def has_jit(interp):
	"""Whether this build makes code: most versions have no such thing to ask."""
	probe = "import sys; jit = getattr(sys, '_jit', None); print(bool(jit and jit.is_enabled()))"
	run = subprocess.run(interp.prefix() + [interp.path, "-c", probe], stdout=subprocess.PIPE, env=dict(os.environ, **JIT),
			     check=True)
	return run.stdout.strip() == b"True"


@pytest.fixture
def jitted(interp):
	if not has_jit(interp):
		pytest.skip("built without the JIT")
	return interp


def in_anonymous_code(pid):
	"""Address ranges that the process may run and that belong to no file."""
	with open("/proc/%d/maps" % pid) as maps:
		return re.findall(r"^([0-9a-f]+-[0-9a-f]+) r-xp 0+ 00:00 0 *$", maps.read(), re.M)


@pytest.mark.minor((3, 14), (3, 15))
def test_loop_never_leaves_it(jitted, tmp_path, spawn):
	"""No eval frame is ever seen from which to learn where the next one is: every stack is whole but for the break."""
	script = tmp_path / "loop.py"
	script.write_text(LOOP)
	victim = spawn(*jitted.prefix(), jitted.path, jitted.stage(str(script)), env=JIT)
	assert in_anonymous_code(victim.pid), "nothing was compiled"
	stacks, summary, _ = live.record("-p", victim.pid, seconds=2, hz=997)
	assert summary["samples"] > 100
	broken = sum(s.count for s in stacks if BREAK in s.markers())
	assert broken >= 0.5 * summary["samples"], "the loop does not run in the JIT's code"
	assert summary["truncated"] == 0, summary["lost"]
	assert summary["lost"]["reanchor_conflict"] == 0
	for stack in stacks:
		assert [f.function for f in stack.python()] in (["<module>", "work", "inner"], ["<module>", "work"]), stack
		assert stack.frames[0].function.startswith(("_start", "[unknown", "__libc_start")), stack


@pytest.mark.minor((3, 14), (3, 15))
def test_no_impossible_stack(jitted, target):
	victim = target(jitted, "oracle.py", truth=True, env=JIT)
	stacks = []
	for _run in range(12):
		got, summary, _ = live.record("-p", victim.pid, seconds=4, hz=5000, threads=True)
		stacks += got
		assert summary["truncated"] <= 0.005 * summary["samples"], summary["lost"]
		assert summary["lost"]["reanchor_conflict"] == 0
		if live.total(stacks) >= 10000:
			break
	with open(victim.truth) as truth:
		report = oracle_check.check(json.load(truth), stacks, jitted.symtab)
	print(json.dumps(report, indent=1))
	assert report["impossible"] == 0, json.dumps(report, indent=1)
	assert report["paths_seen"] >= 0.85 * report["paths"], "the samples reach too few of the stacks"
	assert report["markers"].get(BREAK, 0) > 0, "nothing ran in the JIT's code"
	assert sum(report["markers"].values()) - report["markers"][BREAK] <= 0.005 * report["samples"], report["markers"]
