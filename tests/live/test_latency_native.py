# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper latency` on native functions: every call counted as a library counts its own, none harmed.

The truth of counts is the library's, of time its own clock around the calls, of code bytes the
process's memory.  A call whose end is not seen is counted all the same, and told.
"""
import json
import os
import re
import signal
import subprocess
import time

import live
import pytest
from test_latency import breakpoints, finish

WORK, SLEEP, TAIL, RECURSE, CALL_BACK, LOOP, HIDDEN = range(7)


def build(directory):
	"""The target, its library, the one that comes and goes."""
	library, plugin, program = (str(directory / name) for name in ("libcalls.so.1", "libplugin.so", "target"))
	source = os.path.join(live.TARGETS, "calls_lib.c")
	shared = ["-O2", "-g", "-fexceptions", "-shared", "-fPIC", source]
	subprocess.run(["cc"] + shared + ["-o", library, "-Wl,-soname," + library], check=True)
	subprocess.run(["cc", "-DPLUGIN"] + shared + ["-o", plugin], check=True)
	subprocess.run(["c++", "-O2", "-g", "-o", program, os.path.join(live.TARGETS, "latency_native.cpp"), library,
			"-ldl", "-lpthread"], check=True)
	return program


@pytest.fixture(scope="module")
def built(tmp_path_factory):
	return build(tmp_path_factory.mktemp("calls"))


class Victim:
	"""The target, its answers as numbers."""

	def __init__(self, target, program, library=None):
		self.target, self.pid, self.program = target, target.pid, program
		self.library = library or os.path.join(os.path.dirname(program), "libcalls.so.1")
		self.plugin = os.path.join(os.path.dirname(program), "libplugin.so")

	def say(self, line):
		"""Does it; returns (ns that it took, the calls so far, ns slept so far)."""
		self.target.say(line)
		numbers = [int(n) for n in self.target.wait_line(b"DONE").split()[1:]]
		return numbers[0], numbers[1:8], numbers[8]

	def breakpoints(self):
		return breakpoints(self.pid, self.library) + breakpoints(self.pid, self.program)

	def alive(self):
		return self.target.alive()


@pytest.fixture
def victim(built, spawn):
	return Victim(spawn(built), built)


def start(*args, entries=1):
	"""A pitviper latency in the background that has attached."""
	proc = live.start_pitviper("latency", "--json", *args)
	deadline = time.monotonic() + 30
	while True:
		types = live.bpf_links(proc.pid)
		if types.count("uprobe_multi") >= entries and types.count("raw_tracepoint") + types.count("tracing") == 3:
			return proc
		if proc.poll() is not None:
			raise AssertionError("pitviper ended (%d): %s" % (proc.returncode, proc.stderr.read()))
		assert time.monotonic() < deadline, "pitviper did not attach"
		time.sleep(0.01)


def warm(victim, line, places=1):
	"""Calls from places that pitviper did not know, so many; until it probes them."""
	before = victim.breakpoints()
	victim.say(line)
	assert live.gone(lambda: victim.breakpoints() >= before + places)


def total(one):
	return one["calls"] + one["untimed"]


# ---- counts and times

def test_counts(victim):
	names = ["lib_work", "lib_tail", "libcalls.so:lib_recurse", "libcalls:lib_loop", "libcalls.so.1:lib_call_back"]
	proc = start("-p", victim.pid, "--budget", 100, *names)
	warm(victim, "one 1")
	warm(victim, "tail 1")
	warm(victim, "recurse 1 3", places=2)
	warm(victim, "loop 1 5")
	early = victim.say("switch 1000")[1]
	for line in ("one 500", "tail 300", "recurse 20 9", "loop 50 100"):
		truth = victim.say(line)[1]
	(report,), _ = finish(proc)
	assert victim.alive()
	work, tail, recurse, loop, back = report["functions"]
	losses = report["losses"]
	# on a stack that nobody uses any more the return address stays: nobody can tell that the call is over
	assert total(back) + losses["open"] == truth[CALL_BACK] == 20, report
	for index, one in ((WORK, work), (TAIL, tail), (RECURSE, recurse)):
		assert total(one) == truth[index], (one["name"], report)
		# what is not timed was called before its place was known
		assert one["untimed"] <= early[index], (one["name"], report)
		assert sum(n for _, n in one["buckets"]) == one["calls"]
	assert total(loop) == 51 and loop["untimed"] <= 1, report
	assert losses["unended"] == losses["unplaced"] == losses["no_room"] == 0, losses
	assert losses["unreturned"] == sum(one["untimed"] for one in report["functions"])
	assert report["probes"]["sites"] > 5


def test_times(victim):
	proc = start("-p", victim.pid, "lib_sleep")
	warm(victim, "sleep 1 1000000")
	_, _, before_ns = victim.say("sleep 1 1000000")
	took_ns, _, slept_ns = victim.say("sleep 40 5000000")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	assert one["calls"] + one["untimed"] == 42 and one["calls"] >= 41, report
	# it lasts at least as long as it measures itself, and all of them no longer than all took
	assert slept_ns - before_ns <= one["sum_ns"] <= took_ns + 2 * 10 ** 9
	assert sum(n for low, n in one["buckets"] if low >= 4.5e6) >= 40
	assert one["max_ns"] <= took_ns
	assert one["off_cpu_ns"] > 0.5 * 40 * 5e6


def test_by_caller(victim):
	proc = start("-p", victim.pid, "--by", "caller", "lib_work")
	warm(victim, "one 1")
	warm(victim, "two 1", places=2)
	victim.say("one 30")
	victim.say("two 30")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	rows = {row["function"]: (total(row), row["library"]) for row in one["by_caller"]}
	assert rows == {"caller_one": (31, "target"), "caller_two": (62, "target")}, report


def test_by_thread(victim):
	proc = start("-p", victim.pid, "--by", "thread", "lib_work")
	warm(victim, "one 1")
	victim.say("threads 50 4")
	victim.say("one 7")
	(report,), _ = finish(proc)
	rows = {row["tid"]: total(row) for row in report["functions"][0]["by_thread"]}
	assert rows.pop(victim.pid) == 8
	assert sorted(rows.values()) == [50] * 4


def test_text(victim):
	proc = live.start_pitviper("latency", "-p", victim.pid, "lib_work", "lib_tail")
	assert live.gone(lambda: victim.breakpoints() == 2)
	warm(victim, "one 1")
	victim.say("one 1233")
	proc.send_signal(signal.SIGINT)
	out, err = proc.communicate(timeout=30)
	text = out.decode()
	assert re.search(r"^lib_work \(libcalls\.so\.1\)  1,234 calls in [\d.]+ s(, 1 of them not timed)?$", text, re.M), text
	assert re.search(r"^lib_tail \(libcalls\.so\.1\)  no call ended in ", text, re.M), text
	assert ("1 of them not timed" in text) == ("1 call ended before the place to return to was probed" in text)


def test_python_and_native(target, newest):
	victim = target(newest, "latency.py")
	proc = start("-p", victim.pid, "sleeps", "libc.so.6:clock_nanosleep", entries=2)
	victim.say("sleep 1 1")
	victim.wait_line(b"DONE")
	assert live.gone(lambda: live.bpf_links(proc.pid).count("uprobe_multi") > 2)
	victim.say("sleep 10 20")
	victim.wait_line(b"DONE")
	(report,), _ = finish(proc)
	assert victim.alive()
	python, native = report["functions"]
	assert python["calls"] == total(native) == 11, report
	assert "line" in python and native["library"] == "libc.so.6"
	assert 10 * 20e6 <= native["sum_ns"] <= python["sum_ns"]


# ---- what must not harm it

def test_exceptions(victim):
	"""A C++ exception through a probed frame: a uretprobe would end the process here."""
	proc = start("-p", victim.pid, "--budget", 100, "lib_call_back", "lib_work")
	warm(victim, "throw 2", places=2)
	victim.say("throw 401")
	(report,), _ = finish(proc)
	assert victim.alive()
	back, work = report["functions"]
	losses = report["losses"]
	assert total(back) == 403 and total(work) == 201, report
	assert back["calls"] >= 201 and work["calls"] >= 200
	# those that threw have no end
	assert 200 <= losses["unended"] <= 201 and losses["open"] == 0, losses


def test_longjmp(victim):
	proc = start("-p", victim.pid, "--budget", 100, "lib_call_back")
	warm(victim, "jump 1")
	victim.say("jump 401")
	(report,), _ = finish(proc)
	assert victim.alive()
	(back,) = report["functions"]
	losses = report["losses"]
	assert total(back) + losses["open"] == 402 and back["calls"] >= 201, report
	assert losses["unended"] + losses["open"] == 200, losses


def test_switched_stacks(victim):
	"""Twenty coroutines in the middle of one function at once."""
	proc = start("-p", victim.pid, "--budget", 100, "lib_call_back")
	warm(victim, "switch 1000")
	victim.say("switch 30000000")
	victim.say("switch 20000000")
	(report,), _ = finish(proc)
	assert victim.alive()
	(back,) = report["functions"]
	assert total(back) + report["losses"]["open"] == 60 and back["calls"] >= 40, report
	# none was closed by another's: each lasted at least as long as all of them waited
	assert sum(n for low, n in back["buckets"] if low >= 18e6) == 40
	assert report["losses"]["unended"] == 0


GREENLETS = [i for i in live.find_interpreters() if not i.root and i.name.startswith("usr-")]


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets(built, target):
	"""Fifty stacks at the same addresses, all in the middle of one call."""
	library = os.path.join(os.path.dirname(built), "libcalls.so.1")
	victim = target(GREENLETS[0], "gevent_native.py", library)
	proc = start("-p", victim.pid, "--budget", 100, "lib_call_back")
	for line in ("1 1", "50 40"):
		before = live.bpf_links(proc.pid).count("uprobe_multi")
		victim.say(line)
		victim.wait_line(b"DONE")
		if line == "1 1":
			assert live.gone(lambda: live.bpf_links(proc.pid).count("uprobe_multi") > before)
	(report,), _ = finish(proc)
	assert victim.alive()
	(back,) = report["functions"]
	assert total(back) == 51 and back["calls"] >= 50, report
	assert sum(n for low, n in back["buckets"] if low >= 36e6) >= 50, report
	assert not any(report["losses"][name] for name in ("open", "unended", "doubtful"))


def test_threads_that_die_inside(victim):
	proc = start("-p", victim.pid, "lib_call_back", "lib_work")
	victim.say("die 3")
	warm(victim, "one 10")
	(report,), _ = finish(proc)
	assert victim.alive()
	back, work = report["functions"]
	assert back["calls"] == 0 and back["untimed"] == 3 and total(work) == 10, report
	assert report["losses"]["open"] == 0


def state(pid):
	with open("/proc/%d/stat" % pid) as stat:
		return stat.read().rpartition(")")[2].split()[0]


def test_fork(victim):
	"""The child returns from the probed call, calls on, and is freed of the probes."""
	proc = start("-p", victim.pid, "lib_call_back", "lib_work")
	warm(victim, "one 1")
	victim.target.say("fork 100")
	child = int(victim.target.wait_line(b"CHILD").split()[1])
	victim.target.wait_line(b"DONE")
	try:
		for path in (victim.library, victim.program):
			assert live.gone(lambda: breakpoints(child, path) == 0), path
		# and those of the process itself still count
		assert breakpoints(victim.pid, victim.library) > 0
		victim.say("one 50")
		(report,), _ = finish(proc)
		assert live.gone(lambda: state(child) == "S")	# it waits, as it was told to
	finally:
		os.kill(child, signal.SIGKILL)
	back, work = report["functions"]
	assert total(back) == 1 and total(work) == 51, report


def test_library_that_comes_and_goes(victim):
	plugin = os.path.basename(victim.plugin)
	proc = live.start_pitviper("latency", "--json", "-p", victim.pid, "libplugin:plugin_work", "lib_work")
	assert proc.stderr.readline().decode().startswith("pitviper: waiting for `libplugin:plugin_work`: its library is not")
	assert live.gone(lambda: "uprobe_multi" in live.bpf_links(proc.pid))
	for n in (100, 200):
		victim.say("plugin %d 0 %s" % (n, victim.plugin))
	(report,), _ = finish(proc)
	assert victim.alive()
	work, one = report["functions"]
	assert one["function"] == "plugin_work" and one["library"] == plugin
	assert total(one) == 300 and one["calls"] > 100, report
	assert report["losses"]["open"] == 0 and "waiting" not in report


def test_library_that_never_comes(victim):
	proc = live.start_pitviper("latency", "--json", "-p", victim.pid, "-d", 1, "libplugin.so:plugin_work")
	out, err = proc.communicate(timeout=30)
	assert proc.returncode == 0, err
	report = json.loads(out)
	assert report["functions"] == [] and report["waiting"] == ["libplugin.so:plugin_work"]


def test_two_at_once(victim):
	first, second = (start("-p", victim.pid, "lib_work") for _ in range(2))
	warm(victim, "one 1")
	# a breakpoint is one for both: a link for each
	assert live.gone(lambda: all(live.bpf_links(one.pid).count("uprobe_multi") == 2 for one in (first, second)))
	victim.say("one 100")
	(one,), _ = finish(first)
	victim.say("one 10")
	(two,), _ = finish(second)
	assert total(one["functions"][0]) == 101 and total(two["functions"][0]) == 111
	for path in (victim.library, victim.program):
		assert breakpoints(victim.pid, path) == 0


def test_nothing_is_left_after_kill(victim):
	proc = start("-p", victim.pid, "lib_work")
	warm(victim, "one 1")
	for path in (victim.library, victim.program):
		assert breakpoints(victim.pid, path) > 0
	proc.kill()
	proc.wait()
	for path in (victim.library, victim.program):
		assert live.gone(lambda: breakpoints(victim.pid, path) == 0)
	victim.say("one 100")
	assert victim.alive()


def test_too_dear(victim):
	proc = start("-p", victim.pid, "--budget", 0.05, "lib_work")
	victim.target.say("one 1000000")
	(report,), err = finish(proc, stop=False)
	assert report["ended"] == "budget" and b"--budget" in err
	assert breakpoints(victim.pid, victim.library) == 0
	assert victim.alive()


# ---- many

MANY = """
.text
.macro one n
	.globl many_\\n
	.type many_\\n, @function
many_\\n:
	.cfi_startproc
	push %%rbp
	.cfi_def_cfa_offset 16
	pop %%rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size many_\\n, .-many_\\n
.endm
.altmacro
.set i, 0
.rept %d
	one %%i
	.set i, i+1
.endr
"""

CALL_ALL = r"""
#include <stdio.h>
#include <dlfcn.h>
int main(int argc, char **argv)
{
	char name[64], line[64];
	void *many = dlopen(argv[1], RTLD_NOW);
	puts("READY");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int n, rounds = 1;
		sscanf(line, "%d %d", &n, &rounds);
		void (*first)(void) = (void (*)(void))dlsym(many, "many_0");
		while (rounds-- > 1)
			first();
		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "many_%d", i);
			((void (*)(void))dlsym(many, name))();
		}
		puts("DONE");
		fflush(stdout);
	}
	return argc > 9;
}
"""


def many(tmp_path, spawn, n):
	source = tmp_path / "many.s"
	source.write_text(MANY % n)
	subprocess.run(["cc", "-shared", "-o", str(tmp_path / "libmany.so"), str(source)], check=True)
	main = tmp_path / "main.c"
	main.write_text(CALL_ALL)
	program = live.compile_c(str(main), str(tmp_path / "main"), "-ldl")
	return spawn(program, str(tmp_path / "libmany.so"))


def test_pattern(tmp_path, spawn):
	victim = many(tmp_path, spawn, 5000)
	# so many calls as soon as they are there cost more than a new batch may by default
	proc = start("-p", victim.pid, "--budget", 4, "libmany:many_*")
	# in growing batches: all of them are there when there are no more links to come
	assert live.gone(lambda: breakpoints(victim.pid, str(tmp_path / "libmany.so")) == 5000)
	victim.say("1")
	victim.wait_line(b"DONE")
	victim.say("4000")
	victim.wait_line(b"DONE")
	(report,), _ = finish(proc)
	functions = report["functions"]
	assert sorted(int(one["function"][5:]) for one in functions) == list(range(4000))
	assert all(total(one) == (2 if one["function"] == "many_0" else 1) for one in functions)
	assert breakpoints(victim.pid, str(tmp_path / "libmany.so")) == 0
	text = refused("-p", victim.pid, "many_77x")
	assert "no native function" in text


@pytest.mark.parametrize("command", [["latency"], ["trace", "--arm-now", "--native", "libmany:many_*"]], ids=["latency", "trace"])
def test_given_up_while_it_grows(tmp_path, spawn, command):
	"""Each batch of 5,000, the last one too, is given up when its hits cost 10 ms more than the budget: else it is 100."""
	victim = many(tmp_path, spawn, 5000)
	victim.say("1 2000000000")
	word = "libmany:many_*" if command == ["latency"] else "libmany:many_4999"
	over = []
	# until the probes are out more hits come, on a busy machine many more
	while len(over) < 5 and not any(ms < 20 for ms in over):
		proc = live.start_pitviper(*command, "--json", "-p", victim.pid, "--budget", 0.02, word)
		(report,), err = finish(proc, stop=False)
		probes = report["probes"]
		assert report["ended"] == "budget" and b"--budget" in err, report
		over.append(probes["hits"] * probes["hit_ns"] / 1e6 - 0.02 * 1e3 * report["elapsed_s"])
	assert any(ms < 20 for ms in over), over
	assert breakpoints(victim.pid, str(tmp_path / "libmany.so")) == 0


def test_too_many(tmp_path, spawn):
	victim = many(tmp_path, spawn, 50000)
	text = refused("-p", victim.pid, "libmany:many_*")
	assert "`libmany:many_*` means 50,000 functions, and 8,192 are the most" in text


# ---- names and refusals

def refused(*args, status=None, **kw):
	run = live.pitviper("latency", *args, **kw)
	assert run.status and not run.out, run
	assert status is None or run.status == status, run
	return run.text()


def address_of(path, name):
	out = subprocess.run(["nm", path], stdout=subprocess.PIPE, check=True).stdout.decode()
	return int(re.search(r"^(\w+) [tT] %s$" % name, out, re.M).group(1), 16)


def test_names(victim):
	text = refused("-p", victim.pid, "lib_wor")
	assert "runs no CPython, and there is no native function `lib_wor`; like it: libcalls.so.1:lib_work" in text
	text = refused("-p", victim.pid, "libcalls:lib_wor", status=2)
	assert "there is no native function `libcalls:lib_wor`; like it: libcalls.so.1:lib_work" in text
	assert "same function" in refused("-p", victim.pid, "lib_work", "libcalls:lib_work", status=2)
	inside = "libcalls.so.1+0x%x" % (address_of(victim.library, "lib_sleep") + 1)
	text = refused("-p", victim.pid, inside, status=2)
	assert "`%s` is within lib_sleep, which begins at libcalls.so.1+0x%x" % (
		inside, address_of(victim.library, "lib_sleep")) in text
	# inlined everywhere it has no code of its own
	text = refused("-p", victim.pid, "inlined_everywhere")
	assert "there is no native function `inlined_everywhere`; it was inlined by the compiler into " \
		"target:caller_inlines (1 place) and cannot be watched: watch that" in text, text


def test_inlined_here_and_there(victim):
	"""A function with code of its own that is inlined, too: what is counted is the rest, and it is said."""
	proc = start("-p", victim.pid, "target:inlined_or_not")
	victim.say("half 100")
	(report,), err = finish(proc)
	assert "calls of target:inlined_or_not that were inlined by the compiler are not seen: in " \
		"target:caller_half (1 place)" in err.decode(), err
	# one in two
	assert total(report["functions"][0]) == 100, report


def test_same_name_in_two(victim, built):
	plugin = victim.plugin
	victim.target.say("plugin 1 0 " + plugin)	# for 300 ms
	assert live.gone(lambda: plugin in open("/proc/%d/maps" % victim.pid).read())
	text = refused("-p", victim.pid, "same_name")
	victim.target.wait_line(b"DONE")
	assert "2 native functions: " in text and "libcalls.so.1:same_name" in text and "libplugin.so:same_name" in text


def test_stripped(victim, built, tmp_path, spawn):
	"""Without symbols a function is named by where it begins."""
	library = tmp_path / "libcalls.so.1"
	hidden = address_of(victim.library, "hidden")
	subprocess.run(["strip", "-o", str(library), victim.library], check=True)
	one = Victim(spawn("env", "LD_PRELOAD=" + str(library), built), built, str(library))
	proc = start("-p", one.pid, "%s+0x%x" % (library, hidden))
	warm(one, "hidden 1")
	_, truth, _ = one.say("hidden 20")
	(report,), _ = finish(proc)
	(function,) = report["functions"]
	assert function["function"] == "libcalls.so.1+0x%x" % hidden and function["address"] == hidden
	assert total(function) == truth[HIDDEN] == 21, report
	text = refused("-p", one.pid, "%s:hidden" % library)
	assert "there is no native function" in text


def test_chosen_at_run_time(victim):
	"""memcpy is whatever the loader has chosen for this CPU."""
	proc = start("-p", victim.pid, "--by", "caller", "libc.so.6:memcpy")
	warm(victim, "copy 1")
	victim.say("copy 500")
	(report,), _ = finish(proc)
	rows = {row.get("function"): total(row) for row in report["functions"][0]["by_caller"]}
	assert rows["caller_copies"] == 501, report


BOTH = """
import sys
def getpid():
	return 1
print("READY")
sys.stdout.flush()
sys.stdin.readline()
"""


def test_python_or_native(tmp_path, newest, spawn):
	script = tmp_path / "both.py"
	script.write_text(BOTH)
	victim = spawn(*newest.command(str(script)))
	text = refused("-p", victim.pid, "getpid", status=2)
	assert "`getpid` is a Python function and a native one: name the one as " in text, text
	assert "both.py:3, the other as libc.so.6:getpid" in text, text
	text = refused("-p", victim.pid, "no_such_thing")
	assert "there is no Python function `no_such_thing` now, and no native one" in text, text
