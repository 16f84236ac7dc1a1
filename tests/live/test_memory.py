# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper memory`: what grows, where it is allocated and who holds it, of programs that know; nothing clean is accused.

The catalogue of leaks (tests/leaks, bench/leaks.py) is the long form; here is what a run of the command does."""
import json
import math
import os
import subprocess
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


def line_of(mark):
	with open(SCRIPT) as lines:
		return next(i for i, line in enumerate(lines, 1) if "# " + mark in line)


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


def alike(one, other):
	"""The same, but for the digits of measured shares, which a recording keeps as millionths."""
	if isinstance(one, dict):
		return isinstance(other, dict) and one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
	if isinstance(one, list):
		return isinstance(other, list) and len(one) == len(other) and all(map(alike, one, other))
	if isinstance(one, float):
		return isinstance(other, (int, float)) and math.isclose(one, other, rel_tol=0.01, abs_tol=2e-6)
	return one == other


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
@pytest.mark.minor(*TOLD)
def test_lost(interp, target):
	verdict = hunt(target(interp, "memory.py", "lost").pid)["verdict"]
	assert verdict["kind"] == "lost", verdict
	assert verdict["types"][0].endswith("Record"), verdict
	assert "refs -p" in verdict["next"] and "--lost" in verdict["next"]
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


def test_mapped(newest, target):
	verdict = hunt(target(newest, "memory.py", "mapped").pid)["verdict"]
	assert verdict["kind"] not in ("clean", "unknown"), verdict
	# 200 a second of which one in ten keeps 64 KiB
	assert verdict["bytes_per_s"] > 300000, verdict


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


# ---- the command

def test_one_rung(newest, target):
	"""Only what is asked for is climbed."""
	one = target(newest, "memory.py", "flat")
	states = rungs(hunt(one.pid, "--trend", seconds=3))
	assert states["trend"] in ("climbed", "partly")
	assert {state for name, state in states.items() if name != "trend"} == {"not asked for"}, states
	states = rungs(hunt(one.pid, "--census", seconds=3))
	assert states["census"] in ("climbed", "partly") and states["bursts"] == "not asked for", states


def test_holders_of_a_type(newest, target):
	one = target(newest, "memory.py", "filled")
	found = hunt(one.pid, "--holders", "Record", seconds=3)
	assert any("CACHE" in holder["text"] for holder in found["holders"]), found["holders"]
	assert found["verdict"]["kind"] == "not asked", found["verdict"]


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
	assert alike(first, second), (first, second)


@pytest.mark.parametrize("status", [0, 7])
def test_program(newest, status):
	"""The program's status is that of the command; its end is no error."""
	run = live.pitviper("memory", "--", *newest.command(SCRIPT, "held", "3", str(status)), timeout=90)
	assert run.status == status, run.err
	# what the program says is its own: pitviper speaks elsewhere
	assert run.out == b"READY\n" and b"looked by: trend" in run.err, run


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
