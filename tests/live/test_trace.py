# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper trace`: every call inside an execution, as the program itself sees them; nothing harmed.

The truth of calls and how they nest is sys.setprofile's, from the target.
"""
import collections
import json
import os
import re
import signal
import time

import live
import pytest

from test_latency import breakpoints, held, interpreter_of

ROUNDS = 20
SUPPORTED = [(3, minor) for minor in range(6, 16)]
MARKS = RESUMED, YIELDED, RAISED, END_GUESSED, BEGIN_GUESSED, CUT = (
	"resumed", "yielded", "raised", "end guessed", "beginning guessed", "not ended")
GUESSED = {END_GUESSED, BEGIN_GUESSED, CUT}
SYNTHESISED_MAX = 0.001	# of all calls, those whose end was not seen: what is promised; here none is
Call = collections.namedtuple("Call", "depth marks start end off name line file")	# times in ns

# What an execution may have that sys.setprofile does not see: {name of a call: (versions, how many, with all in them)}
DIFFERENCES = {
	# Python/sysmodule.c, call_trampoline() up to 3.10: PyFrame_FastToLocalsWithError() keeps the frame's
	# variables until the next event, where they die unseen, since no event comes amid an event: here
	# the two Things, whose __del__ calls plain()
	"__del__": ([(3, minor) for minor in range(6, 11)], 2),
}


class Execution:
	def __init__(self, tid, args):
		self.tid, self.number = tid, args["execution"]
		self.lost, self.partial = args.get("lost", 0), args.get("partial", False)
		self.stack = [frame.rpartition(" (")[0] or frame for frame in args.get("stack", "").split("; ")]
		self.calls = []

	def names(self):
		return [call.name for call in self.calls]


def parse(out):
	"""The executions of an output in Chrome's format: each call comes after those that it lies in."""
	executions, within = [], []
	for event in json.loads(out)["traceEvents"]:
		if event["ph"] != "X":
			continue
		args = event["args"]
		if "execution" in args:
			executions.append(Execution(event["tid"], args))
			within = []
		begin = round(event["ts"] * 1000)
		end = begin + round(event["dur"] * 1000)
		while within and within[-1] <= begin:
			within.pop()
		name, file, line = re.fullmatch(r"(.*) \((.*):(\d+)\)", event["name"]).groups()
		marks = frozenset(args["marks"].split(", ")) if "marks" in args else frozenset()
		executions[-1].calls.append(Call(len(within), marks, begin, end, round(args.get("off_cpu_us", 0) * 1000),
						 name, int(line), file))
		within.append(end)
	return executions


def attached(proc):
	"""Three tracepoints come first, then the probes, then the ends of threads."""
	if proc.poll() is not None:
		raise AssertionError("pitviper ended (%d): %s" % (proc.returncode, proc.stderr.read()))
	time.sleep(0.01)
	return has_attached(proc.pid)


def has_attached(pid):
	types = live.bpf_links(pid)
	return held(pid, types) and types.count("raw_tracepoint") + types.count("tracing") == 4


def start(*args):
	"""A pitviper trace in the background that has attached."""
	proc = live.start_pitviper("trace", "--arm-now", "--json", "--format", "chrome", "-o", "-", *args)
	deadline = time.monotonic() + 30
	while not attached(proc):
		assert time.monotonic() < deadline, "pitviper did not attach"
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
	return parse(out), live.last_json(err), err


def say(victim, line):
	victim.say(line)
	return victim.wait_line(b"DONE")[4:].strip()


# ---- the calls

def plain(calls, interp):
	"""As the truth has them; up to 3.10 code objects have no qualified names."""
	short = interp.version < (3, 11)
	return [[call.depth, call.name.rpartition(".")[2] if short else call.name, call.line, call.file] for call in calls]


def differences(calls, interp):
	"""The same without what is allowed; that it is there, too."""
	for name, (versions, n) in DIFFERENCES.items():
		if interp.version[:2] not in versions:
			continue
		assert sum(call[1] == name for call in calls) == n
		kept, within = [], None
		for call in calls:
			if within is not None and call[0] > within:
				continue
			within = call[0] if call[1] == name else None
			if within is None:
				kept.append(call)
		calls = kept
	return calls


@pytest.mark.minor(*SUPPORTED)
def test_calls(interp, target):
	victim = target(interp, "inside.py", ready=False)
	truth = json.loads(victim.wait_line(b"TRUTH")[6:])
	victim.wait_line(b"READY")
	proc = start("-p", victim.pid, "-n", ROUNDS, "--budget", 100, "round_trip")
	say(victim, "go %d" % ROUNDS)
	executions, summary, _ = finish(proc, stop=False)
	assert victim.alive()
	assert [e.number for e in executions] == list(range(1, ROUNDS + 1))
	calls = [call for execution in executions for call in execution.calls]
	synthesised = sum(bool(call.marks & {END_GUESSED, CUT}) for call in calls)
	assert len(calls) > 1 / SYNTHESISED_MAX and synthesised <= SYNTHESISED_MAX * len(calls), (synthesised, len(calls))
	for execution in executions:
		assert differences(plain(execution.calls, interp), interp) == truth
	assert not collections.Counter(mark for call in calls for mark in call.marks & GUESSED)
	assert not any(e.lost or e.partial for e in executions)
	assert not summary["doubts"]


@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_calls_of_the_very_execution(interp, target):
	"""The profile function sees the execution that is traced; its own calls are not shown."""
	victim = target(interp, "inside.py")
	proc = start("-p", victim.pid, "-n", 3, "--budget", 100, "--skip", "profile", "round_trip")
	truths = json.loads(say(victim, "profiled 3"))
	executions, _, _ = finish(proc, stop=False)
	assert victim.alive()
	for execution, truth in zip(executions, truths, strict=True):
		assert differences(plain(execution.calls, interp), interp) == truth


@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_how_calls_end(interp, target):
	victim = target(interp, "inside.py")
	proc = start("-p", victim.pid, "-n", 1, "--budget", 100, "counted.in_one_thread")
	say(victim, "go 1")
	(execution,), _, _ = finish(proc, stop=False)
	ends = collections.defaultdict(set)
	for call in execution.calls:
		ends[call.name.rpartition(".")[2]].add(call.marks)
		assert call.start <= call.end and call.off <= call.end - call.start

	def ways(*texts):
		return {frozenset(text.split()) for text in texts}

	assert ends["plain"] == ends["recursive"] == ends["catches"] == ways("")
	assert ends["raises"] == ends["passes_on"] == ends["cleans_up"] == ends["deep_raise"] == ways("raised")
	# it is made, goes on at each next(), ends by return; by throw(); delegates
	expected = ways("yielded", "yielded resumed", "resumed", "resumed raised")
	if interp.version < (3, 12):
		# close() of one that has not begun runs it, Objects/genobject.c, gen_close(); 3.12 sees that it need not
		expected |= ways("raised")
	assert ends["generator"] == expected
	assert ends["fails_midway"] == ways("yielded", "resumed raised")
	assert ends["endless"] == ways("yielded", "yielded resumed", "resumed raised")	# the last: close()
	assert ends["leaf"] == ways("")
	assert ends["waits"] == ways("yielded", "resumed")


# ---- what is recorded

@pytest.fixture
def victim(target, newest):
	return target(newest, "inside.py")


def test_stack(victim):
	proc = start("-p", victim.pid, "-n", 1, "quick")
	say(victim, "levels")
	(execution,), _, _ = finish(proc, stop=False)
	# what called it comes first, and it is not its own caller
	assert execution.stack[:5] == ["outer", "passes", "levels", "main", "<module>"]
	assert {"_start", "__libc_start_main"} & set(execution.stack[5:])
	assert execution.names() == ["quick"]


@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_stacks_of_all(interp, target):
	"""Through C code, in whatever version: a key function called by sorted()."""
	victim = target(interp, "inside.py")
	proc = start("-p", victim.pid, "-n", 1, "--budget", 100, "counted.key")
	say(victim, "go 1")
	(execution,), _, _ = finish(proc, stop=False)
	python = [name.rpartition(".")[2] for name in execution.stack]
	at = [python.index(name) for name in ("in_one_thread", "round_trip", "main", "<module>")]
	assert at == sorted(at) and python.count("round_trip") == 1 and "key" not in python
	marks = [name for name in execution.stack if name.startswith("[") and not name.startswith("[unknown ")]
	assert not marks, execution.stack
	assert at[0] > 0	# sorted() is between


def test_recursion_is_inside(victim):
	proc = start("-p", victim.pid, "-n", 2, "--budget", 100, "fib")
	say(victim, "fib 5")
	say(victim, "fib 1")
	executions, end, _ = finish(proc, stop=False)
	assert [len(e.calls) for e in executions] == [15, 1]
	assert end["executions"]["seen"] == 2


def test_threads(victim):
	proc = start("-p", victim.pid, "-n", 1000, "--budget", 100, "outer")
	say(victim, "threads 4 25")
	executions, end, _ = finish(proc)
	assert len(executions) == 100 and end["executions"]["seen"] == 100
	assert all(e.names() == ["outer"] + 3 * ["quick"] and not e.lost for e in executions)
	assert sorted(collections.Counter(e.tid for e in executions).values()) == [25, 25, 25, 25]


def test_more_at_once_than_can_be_recorded(victim):
	"""Those that had to be left out do not count as any of the wanted."""
	proc = start("-p", victim.pid, "-n", 70, "--budget", 100, "gathers")
	say(victim, "crowd 80")
	say(victim, "crowd 10")
	executions, end, _ = finish(proc, stop=False)
	assert len(executions) == 70 and end["ended"] == "count"
	assert end["executions"]["skipped"] == 16 and end["executions"]["seen"] == 70 + 16	# the last 4 are not looked at
	assert all("quick" in e.names() and not e.lost for e in executions)


def test_lost_events_are_counted(victim):
	"""Nobody empties the ring while it overflows: each event that is not there is among the lost, the last ones, too."""
	n = 220000	# two events each, of which the ring holds 381,000
	proc = start("-p", victim.pid, "--budget", 100, "outer")
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "outer %d" % n)
	os.kill(proc.pid, signal.SIGCONT)
	(execution,), end, _ = finish(proc)
	ended = [call for call in execution.calls if not call.marks & {CUT, END_GUESSED}]
	assert 1000 < len(execution.calls) < n
	assert execution.lost == 2 * (n + 1) - len(execution.calls) - len(ended)
	assert end["losses"]["events"] == execution.lost and end["losses"]["lossy_executions"] == 1
	assert CUT in execution.calls[0].marks


def test_what_is_lost_whole_is_none_of_the_wanted(victim):
	proc = start("-p", victim.pid, "-n", 2, "--budget", 100, "outer")
	os.kill(proc.pid, signal.SIGSTOP)
	say(victim, "outer 220000")	# fills the ring
	say(victim, "outer 1")
	os.kill(proc.pid, signal.SIGCONT)
	path = interpreter_of(victim.pid)
	deadline = time.monotonic() + 60
	while breakpoints(victim.pid, path):
		assert time.monotonic() < deadline
		say(victim, "outer 1")
	executions, end, _ = finish(proc, stop=False)
	assert end["ended"] == "count" and [e.number for e in executions] == [1, 3]
	assert end["executions"]["unsent"] == 1 and executions[0].lost and not executions[1].lost
	assert any("1 execution was lost whole" in doubt for doubt in end["doubts"])


def test_depth(victim):
	proc = start("-p", victim.pid, "-n", 1, "--depth", 2, "levels")
	say(victim, "levels")
	(execution,), _, _ = finish(proc, stop=False)
	assert execution.names() == ["levels", "passes", "outer"]


def test_only_and_skip(victim):
	proc = start("-p", victim.pid, "-n", 1, "--skip", "pass*", "--skip", "*/never.py", "levels")
	say(victim, "levels")
	(execution,), _, _ = finish(proc, stop=False)
	# what it called is below the nearest that is shown
	assert [(c.name, c.depth) for c in execution.calls] == [("levels", 0), ("outer", 1), ("quick", 2)]
	proc = start("-p", victim.pid, "-n", 1, "--only", "quick", "levels")
	say(victim, "levels")
	(execution,), _, _ = finish(proc, stop=False)
	assert execution.names() == ["levels", "quick"]


def test_longer_ones(victim):
	proc = start("-p", victim.pid, "-n", 2, "--duration-over", "30ms", "sleeps")
	say(victim, "sleeps 0 0.05 0 0 0.05")
	executions, end, _ = finish(proc, stop=False)
	assert [e.number for e in executions] == [2, 5]
	assert end["executions"]["shorter"] == 3
	for execution in executions:
		first = execution.calls[0]
		assert first.end - first.start >= 50e6 and first.off >= 45e6


@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_function_of_later(interp, target):
	"""Its name is copied while it runs: it is gone when it could be asked for."""
	victim = target(interp, "inside.py")
	proc = start("-p", victim.pid, "-n", 1, "--budget", 100, "runs_late")
	say(victim, "late")
	(execution,), _, _ = finish(proc, stop=False)
	calls = plain(execution.calls, interp)
	assert calls[:2] == [[0, "runs_late", calls[0][2], "inside.py"], [1, "<module>", calls[1][2], "late.py"]]
	assert [1, "late", 1, "late.py"] in calls
	assert [c[1] for c in calls].count("quick") == 2


@pytest.mark.few
@pytest.mark.minor(*SUPPORTED)
def test_functions_in_turn(interp, target):
	"""Each is where the one before was, which is gone, and differs from it in its name alone."""
	victim = target(interp, "inside.py")
	proc = start("-p", victim.pid, "-n", 1, "--budget", 100, "--skip", "<module>", "runs_in_turn")
	say(victim, "turn 300")
	(execution,), _, _ = finish(proc, stop=False)
	assert execution.names() == ["runs_in_turn"] + ["turn_%04d" % i for i in range(300)]


def test_stop(victim):
	"""Ctrl-C in the middle: what is under way is kept as far as it came, and marked."""
	proc = start("-p", victim.pid, "sleeps")
	victim.say("sleeps 600")
	victim.wait_line(b"ASLEEP")
	executions, end, _ = finish(proc)
	(execution,) = executions
	assert execution.names()[0] == "sleeps" and execution.calls[0].marks == {CUT}
	assert end["ended"] == "stopped"


def test_never_called(victim):
	run = live.pitviper("trace", "--json", "-p", victim.pid, "-d", 0.1, "dies")
	assert run.status == 0 and re.search(rb"dies \(inside\.py:\d+\) was not called in ", run.err), run
	assert live.last_json(run.out)["executions"]["list"] == []


# ---- what the process looks like

def test_nothing_is_left(victim):
	path = interpreter_of(victim.pid)
	assert breakpoints(victim.pid, path) == 0
	proc = start("-p", victim.pid, "outer")
	say(victim, "outer 1")
	assert breakpoints(victim.pid, path) > 0
	proc.kill()
	proc.wait()
	assert live.gone(lambda: breakpoints(victim.pid, path) == 0)
	assert live.pitviper("trace", "-p", victim.pid, "-d", 0.1, "outer").status == 0
	assert breakpoints(victim.pid, path) == 0
	say(victim, "outer 1")


def test_forked_child_is_freed(victim):
	path = interpreter_of(victim.pid)
	proc = start("-p", victim.pid, "outer")
	child = int(say(victim, "fork"))
	try:
		assert live.gone(lambda: breakpoints(child, path) == 0)
		assert breakpoints(victim.pid, path) > 0
		say(victim, "outer 3")
		executions, _, _ = finish(proc)
	finally:
		os.kill(child, signal.SIGKILL)
	assert [e.names() for e in executions] == [["outer"] + 3 * ["quick"]]
	assert executions[0].tid == victim.pid


def test_fork_and_end(victim):
	"""The target has forked and is gone before pitviper hears of either, as a daemon that begins."""
	proc = start("-p", victim.pid, "outer")
	say(victim, "outer 1")
	os.kill(proc.pid, signal.SIGSTOP)
	victim.say("daemon")
	victim.proc.wait()
	os.kill(proc.pid, signal.SIGCONT)
	executions, end, _ = finish(proc, stop=False)
	assert len(executions) == 1 and end["ended"] == "target"


def test_exec_ends_it(victim):
	proc = start("-p", victim.pid, "outer")
	say(victim, "outer 1")
	victim.say("exec")
	executions, end, err = finish(proc, stop=False)
	assert len(executions) == 1 and end["ended"] == "exec" and b"another program" in err
	assert victim.alive()


def test_end_of_the_target(victim):
	proc = start("-p", victim.pid, "outer")
	say(victim, "outer 1")
	victim.proc.stdin.close()
	executions, end, _ = finish(proc, stop=False)
	assert len(executions) == 1 and end["ended"] == "target"


def test_too_dear(victim):
	path = interpreter_of(victim.pid)
	proc = start("-p", victim.pid, "--budget", 0.05, "fib")
	victim.say("fib 24")
	executions, end, err = finish(proc, stop=False)
	assert end["ended"] == "budget" and b"--budget" in err
	assert breakpoints(victim.pid, path) == 0
	# what was recorded up to then is there
	(execution,) = executions
	assert len(execution.calls) > 1000 and execution.calls[0].marks == {CUT}
	assert victim.alive()


def test_two_at_once(victim):
	first, second = start("-p", victim.pid, "outer"), start("-p", victim.pid, "outer")
	say(victim, "outer 5")
	one, _, _ = finish(first)
	say(victim, "outer 1")
	two, _, _ = finish(second)
	assert [len(e.calls) for e in one] == [6]
	assert [len(e.calls) for e in two] == [6, 2]


def test_threads_that_die_inside(victim):
	proc = start("-p", victim.pid, "dies")
	say(victim, "die 3")
	executions, end, _ = finish(proc)
	assert victim.alive()
	assert [e.names() for e in executions] == 3 * [["dies", "quick"]]
	assert all(e.calls[0].marks == {CUT} and not e.lost for e in executions)


GREENLETS = [i for i in live.find_interpreters() if not i.root and i.name.startswith("usr-")]


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets(target):
	check_greenlets(target(GREENLETS[0], "gevent_calls.py"))


def check_greenlets(victim):
	"""Each execution waits in the middle, and all others run meanwhile in the same thread."""
	proc = start("-p", victim.pid, "-n", 50, "--budget", 100, "sleeps")
	victim.say("50 30")
	victim.wait_line(b"DONE")
	executions, _, _ = finish(proc, stop=False)
	assert victim.alive()
	assert len(executions) == 50
	for execution in executions:
		first = execution.calls[0]
		assert execution.names().count("sleeps") == execution.names().count("inner") == 1
		assert first.end - first.start >= 30e6
		assert not any(call.marks & GUESSED for call in execution.calls)


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets_that_fail(target):
	check_greenlets_that_fail(target(GREENLETS[0], "gevent_calls.py"))


def check_greenlets_that_fail(victim):
	"""No frame called them: on 3.11 all of a thread have the same caller, none."""
	proc = start("-p", victim.pid, "-n", 30, "--budget", 100, "fails")
	victim.say("fails 30 30")
	victim.wait_line(b"DONE")
	executions, summary, _ = finish(proc, stop=False)
	assert victim.alive()
	assert [RAISED in execution.calls[0].marks for execution in executions] == [k % 3 == 0 for k in range(30)], summary
	for execution in executions:
		assert execution.names().count("inner") == 1 and not any(call.marks & GUESSED for call in execution.calls)


def test_all_are_accounted_for(newest, spawn):
	"""Executions that begin when as many as are wanted have, until the probes are out, are not among those seen."""
	code = "import os\ndef f(): return 1\nos.write(1, b'READY\\n')\nwhile True: f()"
	victim = spawn(*newest.command("-c", code))
	run = live.pitviper("trace", "--json", "--arm-now", "-p", victim.pid, "-n", 2, "--budget", 100, "f")
	end = live.loads(run.out)
	told = end["executions"]
	assert told["kept"] == 2 and end["ended"] == "count"
	assert told["seen"] == sum(told[key] for key in ("kept", "shorter", "unmet", "undecided", "skipped", "gone", "unsent"))


@pytest.mark.gil
@pytest.mark.minor((3, 14), (3, 15))
def test_jit(interp, target):
	"""Calls that begin in compiled code have no RESUME: they are there, and their beginnings are marked."""
	victim = target(interp, "inside.py", env={"PYTHON_JIT": "1"})
	proc = start("-p", victim.pid, "-n", 1, "--budget", 100, "outer")
	say(victim, "outer 20000")
	(execution,), _, _ = finish(proc, stop=False)
	assert victim.alive()
	assert collections.Counter(execution.names()) == {"outer": 1, "quick": 20000}
	assert any(BEGIN_GUESSED in call.marks for call in execution.calls)


def test_replaced(victim):
	"""Code that has come to be where the function's was is another, and is counted."""
	proc = start("-p", victim.pid, "passing")
	assert say(victim, "replaces") == "5"
	executions, summary, err = finish(proc)
	# Python/bytecodes.c, RESUME: the first time it makes itself RESUME_CHECK and is dispatched again
	assert not executions and summary["lost"]["probe_replaced"] in (5, 6), summary
	assert any("entries of other code where the function" in doubt for doubt in summary["doubts"]), summary


def test_generator(victim):
	"""Each stay in it is an execution, and that is said."""
	proc = start("-p", victim.pid, "-n", 3, "steps")
	say(victim, "steps")
	executions, _, err = finish(proc, stop=False)
	assert [e.names() for e in executions] == [["steps"], ["steps", "quick"], ["steps"]]
	assert b"steps (inside.py:91) is a generator or coroutine: each stay" in err, err


# ---- outputs

def test_outputs(victim, tmp_path):
	files = [str(tmp_path / ("trace" + suffix)) for suffix in (".txt", ".folded", ".json", ".perfetto-trace")]
	proc = live.start_pitviper("trace", "--arm-now", "-p", victim.pid, "-n", 2, "levels", *[a for f in files for a in ("-o", f)])
	while not attached(proc):
		pass
	say(victim, "levels")
	say(victim, "levels")
	out, err = proc.communicate(timeout=60)
	text = out.decode()
	assert proc.returncode == 0 and not err, err
	assert re.search(r"^callees of levels, 2 executions", text, re.M) and "->" not in text, text
	assert text.endswith("\nWrote " + ", ".join(files) + "\n"), text
	text = open(files[0]).read()
	assert re.search(r"^ *\d+\.\d+ +-> levels \(inside\.py:\d+\)$", text, re.M), text
	assert [len(e.calls) for e in parse(open(files[2]).read())] == [4, 4]
	assert re.search(r"^levels \(inside.py:\d+\);passes \(inside.py:\d+\) \d+$", open(files[1]).read(), re.M)
	assert os.stat(files[3]).st_size > 100


def test_text(victim):
	proc = live.start_pitviper("trace", "--arm-now", "-p", victim.pid, "-n", 1, "levels")
	while not attached(proc):
		pass
	say(victim, "levels")
	out, err = proc.communicate(timeout=60)
	text = out.decode()
	assert proc.returncode == 0 and not err, err
	assert re.search(r"^ +from main \(inside\.py:\d+\)$", text, re.M), text
	assert re.search(r"^ *\d+\.\d+ +-> quick \(inside\.py:\d+\)$", text, re.M), text
	assert re.search(r"^callees of levels, 1 execution", text, re.M), text


# ---- refusals

def refused(*args, status=2, **kw):
	run = live.pitviper("trace", *args, **kw)
	assert run.status == status and not run.out, run
	return run.text()


def test_usage(victim, spawn):
	assert "name of one function" in refused("-p", victim.pid)
	assert "name of one function" in refused("-p", victim.pid, "outer", "quick")
	assert "write to the process" in refused("-p", victim.pid, "--usdt", "outer")
	assert "10ms" in refused("-p", victim.pid, "--duration-over", "10", "outer")
	text = refused("-p", victim.pid, "oute")
	assert "there is no Python function `oute`" in text and "outer (inside.py:" in text
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
