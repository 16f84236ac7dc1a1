# SPDX-License-Identifier: BSD-2-Clause
"""Arguments and results at the very places where the kernel's side reads them, on every interpreter: each is what
the program says of itself.

Breakpoints of tests/walk/watch_values.c stand for the probes; what reads is the source that the kernel runs.
"""
import os
import subprocess

import live
import pytest

WATCH = os.path.join(os.path.dirname(os.path.dirname(live.PITVIPER)), "tests", "watch_values")

# What may be missing: RETURN_CONST (3.12 and 3.13, Python/bytecodes.c) with an EXTENDED_ARG, which cannot be told from an
# inline cache.
UNSEEN = {(3, 12): ["leave * 'behind them'"], (3, 13): ["leave * 'behind them'"]}


def watch(interp):
	"""What the program says of its calls, what was seen of them."""
	with live.Target(interp.command(os.path.join(live.TARGETS, "arguments.py"))) as target:
		watcher = subprocess.Popen([WATCH, str(target.pid), "made.py", "last"], stdout=subprocess.PIPE,
					   stderr=subprocess.PIPE)
		try:
			first = watcher.stdout.readline()
			assert first == b"READY\n", watcher.stderr.read()
			target.say("go")
			out, err = watcher.communicate(timeout=60)
			assert watcher.returncode == 0, err
			said = [target.wait_line(b"")]
			while said[-1] != "END":
				said.append(target.wait_line(b""))
			return said, out.decode().splitlines()
		finally:
			watcher.kill()


def may_be_unseen(interp, line):
	word, name, value = (line.split(" ", 2) + ["", ""])[:3]
	return "%s * %s" % (word, value) in UNSEEN.get(interp.version[:2], [])


@pytest.mark.skipif(not os.path.exists(WATCH), reason="no " + WATCH)
def test_arguments_and_results(interp):
	said, seen = watch(interp)
	assert len(said) > 200
	assert len(seen) == len(said)
	unseen = 0
	for true, line in zip(said, seen):
		if line.startswith("unseen ") and may_be_unseen(interp, true):
			assert line.split()[1] == true.split()[1]
			unseen += 1
			continue
		assert line.rstrip() == true.rstrip()
	assert unseen <= 1
