# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper memory` on processes that are in a bad way: without memory, huge, of many threads, forking, dying.

Each of them checks itself and ends if it is harmed; what it leaks must be found as in any other."""
import json
import os
import time

import live
import pytest

import test_trace_waits
from test_survey import traps

WORK = """
class Record(object):
	pass
KEPT = []
def serve(n):
	for i in range(n):
		record = Record()
		record.fields = ["field %d" % i, "of %d" % i]
		if i % 10 == 0:
			KEPT.append(record)
"""

# reserved, and a page in each 16 MB of as much more
HUGE = WORK + """
import ctypes, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
GB, FAILED = 1 << 30, ctypes.c_void_p(-1).value
none = libc.mmap(None, 100 * GB, 0, 0x4022, -1, 0)
sparse = libc.mmap(None, 100 * GB, 3, 0x4022, -1, 0)
assert none != FAILED and sparse != FAILED
libc.madvise(ctypes.c_void_p(sparse), ctypes.c_size_t(100 * GB), 15)
for at in range(0, 100 * GB, 16 << 20):
	ctypes.memset(sparse + at, 1, 1)
print("READY", flush=True)
while True:
	serve(20)
	time.sleep(0.01)
"""

THREADS = WORK + """
import threading, time
def work():
	while True:
		serve(1)
		time.sleep(0.1)
threading.stack_size(1 << 18)
for _ in range(400):
	threading.Thread(target=work, daemon=True).start()
print("READY", flush=True)
time.sleep(10000)
"""

# a child per turn, which allocates and frees what it has from its parent; nothing may befall it
FORKS = WORK + """
import os, time
print("READY", flush=True)
while True:
	serve(20)
	child = os.fork()
	if not child:
		serve(200)
		del KEPT[:]
		os._exit(0)
	assert os.waitpid(child, 0)[1] == 0
	time.sleep(0.005)
"""

# what it has is all that it may have
LIMITED = WORK + """
import re, resource, time
serve(20000)
del KEPT[:]
with open("/proc/self/status") as status:
	size = 1024 * int(re.search(r"VmSize:\\s*(\\d+)", status.read()).group(1))
resource.setrlimit(resource.RLIMIT_AS, (size, size))
print("READY", flush=True)
while True:
	serve(50)
	del KEPT[:]
	time.sleep(0.002)
"""

GROUP = WORK + """
import sys, time
serve(200000)
del KEPT[:]
group = sys.argv[1]
def put(name, text):
	with open(group + "/" + name, "w") as file:
		file.write(text)
put("cgroup.procs", str(__import__("os").getpid()))
# what it gets from now on is its group's
blocks = [b"x" * 100000 for _ in range(200)]
with open(group + "/" + sys.argv[2]) as usage:
	put(sys.argv[3], str((int(usage.read()) // 4096 + int(sys.argv[4]) // 4096) * 4096))
print("READY", flush=True)
while True:
	serve(50)
	del KEPT[:-300]
	time.sleep(0.005)
"""

DIES = WORK + """
import os, sys, time
print("READY", flush=True)
end = time.time() + float(sys.argv[1])
while time.time() < end:
	serve(200)
	time.sleep(0.002)
os.kill(os.getpid(), 9)
"""


def run(pid, *args, seconds=12):
	done = live.pitviper("memory", "-p", pid, "-d", seconds, "--json", *args, timeout=seconds * 4 + 90)
	assert done.status == 0, done.err
	return json.loads(done.out)


def start(spawn, newest, script, *args):
	return spawn(*newest.prefix(), newest.path, "-c", script, *args)


def states(found):
	return {rung["name"]: rung for rung in found["rungs"]}


@pytest.mark.long
@pytest.mark.parametrize("script", [HUGE, THREADS, FORKS], ids=["huge", "threads", "forks"])
def test_what_it_leaks_is_found(newest, spawn, script):
	one = start(spawn, newest, script)
	found = run(one.pid)
	assert found["verdict"]["kind"] == "held" and "KEPT" in found["verdict"]["holder"]["text"], found["verdict"]
	assert one.alive() and traps(one.pid) == 0
	assert len([look for look in found["types"] if "Record" in look["name"]]) == 1, found["types"]
	# and while each allocation is watched; its children live on
	assert states(run(one.pid, "--all", seconds=4))["all"]["state"] == "climbed"
	assert one.alive() and traps(one.pid) == 0


@pytest.mark.long
def test_no_address_space_left(newest, spawn):
	one = start(spawn, newest, LIMITED)
	assert run(one.pid, seconds=6)["verdict"]["kind"] in ("clean", "unknown")
	for rung in ("--bursts", "--all"):
		begin = one.cpu()
		run(one.pid, rung, seconds=4)
		assert one.alive() and one.cpu() > begin + 0.02


@pytest.fixture
def group():
	"""A control group of its own: its path, and its files for what is used and what may be."""
	for top, used, most in (("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
				("/sys/fs/cgroup", "memory.current", "memory.max")):
		path = os.path.join(top, "pitviper-test-%d" % os.getpid())
		try:
			os.mkdir(path)
		except OSError:
			continue
		if os.path.exists(os.path.join(path, most)):
			yield path, used, most
			break
		os.rmdir(path)
	else:
		pytest.skip("no control group for memory can be made here")
	live.gone(lambda: not open(os.path.join(path, "cgroup.procs")).read(), 10)
	os.rmdir(path)


@pytest.mark.parametrize("room, state", [(1 << 18, "refused"), (16 << 20, "climbed")])
def test_no_memory_left_in_its_group(newest, group, room, state):
	"""Breakpoints take pages: where there are none the kernel would kill it for them, so none is placed."""
	with live.Target(newest.prefix() + [newest.path, "-c", GROUP, *group, str(room)]) as one:
		for rung in ("bursts", "all"):
			told = states(run(one.pid, "--" + rung, seconds=2))[rung]
			assert told["state"] == state and (state == "climbed" or "control group" in told["why"]), told
			assert one.alive()
	time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize("rung", [[], ["--growth"], ["--bursts"], ["--all"], ["--holders", "Record"]], ids=lambda r: "".join(r[:1]) or "all of it")
def test_it_dies_meanwhile(newest, spawn, rung):
	for seconds in (0.2, 0.5, 0.8, 1.1):
		one = start(spawn, newest, DIES, str(seconds))
		done = live.pitviper("memory", "-p", one.pid, "-d", 20, *rung, timeout=60)
		assert done.status == 0, (seconds, done)
		# who holds it may have been found before
		assert b"ended" in done.err or "--holders" in rung, (seconds, done)


@pytest.mark.parametrize("room, fits", [(1 << 18, False), (16 << 20, True)])
@pytest.mark.parametrize("command", [
	["trace", "--arm-now", "-n", "1", "serve"], ["trace", "-n", "1", "serve"], ["latency", "-d", "1", "serve"],
	["refs", "-d", "2", "--alloc", "<string>:7"], ["refs", "-d", "2", "--lines", "PyDict_New", "--name", "__main__.KEPT"],
], ids=["armed", "trace", "latency", "alloc", "lines"])
def test_no_memory_left_for_breakpoints(newest, group, command, room, fits):
	"""All others that place some, too: none is placed, and it is said why."""
	with live.Target(newest.prefix() + [newest.path, "-c", GROUP, *group, str(room)]) as one:
		run = live.pitviper(command[0], "-p", one.pid, "--budget", 100, *command[1:], timeout=90)
		assert one.alive() and traps(one.pid) == 0
		assert (b"control group has less than 4 MB left" in run.err) != fits, run.err
		assert (run.status != 0) != fits, (run.status, run.err)
	time.sleep(0.1)


ASKED = WORK + """
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
	file.write(str(os.getpid()))
blocks = [b"x" * 100000 for _ in range(200)]
print("READY", flush=True)
for line in sys.stdin:
	serve(10)
	print("DONE", flush=True)
"""


def test_no_memory_left_when_more_is_to_be_probed(newest, group):
	"""A trace that waits has looked before; it looks again when it is to attach the rest, and ends."""
	path, used, most = group
	with live.Target(newest.prefix() + [newest.path, "-c", ASKED, path]) as one:
		proc = live.start_pitviper("trace", "--json", "-o", "/dev/null", "--format", "folded", "-n", 5, "-p", one.pid, "serve")
		test_trace_waits.until(proc, lambda: test_trace_waits.waits(proc.pid))
		with open(os.path.join(path, used)) as now, open(os.path.join(path, most), "w") as limit:
			limit.write(str(int(now.read()) + (1 << 20)))
		for _ in range(2):
			one.say("go")
			one.wait_line(b"DONE")
		out, err = proc.communicate(timeout=60)
		assert proc.returncode == 0 and json.loads(out)["ended"] == "memory", (proc.returncode, out, err)
		assert b"too little memory left for more breakpoints" in err and traps(one.pid) == 0 and one.alive()
	time.sleep(0.1)
