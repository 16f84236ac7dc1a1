# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper memory`: what grows, where it is allocated and who holds it, of programs that know; nothing clean is accused.

The catalogue of leaks (tests/leaks, bench/leaks.py) is the long form; here is what a run of the command does."""
import glob
import json
import math
import os
import re
import subprocess
import sys
import time

import live
import pytest
from test_survey import traps

pytestmark = pytest.mark.few

SCRIPT = os.path.join(live.TARGETS, "memory.py")
TOLD = ((2, 7), (3, 8), (3, 11), (3, 14))
SECONDS = 12  # so many looks that what grows steadily is told from what comes and goes
C = """
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	puts("READY");
	fflush(stdout);
	for (;;) {
		char *block = argv[1][0] == 'm' ? mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : malloc(65536);
		memset(block, 1, 65536);
		if (argv[1][0] == 'f')
			free(block);
		usleep(20000);
	}
	return argc;
}
"""


LATE = 20  # records: pitviper may lose the CPU between the end of a time and its look at the clock
TEXT_CLASS = 448  # of its texts, heads included, in sixteens


def line_of(mark):
	with open(SCRIPT) as lines:
		return next(i for i, line in enumerate(lines, 1) if line.rstrip().endswith("# " + mark))


def hunt(pid, *args, seconds=SECONDS):
	run = live.pitviper("memory", "-p", pid, "-d", seconds, "--json", *args, timeout=seconds * 4 + 60)
	assert run.status == 0, run.err
	return live.loads(run.out)


def guilty(verdict):
	"""Whether the marked line is among the frames of what is said to be the place."""
	return any(frame["kind"] == "python" and os.path.basename(frame["file"]) == "memory.py" and frame["line"] == line_of("HERE")
		   for frame in verdict["site"]["frames"])


def rungs(found):
	return {rung["name"]: rung["state"] for rung in found["rungs"]}


def unlike(one, other, path=""):
	"""Where they differ, but for the digits of measured shares, which a recording keeps as millionths."""
	if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
		return [where for key in one for where in unlike(one[key], other[key], "%s.%s" % (path, key))]
	if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
		return [where for i in range(len(one)) for where in unlike(one[i], other[i], "%s[%d]" % (path, i))]
	if isinstance(one, float) and isinstance(other, (int, float)) and math.isclose(one, other, rel_tol=0.01, abs_tol=2e-6):
		return []
	# estimates of the whole time: what was seen, times such a share, in whole numbers
	if re.search(r"\.(seen|left)_(count|bytes)$", path) and abs(one - other) <= 1 + 2e-6 * one:
		return []
	return [] if one == other else [(path, one, other)]


# ---- the verdict

@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD)
def test_held(interp, target):
	found = hunt(target(interp, "memory.py", "held").pid)
	verdict = found["verdict"]
	assert verdict["kind"] == "held", verdict
	assert "KEPT" in verdict["holder"]["text"], verdict
	assert guilty(verdict), verdict
	assert any("Record" in growing["name"] for growing in found["types"]), found["types"]
	states = rungs(found)
	assert {states[name] for name in ("trend", "census", "holders")} <= {"climbed", "partly"}, states


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD[1:])
def test_rare(interp, target):
	"""Few are made, of which half are kept: bursts of everything meet next to none, aimed ones do."""
	found = hunt(target(interp, "memory.py", "rare").pid, seconds=30)
	verdict = found["verdict"]
	assert verdict["kind"] == "held" and "KEPT" in verdict["holder"]["text"], verdict
	assert any("blocks of the sizes that grow alone" in line for line in found["blind"]), found["blind"]
	assert guilty(verdict), (verdict, found["sites"][:3])


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD)
def test_lost(interp, target):
	found = hunt(target(interp, "memory.py", "lost").pid)
	verdict = found["verdict"]
	assert verdict["kind"] == "lost", verdict
	# texts are most of it, and hang on what is lost: they come last, if there is time for them
	assert found["subjects"][0]["text"] not in ("str", "int"), found["subjects"]
	assert verdict["types"][0].endswith("Record"), verdict
	assert "refs -p" in verdict["next"] and "--alloc '*' --type" in verdict["next"]
	assert guilty(verdict), verdict


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD)
@pytest.mark.parametrize("kind", ["flat", "filled"])
def test_clean(interp, target, kind):
	found = hunt(target(interp, "memory.py", kind).pid)
	assert found["verdict"]["kind"] == "clean", found["verdict"]


CYCLES = """
import gc, time
if %r:
	gc.disable()
class Node(object):
	pass
print("READY")
__import__("sys").stdout.flush()
while True:
	a, b = Node(), Node()
	a.other, b.other = b, a
	time.sleep(0.002)
"""


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD)
def test_cycles(interp, spawn):
	"""With the collector off they are lost; its switch is read, in either position."""
	found = hunt(spawn(*interp.prefix(), interp.path, "-c", CYCLES % True).pid)
	assert found["target"]["gc_disabled"] is True
	assert found["verdict"]["kind"] == "lost", found["verdict"]
	assert any("collector is disabled" in line for line in found["verdict"]["text"]), found["verdict"]
	assert hunt(spawn(*interp.prefix(), interp.path, "-c", CYCLES % False).pid, "--census", seconds=2)["target"]["gc_disabled"] is False


# Cycles that outlive two collections before they are let go, and so many old objects that no full one comes; or the collector is
# off, and the program has collected more than it has garbage since.
WAITING = """
import collections, gc, time
class Node(object):
	def __init__(self):
		self.me = self
own = %r
old = [[] for _ in range(80000 if not own else 0)]
recent = collections.deque([Node() for _ in range(8000)], 8000)
if own:
	gc.disable()
for _ in range(30000 if own else 0):
	Node()
gc.collect()
print("READY")
__import__("sys").stdout.flush()
while True:
	recent.append(Node())
	time.sleep(0.001)
"""


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor((3, 11), (3, 13))
@pytest.mark.parametrize("own", [pytest.param(False, id="late"), pytest.param(True, id="own", marks=pytest.mark.long)])
def test_garbage_that_waits(interp, spawn, tmp_path, own):
	"""It rises as a leak does, and is none; a recording says the same."""
	victim = spawn(*interp.prefix(), interp.path, "-c", WAITING % own)
	found = hunt(victim.pid, "-o", tmp_path / "hunt.pvr", "-o", tmp_path / "hunt.json", seconds=6)
	verdict, collector = found["verdict"], found["collector"]
	# on a busy machine there may be so few looks that nothing is told
	assert verdict["kind"] in ("clean", "unknown"), verdict
	assert collector["disabled"] is own and collector["full_collections"] == 0 and collector["garbage"] > 100, collector
	if len(found["waiting"]):
		assert any(one["name"].endswith("Node") for one in found["waiting"]), found["waiting"]
		assert any("garbage that waits for the garbage collector" in line for line in verdict["text"]), verdict
		assert any(("is disabled" if own else "no full collection") in line for line in verdict["text"]), verdict
	again = live.pitviper("report", tmp_path / "hunt.pvr", "-o", tmp_path / "again.json", timeout=60)
	assert again.status == 0, again.err
	one, other = (json.loads((tmp_path / name).read_text()) for name in ("hunt.json", "again.json"))
	assert not [where for key in ("verdict", "collector", "waiting", "looks", "census") for where in unlike(one[key], other[key], key)]


FILLS = """
import collections, functools, time
class Page:
	pass
recent = collections.deque(maxlen=%d)
@functools.lru_cache(maxsize=%r)
def page(number):
	return Page()
print("READY")
__import__("sys").stdout.flush()
for number in range(1 << 40):
	recent.append(Page()) if %r else page(number)
	time.sleep(0.003)
"""


def says_held(found, *words):
	verdict = found["verdict"]
	assert verdict["kind"] == "held" and all(word in verdict["holder"]["text"] for word in words), (verdict, found["holders"][:5])


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor((3, 8), (3, 11), (3, 14))
def test_fills(interp, spawn):
	"""What has a limit and is on its way to it is clean; the limit and the entries are the program's own."""
	found = hunt(spawn(*interp.prefix(), interp.path, "-c", FILLS % (300000, None, True)).pid)
	verdict = found["verdict"]
	assert verdict["kind"] == "clean" and verdict["fills"], (verdict, found["holders"][:5])
	assert verdict["holder"]["limit"] == 300000 and verdict["holder"]["used"] >= verdict["holder"]["objects"] / 2, verdict
	assert "module __main__ -> recent" in verdict["holder"]["text"] and "full in about" in " ".join(verdict["text"]), verdict


@pytest.mark.gil
@pytest.mark.long
@pytest.mark.minor((3, 8), (3, 11), (3, 14))
def test_fills_a_cache(interp, spawn):
	"""The same of an lru_cache; one without a limit is a holder as any other."""
	found = hunt(spawn(*interp.prefix(), interp.path, "-c", FILLS % (1, 200000, False)).pid)
	assert found["verdict"]["kind"] == "clean" and found["verdict"]["holder"]["limit"] == 200000, (found["verdict"], found["holders"][:5])
	says_held(hunt(spawn(*interp.prefix(), interp.path, "-c", FILLS % (1, None, False)).pid), "page -> cache")


AMONG = """
import time
names = ["name %d" % i for i in range(8000)]
refused = []
print("READY")
__import__("sys").stdout.flush()
while True:
	refused.append("refused %d" % len(refused))
	time.sleep(0.01)
"""


@pytest.mark.gil
@pytest.mark.long
@pytest.mark.minor(*TOLD)
def test_held_among_many(interp, spawn):
	"""Many more of the type are held elsewhere, and do not grow."""
	says_held(hunt(spawn(*interp.prefix(), interp.path, "-c", AMONG).pid, seconds=20), "module __main__ -> refused")


BLOCKS = """
import ctypes, time
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
malloc(3000)
print("READY")
__import__("sys").stdout.flush()
while True:
	malloc(3000)
	time.sleep(0.002)
"""


def test_blocks_alone(newest, spawn):
	"""What holds blocks of the C library is not looked for, and that is no "not needed"."""
	found = hunt(spawn(*newest.prefix(), newest.path, "-c", BLOCKS).pid)
	assert found["verdict"]["kind"] == "growing" and found["verdict"]["python_share"] < 0.05, found["verdict"]
	rung = next(one for one in found["rungs"] if one["name"] == "holders")
	# a few of its objects may grow beside them
	if not [one for one in found["types"] if "blocks" not in one["name"].lower()]:
		assert rung["state"] == "refused" and "blocks" in rung["why"], rung
	assert rung["state"] != "not needed", rung


def test_mapped(newest, target, tmp_path):
	log = tmp_path / "log"
	verdict = hunt(target(newest, "memory.py", "mapped", 0, 0, log).pid)["verdict"]
	assert verdict["kind"] not in ("clean", "unknown"), verdict
	# what the program itself says that it kept, 64 KiB each; the hunt has seen the later part of it
	said = [line.split() for line in log.read_text().splitlines()]
	first, last = said[len(said) // 4], said[-2]
	rate = 65536 * (int(last[2]) - int(first[2])) / (float(last[0]) - float(first[0]))
	assert 0.75 * rate <= verdict["bytes_per_s"] <= 1.25 * rate, (rate, verdict)


# ---- without Python

@pytest.fixture(scope="module")
def allocates(tmp_path_factory):
	path = tmp_path_factory.mktemp("memory") / "allocates"
	subprocess.run(["cc", "-O1", "-g", "-x", "c", "-", "-o", path], input=C.encode(), check=True)
	return path


@pytest.mark.parametrize("kind, mappings", [("map", "anonymous mappings"), ("heap", "C heap"), ("free", None)])
def test_no_python(spawn, allocates, kind, mappings):
	found = hunt(spawn(allocates, kind).pid, seconds=8)
	verdict = found["verdict"]
	if not mappings:
		assert verdict["kind"] == "clean", verdict
		return
	assert verdict["kind"] == "growing" and verdict["mappings"] == mappings, verdict
	assert 0.3 * 50 * 65536 < verdict["bytes_per_s"] < 1.2 * 50 * 65536, verdict
	# by debug information; a program that hardly has a CPU may allocate nothing in a burst
	if kind == "heap" and "site" not in verdict:
		return
	line = next(i for i, text in enumerate(C.split("\n"), 1) if "mmap(0" in text)
	assert [(frame["function"], frame["line"]) for frame in verdict["site"]["frames"]] == [("main", line)], verdict["site"]
	assert any("main (<stdin>:%d)" % line in text for text in verdict["text"]), verdict["text"]


ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4"}


@pytest.fixture(params=sorted(ALLOCATORS))
def allocator(request):
	"""Another malloc(): its name, and the environment of who uses it."""
	found = glob.glob("/usr/lib*/*/" + ALLOCATORS[request.param])
	if not found:
		pytest.skip("no " + ALLOCATORS[request.param])
	return request.param, {"LD_PRELOAD": found[0]}


@pytest.mark.long
def test_other_allocators_without_python(spawn, allocates, allocator):
	"""Named; the trend shows what grows, and a burst or the mappings where."""
	name, env = allocator
	found = hunt(spawn(allocates, "heap", env=env).pid, seconds=8)
	verdict = found["verdict"]
	assert found["target"]["allocator"] == name and not found["target"]["allocator_is_read"], found["target"]
	assert verdict["kind"] == "growing" and 0.3 * 50 * 65536 < verdict["bytes_per_s"] < 1.5 * 50 * 65536, verdict
	assert rungs(found)["trend"] == "climbed" and rungs(found)["bursts"] == "climbed", found["rungs"]
	first = found["sites"][0]
	assert [frame["function"] for frame in first["frames"]] == ["main"] and first["survival"] == 1, first
	assert hunt(spawn(allocates, "free", env=env).pid, seconds=6)["verdict"]["kind"] == "clean"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["held", "lost", "flat"])
def test_other_allocators(spawn, allocator, kind):
	"""Python's own pools and the collector's objects are read as ever: the answer is the same."""
	name, env = allocator
	found = hunt(spawn(sys.executable, SCRIPT, kind, env=env).pid)
	assert found["target"]["allocator"] == name and not found["target"]["allocator_is_read"], found["target"]
	assert found["verdict"]["kind"] == {"held": "held", "lost": "lost", "flat": "clean"}[kind], found["verdict"]
	if kind != "flat":
		assert rungs(found)["bursts"] == "climbed" and guilty(found["verdict"]), found


# ---- the command

def test_one_rung(newest, target):
	"""Only what is asked for is climbed."""
	one = target(newest, "memory.py", "flat")
	states = rungs(hunt(one.pid, "--trend", seconds=3))
	assert states["trend"] in ("climbed", "partly")
	assert {state for name, state in states.items() if name != "trend"} == {"not asked for"}, states
	states = rungs(hunt(one.pid, "--census", seconds=3))
	assert states["census"] in ("climbed", "partly") and states["bursts"] == "not asked for", states


@pytest.fixture
def alone(interp, target, tmp_path):
	"""A rung alone, on a program that tells what it does: what was found, and what it made and kept between two times."""
	log, inside = interp.tempfile(".log")

	def run(kind, rung, seconds):
		one = target(interp, "memory.py", kind, 0, 0, inside)
		done = live.pitviper("memory", "-p", one.pid, "-d", seconds, "--" + rung, "-q", "-o", tmp_path / "alone.json", timeout=90)
		assert done.status == 0, done.err
		found = json.loads((tmp_path / "alone.json").read_bytes())
		with open(log) as lines:
			turns = [(float(at), int(made), int(kept)) for at, made, kept in map(str.split, lines.read().split("\n")[:-1])]

		def between(start_s, end_s):
			edges = [next(turn for turn in reversed(turns) if turn[0] <= found["start_unix_ns"] / 1e9 + at) for at in (start_s, end_s)]
			return [edges[1][i] - edges[0][i] for i in (1, 2)]
		assert {name for name, state in rungs(found).items() if state == "climbed"} == {"census", rung}, found["rungs"]
		return found, between
	yield run
	os.unlink(log)


def kept_records(found):
	"""Of the site that keeps records: how many it made, and what was left of them."""
	made = [(one["counts"][-1], one["seen_count"]) for one in found["allocations"]
		if "type" in one and found["census"][one["type"]]["name"] == "Record"]
	left, seen = max(made)
	return seen, left


def windows(found, between):
	sums = [between(burst["start_s"], burst["end_s"]) for burst in found["bursts"]]
	return [sum(one) for one in zip(*sums)]


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD[2:])
def test_growth_alone(interp, alone):
	"""The pools that it takes, of what was seen at all, are those that its texts fill."""
	found, between = alone("texts", "growth", 5)
	rung = next(one for one in found["rungs"] if one["name"] == "growth")
	made, _ = between(rung["start_s"], rung["start_s"] + rung["took_s"])
	site = found["sites"][0]
	assert [frame["line"] for frame in site["frames"]] == [line_of("TEXTS")], site
	assert site["type"] == "blocks of %d B" % TEXT_CLASS, site
	# of two thirds of the time or so, in which the program on a busy machine may make some more or less than in the rest
	assert site["weight"] > 1.2 and math.isclose(site["left_bytes"], made * TEXT_CLASS, rel_tol=0.15), (site, made)
	assert site["seen_count"] == site["left_count"] and not found["bursts"]


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD[2:])
def test_bursts_alone(interp, alone):
	"""What is made while they last is seen, each; what of it is kept is left."""
	found, between = alone("held", "bursts", 5)
	edges = 2 * len(found["bursts"]) + LATE  # one may be under way at either
	made, kept = windows(found, between)
	seen, left = kept_records(found)
	assert made >= 20 and abs(seen - made) <= edges and abs(left - kept) <= edges, (seen, made, left, kept)


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD[2:])
def test_all_alone(interp, alone):
	"""Every allocation from its one time's beginning to its end, and every free."""
	found, between = alone("held", "all", 8)
	assert len(found["bursts"]) == 1 and not found["bursts"][0]["lost"], found["bursts"]
	made, kept = windows(found, between)
	seen, left = kept_records(found)
	assert made > 200 and abs(seen - made) <= 2 + LATE and abs(left - kept) <= 4, (seen, made, left, kept)
	# its rate is the machine's: the time is long enough for one that stands still for a second
	assert found["verdict"]["kind"] == "growing" and guilty(found["verdict"]), (found["verdict"], found["looks"], found["census"][:4])


def test_holders_of_a_type(newest, target):
	"""It is to be seen at once: it waits for no end, with -d or without."""
	one = target(newest, "memory.py", "filled")
	begin = time.monotonic()
	run = live.pitviper("memory", "-p", one.pid, "--holders", "Record", timeout=60)
	assert run.status == 0 and b"CACHE" in run.out, run
	found = hunt(one.pid, "--holders", "Record", seconds=50)
	assert time.monotonic() - begin < 40
	assert any("CACHE" in holder["text"] for holder in found["holders"]), found["holders"]
	assert found["verdict"]["kind"] == "not asked", found["verdict"]


ARENAS = """
import ctypes, os, re, sys
mmap = ctypes.CDLL(None).mmap
mmap.restype = ctypes.c_void_p
mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
kept = []
for _ in range(20):
	kept.append([b"%020d" % i for i in range(20000)])
	for size in (1 << 20, (1 << 20) + 4096):  # one as large as an arena; of the other the neighbours are no multiple of it
		ctypes.memset(mmap(None, size, 3, 0x22, -1, 0), 1, size)
read, write = os.pipe()
os.dup2(write, 2)
sys._debugmallocstats()
sys.stderr.flush()
print("ARENAS %s %s" % re.search(r"(\\d+) arenas \\* (\\d+) bytes/arena", os.read(read, 65536).decode()).groups(), flush=True)
print("READY", flush=True)
sys.stdin.readline()
"""


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.minor(*TOLD[1:])
def test_arenas_are_told_from_other_mappings(interp, target, tmp_path):
	"""Those of CPython's own count, also where the kernel has joined them with what lies beside."""
	script = tmp_path / "arenas.py"
	script.write_text(ARENAS)
	one = target(interp, str(script), ready=False)
	n, size = map(int, one.wait_line(b"ARENAS").split()[1:])
	one.wait_line(b"READY")
	found = hunt(one.pid, "--trend", "--census", seconds=2)
	(arenas,) = [one for one in found["mappings"] if one["name"] == "Python arenas"]
	# the last one may not have been written to its end
	for when in ("first_bytes", "last_bytes"):
		assert (n - 1.5) * size <= arenas[when] <= n * size, (n, size, arenas)


GUARD = """
import ctypes, mmap, sys
memory = mmap.mmap(-1, 1 << 20)
memory.write(b"x" * (1 << 20))
at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
failed = ctypes.CDLL(None).madvise(ctypes.c_void_p(at + 8192), ctypes.c_size_t(4096), 102)
print("READY" if not failed else "it is refused", flush=True)
sys.stdin.readline()
"""


def test_guard_pages_hide_nothing(newest, spawn):
	# MADV_GUARD_INSTALL is of Linux 6.13, and pagemap tells of it from 6.15 on
	if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 15):
		pytest.skip("this kernel does not tell which pages are guards")
	one = spawn(*newest.prefix(), newest.path, "-c", GUARD)
	assert not hunt(one.pid, "--holders", "dict", seconds=2)["subjects"][0]["partial"]


def test_outputs(newest, target, tmp_path):
	"""All formats of one hunt; what is made of the recording is the same."""
	one = target(newest, "memory.py", "held")
	names = ["hunt." + end for end in ("pvr", "json", "html", "folded", "pb.gz", "speedscope.json")]
	args = [arg for name in names for arg in ("-o", tmp_path / name)]
	run = live.pitviper("memory", "-p", one.pid, "-d", 6, *args, timeout=90)
	assert run.status == 0, run.err
	assert {name for name in names if (tmp_path / name).stat().st_size} == set(names)
	again = live.pitviper("report", tmp_path / "hunt.pvr", "-o", tmp_path / "again.json", timeout=60)
	assert again.status == 0, again.err
	first, second = (json.loads((tmp_path / name).read_bytes()) for name in ("hunt.json", "again.json"))
	assert not unlike(first, second), unlike(first, second)


@pytest.mark.parametrize("status", [0, 7])
def test_program(newest, status):
	"""The program's status is that of the command; its end is no error."""
	run = live.pitviper("memory", "--", *newest.command(SCRIPT, "held", "3", str(status)), timeout=90)
	assert run.status == status, run.err
	# what the program says is its own: pitviper speaks elsewhere
	assert run.out == b"READY\n" and b"looked by: trend" in run.err, run
	# its interpreter was not whole when it was found; what has ended has memory to its end, and nobody can follow it
	assert re.search(rb"census (partly )?[1-9]\d* looks", run.err), run
	rows = re.findall(rb"^ +[-\d.]+ \S+ +([\d.]+ \S+) +[\d.]+ \S+  files and shared memory$", run.err, re.M)
	assert len(rows) == 1 and not rows[0].startswith(b"0"), run
	assert b"refs -p" not in run.err, run


def test_program_that_executes_another(newest):
	"""What `env` becomes is what is meant; once a Python has been looked at, another program is its end."""
	run = live.pitviper("memory", "-d", 4, "--json", "--", "env", "NAME=1", *newest.command(SCRIPT, "held", "8"), timeout=90)
	found = live.last_json(run.out)
	assert run.status == 0 and found["target"]["interpreter"].startswith("CPython"), run
	assert rungs(found)["census"] in ("climbed", "partly"), found["rungs"]
	assert any("until the program executed" in line for line in found["blind"]), found["blind"]
	become = "import os, time; keep = [bytearray(2000) for i in range(9999)]; time.sleep(3); os.execvp('sleep', ['sleep', '1'])"
	run = live.pitviper("memory", "-d", 30, "--", *newest.command("-c", become), timeout=90)
	assert run.status == 0 and b"executes another program" in run.err, run


def test_it_ends(newest, target):
	one = target(newest, "memory.py", "flat", "2")
	begin = time.monotonic()
	run = live.pitviper("memory", "-p", one.pid, "-d", 30, timeout=60)
	assert time.monotonic() - begin < 20
	assert run.status == 0 and b"ended" in run.out + run.err, (run.out, run.err)


def test_wrong_usage(newest, target):
	for args in (["-p", "1", "-d", "x"], ["-p", os.getpid(), "--holders"], []):
		assert live.pitviper("memory", *args).status == 2, args
	assert live.pitviper("memory", "-p", 4194304).status == 4


def test_nothing_is_left(newest, target):
	"""No breakpoint, no map, no stopped thread; while it looks there are breakpoints."""
	one = target(newest, "memory.py", "held")
	proc = live.start_pitviper("memory", "-p", one.pid, "-d", SECONDS, "--json", "-q")
	try:
		assert live.gone(lambda: traps(one.pid) > 0, 60)
	finally:
		out, err = proc.communicate(timeout=SECONDS * 4 + 60)
	assert proc.returncode == 0, err
	assert rungs(live.loads(out))["bursts"] in ("climbed", "partly")
	assert traps(one.pid) == 0
	with open("/proc/%d/status" % one.pid) as status:
		assert "TracerPid:\t0" in status.read()
	assert one.alive()


def test_text(newest, target):
	"""Without --json the verdict comes first."""
	one = target(newest, "memory.py", "flat")
	run = live.pitviper("memory", "-p", one.pid, "-d", 4, timeout=60)
	assert run.status == 0 and b"does not grow" in run.out, run.out
