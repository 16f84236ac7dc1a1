# SPDX-License-Identifier: BSD-2-Clause
"""Free-threaded CPythons (PEP 703): several threads run at once, and there is a GIL only if it is asked for.

That stacks are right is for the tests that run on every interpreter.
"""
import live
import pytest

pytestmark = pytest.mark.free_threaded


def stack(pid):
	"""A look in which no thread ran all the while without being met on a CPU, as it may on a busy machine."""
	for _look in range(50):
		run = live.pitviper("stack", "--json", pid)
		assert run.status == 0, run
		answer = live.loads(run.out)
		if all(thread["consistent"] for thread in answer["threads"]):
			return answer
	raise AssertionError("never all threads: %s" % answer["threads"])


def test_no_gil(interp, target):
	victim = target(interp, "parallel.py")
	answer = stack(victim.pid)
	assert answer["gil_enabled"] is False
	assert "free-threaded" in answer["interpreter"]
	threads = answer["threads"]
	assert not any(thread["gil"] for thread in threads), threads
	by_tid = {thread["tid"]: thread["attachment"] for thread in threads}
	assert by_tid.pop(victim.pid) == "detached"		# it sleeps
	assert list(by_tid.values()) == ["attached"] * 3, threads
	run = live.pitviper("stack", victim.pid)
	assert b", no GIL\n" in run.out and b", attached" in run.out and b", detached" in run.out, run
	assert b"holds the GIL" not in run.out and b"GIL held by" not in run.out
	assert b"free-threaded" in live.pitviper("doctor", victim.pid).out


def test_gil_asked_for(interp, target):
	victim = target(interp, "parallel.py", env={"PYTHON_GIL": "1"})
	answer = stack(victim.pid)
	assert answer["gil_enabled"] is True
	# Threads are looked at one after the other: it may have gone on from one to the next, and back.
	# That the only one that runs holds it: test_gil_is_held().
	for thread in answer["threads"]:
		assert thread["gil"] == (thread["attachment"] == "attached"), thread
	assert b"no GIL" not in live.pitviper("stack", victim.pid).out
