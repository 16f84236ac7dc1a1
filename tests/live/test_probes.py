# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper latency` and `trace` where probes are held otherwise.

By a perf event each, as before Linux 6.10, which PITVIPER_PROBES=single asks for here; the checks are those
of the usual way.
"""
import os
import signal

import live
import pytest
import test_latency
import test_trace


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
@pytest.mark.minor((3, 9), (3, 11), (3, 13))
@pytest.mark.parametrize("check", [test_latency.test_counts, test_trace.test_calls], ids=["latency", "trace"])
def test_single(interp, target, single, check):
	check(interp, target)


@pytest.mark.parametrize("name", ["nothing_is_left_after_kill", "nothing_is_left_after_the_end", "children_of_subprocess",
				  "exec_ends_it", "too_dear", "two_at_once", "threads_that_die_inside"])
def test_single_latency(victim, single, name):
	getattr(test_latency, "test_" + name)(victim)


def test_single_trace(outer, single):
	test_trace.test_nothing_is_left(outer)


def test_single_is_what_it_says(victim, single):
	proc = test_latency.start("-p", victim.pid, "quick")
	types = test_latency.links(proc.pid)
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

