# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper latency`: every call counted, as the program itself counts them; nothing harmed.

The truth of counts is sys.setprofile's, from the target; of code bytes, the process's own memory.
"""
import json
import os
import re
import signal
import time

import live
import pytest

ROUNDS = 30
SUPPORTED = [(3, minor) for minor in range(6, 16)]

# Where pitviper may count otherwise than sys.setprofile: {name: (versions, calls more a round)}
DIFFERENCES = {
	# Python/sysmodule.c, call_trampoline() up to 3.10: PyFrame_FastToLocalsWithError() keeps the frame's
	# variables until the next event, where they die unseen, since no event comes amid an event: here
	# the two Things, whose __del__ calls plain()
	"plain": ([(3, minor) for minor in range(6, 11)], 2),
}


def probed(pid):
	"""Three tracepoints come before the probes; what it measures on itself has none."""
	types = live.bpf_links(pid)
	return held(pid, types) and types.count("raw_tracepoint") + types.count("tracing") == 3


def held(pid, types):
	"""All its probes: in one link, or in as many as there are, after which it waits for something to do."""
	if "perf" not in types:
		return types.count("uprobe_multi") == 1
	with open("/proc/%d/syscall" % pid) as file:
		return file.read().startswith("7 ")	# poll


def start(*args):
	"""A pitviper latency in the background that has attached."""
	proc = live.start_pitviper("latency", "--json", *args)
	deadline = time.monotonic() + 30
	while not probed(proc.pid):
		if proc.poll() is not None:
			raise AssertionError("pitviper ended (%d): %s" % (proc.returncode, proc.stderr.read()))
		assert time.monotonic() < deadline, "pitviper did not attach"
		time.sleep(0.01)
	return proc


def finish(proc, stop=True, status=0):
	try:
		if stop:
			proc.send_signal(signal.SIGINT)
		out, err = proc.communicate(timeout=60)
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == status, err
	return [json.loads(line) for line in out.splitlines()], err


def counted(target, interp):
	"""The target of calls, started, and its own truth."""
	victim = target(interp, "counted.py", ready=False)
	truth = json.loads(victim.wait_line(b"TRUTH")[6:])
	victim.wait_line(b"READY")
	return victim, {int(line): (names[0], n) for line, (names, n) in truth.items()}


@pytest.mark.minor(*SUPPORTED)
def test_counts(interp, target):
	victim, truth = counted(target, interp)
	assert len(truth) > 40
	lines = sorted(truth)
	proc = start("-p", victim.pid, "--budget", 100, *["counted.py:%d" % line for line in lines])
	victim.say("go %d" % ROUNDS)
	victim.wait_line(b"DONE")
	(report,), _ = finish(proc)
	assert victim.alive()
	wrong = []
	for line, one in zip(lines, report["functions"]):
		name, calls = truth[line]
		assert one["line"] == line
		more = 0
		if name in DIFFERENCES and interp.version[:2] in DIFFERENCES[name][0]:
			more = DIFFERENCES[name][1]
		if one["calls"] != ROUNDS * (calls + more):
			wrong.append((name, line, one["calls"] / ROUNDS, calls + more))
	assert not wrong, (wrong, report["losses"])
	losses = dict(report["losses"], swapped_bytes=0)
	assert not any(losses.values()), losses
	assert report["ended"] == "stopped"


@pytest.mark.gil
@pytest.mark.minor((3, 14), (3, 15))
def test_jit(interp, target):
	"""Calls that begin in compiled code have no RESUME: they are told, not passed over."""
	victim = target(interp, "latency.py", env={"PYTHON_JIT": "1"})
	assert say(victim, "jit")[0] == "True", "this build has no JIT, or it is off"
	proc = start("-p", victim.pid, "--budget", 100, "quick")
	say(victim, "quick 30000")
	(report,), _ = finish(proc)
	assert victim.alive()
	(one,) = report["functions"]
	assert one["calls"] + report["losses"]["unbegun"] == 30000, report
	assert report["losses"]["unbegun"] > 0
	assert report["losses"]["open"] == report["losses"]["unended"] == 0


# ---- what the process looks like

def breakpoints(pid, path):
	"""How many bytes of the code that a process has mapped of a file differ from the file's."""
	count = 0
	with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb") as mem:
		for line in maps:
			fields = line.split(None, 5)
			if len(fields) < 6 or "x" not in fields[1] or fields[5].strip() != path:
				continue
			start, end = (int(n, 16) for n in fields[0].split("-"))
			mem.seek(start)
			code = mem.read(end - start)
			with open("/proc/%d/map_files/%x-%x" % (pid, start, end), "rb") as file:
				file.seek(int(fields[2], 16))
				true = file.read(end - start)
			if code != true:
				count += sum(a != b for a, b in zip(code, true))
	return count


def interpreter_of(pid):
	"""The file that holds the interpreter's code."""
	with open("/proc/%d/maps" % pid) as maps:
		paths = {line.split(None, 5)[5].strip() for line in maps if "x" in line.split()[1] and "/" in line}
	library = [path for path in paths if "/libpython" in path]
	return library[0] if library else os.path.realpath("/proc/%d/exe" % pid)


@pytest.fixture
def victim(target, newest):
	return target(newest, "latency.py")


def say(victim, line):
	victim.say(line)
	return victim.wait_line(b"DONE").split()[1:]


def test_nothing_is_left_after_kill(victim):
	path = interpreter_of(victim.pid)
	assert breakpoints(victim.pid, path) == 0
	proc = start("-p", victim.pid, "quick")
	say(victim, "quick 100")
	assert breakpoints(victim.pid, path) > 0
	proc.kill()
	proc.wait()
	assert live.gone(lambda: breakpoints(victim.pid, path) == 0)
	say(victim, "quick 100")
	assert victim.alive()


def test_nothing_is_left_after_the_end(victim):
	path = interpreter_of(victim.pid)
	proc = start("-p", victim.pid, "quick")
	say(victim, "quick 100")
	finish(proc)
	assert breakpoints(victim.pid, path) == 0


def test_forked_child_is_freed(victim):
	path = interpreter_of(victim.pid)
	proc = start("-p", victim.pid, "quick")
	child = int(say(victim, "fork")[0])
	try:
		before = time.monotonic()
		assert live.gone(lambda: breakpoints(child, path) == 0)
		print("the child was free %.0f ms after we heard of it" % ((time.monotonic() - before) * 1000))
		# and those of the process itself still count
		assert breakpoints(victim.pid, path) > 0
		say(victim, "quick 50")
		(report,), _ = finish(proc)
	finally:
		os.kill(child, signal.SIGKILL)
	assert report["functions"][0]["calls"] == 50, report


@pytest.mark.minor(*SUPPORTED)
def test_nothing_counts_twice(interp, target):
	"""While one link takes another's place there are two, and then calls go on."""
	victim = target(interp, "latency.py")
	proc = start("-p", victim.pid, "--budget", 100, "quick", "passes")
	children = say(victim, "forks 5 2000")
	for child in children:
		os.kill(int(child), signal.SIGKILL)
	(report,), _ = finish(proc)
	assert [f["calls"] for f in report["functions"]] == [10000, 10000], report
	assert report["losses"]["unended"] == report["losses"]["open"] == 0, report["losses"]


def test_children_of_subprocess(victim):
	"""vfork and exec: nothing to free, nothing to stumble over."""
	proc = start("-p", victim.pid, "quick", "do_spawn")
	say(victim, "spawn 5")
	say(victim, "quick 20")
	(report,), _ = finish(proc)
	assert [f["calls"] for f in report["functions"]] == [20, 1]


def test_exec_ends_it(victim):
	proc = start("-p", victim.pid, "quick")
	say(victim, "quick 10")
	victim.say("exec")
	(report,), err = finish(proc, stop=False)
	assert report["ended"] == "exec" and report["functions"][0]["calls"] == 10
	assert b"another program" in err
	assert victim.alive()


def test_end_of_the_target(victim):
	proc = start("-p", victim.pid, "quick")
	say(victim, "quick 10")
	victim.proc.stdin.close()
	(report,), _ = finish(proc, stop=False)
	assert report["ended"] == "target" and report["functions"][0]["calls"] == 10


def test_fork_and_end(victim):
	"""The target has forked and is gone before pitviper hears of either, as a daemon that begins."""
	proc = start("-p", victim.pid, "quick")
	say(victim, "quick 10")
	os.kill(proc.pid, signal.SIGSTOP)
	victim.say("daemon")
	victim.proc.wait()
	os.kill(proc.pid, signal.SIGCONT)
	(report,), _ = finish(proc, stop=False)
	assert report["ended"] == "target" and report["functions"][0]["calls"] == 10


def test_too_dear(victim):
	path = interpreter_of(victim.pid)
	proc = start("-p", victim.pid, "--budget", 0.1, "fib")
	victim.say("fib 20")
	(report,), err = finish(proc, stop=False)
	assert report["ended"] == "budget" and report["functions"][0]["calls"] > 1000
	assert report["probes"]["cost_cpus"] > 0.1
	assert b"--budget" in err
	assert breakpoints(victim.pid, path) == 0
	assert victim.alive()


def test_two_at_once(victim):
	path = interpreter_of(victim.pid)
	first, second = start("-p", victim.pid, "quick"), start("-p", victim.pid, "quick")
	say(victim, "quick 100")
	(one,), _ = finish(first)
	say(victim, "quick 10")
	(two,), _ = finish(second)
	assert one["functions"][0]["calls"] == 100
	assert two["functions"][0]["calls"] == 110
	assert breakpoints(victim.pid, path) == 0


def test_threads_that_die_inside(victim):
	proc = start("-p", victim.pid, "dies", "quick")
	say(victim, "die 3")
	say(victim, "quick 10")
	(report,), _ = finish(proc)
	assert victim.alive()
	assert [f["calls"] for f in report["functions"]] == [0, 10]
	# one may have taken the place of another
	assert report["losses"]["open"] + report["losses"]["unended"] == 3, report["losses"]


# ---- what is measured

@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_threads_at_once(interp, target):
	"""Also where they run at the same time."""
	victim = target(interp, "latency.py")
	proc = start("-p", victim.pid, "--budget", 100, "--by", "thread", "quick")
	say(victim, "threads 4 5000")
	(report,), _ = finish(proc)
	(quick,) = report["functions"]
	assert quick["calls"] == 20000, report
	assert sorted(one["calls"] for one in quick["by_thread"]) == 4 * [5000], quick
	assert not any(dict(report["losses"], swapped_bytes=0).values()), report["losses"]


def test_off_cpu(victim):
	proc = start("-p", victim.pid, "sleeps", "spins")
	say(victim, "sleep 10 20")
	used = float(say(victim, "spin 10 20")[0])
	(report,), _ = finish(proc)
	sleeps, spins = report["functions"]
	assert sleeps["calls"] == spins["calls"] == 10
	assert sleeps["sum_ns"] >= 10 * 20e6 and spins["sum_ns"] >= 10 * 20e6
	assert sleeps["off_cpu_ns"] > 0.9 * 10 * 20e6
	on_cpu = (spins["sum_ns"] - spins["off_cpu_ns"]) / 1e9
	assert abs(on_cpu - used) < 0.1 * used + 0.005, (on_cpu, used)
	for one in (sleeps, spins):
		assert sum(n for _, n in one["buckets"]) == 10
		assert all(low >= 17e6 for low, _ in one["buckets"])	# the bucket that holds 20 ms begins there
		assert one["p50_ns"] <= one["p90_ns"] <= one["p99_ns"] <= one["max_ns"]


def test_by_caller(victim):
	proc = start("-p", victim.pid, "--by", "caller", "quick")
	say(victim, "callers 40")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	assert one["calls"] == 120
	assert {c["function"]: c["calls"] for c in one["by_caller"]} == {"calls_once": 40, "calls_twice": 80}


def test_by_thread(victim):
	proc = start("-p", victim.pid, "--by", "thread", "quick")
	say(victim, "threads 4 50")
	say(victim, "quick 7")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	rows = {row["tid"]: row["calls"] for row in one["by_thread"]}
	assert rows.pop(victim.pid) == 7
	assert sorted(rows.values()) == [50, 50, 50, 50]


# ---- slow calls

def ways(function):
	"""How often each stack occurred, by the names of its Python functions from the leaf to do_..."""
	found = {}
	for stack in function["stacks"]:
		names = [f["function"].split(".")[-1] for f in stack["frames"] if f["kind"] == "python"]
		last = [i for i, name in enumerate(names) if name.startswith("do_")]
		assert last, stack
		way = tuple(names[:last[0] + 1])
		found[way] = found.get(way, 0) + stack["calls"]
	return found


def check_slow(report, function, over):
	assert function["over"] == over, (function["over"], report["losses"])
	assert sum(stack["calls"] for stack in function["stacks"]) == over
	assert sum(stack["sum_ns"] for stack in function["stacks"]) == function["over_sum_ns"]
	assert max(stack["max_ns"] for stack in function["stacks"]) == function["max_ns"]
	assert report["losses"]["stacks_skipped"] == report["losses"]["stacks_lost"] == 0


@pytest.mark.gil
@pytest.mark.minor((3, 8), (3, 10), (3, 11), (3, 12), (3, 15))	# each way that a call can end
def test_slow_stacks(interp, target):
	"""Which way led to each call that took long; of returns, exceptions, yields."""
	victim = target(interp, "latency.py")
	proc = start("-p", victim.pid, "--over", "15ms", "--stack", "sleeps", "falls", "yields")
	say(victim, "ways 4 20")
	say(victim, "fall 3 20")
	say(victim, "yield 3 20")
	(report,), _ = finish(proc)
	assert victim.alive()
	assert report["over_ns"] == 15000000
	sleeps, falls, yields = report["functions"]
	check_slow(report, sleeps, 12)
	assert sleeps["calls"] == 16
	assert ways(sleeps) == {
		("sleeps", "first_way", "do_ways"): 4,
		("sleeps", "<lambda>", "second_way", "do_ways"): 8,
	}
	check_slow(report, falls, 6)
	assert ways(falls) == {("falls", "do_fall"): 3, ("falls", "falls", "do_fall"): 3}
	# the last of three is over at once
	check_slow(report, yields, 6)
	assert ways(yields) == {("yields", "do_yield"): 6}
	for stack in sleeps["stacks"]:
		leaf = stack["frames"][0]
		assert leaf["line"] == sleeps["line"] and leaf["file"].endswith("latency.py")
		# whole: it begins where the program does
		assert stack["frames"][-1]["kind"] == "native", stack["frames"]


def test_slow_native(victim):
	proc = start("-p", victim.pid, "--over", "10ms", "--stack", "libc:poll")
	say(victim, "poll 8 20")
	say(victim, "poll 2 0")
	(report,), _ = finish(proc)
	assert victim.alive()
	(one,) = report["functions"]
	assert one["calls"] + one["untimed"] == 30
	# from where it is called the first time the end is not seen
	check_slow(report, one, 24 - one["untimed"])
	found = ways(one)
	assert set(found) == {("polls_here", "do_poll"), ("polls_there", "do_poll")}, found
	assert 0 <= 8 - found["polls_here", "do_poll"] <= one["untimed"]
	assert 0 <= 16 - found["polls_there", "do_poll"] <= one["untimed"]
	for stack in one["stacks"]:
		assert stack["frames"][0]["kind"] == "native"
		assert stack["frames"][0]["function"] == one["function"]
		assert stack["frames"][0]["module"] == "libc.so.6"


def test_over_alone(victim):
	proc = start("-p", victim.pid, "--over", "15ms", "sleeps")
	say(victim, "ways 2 20")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	assert (one["calls"], one["over"]) == (8, 6) and one["over_sum_ns"] >= 6 * 20e6
	assert "stacks" not in one


def test_too_many_stacks(victim):
	"""Beyond a rate slow calls are only counted, and it is told."""
	proc = start("-p", victim.pid, "--budget", 100, "--over", "1ns", "--stack", "quick")
	say(victim, "quick 30000")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	with_stack = sum(stack["calls"] for stack in one["stacks"])
	assert one["over"] == one["calls"] == 30000
	assert report["losses"]["stacks_skipped"] > 0 and report["losses"]["stacks_lost"] == 0
	assert with_stack + report["losses"]["stacks_skipped"] == 30000


def test_slow_folded(victim, tmp_path):
	"""A line for each stack, and the microseconds that its calls took."""
	path = tmp_path / "slow.folded"
	proc = start("-p", victim.pid, "--over", "15ms", "--stack", "-o", path, "sleeps")
	say(victim, "ways 4 20")
	(report,), _ = finish(proc)
	(one,) = report["functions"]
	folded = {}
	for line in path.read_text().splitlines():
		stack, _, us = line.rpartition(" ")
		folded[tuple(stack.split(";"))] = int(us)
	assert len(folded) == len(one["stacks"]) and sum(stack["calls"] for stack in one["stacks"]) == 12
	assert sorted(folded.values()) == sorted(round(stack["sum_ns"] / 1000) for stack in one["stacks"])
	assert all("sleeps" in stack[-1] and any("do_ways" in frame for frame in stack) for stack in folded)


def test_outputs_are_refused(victim, tmp_path):
	for args, says in ((["-o", tmp_path / "x.folded"], "--over TIME --stack"),
			   (["--over", "1ms", "--stack", "-o", tmp_path / "x.html"], "ends in .folded")):
		run = live.pitviper("latency", "-p", victim.pid, *args, "sleeps")
		assert run.status == 2 and says in run.text() and not list(tmp_path.iterdir()), run


def test_slow_text(victim):
	run = live.start_pitviper("latency", "-p", victim.pid, "--over", "15ms", "--stack", "sleeps")
	while not probed(run.pid):
		assert run.poll() is None
		time.sleep(0.01)
	say(victim, "ways 2 20")
	run.send_signal(signal.SIGINT)
	out, err = run.communicate(timeout=30)
	text = out.decode()
	assert run.returncode == 0, err
	assert re.search(r"^6 of them took longer than 15\.0 ms: 1\d\d ms in all$", text, re.M), text
	stacks = re.findall(r"^ +(\d+)  \S+ \S+ in all, \S+ \S+ at most, on\n((?: {17}.*\n)+)", text, re.M)
	assert [n for n, _ in stacks] == ["4", "2"], text
	frames = [line.split("(")[0].strip() for line in stacks[1][1].splitlines()]
	assert frames[:3] == ["sleeps", "first_way", "do_ways"], text


def test_interval(victim):
	proc = start("-p", victim.pid, "-d", 2, "-i", 0.3, "quick")
	say(victim, "quick 10")
	reports, _ = finish(proc, stop=False)
	assert len(reports) > 2
	assert [r["functions"][0]["calls"] for r in reports][-1] == 10
	assert [r.get("ended") for r in reports] == [None] * (len(reports) - 1) + ["duration"]


def test_text(victim):
	run = live.start_pitviper("latency", "-p", victim.pid, "quick", "never_called")
	while not probed(run.pid):
		assert run.poll() is None
		time.sleep(0.01)
	say(victim, "quick 1234")
	run.send_signal(signal.SIGINT)
	out, err = run.communicate(timeout=30)
	text = out.decode()
	assert run.returncode == 0, err
	assert re.search(r"^quick \(latency\.py:\d+\)  1,234 calls in ", text, re.M), text
	assert re.search(r"^never_called \(latency\.py:\d+\)  no call ended in ", text, re.M), text
	bars = re.findall(r"^ +\S+ \S+ \.\. \S+ \S+ +([\d,]+)  #*$", text, re.M)
	assert sum(int(n.replace(",", "")) for n in bars) == 1234


GREENLETS = [i for i in live.find_interpreters() if not i.root and i.name.startswith("usr-")]


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets(target):
	check_greenlets(target(GREENLETS[0], "gevent_calls.py"))


def check_greenlets(victim):
	proc = start("-p", victim.pid, "sleeps", "__main__.inner")
	victim.say("50 30")
	victim.wait_line(b"DONE")
	(report,), _ = finish(proc)
	assert victim.alive()
	outer, inner = report["functions"]
	assert outer["calls"] == inner["calls"] == 50
	assert report["losses"]["unended"] == report["losses"]["open"] == 0
	assert all(low >= 28e6 for low, _ in outer["buckets"])
	assert outer["off_cpu_ns"] <= outer["sum_ns"]


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets_that_fail(target):
	check_greenlets_that_fail(target(GREENLETS[0], "gevent_calls.py"))


def check_greenlets_that_fail(victim):
	proc = start("-p", victim.pid, "fails", "__main__.inner")
	victim.say("fails 60 30")
	own = [1000 * int(word) for word in victim.wait_line(b"DONE").split()[1:]]
	(report,), _ = finish(proc)
	assert victim.alive()
	outer, inner = report["functions"]
	assert outer["calls"] == inner["calls"] == 60
	assert report["losses"]["unended"] == report["losses"]["open"] == 0
	# each has its own time, as the program measures it a little later and until a little earlier
	for edge, _ in outer["buckets"]:
		longer = sum(n for low, n in outer["buckets"] if low >= edge)
		assert sum(ns >= edge for ns in own) <= longer <= sum(ns >= 0.9 * edge for ns in own) + 1, (outer, own)


# ---- names and refusals

def refused(*args, status=2, **kw):
	run = live.pitviper("latency", *args, **kw)
	assert run.status == status and not run.out, run
	return run.text()


def test_names(victim):
	text = refused("-p", victim.pid, "same")
	assert "One.same (latency.py:" in text and "Two.same (latency.py:" in text
	assert "never_called (latency.py:" in refused("-p", victim.pid, "never_calle")
	text = refused("-p", victim.pid, "no_such_thing_at_all")
	assert "there is no Python function `no_such_thing_at_all`" in text
	line = re.search(r"One\.same \(latency\.py:(\d+)\)", refused("-p", victim.pid, "same")).group(1)
	assert "begins at latency.py:%d" % (int(line) + 1) in refused("-p", victim.pid, "latency.py:%d" % (int(line) + 1))
	assert "same function" in refused("-p", victim.pid, "One.same", "latency.py:" + line)
	proc = start("-p", victim.pid, "__main__.One.same", "latency.py:" + str(int(line) + 5))
	(report,), _ = finish(proc)
	assert [f["function"] for f in report["functions"]][0].endswith("One.same")


def test_usage(victim, spawn):
	assert "--by wants" in refused("-p", victim.pid, "--by", "colour", "quick")
	assert "name of a function" in refused("-p", victim.pid)
	assert "name of a function" in refused("quick")
	assert "--over wants a time" in refused("-p", victim.pid, "--over", "50", "quick")
	assert "--over TIME" in refused("-p", victim.pid, "--stack", "quick")
	other = spawn("sleep", 60, ready=False)
	assert "runs no CPython" in refused("-p", other.pid, "quick", status=4)


def test_not_permitted(victim):
	text = refused("-p", victim.pid, "quick", user=65534, status=3)
	assert "root" in text or "CAP_" in text


@pytest.mark.free_threaded
@pytest.mark.minor((3, 14), (3, 15))
def test_refuses_free_threaded(interp, target):
	victim = target(interp, "latency.py")
	assert "free-threaded" in refused("-p", victim.pid, "quick", status=4)


@pytest.mark.minor((2, 7))
def test_refuses_2_7(interp, target):
	victim = target(interp, "life.py")
	assert "2.7 is not supported" in refused("-p", victim.pid, "main", status=4)
