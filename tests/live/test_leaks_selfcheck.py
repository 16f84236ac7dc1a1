# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue of leaks (tests/leaks) is what it says: each leaking variant loses memory, each twin does not.

The truth is what the program sees of itself: blocks of CPython's allocator, objects of a type, bytes of malloc(), mappings,
sys.getrefcount().  pitviper is not asked.  In the short form a third of the cases on each interpreter, at one bad request
of ten, with one seed; --full: all, with three seeds, and of a thousand.
"""
import os
import re
import subprocess
import sys

import live
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(live.HERE), "leaks"))
import build  # noqa: E402
import catalogue  # noqa: E402
import judge  # noqa: E402
import lab  # noqa: E402

pytestmark = pytest.mark.noroot
PYTHONS = lab.interpreters()


def headers(python):
	try:
		return build.include_flags(python)
	except build.NoHeaders:
		return None


ABLE = {python.name: bool(headers(python)) for python in PYTHONS}
PAIRS = [(python, case) for python in PYTHONS for case in catalogue.CASES
	 if case.applies(python) and (ABLE[python.name] or not build.source_of(case.name))]
SHARED = [pair for pair in PAIRS if pair[1].refs]
# by so much a measure goes up and down in a program that is bounded: blocks of what threads do, chunks that malloc() keeps for them
NOISE = {"blocks": 8, "malloc": 8000}
THIRD = 3		# in the short form each interpreter has every third case, the next one the next third


def pytest_generate_tests(metafunc):
	if "pair" not in metafunc.fixturenames:
		return
	pairs = SHARED if metafunc.function.__name__ == "test_shared" else PAIRS
	if not metafunc.config.getoption("--full"):
		pairs = [(p, c) for p, c in pairs if (PYTHONS.index(p) + catalogue.CASES.index(c)) % THIRD == 0]
	metafunc.parametrize("pair", pairs, ids=name_of)


def name_of(pair):
	return "%s-%s" % (pair[0].name, pair[1].name)


@pytest.fixture(scope="module", autouse=True)
def staged():
	yield
	lab.unstage()


@pytest.mark.parametrize("python", PYTHONS, ids=lambda p: p.name)
def test_headers(python):
	if not ABLE[python.name]:
		pytest.skip("no headers of %s: its extensions are not tried" % python.name)


def growth(python, case, variant, requests, **how):
	"""(what the measure of a case grew by, bad requests meanwhile, its own count of what it lost)."""
	with lab.Victim(python, case, variant, **how) as victim:
		before = victim.run(requests // 2)
		after = victim.run(requests)
	assert not after["errors"], after["errors"]
	measure = case.proof[0]
	return (lab.measured(after["seen"], measure) - lab.measured(before["seen"], measure), after["bad"] - before["bad"],
		after["lost_objects"] - before["lost_objects"], after["lost_bytes"] - before["lost_bytes"])


def ways(full):
	return [(10, 1, 1), (10, 2, 1), (10, 3, 1), (1000, 1, 20)] if full else [(10, 1, 1)]


def test_case(pair, full):
	python, case = pair
	least = case.proof[1]
	noise = max(NOISE.get(case.proof[0], 0), case.noise)
	for rate, seed, times in ways(full):
		requests = case.requests * (times if rate > 10 else 1)
		for variant in case.variants:
			grew, bad, objects, size = growth(python, case, variant, requests, rate=rate, seed=seed)
			what = "%s, 1 of %d, seed %d: %s grew by %d in %d bad requests" % (variant, rate, seed, case.proof[0], grew, bad)
			assert bad > requests / rate / 3, what
			if case.leaks(variant, python.version) or case.fills:
				assert grew >= 0.8 * bad * least - noise, what
			if case.leaks(variant, python.version):
				assert objects >= bad and size > 0, what
			elif case.fills:
				assert grew <= 3 * bad * least, what
			else:
				assert grew <= 0.2 * bad * least + noise, what
			if variant == "clean":
				assert not objects and not size, what


def test_shared(pair, full):
	"""With --shared one object's count grows by one a bad request, and by nothing in the twin; at -O0 and -O2."""
	python, case = pair
	for optimise in ("-O0", "-O2") if full else ("-O0",):
		for variant in ("leaking", "clean"):
			with lab.Victim(python, case, variant, shared=True, optimise=optimise) as victim:
				before, after = victim.run(300), victim.run(300)
			assert after["watched"]["address"] == before["watched"]["address"]
			grew = after["watched"]["refcount"] - before["watched"]["refcount"]
			assert after["bad"] > before["bad"]
			assert grew == (after["bad"] - before["bad"] if variant == "leaking" else 0), (variant, optimise, before, after)


@pytest.mark.parametrize("case", catalogue.CASES, ids=lambda c: c.name)
def test_marks(case):
	"""Each leaking case says where: the marks are in functions, those of C functions are in the extension."""
	sites = case.sites()
	assert all(site.function and site.function != "<module>" for site in sites), sites
	if case.kind == catalogue.NONE:
		assert not sites
		return
	marks = {site.mark for site in sites}
	assert marks <= {"alloc", "surplus", "missing"}, marks
	assert "alloc" in marks or case.functions, "nothing tells where it is allocated"
	assert not case.refs or any(site.mark == "surplus" and site.file.endswith(".c") for site in sites)
	python = next((p for p in PYTHONS if ABLE[p.name] and case.applies(p)), None)
	if build.source_of(case.name) and python:
		directory = build.build(python, case.name, True, "-O0")
		out = subprocess.run(["nm", "-C", os.path.join(directory, case.name + ".so")], stdout=subprocess.PIPE, check=True).stdout.decode()
		# "... t (anonymous namespace)::Report::Report(char const*, int)" is Report
		symbols = {re.sub(r"\(.*", "", line.replace("(anonymous namespace)::", "").split(" ", 2)[-1]).rpartition("::")[2]
			   for line in out.splitlines()}
		named = {site.function for site in sites if not site.file.endswith(".py")} | set(case.functions)
		assert named <= symbols, named - symbols


def site_line(name, mark):
	return next(site for site in catalogue.by_name(name).sites() if site.mark == mark and site.file.endswith(".py"))


def judged(name, verdict, stack=(), types=(), holders=(), leaks=True):
	answer = judge.Answer(verdict, [[judge.frame_of(frame) for frame in stack]] if stack else [], list(types), list(holders), "")
	return judge.judge(answer, catalogue.by_name(name), leaks)


def test_judge():
	"""The judge of bench/leaks.py: what is right, what accuses, and what was named first."""
	line = site_line("missing_success", "alloc")
	right = "%s (%s:%d)" % (line.function, line.file, line.line)
	beside = "%s (%s:%d)" % (line.function, line.file, line.line + 1)
	got = judged("missing_success", "lost", ["Server.work (program.py:9)", right, "PyDict_New (libpython3.13.so.1.0)"], ["int"])
	assert got == {"verdict": "lost", "right": True, "accused": False, "first": "line", "kind": True}
	assert not judged("missing_success", "lost", [beside], ["int"])["right"]		# another line, another type
	assert judged("missing_success", "lost", [beside], ["dict"])["first"] == "type"
	assert not judged("missing_success", "clean", [right], ["dict"])["right"]
	assert not judged("missing_success", "held", [right], ["dict"])["right"]		# excused by a holder
	assert judged("missing_success", "growing", [right])["right"] and not judged("missing_success", "growing", [right])["kind"]
	assert judged("raw_malloc", "growing", ["Service.handle (raw_malloc.py:13)", "copy_line (raw_malloc.so)"])["first"] == "C function"
	assert not judged("raw_malloc", "growing", ["copy_line (raw_malloc.py:9)"])["right"]		# a Python function of that name
	assert judged("cxx_new", "growing", ["(anonymous namespace)::Report::Report(char const*, int) (cxx_new.so)"])["right"]
	assert judged("growing_dict", "held", [], ["dict"], ["module services.growing_dict -> _refused -> dict"])["kind"]
	assert not judged("growing_dict", "held", [], ["dict"], ["module churn -> Shop"])["kind"]
	assert not judged("growing_dict", "lost", [], ["dict"])["right"]		# what is held is not lost
	for verdict, accused, right in (("clean", False, True), ("unknown", False, False), ("growing", True, False), ("lost", True, False)):
		got = judged("lru", verdict, leaks=False)
		assert (got["accused"], got["right"]) == (accused, right)


def test_answer():
	"""The JSON is read as docs/formats.md says, and a key that is gone is an error, not no answer."""
	site = {"frames": [
		{"function": "copy_line", "file": "raw_malloc.c", "line": 9, "module": "raw_malloc.so", "kind": "native"},
		{"function": "Service.handle", "file": "/srv/raw_malloc.py", "line": 13, "kind": "python"}]}
	found = {"verdict": {"kind": "growing", "text": ["grows.", "a lot."], "types": ["dict"], "site": site,
			     "holder": {"text": "module app -> _cache"}}}
	answer = judge.answer_of(found)
	assert answer == ("growing", [[("copy_line", "raw_malloc.so", 0), ("Service.handle", "/srv/raw_malloc.py", 13)]], ["dict"],
			  ["module app -> _cache"], "grows. a lot.")
	assert judge.answer_of({"verdict": {"kind": "clean", "text": []}}) == ("clean", [], [], [], "")
	del site["frames"]
	with pytest.raises(KeyError):
		judge.answer_of(found)
