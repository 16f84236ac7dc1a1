# SPDX-License-Identifier: BSD-2-Clause
"""Surveys of allocations: growth sites, bursts, all of a window.  What leaks is what the program says of itself."""
import json
import os
import signal
import subprocess

import live
import pytest
from test_latency import breakpoints, interpreter_of

pytestmark = pytest.mark.few

PROGRAM = os.environ.get("PV_SURVEY") or os.path.join(live.TOP, "build", "tests", "survey_blocks")
SUPPORTED = [(3, minor) for minor in range(6, 16)]
PYTHON = 0	# PV_LOC_PYTHON
DEAR = 0.5	# of a program's time, for bursts: what they may cost else makes twenty of them last five times as long
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"


class Survey:
	"""A survey in the background, with what it has said."""

	def __init__(self, pid, kind, seconds, *args):
		self.proc = subprocess.Popen([PROGRAM, str(pid), kind, str(seconds)] + [str(a) for a in args],
					     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

	def wait(self, word):
		for line in self.proc.stdout:
			if line.startswith(word):
				return line
		raise AssertionError("it ended (%d): %s" % (self.proc.wait(), self.proc.stderr.read()))

	def bursts(self, n):
		"""What was found after so many of them; those of the last second do not count."""
		self.wait(b"DONE %d" % n)
		return self.finish(stop=True)

	def finish(self, stop=False):
		"""What it found; stop: now, not when its time is over."""
		if not stop:
			self.report = json.loads(self.wait(b"{"))
		out, err = self.proc.communicate(timeout=120)
		assert self.proc.returncode == 0, err
		if stop:
			self.report = json.loads(out.splitlines()[-1])
		return self.report

	def stop(self):
		self.proc.kill()
		self.proc.communicate()


@pytest.fixture
def survey():
	started = []

	def start(*args):
		started.append(Survey(*args))
		started[-1].wait(b"READY")
		return started[-1]
	yield start
	for one in started:
		one.stop()


def leaky(target, interp, **kw):
	"""The program, and the lines that leak."""
	victim = target(interp, "leaky.py", ready=False, **kw)
	lines = json.loads(victim.wait_line(b"LINES")[6:])
	victim.wait_line(b"READY")
	return victim, lines


def line_of(site):
	"""The innermost line of the program itself."""
	own = [frame["line"] for frame in site["stack"] if frame["kind"] == PYTHON and frame["file"].endswith("leaky.py")]
	return own[-1] if own else None


def by_line(report, domain):
	"""What was seen and what is left of it, in one domain, by line: {line: [seen, survived]}."""
	lines = {}
	for site in report["sites"]:
		if site["domain"] == domain:
			sums = lines.setdefault(line_of(site), [0, 0])
			sums[0] += site["seen"]
			sums[1] += site["survived"]
	return lines


def check_leak(report, lines, what, domain):
	sums = by_line(report, domain)
	seen, survived = sums[lines[what]]
	assert seen >= 3 and survived >= 0.8 * seen, (sums, lines)
	for line, (seen, survived) in sums.items():
		# what is left of churn is what was under way, and numbers that are kept with the leak
		assert line == lines[what] or survived <= max(2, 0.3 * seen), (line, sums, lines)


@pytest.mark.one
@pytest.mark.gil
@pytest.mark.minor(*SUPPORTED)
def test_full(interp, target, survey):
	"""As many blocks stay as are looked at: nothing more is watched, and that is said."""
	victim, _ = leaky(target, interp)
	report = survey(victim.pid, "bursts", 6, DEAR, 3).finish()
	assert victim.alive()
	assert report["state"] == "partly" and "3 blocks" in report["why"], report["why"]
	assert [line for line in report["blind"] if "3 blocks that it had seen were still there" in line], report["blind"]
	# without the limit there are some twenty
	assert 1 <= len(report["bursts"]) <= 5, report["bursts"]


@pytest.mark.gil
@pytest.mark.minor(*SUPPORTED)
def test_bursts(interp, target, survey):
	victim, lines = leaky(target, interp)
	report = survey(victim.pid, "bursts", 600, DEAR).bursts(20)
	assert victim.alive()
	assert report["state"] == "climbed" and report["lost"] == 0, report["why"]
	check_leak(report, lines, "objects", "object")
	if "raw" in lines:
		check_leak(report, lines, "raw", "libc")
	# whole stacks, from the thread's start to the allocator
	(stack,) = [site["stack"] for site in report["sites"]
		    if site["domain"] == "object" and line_of(site) == lines["objects"] and site["survived"]][:1]
	functions = [frame["function"].rpartition(".")[2] for frame in stack if frame["kind"] == PYTHON]
	assert functions[-2:] == ["work", "keep"], functions
	assert stack[-1]["kind"] != PYTHON and stack[0]["kind"] != PYTHON


def test_all(target, newest, survey):
	victim, lines = leaky(target, newest)
	report = survey(victim.pid, "all", 4, 100).finish()
	assert victim.alive() and report["state"] == "climbed" and report["lost"] == 0
	# a list that grows and the program's own numbers are kept, too; the numbers of what was seen are whole
	seen, survived = by_line(report, "libc")[lines["raw"]]
	assert survived == seen > 20
	churned = sum(site["freed"] for site in report["sites"]), sum(site["seen"] for site in report["sites"])
	assert churned[0] > 0.8 * churned[1]


def test_all_over_budget(target, newest, survey):
	victim, _ = leaky(target, newest)
	report = survey(victim.pid, "all", 60, 0.01).finish()
	assert report["state"] == "partly" and "taken out" in report["why"]
	assert breakpoints(victim.pid, interpreter_of(victim.pid)) == 0
	assert victim.alive()


def test_all_sampled(target, newest, survey):
	"""With room for few blocks a share of them is kept, and stands for all."""
	victim, lines = leaky(target, newest)
	one = survey(victim.pid, "all", 600, 100, 2000)
	one.wait(b"OPEN")
	victim.say("hold 20000")
	victim.wait_line(b"DONE")
	report = one.finish(stop=True)
	assert victim.alive()
	assert any("one in" in sentence for sentence in report["blind"]), report["blind"]
	seen, survived = by_line(report, "libc")[lines["raw"]]
	# those that came while there was no room and none had been taken out yet are lost, and counted
	assert 10000 < survived < 40000 and 10000 < seen + report["lost"], (seen, survived, report["lost"])


def test_growth(target, newest, survey):
	victim, _ = leaky(target, newest)
	report = survey(victim.pid, "growth", 5).finish()
	assert report["state"] == "climbed"
	assert report["sites"]
	assert report["hits_ns"] < 0.06 * report["took_ns"], "3 % are meant"


THRASH = """
import os
os.write(1, b"READY\\n")
while True:
	blocks = [bytes(400) for _ in range(50)]
	del blocks
"""


def test_thrash(newest, spawn, survey):
	"""Pools that are filled and emptied again and again end a time early, and are told."""
	victim = spawn(*newest.prefix(), newest.path, "-c", THRASH)
	report = survey(victim.pid, "growth", 60).bursts(3)
	assert victim.alive()
	assert any("again and again" in sentence for sentence in report["blind"]), report["blind"]
	# beside those 1,000 the places are hit until they are gone
	assert report["hits"] < 3 * 20000, report["hits"]


def c_library(pid):
	with open("/proc/%d/maps" % pid) as maps:
		return [line.split()[-1] for line in maps if "/libc.so.6" in line or "/libc-2" in line][0]


def traps(pid):
	return breakpoints(pid, interpreter_of(pid)) + breakpoints(pid, c_library(pid))


def test_fork(target, newest, survey):
	"""The child has copies of the breakpoints, and is freed of them while the time goes on."""
	victim, _ = leaky(target, newest)
	one = survey(victim.pid, "all", 60, 100)
	one.wait(b"OPEN")
	assert traps(victim.pid) > 0
	victim.say("fork")
	child = int(victim.wait_line(b"DONE").split()[1])
	try:
		assert live.gone(lambda: traps(child) == 0)
		assert traps(victim.pid) > 0
		one.finish(stop=True)
		assert traps(victim.pid) == traps(child) == 0
	finally:
		os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["bursts", "all"])
def test_kill(target, newest, survey, kind):
	victim, _ = leaky(target, newest)
	one = survey(victim.pid, kind, 60, 100)
	one.wait(b"OPEN")
	one.stop()
	assert live.gone(lambda: traps(victim.pid) == 0)
	assert victim.alive()


@pytest.mark.parametrize("kind", ["bursts", "growth", "all"])
def test_exit(target, newest, survey, kind):
	victim, _ = leaky(target, newest)
	one = survey(victim.pid, kind, 60, 100)
	one.wait(b"OPEN")
	victim.say("leave")
	report = one.finish()
	assert report["state"] == "climbed"


def test_threads(target, newest, survey):
	victim, lines = leaky(target, newest)
	victim.say("threads 300")
	victim.wait_line(b"DONE")
	report = survey(victim.pid, "bursts", 600, DEAR).bursts(20)
	assert victim.alive() and report["state"] == "climbed"
	seen, survived = by_line(report, "object")[lines["objects"]]
	assert survived >= 0.8 * seen > 0


def test_other_allocator(target, newest, survey):
	"""jemalloc: its functions are those that are called; what it holds is told by content alone."""
	library = os.environ.get("PV_JEMALLOC") or JEMALLOC
	if not os.path.exists(library):
		pytest.skip("libjemalloc2 is not installed")
	victim, lines = leaky(target, newest, env={"LD_PRELOAD": library})
	report = survey(victim.pid, "bursts", 600, DEAR).bursts(20)
	assert victim.alive()
	check_leak(report, lines, "objects", "object")
	check_leak(report, lines, "raw", "libc")
	assert any(frame["function"] in ("malloc", "je_malloc") for site in report["sites"] for frame in site["stack"])


def test_objects_elsewhere(target, newest, survey):
	"""PYTHONMALLOC=malloc: there are no pools, and C's allocator has all."""
	victim, lines = leaky(target, newest, env={"PYTHONMALLOC": "malloc"})
	report = survey(victim.pid, "bursts", 600, DEAR).bursts(20)
	assert {site["domain"] for site in report["sites"]} <= {"libc", "mmap"}
	sums = by_line(report, "libc")
	seen, survived = sums[lines["objects"]]
	assert survived >= 0.8 * seen > 0, sums
