# SPDX-License-Identifier: BSD-2-Clause
"""How many samples are whole, and whether threads without the GIL keep their Python callers."""
import collections
import json

import live
import pytest

SYSTEM_NUMPY = "/usr/bin/python3"


def test_complete_mix(interp, target, full):
	"""Native to the thread's start and Python to the outermost frame: 99.9 % of the samples."""
	victim = target(interp, "mix.py")
	stacks, summary, _ = live.record_cpu(victim, 30 if full else 2, hz=2000)
	print(summary)
	assert summary["samples"] >= (20000 if full else 1000)
	share = summary["complete"] / summary["samples"]
	floor = 0.999 if full and interp.version[:2] in ((3, 11), (3, 13)) else 0.99
	assert share >= floor, (share, summary["lost"])
	assert summary["complete"] + summary["truncated"] + summary["marked"] <= summary["samples"] * 1.0001
	# The same by the stacks themselves: what is complete begins where threads begin and has Python in it.
	whole = collections.Counter()
	for stack in stacks:
		first = stack.frames[0]
		# _start, clone3 or what they call: the base of the stack is C code, and Python's outermost frame is known
		outermost = next((f for f in stack.frames if f.kind == "python"), None)
		natively = first.kind == "native" and first.function.split(".")[0] in (
			"_start", "__libc_start_main", "__libc_start_call_main", "clone", "clone3", "__clone3", "__clone",
			"start_thread", "main", "__libc_start_main_impl", "__GI___clone3")
		unnamed = first.kind == "native" and first.function.startswith("[unknown")
		pythonic = outermost is not None and outermost.function.rpartition(".")[2] in ("<module>", "_bootstrap", "__bootstrap")
		whole[(natively or unnamed) and pythonic and not stack.markers()] += stack.count
	assert whole[True] >= (floor - 0.001) * summary["samples"], whole


def released(victim, cpu=5):
	with open(victim.truth) as truth:
		threads = json.load(truth)["threads"]
	stacks, summary, _ = live.record_cpu(victim, cpu, "--threads", hz=997)
	seen = collections.defaultdict(collections.Counter)
	for stack in stacks:
		seen[stack.tid][any(f.function == threads.get(str(stack.tid)) for f in stack.python())] += stack.count
	print(summary["samples"], {threads.get(str(tid)): dict(c) for tid, c in seen.items()})
	for tid, function in threads.items():
		counts = seen[int(tid)]
		assert counts[True] >= 20, "%s (%s) was hardly seen: %s" % (function, tid, counts)
		# the rest is the loop around the call and the way into it
		assert counts[True] >= 0.95 * sum(counts.values()), (function, counts)


def test_released_gil(interp, target):
	"""Hashing and compressing: every thread of threading.enumerate() shows its Python caller."""
	released(target(interp, "gilfree.py", truth=True))


def test_released_numpy(target):
	interp = live.Interp("system", SYSTEM_NUMPY)
	probe = live.Target([SYSTEM_NUMPY, "-c", "import numpy; print('READY')"], ready=False)
	try:
		probe.wait_line(b"READY")
	except AssertionError:
		pytest.skip("numpy is not installed for " + SYSTEM_NUMPY)
	finally:
		probe.stop()
	released(target(interp, "gilfree.py", "numpy", truth=True, env={"OPENBLAS_NUM_THREADS": "1"}), 10)
