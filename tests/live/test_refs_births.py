# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper refs --alloc` over the catalogue of leaks (tests/leaks): objects of a request, each followed from its birth.

The truth is the mark "surplus" of the source: what is lost in the leaking build is accused at its C function and line, in the
clean twin nobody is.  In the short form the first cases on Debian's Python; --full: all on each of the catalogue's.
"""
import json
import os
import re
import sys
import time

import live
import pytest
from test_refs import FAILED, Follow, newest, victim  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(live.HERE), "leaks"))
import build  # noqa: E402
import catalogue  # noqa: E402
import judge  # noqa: E402
import lab  # noqa: E402

RATE = 500	# requests a second, of which one in ten loses an object
# what is made in the very call that loses it, in Python code and lost by a call, of a class, and what is of malloc()
NAMES = ["made_success", "made_error", "double_incref", "dealloc_member", "missing_success", "missing_error", "stolen_list"]
# in the short form; where the next one of malloc() will be is told by those that stay, of which the twin has none
LOST, CLEAN = 4, 3


def pairs(full, n=LOST):
	for python in lab.interpreters():
		if not full and (python.root or not python.path.startswith("/usr/")):
			continue
		try:
			build.include_flags(python)
		except build.NoHeaders:
			continue
		for case in map(catalogue.by_name, NAMES if full else NAMES[:n]):
			if case.applies(python):
				yield python, case


def pytest_generate_tests(metafunc):
	if "pair" in metafunc.fixturenames:
		full = metafunc.config.getoption("--full")
		n = CLEAN if metafunc.function.__name__ == "test_clean_twin" else LOST
		metafunc.parametrize("pair", list(pairs(full, n)), ids=lambda pair: "%s-%s" % (pair[0].name, pair[1].name))


@pytest.fixture(scope="module", autouse=True)
def staged():
	yield
	lab.unstage()


def place(case):
	"""The Python line that memory names: of the call that makes it, or that makes it itself."""
	return [site for site in case.sites() if site.mark == "alloc" and site.file.endswith(".py")][-1]


def follow(pid, case, *args):
	site = place(case)
	run = live.pitviper("refs", "--json", "-q", "-p", pid, "--alloc", "%s:%d" % (site.file, site.line), "--type", case.types[0],
			    *args, timeout=150)
	assert run.status == 0, run
	return json.loads(run.out)


def is_one_life(found):
	"""It begins with the first reference, each change follows the one before, and the last is what is told."""
	count = 0
	for change in found["changes"]:
		count += change["delta"]
		assert change["count"] == count, found["changes"]
	assert found["changes"][0]["count"] == 1
	assert found["last"] == count


def test_lost(pair, tmp_path):
	python, case = pair
	with lab.Victim(python, case, "leaking") as one:
		one.go(RATE)
		found = follow(one.served_by, case, "-d", 60, "-o", tmp_path / "lives.txt")
		assert one.truth()["lost_objects"]
	verdict, lives = found["verdict"], found["lives"]
	assert (found["ended"], lives["fate"]) == ("lost", "lost"), (verdict, lives)
	assert lives["lost"] == found["last"] == 1
	# in the table, too, whose function it is
	assert re.search(r"^ .* %s\.so  +\S" % case.name, (tmp_path / "lives.txt").read_text(), re.M)
	assert found["type"].split(".")[-1] == case.types[0]
	is_one_life(found)
	surplus = [site for site in case.sites() if site.mark == "surplus"]
	assert verdict["suspect"] and any(judge.same_function(verdict["function"], site.function) for site in surplus), verdict
	at = [(os.path.basename(where["file"]), where["line"]) for where in (verdict.get("site"), ) if where and where.get("file")]
	assert any((site.file, site.line) in at for site in surplus), (verdict, surplus)


def test_clean_twin(pair):
	python, case = pair
	with lab.Victim(python, case, "clean") as one:
		one.go(RATE)
		found = follow(one.served_by, case, "-d", 10)
		after = one.truth()
	verdict, lives = found["verdict"], found["lives"]
	assert not verdict["suspect"] and found["ended"] == "stopped", verdict
	assert lives["lost"] == 0 and lives["fate"] != "lost"
	# it was looked at: lives were followed to their ends, and it served on
	assert lives["ended"] > 10 and lives["births"] >= lives["ended"], lives
	is_one_life(found)
	assert after["served"] and not after["errors"]


@pytest.mark.long
def test_larger_than_caches():
	"""What malloc() cuts from what is free is followed to its loss, and the library that loses it is seen to take references."""
	case = catalogue.by_name("numpy_argsort")
	python = next((python for python in lab.interpreters() if python.path.startswith("/usr/") and case.applies(python)), None)
	if not python:
		pytest.skip("no numpy")
	with lab.Victim(python, case, "leaking") as one:
		one.go(RATE)
		found = follow(one.served_by, case, "-d", 60)
		assert one.truth()["lost_objects"]
	assert (found["ended"], found["lives"]["fate"], found["last"]) == ("lost", "lost", 1), found["lives"]
	is_one_life(found)
	assert any(change["delta"] > 0 and frame.get("module") == "numpy_argsort.so" for change in found["changes"]
		   for frame in change["stack"]), found["changes"]


@pytest.mark.few
def test_too_many_changes(pytestconfig):
	"""A life with more changes than -n is not judged, not even if it is lost: it is counted, and others are waited for."""
	python, case = next(pair for pair in pairs(pytestconfig.getoption("--full")) if pair[1].name == "double_incref")
	with lab.Victim(python, case, "leaking") as one:
		one.go(RATE)
		found = follow(one.served_by, case, "-d", 8, "-n", 1)
		assert one.truth()["lost_objects"]
	assert found["ended"] == "stopped", found["verdict"]
	assert found["lives"]["broken"] and not found["verdict"]["suspect"], (found["lives"], found["verdict"])


# ---- one address, many objects

def births(one, *args):
	run = live.pitviper("refs", "--json", "-p", one.pid, *args, timeout=120)
	assert run.status == 0, run
	return json.loads(run.out), run.text()


@pytest.mark.few
@pytest.mark.gil
@pytest.mark.minor((2, 7), (3, 6), (3, 8), (3, 11), (3, 12), (3, 13), (3, 14))
@pytest.mark.one
def test_one_address(interp, victim):
	"""Objects of two types at the same addresses in turn: each life is one object's, and of the type asked for."""
	one = victim(interp)
	one.new("list")
	one.target.say("turns")
	found, _ = births(one, "-q", "-d", 20, "--alloc", "make_thing", "--type", "Thing")
	lives = found["lives"]
	assert lives["ended"] > 10, lives
	# of the other type no birth counts: every second one at these addresses
	assert lives["births_elsewhere"] + lives["births_passed"] < lives["ended"] / 4, lives
	assert lives["fate"] == "ended" and not found["verdict"]["suspect"], found["verdict"]
	is_one_life(found)
	assert found["last"] == 0
	for change in found["changes"]:
		assert not any("make_other" in frame["function"] for frame in change["stack"]), change
	assert any("make_thing" in frame["function"] for frame in found["changes"][0]["stack"])


@pytest.mark.few
@pytest.mark.gil
@pytest.mark.minor((3, 8), (3, 11), (3, 13))
def test_held(interp, victim):
	"""What stays because somebody holds it is no loss."""
	one = victim(interp)
	one.new("list")
	one.target.say("queues 3000")
	found, _ = births(one, "-q", "-d", 20, "--alloc", "new_queue", "--type", "deque")
	assert not found["verdict"]["suspect"] and found["lives"]["fate"] in ("goes on", "held"), found["verdict"]
	assert found["lives"]["lost"] == 0
	is_one_life(found)


@pytest.mark.few
@pytest.mark.gil
def test_new_arenas(victim):
	"""What grows is found where it grows: in memory that came after the process was opened."""
	one = victim(newest())
	one.new("list")
	one.target.say("flood")
	one.target.wait_line(b"FLOOD")
	found, text = births(one, "-d", 6, "--alloc", "make_text", "--type", "str")
	assert "NOT FROM ITS BIRTH" not in text, text
	assert found["lives"]["births"], found["lives"]


@pytest.mark.few
def test_never_born(victim):
	"""None is born where it is looked for: that is said, and one that was seen is waited for as ever."""
	interp = newest()
	one = victim(interp)
	one.new("thing")
	start = time.monotonic()
	run = live.pitviper("refs", "-q", "-p", one.pid, "-d", 4, "--alloc", "absent.py:1", "--type", "Thing", timeout=60)
	assert run.status == FAILED, run
	assert "NOT FROM ITS BIRTH" in run.text() and "none of them at the place in 2 s" in run.text(), run
	assert "nothing was seen to be allocated at `absent.py:1`" in run.text()
	assert time.monotonic() - start < 40
	assert one.target.alive()


@pytest.mark.few
@pytest.mark.gil
def test_falls_back(victim):
	"""A pattern that no store of a first reference is under: one is followed from when it is seen."""
	one = victim(newest())
	one.new("list")
	one.target.say("queues 3000")
	found, text = births(one, "-d", 10, "--alloc", "*new_queue*alloc*", "--type", "deque")
	assert "NOT FROM ITS BIRTH" in text and "lives" not in found, text
	assert found["type"] == "collections.deque" and found["ended"] == "stopped"
	assert found["elapsed_s"] < 15


@pytest.mark.few
@pytest.mark.gil
def test_large(victim):
	"""Of malloc(), which cuts one behind the other, and each stays: that is no loss."""
	one = victim(newest())
	one.new("list")
	one.target.say("larges")
	found, text = births(one, "-d", 5, "--alloc", "make_large", "--type", "Large")
	assert "NOT FROM ITS BIRTH" not in text and found["lives"]["births"], text
	assert not found["verdict"]["suspect"] and found["lives"]["lost"] == 0, found["verdict"]
	is_one_life(found)
	assert any(frame["function"] == "make_large" for frame in found["changes"][0]["stack"]), found["changes"][0]


@pytest.mark.long
@pytest.mark.gil
def test_outer_frame(victim):
	"""A function further out that a line is seldom called for: births by the line are not given up for the others."""
	one = victim(newest())
	one.new("list")
	one.target.say("rarely")
	follow = Follow(one.pid, "-d", 40, "--alloc", "seldom (", "--type", "Thing")
	one.target.say("rarely")
	# of 2000 that were born since it watches
	one.target.wait_line(b"BORN")
	one.target.wait_line(b"BORN")
	one.target.say("seldom")
	found = follow.end(stop=False)
	assert found["lives"]["births_passed"] > 100 and found["lives"]["ended"], found["lives"]
	is_one_life(found)
	assert any(frame["function"] == "seldom" for frame in found["changes"][0]["stack"]), found["changes"][0]


@pytest.mark.few
@pytest.mark.gil
@pytest.mark.parametrize("left", [1, 2])
def test_few_registers(victim, left):
	"""Other tools' debug registers stay theirs: fewer addresses are watched at a time."""
	one = victim(newest())
	address = one.new("list")
	one.target.say("turns")
	one.target.wait_line(b"TURNS")
	tids = [int(tid) for tid in os.listdir("/proc/%d/task" % one.pid)]
	fds = [live.take_register(tid, address + 64) for tid in tids for _ in range(4 - left)]
	try:
		assert all(fd >= 0 for fd in fds)
		found, _ = births(one, "-q", "-d", 20, "--alloc", "make_thing", "--type", "Thing")
	finally:
		for fd in fds:
			os.close(fd)
	assert found["lives"]["addresses_at_once"] == left
	assert found["lives"]["ended"]


@pytest.mark.few
@pytest.mark.gil
def test_budget(victim):
	"""What all writes may cost is kept to by pauses, not by an end."""
	one = victim(newest())
	one.new("list")
	one.target.say("turns")
	found, _ = births(one, "-q", "-d", 20, "--budget", 0.02, "--alloc", "make_thing", "--type", "Thing")
	assert found["ended"] == "stopped" and found["lives"]["ended"]
	assert found["lives"]["pauses"] and any("--budget" in doubt for doubt in found["quality"]["doubts"])
	# a burst at the beginning is borrowed, and the trap is dearer here than measured at times
	assert found["cost"]["cpus"] < 0.1, found["cost"]
