# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper trace` while it waits: nothing but its function is probed, and what it makes of the first execution."""
import os
import signal
import time

import live
import pytest

from test_latency import breakpoints, interpreter_of
from test_trace import BEGIN_GUESSED, SUPPORTED, finish, plain, say

pytestmark = pytest.mark.few


# From 3.13 on the first call of a function reads its RESUME twice, and changes it into another kind.
HITS = (1, 2, 3)


def waits(pid):
	"""Three tracepoints, what it waits by, and the ends of threads come before it waits."""
	types = live.bpf_links(pid)
	return types.count("raw_tracepoint") + types.count("tracing") == 4


def start(victim, *args):
	proc = live.start_pitviper("trace", "--json", "--format", "chrome", "-o", "-", "-p", victim.pid, "--budget", 100, *args)
	until(proc, lambda: waits(proc.pid))
	return proc


def until(proc, check):
	deadline = time.monotonic() + 60
	while not check():
		if proc.poll() is not None:
			raise AssertionError("pitviper ended (%d): %s" % (proc.returncode, proc.stderr.read()))
		assert time.monotonic() < deadline
		time.sleep(0.01)


def all_probed(proc, victim, n=0):
	"""More than n places are probed, the watchpoints are gone, and it waits again."""
	path = interpreter_of(victim.pid)

	def check():
		if breakpoints(victim.pid, path) <= n or live.perf_fds(proc.pid):
			return False
		return live.in_poll(proc.pid)
	until(proc, check)


def watches(interp):
	return interp.version[:2] >= (3, 11)


def names(execution):
	return [call.name.rpartition(".")[2] for call in execution.calls]


@pytest.mark.minor(*SUPPORTED)
def test_first_execution(interp, target):
	"""It is partial and what was under way is there; -n counts whole ones."""
	victim = target(interp, "awaited.py")
	path = interpreter_of(victim.pid)
	proc = start(victim, "-n", 1, "stays")
	say(victim, "unrelated")
	waiting = breakpoints(victim.pid, path)
	assert (waiting == 0) == watches(interp)
	victim.say("stays 3")
	victim.wait_line(b"INSIDE")
	all_probed(proc, victim, waiting)
	say(victim, "go")
	victim.say("stays 2")
	victim.wait_line(b"INSIDE")
	say(victim, "go")
	executions, end, _ = finish(proc, stop=False)
	assert end["probes"]["waited_by"] == ("watchpoint" if watches(interp) else "entry")
	assert end["probes"]["watch_hits"] in (HITS if watches(interp) else (0,))
	first, second = executions
	assert first.partial and not second.partial and not first.lost and not second.lost
	# readline() is C; these were under way
	inside = ["inner", "wait"]
	assert names(first) == ["stays", *inside, *4 * ["leaf"]]
	assert [c.depth for c in first.calls] == [0, 1, 2, 2, 2, 2, 1]
	assert [c.name.rpartition(".")[2] for c in first.calls if BEGIN_GUESSED in c.marks] == inside
	assert names(second) == ["stays", "inner", "wait", "leaf", "leaf", "leaf"]
	assert not any(c.marks for c in second.calls)
	assert [e["late"] for e in end["executions"]["list"]] == [True, False]
	assert end["executions"]["seen"] == 2 and end["executions"]["gone"] == 0
	stack = [name.rpartition(".")[2] for name in first.stack]
	assert "main" in stack[:stack.index("<module>")] and "stays" not in stack
	assert victim.alive()


@pytest.mark.minor(*SUPPORTED)
def test_short_ones_are_gone(interp, target):
	"""What has ended before all is probed is counted, and is no execution of unknown length."""
	victim = target(interp, "awaited.py")
	proc = start(victim, "-n", 2, "shortly")
	waiting = breakpoints(victim.pid, interpreter_of(victim.pid))
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "shortly 5")
	os.kill(proc.pid, signal.SIGCONT)
	all_probed(proc, victim, waiting)
	say(victim, "unrelated")
	say(victim, "shortly 2")
	executions, end, _ = finish(proc, stop=False)
	assert [names(e) for e in executions] == [["shortly"], ["shortly"]] and not any(e.partial for e in executions)
	assert end["executions"]["gone"] == 5 and end["executions"]["seen"] == 7, end["executions"]


@pytest.mark.minor(*SUPPORTED)
def test_nothing_was_seen_since(interp, target):
	"""It has ended, and its thread does nothing any more: whether it has is not known."""
	victim = target(interp, "awaited.py")
	proc = start(victim, "shortly")
	waiting = breakpoints(victim.pid, interpreter_of(victim.pid))
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "shortly 1")
	os.kill(proc.pid, signal.SIGCONT)
	all_probed(proc, victim, waiting)
	executions, end, err = finish(proc)
	assert not executions and end["executions"]["gone"] == 1 and end["executions"]["seen"] == 1


@pytest.mark.minor(*SUPPORTED)
def test_its_thread_has_ended(interp, target):
	"""It has ended, and its thread, too: how long it lasted is not known."""
	victim = target(interp, "awaited.py")
	proc = start(victim, "shortly")
	waiting = breakpoints(victim.pid, interpreter_of(victim.pid))
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "ends 1")
	os.kill(proc.pid, signal.SIGCONT)
	all_probed(proc, victim, waiting)
	executions, end, err = finish(proc)
	assert not executions and end["executions"]["gone"] == 1 and end["executions"]["seen"] == 1, end["executions"]


@pytest.mark.minor(*SUPPORTED)
def test_they_go_on_meanwhile(interp, target):
	"""While places are probed, one after the other, executions end; the one that is under way then is partial."""
	victim = target(interp, "awaited.py")
	proc = start(victim, "-n", 20, "shortly")
	victim.say("shortly 50000")
	executions, end, _ = finish(proc, stop=False)
	assert len(executions) >= 20 and sum(e.partial for e in executions) <= 1, [e.partial for e in executions]
	assert victim.alive()


@pytest.mark.minor(*SUPPORTED)
def test_recursion(interp, target):
	"""What the function leads to itself is no execution of its own, also while it waits."""
	victim = target(interp, "awaited.py")
	proc = start(victim, "recurses")
	waiting = breakpoints(victim.pid, interpreter_of(victim.pid))
	os.kill(proc.pid, signal.SIGSTOP)
	victim.say("deep 20")
	victim.wait_line(b"INSIDE")
	os.kill(proc.pid, signal.SIGCONT)
	all_probed(proc, victim, waiting)
	say(victim, "go")
	(execution,), end, _ = finish(proc)
	inside = ["recurses", "wait"]
	assert names(execution) == 20 * ["recurses"] + inside + ["leaf"]
	assert [c.depth for c in execution.calls] == [*range(20 + len(inside)), 21]
	assert end["executions"]["seen"] == 1 and end["executions"]["gone"] == 0
	if watches(interp):
		assert 21 <= end["probes"]["watch_hits"] <= 23


@pytest.mark.minor(*[v for v in SUPPORTED if v >= (3, 11)])
def test_each_call_is_one_hit(interp, target):
	"""Whatever kind of RESUME it is by then, and whatever stands before it."""
	for word in ("shortly", "cells"):
		victim = target(interp, "awaited.py")
		proc = start(victim, "--if", "n < 0", word if word == "shortly" else "make.<locals>.cells")
		say(victim, word + " 100")
		say(victim, "unrelated")
		executions, end, _ = finish(proc)
		assert not executions and end["executions"]["unmet"] == end["executions"]["seen"] == 100
		assert 100 <= end["probes"]["watch_hits"] <= 102 and end["probes"]["hits"] == 0


@pytest.fixture
def victim(target, newest):
	return target(newest, "awaited.py")


def test_thread_of_later(victim):
	proc = start(victim, "-n", 1, "stays")
	for n in (1, 2):
		victim.say("thread %d" % n)
		victim.wait_line(b"INSIDE")
		all_probed(proc, victim)
		say(victim, "go")
	executions, end, _ = finish(proc, stop=False)
	assert [e.partial for e in executions] == [True, False]
	assert victim.pid not in {e.tid for e in executions} and end["probes"]["watch_hits"] in HITS


def test_forked_child_is_not_watched(victim):
	proc = start(victim, "-n", 1, "shortly")
	say(victim, "fork")
	say(victim, "unrelated")
	executions, end, _ = finish(proc)
	assert not executions and end["executions"]["seen"] == 0 and end["losses"]["stranger_hits"] == 0
	assert end["probes"]["watch_hits"] == 0


def test_generator(victim):
	"""It goes on at several places: the entries of all functions tell."""
	path = interpreter_of(victim.pid)
	proc = start(victim, "steps")
	assert breakpoints(victim.pid, path) > 0 and not live.perf_fds(proc.pid)
	say(victim, "steps")
	_, end, _ = finish(proc)
	assert end["probes"]["waited_by"] == "entry" and end["executions"]["seen"] > 0


def test_native(victim):
	"""Its own entry alone is probed; the first one's end is not seen, since where it returns to was not known."""
	path = interpreter_of(victim.pid)
	proc = start(victim, "-n", 2, "--native", "libc.so.6:getppid", "libc.so.6:getppid")
	assert breakpoints(victim.pid, path) == 0
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "parent 1")
	os.kill(proc.pid, signal.SIGCONT)
	all_probed(proc, victim)
	for _ in range(2):
		say(victim, "parent 1")
	_, err = proc.communicate(timeout=60)
	end = live.last_json(err)
	assert end["ended"] == "count", end
	# the second one's end was the first that could be seen
	assert [(e["late"], e["partial"]) for e in end["executions"]["list"]][::2] == [(True, True), (False, False)]


def test_arm_now(victim):
	path = interpreter_of(victim.pid)
	proc = start(victim, "--arm-now", "-n", 1, "shortly")
	assert breakpoints(victim.pid, path) > 0
	say(victim, "shortly 1")
	(execution,), end, _ = finish(proc, stop=False)
	assert names(execution) == ["shortly"] and not execution.partial and end["probes"]["waited_by"] == "armed"


def take_registers(pid):
	"""All four debug registers of a thread, as a debugger does."""
	fds = [live.take_register(pid, 0x1000 + 8 * i) for i in range(4)]
	assert min(fds) >= 0, fds
	return fds


def test_registers_are_taken(victim):
	path = interpreter_of(victim.pid)
	fds = take_registers(victim.pid)
	try:
		proc = start(victim, "-n", 1, "stays")
		waiting = breakpoints(victim.pid, path)
		assert waiting > 0
		for _ in range(2):
			victim.say("stays 1")
			victim.wait_line(b"INSIDE")
			all_probed(proc, victim, waiting)
			say(victim, "go")
		executions, end, err = finish(proc, stop=False)
	finally:
		for fd in fds:
			os.close(fd)
	assert end["probes"]["waited_by"] == "entry" and "taken" in end["probes"]["unwatched"], end["probes"]
	assert not executions[-1].partial


def test_killed_while_it_waits(victim):
	path = interpreter_of(victim.pid)
	for words in ([], ["--arm-now"]):
		proc = start(victim, *words, "shortly")
		proc.kill()
		proc.wait()
		assert live.gone(lambda: breakpoints(victim.pid, path) == 0)
		say(victim, "shortly 10")
		assert victim.alive()
	# the registers are free again
	for fd in take_registers(victim.pid):
		os.close(fd)


def test_two_wait(victim):
	"""Two watchpoints at one place: both see the same."""
	first, second = start(victim, "shortly"), start(victim, "shortly")
	say(victim, "shortly 1")
	for proc in (first, second):
		_, end, _ = finish(proc)
		assert end["executions"]["seen"] == 1 and end["probes"]["watch_hits"] in HITS
