# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper latency` and `trace` where probes are held otherwise, or numbers are others.

The first: by a perf event each, as before Linux 6.10, which PITVIPER_PROBES=single asks for here; the checks
are those of the usual way.  The second: pitviper in a container, whose numbers of processes differ.
"""
import os
import signal
import subprocess

import live
import pytest
import test_latency
import test_trace
from test_places import Inside, children_of, number_inside, numbers_of, only_child


@pytest.fixture
def single(monkeypatch):
	monkeypatch.setenv("PITVIPER_PROBES", "single")


@pytest.fixture
def victim(target, newest):
	return target(newest, "latency.py")


@pytest.fixture
def outer(target, newest):
	return target(newest, "inside.py")


# ---- a perf event each

@pytest.mark.few
@pytest.mark.gil
@pytest.mark.minor((3, 9), (3, 13))
@pytest.mark.parametrize("check", [test_latency.test_counts, test_trace.test_calls], ids=["latency", "trace"])
def test_single(interp, target, single, check):
	check(interp, target)


@pytest.mark.parametrize("name", ["nothing_is_left_after_kill", "nothing_is_left_after_the_end",
				  "exec_ends_it", "too_dear", "threads_that_die_inside"])
def test_single_latency(victim, single, name):
	getattr(test_latency, "test_" + name)(victim)


def test_single_trace(outer, single):
	test_trace.test_nothing_is_left(outer)


def test_single_is_what_it_says(victim, single):
	proc = test_latency.start("-p", victim.pid, "quick")
	types = live.bpf_links(proc.pid)
	assert types.count("perf") > 1 and "uprobe_multi" not in types
	test_latency.finish(proc)


def test_single_forked_child(victim, single):
	"""The child loses each probe that it comes by, and no hit of it is told."""
	proc = test_latency.start("-p", victim.pid, "quick")
	child = int(test_latency.say(victim, "fork")[0])
	try:
		path = test_latency.interpreter_of(victim.pid)
		whole = test_latency.breakpoints(victim.pid, path)
		assert live.gone(lambda: test_latency.breakpoints(child, path) < whole)
		test_latency.say(victim, "quick 50")
		(report,), _ = test_latency.finish(proc)
	finally:
		os.kill(child, signal.SIGKILL)
	assert report["functions"][0]["calls"] == 50 and not report["losses"]["unended"], report


def test_single_native(spawn, single):
	"""Places that calls return to are probed as they are met."""
	# tests/live/test_latency_native.py has the checks; here it is that ends are seen at all
	python = spawn("/usr/bin/python3", "-c", "import os, time\nos.write(1, b'READY\\n')\nwhile True: time.sleep(0.002)")
	run = live.pitviper("latency", "--json", "-p", python.pid, "-d", 1, "clock_nanosleep")
	assert run.status == 0, run
	report = live.loads(run.out)
	(one,) = report["functions"]
	assert one["calls"] > 20 and one["sum_ns"] >= 2e6 * one["calls"], report


def test_single_has_an_end(victim, single):
	"""Each takes a grace period to go: a wildcard that would take minutes is refused."""
	run = live.pitviper("latency", "-p", victim.pid, "-d", 1, "Py*")
	assert run.status == 1 and b"6.10" in run.err, run


# ---- pitviper in a container

@pytest.fixture
def inside(spawn, tmp_path):
	return Inside(spawn, tmp_path)


def enter(spawn, inside, interp, script, *deeper):
	"""A target in a container: spawn()'s process, and the host's number of the Python."""
	shell = spawn(*inside.enter(*deeper), *interp.command(os.path.join(live.TARGETS, script)))
	pid = only_child(shell.pid)
	while deeper and len(numbers_of(pid, pid)) < 3:
		pid = only_child(pid)
	return shell, pid


def start(inside, *args):
	"""A pitviper in there, and the host's number of it."""
	proc = subprocess.Popen(inside.enter(live.PITVIPER, *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
				stderr=subprocess.PIPE)
	assert live.gone(lambda: len(children_of(proc.pid)) == 1 or proc.poll() is not None)
	return proc, only_child(proc.pid)


def finish(proc, pid=None):
	if pid:
		os.kill(pid, signal.SIGINT)
	out, err = proc.communicate(timeout=60)
	assert proc.returncode == 0, err
	return out, err


@pytest.mark.parametrize("deeper", [(), ("unshare", "--pid", "--fork", "--kill-child")], ids=["there", "deeper"])
def test_inside_latency(newest, spawn, inside, deeper):
	"""By the container's numbers; also of what is in one within it."""
	shell, outer = enter(spawn, inside, newest, "latency.py", *deeper)
	pid = numbers_of(outer, outer)[1]
	assert pid != outer
	proc, run = start(inside, "latency", "--json", "-p", pid, "quick", "passes", "sleeps")
	assert live.gone(lambda: test_latency.probed(run))
	shell.say("threads 3 100")
	shell.wait_line(b"DONE")
	shell.say("sleep 5 20")
	shell.wait_line(b"DONE")
	# of a child, no call is the target's, and it is freed of the probes
	shell.say("forks 1 20")
	shell.wait_line(b"DONE")
	child = next(pid for pid in children_of(outer))
	path = test_latency.interpreter_of(outer)
	assert live.gone(lambda: test_latency.breakpoints(child, path) == 0)
	out, _ = finish(proc, run)
	report = live.loads(out)
	assert [one["calls"] for one in report["functions"]] == [320, 20, 5] and report["pid"] == pid, report
	# time off the CPU is by thread, which has a number, too
	assert report["functions"][2]["off_cpu_ns"] > 0.9 * report["functions"][2]["sum_ns"], report


def test_inside_exec(newest, spawn, inside):
	shell, outer = enter(spawn, inside, newest, "latency.py")
	proc, run = start(inside, "latency", "--json", "-p", number_inside(outer), "quick")
	assert live.gone(lambda: test_latency.probed(run))
	shell.say("quick 10")
	shell.wait_line(b"DONE")
	shell.say("exec")
	out, err = finish(proc)
	assert b"another program" in err and live.loads(out)["functions"][0]["calls"] == 10, out


@pytest.mark.parametrize("name", ["outer", "dies"])
def test_inside_trace(newest, spawn, inside, name):
	"""Threads have the numbers that the container has for them, and their ends are seen."""
	shell, outer = enter(spawn, inside, newest, "inside.py")
	pid = number_inside(outer)
	proc, run = start(inside, "trace", "--arm-now", "--json", "--format", "chrome", "-o", "-", "-p", pid, name)
	assert live.gone(lambda: test_trace.has_attached(run))
	shell.say("outer 3" if name == "outer" else "die 2")
	shell.wait_line(b"DONE")
	executions = test_trace.parse(finish(proc, run)[0])
	if name == "outer":
		assert [e.names() for e in executions] == [["outer"] + 3 * ["quick"]] and executions[0].tid == pid
		assert executions[0].stack[0] == "main", executions[0].stack
	else:
		assert [e.names() for e in executions] == 2 * [["dies", "quick"]]
		assert all(e.calls[0].marks == {test_trace.CUT} for e in executions)
