# SPDX-License-Identifier: BSD-2-Clause
"""Greenlets up to CPython 3.10, for which Debian has none: targets/switch_ext.c does what they do.

Up to 3.10 a call's end is known by its caller alone, and the first functions of greenlets have none: whose end it is must
not be guessed.  The checks are those of gevent on 3.11.
"""
import os
import subprocess

import live
import pytest
import test_latency
import test_trace
from test_trace_native import headers


OLD = [i for i in live.find_interpreters() if not i.root and (3, 6) <= i.version[:2] <= (3, 10) and headers(i)]


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
	"""Where the module of an interpreter is; it is built once."""
	built = {}

	def of(interp):
		if interp.name not in built:
			built[interp.name] = directory = str(tmp_path_factory.mktemp("switch"))
			subprocess.run(["cc", "-O2", "-g", "-fPIC", "-shared", "-I" + headers(interp),
					os.path.join(live.TARGETS, "switch_ext.c"), "-o", os.path.join(directory, "_greenlet.so")], check=True)
		return built[interp.name]

	return of


@pytest.mark.skipif(not OLD, reason="no CPython 3.6 to 3.10 with its headers")
@pytest.mark.parametrize("python", OLD, ids=str)
@pytest.mark.parametrize("check", ["check_greenlets", "check_greenlets_that_fail"])
@pytest.mark.parametrize("command", [test_latency, test_trace], ids=["latency", "trace"])
def test_switching(python, command, check, target, directories):
	getattr(command, check)(target(python, "switching.py", directories(python)))


# Objects/codeobject.c up to 3.9: a code object keeps its last frame (co_zombieframe) for its next call
@pytest.mark.skipif(not OLD, reason="no CPython 3.6 to 3.10 with its headers")
@pytest.mark.parametrize("python", [i for i in OLD if i.version[:2] <= (3, 9)][-1:], ids=str)
def test_frames_of_another(python, target, directories):
	"""What is left of an execution in the table of frames is not taken for the next one's, whose place it had."""
	victim = target(python, "switching.py", directories(python))
	proc = test_trace.start("-p", victim.pid, "--budget", 100, "sleeps")
	victim.say("reused")
	victim.wait_line(b"DONE")
	executions, summary, _ = test_trace.finish(proc)
	assert victim.alive()
	assert [e.names() for e in executions] == 2 * [["sleeps", "pause"]], summary
	assert all(test_trace.CUT in e.calls[0].marks for e in executions)
