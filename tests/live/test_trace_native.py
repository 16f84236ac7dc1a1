# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper trace --native`: calls of native functions among Python's, as a module counts and nests its own.

The truth of counts is the module's; how its calls nest stands in its source and is written down here.
A call whose end cannot be seen is marked; nothing is harmed.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import time

import live
import pytest
from test_latency import breakpoints, interpreter_of
from test_latency_native import build
from test_trace import BEGIN_GUESSED, CUT, END_GUESSED, Execution


NAMES = ["nat_leaf", "nat_middle", "nat_tail", "nat_call_back", "nat_throws", "nat_jumps", "nat_switches"]
FUNCTIONS = "trace_ext.so:nat_*"

MIDDLE = [(0, "nat_tail"), (1, "nat_leaf"), (0, "nat_middle")]		# and below the last as many nat_leaf as it is told


def below(depth, calls):
	return [(depth + d, name) for d, name in calls]


CALLED_BACK = [(0, "called_back")] + below(1, MIDDLE + [(1, "nat_leaf"), (0, "plain")])
WHOLE = ([(0, "whole")] + below(1, MIDDLE + 2 * [(1, "nat_leaf")]) +
	 [(1, "nat_call_back")] + below(2, 2 * CALLED_BACK + [(0, "nat_leaf")]) +
	 [(1, "nat_call_back"), (2, "plain"), (2, "nat_leaf"), (1, "plain")])

Call = collections.namedtuple("Call", "depth name marks start end")


def headers(interp):
	out = subprocess.run([interp.path, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"],
			     stdout=subprocess.PIPE).stdout.decode().strip()
	return out if os.path.exists(os.path.join(out, "Python.h")) else None


INTERPRETERS = [i for i in live.find_interpreters() if not i.root and not i.free_threaded and i.version >= (3, 8) and headers(i)]
# one of each way in which frames are found
CHOSEN = [i for n, i in enumerate(INTERPRETERS) if i.version[:2] in ((3, 8), (3, 11), (3, 12), (3, 13))]


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
	"""Where the module of an interpreter is; it is built once."""
	built = {}

	def of(interp):
		if interp.name not in built:
			directory = str(tmp_path_factory.mktemp("ext"))
			path = os.path.join(directory, "trace_ext.so")
			subprocess.run(["c++", "-O2", "-g", "-fPIC", "-shared", "-I" + headers(interp),
					os.path.join(live.TARGETS, "trace_ext.cpp"), "-o", path], check=True)
			shutil.copy(path, os.path.join(directory, "second_ext.so"))
			built[interp.name] = directory
		return built[interp.name]

	return of


class Victim:
	def __init__(self, target, directory):
		self.target, self.pid = target, target.pid
		self.library, self.copy = os.path.join(directory, "trace_ext.so"), os.path.join(directory, "second_ext.so")
		self.python = interpreter_of(self.pid)

	def say(self, line):
		"""Does it; returns the calls so far, by name."""
		self.target.say(line)
		return dict(zip(NAMES, json.loads(self.target.wait_line(b"DONE")[4:])))

	def warm(self, line, places, outside=0):
		"""Does it once, and waits until so many places that calls return to are probed: in the library, in the program."""
		before = breakpoints(self.pid, self.library), breakpoints(self.pid, self.python)
		self.say(line)
		assert live.gone(lambda: breakpoints(self.pid, self.library) >= before[0] + places and
				 breakpoints(self.pid, self.python) >= before[1] + outside)
		return 1


@pytest.fixture
def start_victim(target, directories):
	def start(interp):
		directory = directories(interp)
		return Victim(target(interp, "trace_native.py", directory, os.path.join(directory, "second_ext.so")), directory)
	return start


@pytest.fixture
def victim(start_victim):
	return start_victim(INTERPRETERS[-1])


def parse(out):
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
		marks = frozenset(args["marks"].split(", ")) if "marks" in args else frozenset()
		executions[-1].calls.append(Call(len(within), event["name"].split(" (")[0].rpartition(".")[2], marks, begin, end))
		within.append(end)
	return executions


def start(victim, *args, probes=1):
	proc = live.start_pitviper("trace", "--arm-now", "--json", "--format", "chrome", "-o", "-", "-p", victim.pid,
				   "--budget", 100, *args)
	deadline = time.monotonic() + 30
	while True:
		types = live.bpf_links(proc.pid)
		if types.count("uprobe_multi") >= probes and types.count("raw_tracepoint") + types.count("tracing") == 4:
			return proc
		if proc.poll() is not None:
			raise AssertionError("pitviper ended (%d): %s" % (proc.returncode, proc.stderr.read()))
		assert time.monotonic() < deadline, "pitviper did not attach"
		time.sleep(0.01)


def end(proc):
	"""The executions, those of them that are whole, the summary."""
	proc.send_signal(signal.SIGINT)
	out, err = proc.communicate(timeout=60)
	assert proc.returncode == 0, err
	executions = parse(out)
	return executions, [e for e in executions if not e.partial], live.last_json(err)


def mapped(victim, name):
	with open("/proc/%d/maps" % victim.pid) as maps:
		return next(line.split()[-1] for line in maps if name in line)


def tree(execution):
	return [(call.depth, call.name) for call in execution.calls]


def marked(execution):
	return [call.name for call in execution.calls if call.marks & {END_GUESSED, BEGIN_GUESSED, CUT}]


def native_counts(executions):
	found = collections.Counter(call.name for e in executions for call in e.calls)
	return {name: found[name] for name in NAMES}


# ---- how they nest, and how many

@pytest.mark.parametrize("python", CHOSEN, ids=str)
def test_whole(python, start_victim):
	victim = start_victim(python)
	proc = start(victim, "-n", 1000, "--native", FUNCTIONS, "whole", probes=2)
	n = victim.warm("whole 1", places=5)
	truth = victim.say("whole 20")
	executions, whole, summary = end(proc)
	assert victim.target.alive()
	assert len(executions) == n + 20
	assert native_counts(executions) == truth
	assert len(whole) >= 19
	for execution in whole:
		assert tree(execution) == WHOLE
		assert not marked(execution) and not execution.lost
	# the first one had places that were not known: all that is guessed is marked
	assert executions[0].partial and END_GUESSED in executions[0].calls[1].marks


def test_only_skip_and_depth(victim):
	proc = start(victim, "-n", 1000, "--native", FUNCTIONS, "--skip", "nat_leaf", "--depth", 3, "whole", probes=2)
	entries = breakpoints(victim.pid, victim.library)
	victim.warm("whole 1", places=3)
	victim.say("whole 3")
	_, whole, _ = end(proc)
	# what is not shown is not probed
	assert entries == len(NAMES) - 1
	expected = [(d, name) for d, name in WHOLE if name != "nat_leaf" and d <= 3]
	assert whole and all(tree(e) == expected for e in whole)


# ---- what is hard

def hard(victim, function, places):
	proc = start(victim, "-n", 1000, "--native", FUNCTIONS, function, probes=2)
	n = victim.warm("%s 1" % function, places=places)
	truth = victim.say("%s 20" % function)
	executions, whole, _ = end(proc)
	assert victim.target.alive()
	assert len(executions) == n + 20 and native_counts(executions) == truth
	assert len(whole) >= 19
	return whole


def odd_ones(name):
	"""Every second call of five is left by a jump, and nat_middle is called where it lands."""
	good, bad = [(1, name), (2, "nat_leaf")], [(1, name), (1, "nat_middle"), (2, "nat_leaf")]
	return good + bad + good + bad + good


def test_exceptions(victim):
	for execution in hard(victim, "throws", places=4):
		assert tree(execution) == [(0, "throws")] + odd_ones("nat_throws")
		assert marked(execution) == 2 * ["nat_throws"]


def test_longjmp(victim):
	for execution in hard(victim, "jumps", places=4):
		assert tree(execution) == [(0, "jumps")] + odd_ones("nat_jumps")
		assert marked(execution) == 2 * ["nat_jumps"]


def test_switched_stacks(victim):
	"""What its caller does meanwhile is not within a call that waits on another stack."""
	once = [(1, "nat_switches"), (1, "nat_middle"), (2, "nat_leaf"), (1, "nat_leaf")]
	for execution in hard(victim, "switches", places=4):
		assert tree(execution) == [(0, "switches")] + 2 * once
		assert marked(execution) == 2 * ["nat_switches"]


GREENLETS = [i for i in INTERPRETERS if i.name.startswith("usr-")]


@pytest.mark.skipif(not GREENLETS, reason="no Python of the system's, which has gevent")
def test_greenlets(start_victim):
	"""Each waits in the middle of a native call, at the same addresses, while all others run."""
	victim = start_victim(GREENLETS[0])
	proc = start(victim, "-n", 1000, "--native", FUNCTIONS, "greenlets.<locals>.runs", probes=2)
	n = victim.warm("greenlets 1", places=5)
	truth = victim.say("greenlets 50")
	executions, whole, _ = end(proc)
	assert victim.target.alive()
	assert len(executions) == n + 50 and native_counts(executions) == truth
	assert len(whole) >= 49
	expected = ([(0, "runs"), (1, "nat_call_back"), (2, "waits"), (3, "sleep")] + below(3, MIDDLE + [(1, "nat_leaf")]) +
		    [(2, "nat_leaf")])
	for execution in whole:
		assert tree(execution) == expected and not marked(execution)


def test_library_that_goes(victim):
	"""It is unloaded and loaded again in the middle; its functions are found by what it is at the start."""
	victim.say("hold 1")
	proc = start(victim, "-n", 1000, "--native", "second_ext.so:nat_*", "unloads", probes=2)
	victim.say("let_go 1")
	victim.say("unloads 5")
	executions, _, _ = end(proc)
	assert victim.target.alive()
	assert len(executions) == 5
	for execution in executions:
		assert native_counts([execution])["nat_middle"] == 2 and native_counts([execution])["nat_leaf"] == 4


def test_library_that_comes(victim):
	"""The function that is asked for is loaded later: in the words of `latency`, and its executions are whole."""
	proc = live.start_pitviper("trace", "--json", "--format", "chrome", "-o", "-", "-p", victim.pid, "-n", 1000,
				   "--budget", 100, "second_ext.so:nat_middle(d)")
	assert proc.stderr.readline().decode().startswith("pitviper: waiting for `second_ext.so:nat_middle`: its library is not")
	victim.say("hold 1")
	# until the first execution nothing but its entry is probed
	assert live.gone(lambda: breakpoints(victim.pid, victim.copy) == 1)
	victim.say("unloads 1")
	assert live.gone(lambda: breakpoints(victim.pid, victim.copy) >= len(NAMES))
	# where calls return to: in the function itself, and in what ctypes calls by
	victim.say("unloads 1")
	assert live.gone(lambda: breakpoints(victim.pid, victim.copy) > len(NAMES) and breakpoints(victim.pid, mapped(victim, "libffi")))
	# and it waits again: until then executions are partial
	assert live.gone(lambda: live.in_poll(proc.pid))
	victim.say("unloads 50")
	executions, whole, summary = end(proc)
	assert victim.target.alive()
	assert summary["trigger"]["function"] == "nat_middle" and summary["trigger"]["module"] == "second_ext.so", summary
	assert summary["executions"]["seen"] == 104 and summary["probes"]["waited_by"] == "entry", summary["executions"]
	assert len(whole) >= 50 and all("unloads" in e.stack and "[unwind break]" not in e.stack for e in executions)
	for execution in whole:
		assert tree(execution) == [(0, "nat_middle"), (1, "nat_leaf"), (1, "nat_leaf")]
		assert not marked(execution)


@pytest.mark.parametrize("words", [["second_ext.so:nat_middle"], ["--arm-now", "--native", "second_ext.so:nat_middle"]])
def test_library_that_never_comes(victim, words):
	run = live.pitviper("trace", "--json", "-p", victim.pid, "-d", 0.5, *words)
	assert run.status == 0 and b"second_ext.so:nat_middle: its library was not loaded in 0." in run.err, run
	summary = json.loads(run.out)
	assert summary["trigger"]["function"] == "second_ext.so:nat_middle" and summary["executions"]["seen"] == 0
	assert summary["probes"]["waited_by"] == "library" and summary["probes"]["sites"] == 0


def test_library_without_it(victim):
	"""As soon as that is known it is an error."""
	proc = live.start_pitviper("trace", "-p", victim.pid, "second_ext.so:nat_mid")
	proc.stderr.readline()
	victim.say("hold 1")
	_, err = proc.communicate(timeout=30)
	assert proc.returncode == 2 and b"no native function `second_ext.so:nat_mid`; like it: " in err, err


def test_ends_before_its_library(victim):
	proc = live.start_pitviper("trace", "--json", "-p", victim.pid, "second_ext.so:nat_middle")
	proc.stderr.readline()
	victim.target.stop()
	out, err = proc.communicate(timeout=30)
	assert proc.returncode == 0 and json.loads(out)["ended"] == "target", err


# ---- executions of a native function

@pytest.mark.parametrize("python", CHOSEN[::2], ids=str)
def test_native_trigger(python, start_victim):
	victim = start_victim(python)
	proc = start(victim, "-n", 1000, "--native", FUNCTIONS, "trace_ext.so:nat_call_back", probes=2)
	n = victim.warm("whole 1", places=5)
	victim.say("whole 20")
	executions, whole, summary = end(proc)
	assert victim.target.alive()
	assert len(executions) == 2 * (n + 20) == summary["executions"]["seen"]
	long = [(0, "nat_call_back")] + below(1, 2 * CALLED_BACK + [(0, "nat_leaf")])
	short = [(0, "nat_call_back"), (1, "plain"), (1, "nat_leaf")]
	assert len(whole) >= 38 and sum(tree(e) == long for e in whole) >= 19
	for execution in whole:
		assert tree(execution) in (long, short) and not marked(execution) and not execution.lost
		assert "whole" in execution.stack


class Program(Victim):
	"""A target without Python: see test_latency_native."""

	def __init__(self, spawn, program):
		self.target = spawn(program)
		self.pid, self.python = self.target.pid, program
		self.library = os.path.join(os.path.dirname(program), "libcalls.so.1")

	def say(self, line):
		self.target.say(line)
		return [int(n) for n in self.target.wait_line(b"DONE").split()[2:9]]


@pytest.fixture
def program(spawn, tmp_path):
	return Program(spawn, build(tmp_path))


def test_without_python(program):
	proc = start(program, "-n", 1000, "--native", "libcalls:lib_work", "caller_two", probes=2)
	n = program.warm("two 1", places=0, outside=3)
	program.say("two 3")
	executions, whole, summary = end(proc)
	assert program.target.alive()
	assert len(executions) == n + 1 and whole
	assert tree(whole[-1]) == [(0, "caller_two")] + 6 * [(1, "lib_work")]
	assert not marked(whole[-1]) and "main" in whole[-1].stack


def test_trigger_that_throws(program):
	"""Its end is not seen: the record says so, and the next execution is another."""
	proc = start(program, "-n", 1000, "libcalls:lib_call_back")
	n = program.warm("throw 2", places=0, outside=1)
	truth = program.say("throw 100")
	executions, whole, _ = end(proc)
	assert program.target.alive()
	assert len(executions) == truth[4]
	cut = [CUT in e.calls[0].marks for e in whole[-100:]]
	assert cut == 50 * [False, True]


def test_trigger_on_switched_stacks(program):
	"""Twenty coroutines in the middle of the function at once: each is unharmed, and none is in another's."""
	proc = start(program, "-n", 1000, "libcalls:lib_call_back")
	truth = program.say("switch 1000")
	executions, _, _ = end(proc)
	assert program.target.alive()
	assert truth[4] == 20
	for execution in executions:
		assert CUT in execution.calls[0].marks or len(execution.calls) == 1


# ---- without a library

@pytest.mark.parametrize("function", ["whole", "trace_ext.so:nat_call_back"])
def test_usual_set(victim, function):
	"""--native FUNCTION: the C API, whatever its library is called, and the function's own library."""
	proc = start(victim, "-n", 1000, "--native", function, probes=2)
	assert live.gone(lambda: breakpoints(victim.pid, victim.python) > 500, timeout=30)	# all batches
	victim.say("whole 20")
	executions, _, summary = end(proc)
	native = {c["function"] for c in summary["callees"] if c["kind"] == "native"}
	assert any(re.match("Py[A-Z]", name) for name in native), native
	own = {name for name in native if not re.match("Py[A-Z]", name)}
	if function == "whole":
		assert not own
	else:
		assert {"nat_call_back", "nat_leaf"} <= own and all(
			c["module"].endswith("trace_ext.so") for c in summary["callees"] if c["function"] in own)


# ---- refusals

def test_refusals(victim):
	def refused(*args):
		run = live.pitviper("trace", "-p", victim.pid, *args)
		assert run.status == 2 and not run.out, run
		return run.text()

	assert "there is no native function or library `libnone`" in refused("--native", "libnone", "whole")
	assert "there is no native function or library `trace_ext.so:none_*`" in refused("--native", "trace_ext.so:none_*", "whole")
	assert "executions are of one" in refused("trace_ext.so:nat_*")
