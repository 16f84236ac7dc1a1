# SPDX-License-Identifier: BSD-2-Clause
"""Shares of time against what the program says itself: examples/webapp under wrk and under its own
load, examples/numpy_mix.py.

The truth is the program's: CLOCK_THREAD_CPUTIME_ID around single lines of its code, and
process_time for all of it.  Nothing of it comes from pitviper or from this file.  At 10,000 samples
every share by function and by line is within 2 percentage points, in the folded stacks and in what
people see: the hottest functions, the hottest path, the turning point.

Of the layers that people see a program knows only a part, since Python and C there are where the CPU
was, not in which language a line is written: the interpreter's own C functions, which a loop in Python
spends a third to a half of its time in, are C.  So C and the kernel have at least what the program
knows to be theirs, the kernel no more than the kernel itself counts, and all of them are what the
innermost frames of the stacks say.
"""
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import conftest
import live
import pytest

EXAMPLES = os.path.join(live.TOP, "examples")
WEBAPP = os.path.join(EXAMPLES, "webapp")
SYSTEM_PYTHON = "/usr/bin/python3"		# Debian's: stripped, and with Flask, gunicorn and numpy
WITHIN = 2.0					# percentage points
SAMPLES = 10500
HZ = 1997					# no multiple of any tick of the kernel or of the programs
# Causes that cost samples or time; the others mark a part of a stack.
LOST = ("ring_sample", "ring_code", "code_read", "sideband", "name_missing", "proc_gone", "image")

sys.path.insert(0, WEBAPP)
import account  # noqa: E402
sys.path.insert(0, os.path.join(live.TOP, "tests", "golden"))
sys.dont_write_bytecode = True
import recipe as golden  # noqa: E402


def pytest_generate_tests(metafunc):
	"""Without --full one of each: the bare app runs on any Python, here the newest."""
	several = {"bare": [i for i in reversed(conftest.INTERPRETERS) if not i.root], "how": ["children", "pids"],
		   "threads": [3, 1]}
	for name in set(several) & set(metafunc.fixturenames):
		some = several[name] if metafunc.config.getoption("--full") else several[name][:1]
		metafunc.parametrize(name, some, ids=str)


class Truth:
	"""What a program says: its CPU seconds, and of which those of single lines; what the kernel says of it."""

	def __init__(self, file, process, system):
		self.file, self.process, self.system, self.parts, self.callees = file, process, system, {}, {}

	def add(self, name, function, line, cpu, layer, callee=None):
		"""line: None for all of the function; callee: of the same file, does all of the work of the line."""
		self.parts[name] = (function, line, cpu, layer)
		self.callees[name] = callee

	def functions(self):
		return {function for function, _, _, _ in self.parts.values()}

	def within(self):
		"""Share of all that is within each function, in percent."""
		shares = collections.Counter()
		for name, (function, _, cpu, _) in self.parts.items():
			for one in {function, self.callees[name]} - {None}:
				shares[one] += 100 * cpu / self.process
		return shares

	def innermost(self):
		"""Share of which each is the innermost own function."""
		shares = collections.Counter()
		for name, (function, _, cpu, _) in self.parts.items():
			shares[self.callees[name] or function] += 100 * cpu / self.process
		return shares

	def layer(self, layer):
		return sum(100 * cpu / self.process for _, _, cpu, l in self.parts.values() if l == layer)


def system_seconds(pids):
	"""What the kernel has counted as its own time, of processes that live."""
	ticks = 0
	for pid in pids:
		with open("/proc/%d/stat" % pid) as stat:
			ticks += int(stat.read().rpartition(")")[2].split()[12])
	return ticks / os.sysconf("SC_CLK_TCK")


def caller(stack, truth):
	"""The frame of one of the functions whose lines the program measures."""
	for frame in stack.frames:
		if frame.kind == "python" and frame.file == truth.file and frame.function in truth.functions():
			return frame
	return None


def layer_of(stack):
	"""Where the leaf is.  What the interpreter does for Python code is Python's: the leaf is in its own binary."""
	leaf = stack.frames[-1]
	if leaf.kind == "native":
		module = leaf.file or leaf.text
		if leaf.kind == "native" and ("libpython" in module or "python3." in module) and ".so:" not in module:
			return "interpreter"
		return "C"
	if leaf.kind == "kernel" and any(f.function == "__x64_sys_futex" for f in stack.frames):
		return "futex"
	return {"python": "Python", "kernel": "kernel"}.get(leaf.kind, "marker")


# Of each layer of a part, the leaves that it may have.  C code of an interpreter that is one binary with its
# library (Debian's: sre, json) is in that binary, so "C" does not say which file.  C code that lets the GIL go (sqlite,
# zlib) hands it over by futex, which is up to 2.3 points of the app's time; no part has a lock of its own.
LEAVES = {"Python": ("Python", "interpreter"), "C": ("C", "interpreter", "futex"), "kernel": ("kernel", "futex")}


def in_stacks(stacks, truth):
	"""(what, seen, true) of the functions and lines that the program measures."""
	percent = 100 / live.total(stacks)
	functions = dict.fromkeys(truth.functions(), 0)
	lines = dict.fromkeys(truth.parts, 0)
	layers = dict.fromkeys(truth.parts, 0)
	elsewhere = 0
	part_at = {(function, line): name for name, (function, line, _, _) in truth.parts.items()}
	for stack in stacks:
		frame = caller(stack, truth)
		if frame is None:
			continue
		functions[frame.function] += stack.count
		name = part_at.get((frame.function, frame.line)) or part_at.get((frame.function, None))
		if name is None:
			elsewhere += stack.count
			continue
		lines[name] += stack.count
		layer = truth.parts[name][3]
		layers[name] += stack.count * (layer in LEAVES and layer_of(stack) in LEAVES[layer])
	for function in sorted(functions):
		true = sum(cpu for f, _, cpu, _ in truth.parts.values() if f == function)
		yield function, functions[function] * percent, 100 * true / truth.process
	for name, (_, _, cpu, layer) in truth.parts.items():
		yield "  " + name, lines[name] * percent, 100 * cpu / truth.process
		if layer in LEAVES:
			yield "    with a leaf in " + " or ".join(LEAVES[layer]), layers[name] * percent, 100 * cpu / truth.process
	yield "lines that are not measured", elsewhere * percent, 0.0


def on_screen(summary, truth):
	"""(what, seen, true) of the rows that people see of functions that the program measures."""
	within = truth.within()
	path = collections.Counter()
	for table in ("hottest", "hottest_path"):
		for row in summary[table]:
			if os.path.basename(row["file"]) != truth.file or row["function"] not in within:
				continue
			if table == "hottest":
				yield "hottest: " + row["function"], 100 * row["total"]["share"], within[row["function"]]
			else:
				path[row["function"]] += 100 * row["total"]["share"]
	for function, share in path.items():
		yield "hottest path: " + function, share, within[function]


def turning_point(summary, truth):
	"""(what, seen, low, high) of the answer; the own function in it has most by the program's account."""
	turn, shares = summary["turning_point"], truth.innermost()
	own = turn["what"] if turn["what"]["own"] else turn["under"]
	(first, most), = shares.most_common(1)
	assert os.path.basename(own["file"]) == truth.file and (
		own["function"] == first or most - shares[own["function"]] <= 2 * WITHIN), (turn, shares)
	assert "%s (%s:" % (own["function"], truth.file) in summary["answer"], summary["answer"]
	seen = 100 * turn["what"]["total"]["share"]
	if turn["what"]["own"]:
		yield "turning point: " + own["function"], seen, shares[own["function"]], shares[own["function"]]
		return
	# some of its time, or of one of its lines
	at = [100 * cpu / truth.process for f, line, cpu, _ in truth.parts.values() if f == own["function"] and line == own["first_line"]]
	most = at[0] if at and own["first_line"] == own["last_line"] else shares[own["function"]]
	yield "turning point: under %s" % own["function"], seen, 0.1 * most, most


def layers_on_screen(summary, truth):
	"""(what, seen, low, high): what the program knows to be C or the kernel's, and what the kernel counts."""
	share = {name: 100 * layer["share"] for name, layer in summary["layers"].items()}
	system = truth.system / truth.process
	# the kernel may count by ticks: four standard errors of them
	ticks = 400 * (system * (1 - system) / (truth.process * os.sysconf("SC_CLK_TCK"))) ** 0.5
	yield "layer C", share["native"], truth.layer("C"), 100 - truth.layer("kernel")
	yield "layer kernel", share["kernel"], truth.layer("kernel"), 100 * system + ticks


def recounted(stacks, summary):
	"""What is on the screen is what the stacks say: layers, hottest functions.  Exactly, there is no truth in it."""
	layers = collections.Counter()
	itself, within = collections.Counter(), collections.Counter()

	def named(frame):
		return frame.kind, frame.function, frame.file
	for stack in stacks:
		kind = stack.frames[-1].kind
		layers[{"gc": "native", "marker": "marked"}.get(kind, kind)] += stack.count
		itself[named(stack.frames[-1])] += stack.count
		for one in {named(frame) for frame in stack.frames}:
			within[one] += stack.count
	wrong = [(name, layer["samples"], layers[name]) for name, layer in summary["layers"].items()
		 if layer["samples"] != layers[name]]
	compared = 0
	for row in summary["hottest"]:
		file = golden.shown_file(row["file"].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
		key = {"python": ("python", row["function"], file), "native": ("native", row["function"], row["module"]),
		       "kernel": ("kernel", row["function"], None)}.get(row["kind"])
		if key and not row["function"].startswith("[unknown"):
			compared += 1
			if (row["self"]["samples"], row["total"]["samples"]) != (itself[key], within[key]):
				wrong.append((row, itself[key], within[key]))
	assert not wrong and compared >= 3, (wrong, compared)


def compare(stacks, truth, capture):
	"""Asserts each share; prints all of them first, so that a failure shows the whole picture."""
	samples, summary = live.total(stacks), capture.summary
	screen = list(on_screen(summary, truth))
	rows = [(what, seen, true, true) for what, seen, true in [*in_stacks(stacks, truth), *screen]]
	rows += turning_point(summary, truth)
	rows += layers_on_screen(summary, truth)
	print("%d samples, %d spared, %.2f s of CPU time, of it %.2f s the kernel's" % (
		samples, capture.spared, truth.process, truth.system))
	print(summary["answer"])
	# no share, but a count: what thread switches cost (the GIL's handing over) is on the clock, and no interrupt comes in it
	live.within(samples + capture.spared, truth.process, HZ, what="all")
	for what, seen, low, high in rows:
		print("%-42s seen %6.2f %%  true %6.2f %%  %s" % (
			what, seen, low, "%+5.2f" % (seen - low) if low == high else "to %6.2f %%" % high))
	assert samples >= 10000
	wrong = [row for row in rows if not row[2] - WITHIN <= row[1] <= row[3] + WITHIN]
	assert not wrong, wrong
	assert any(what.startswith("hottest path: ") for what, _, _ in screen), "nothing to compare"
	recounted(stacks, summary)


class Recording:
	"""A pitviper that has attached; stop() gives its stacks."""

	def __init__(self, path, *args):
		self.path = str(path)
		self.proc = live.start_pitviper("record", "--json", "-F", HZ, "-o", self.path, *args)
		try:
			live.wait_attached(self.proc)
		except BaseException:
			self.kill()
			raise

	def stop(self, complete=0.99):
		run = live.interrupt(self.proc)
		assert run.status == 0, run
		stacks, summary = live.parse_folded(self.path), live.last_json(run.out)
		lost = {name: summary["lost"][name] for name in LOST if summary["lost"][name]}
		assert not lost, lost
		# A virtual CPU that is taken away in the middle of a sample makes that look dear, and the next is skipped.
		self.spared = summary["lost"]["spared"]
		assert self.spared <= 0.01 * summary["samples"], summary
		assert summary["samples"] == live.total(stacks)
		assert summary["complete"] >= complete * summary["samples"], summary
		self.summary = summary
		return stacks

	def kill(self):
		self.proc.kill()
		self.proc.communicate()


@pytest.fixture
def recording(tmp_path):
	started = []

	def start(*args):
		started.append(Recording(tmp_path / ("%d.folded" % len(started)), *args))
		return started[-1]

	yield start
	for one in started:
		one.kill()


# ---- the web app

# Parts that are one call of a function in handlers.py; the others are calls into libraries.
OWN_FUNCTIONS = {"fetch_orders", "to_row", "find", "shrink", "read_file"}


class WebApp:
	def __init__(self, directory, command, **kw):
		self.directory = str(directory)
		self.target = live.Target(command, ready=False, env={"WEBAPP_ACCOUNT": self.directory, **kw.pop("env", {})}, **kw)
		self.pid = self.target.pid

	def workers(self):
		return sorted(int(p) for p in subprocess.run(
			["pgrep", "-P", str(self.pid)], stdout=subprocess.PIPE).stdout.split())

	def spent(self):
		"""CPU seconds by process and name; the kernel's by its own account."""
		spent = {(pid, name): cell["cpu"] for pid, cells in account.read(self.directory).items()
			 for name, cell in cells.items()}
		spent.update({(pid, "system"): system_seconds([pid]) for pid, _ in list(spent)})
		return spent

	def cpu(self):
		return sum(cpu for (_, name), cpu in self.spent().items() if name == "process")

	def wait_cpu(self, seconds):
		start = self.cpu()
		assert live.gone(lambda: self.cpu() - start >= seconds, timeout=60), "the app is not under load"

	def truth(self, before):
		"""Of all processes since then."""
		spent = {key: cpu - before.get(key, 0) for key, cpu in self.spent().items()}
		lines = {name: cell["line"] for cells in account.read(self.directory).values()
			 for name, cell in cells.items() if cell["line"]}
		truth = Truth("handlers.py", *(sum(cpu for (_, name), cpu in spent.items() if name == whose)
					       for whose in ("process", "system")))
		for name, layer in account.PARTS.items():
			function, _, called = name.partition("/")
			truth.add(name, function, lines[name], sum(cpu for (_, n), cpu in spent.items() if n == name), layer,
				  called if called in OWN_FUNCTIONS else None)
		return truth

	def stop(self):
		if self.target.alive():
			self.target.proc.send_signal(signal.SIGTERM)
			try:
				self.target.proc.wait(timeout=10)
			except subprocess.TimeoutExpired:
				pass
		self.target.stop()


@pytest.fixture
def webapp(tmp_path):
	started = []

	def start(command, **kw):
		directory = tmp_path / ("account%d" % len(started))
		directory.mkdir()
		started.append(WebApp(directory, [str(c) for c in command], **kw))
		return started[-1]

	yield start
	for one in started:
		one.stop()


def gunicorn(webapp, workers, threads=1):
	"""The real command, as one would start it; its port is known since we opened it.  Answers when all workers do."""
	with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
		app = webapp([SYSTEM_PYTHON, "/usr/bin/gunicorn", "--workers", workers, "--threads", threads, "--bind",
			      "fd://%d" % listener.fileno(), "--chdir", WEBAPP, "--log-level", "warning", "flask_app:app"],
			     pass_fds=[listener.fileno()])
		app.port = listener.getsockname()[1]
	assert live.gone(lambda: len(account.read(app.directory)) >= workers, timeout=30)
	ask(app.port, "/report")
	return app


def ask(port, page):
	with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, page), timeout=60) as answer:
		return answer.read()


def wrk(app, seconds):
	"""Load from outside until the app has spent that much CPU time; then all is quiet again."""
	proc = subprocess.Popen(["wrk", "-t1", "-c6", "-d120s", "-s", os.path.join(live.TARGETS, "mix.lua"),
				 "http://127.0.0.1:%d" % app.port], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
	try:
		app.wait_cpu(seconds)
		proc.send_signal(signal.SIGINT)
		out = proc.communicate(timeout=30)[0].decode()
	finally:
		proc.kill()
		proc.communicate()
	assert "Non-2xx" not in out and "requests in" in out, out
	print(out.strip().splitlines()[-2:])


def test_flask_under_wrk(webapp, recording, how):
	"""gunicorn with two workers: every share and all of the time, no sample lost."""
	app = gunicorn(webapp, 2)
	args = ["--children", "-p", app.pid] if how == "children" else [a for pid in app.workers() for a in ("-p", pid)]
	capture = recording(*args)
	before = app.spent()
	wrk(app, SAMPLES / HZ)
	truth = app.truth(before)
	stacks = capture.stop()
	compare(stacks, truth, capture)


def test_flask_threads_own_load(webapp, recording):
	"""run.py as quickstart starts it, with its own load, and threads in its workers."""
	app = webapp([SYSTEM_PYTHON, os.path.join(WEBAPP, "run.py"), "--threads", 2])
	app.target.wait_line(b"webapp: running")
	capture = recording("--children", "-p", app.pid)
	before = app.spent()
	app.wait_cpu(SAMPLES / HZ)
	truth = app.truth(before)
	stacks = capture.stop()
	compare(stacks, truth, capture)


def test_bare_webapp(webapp, recording, bare):
	"""A thread for each request, hundreds of them: all are seen, from any Python."""
	app = webapp([bare.path, os.path.join(WEBAPP, "run.py"), "--server", "plain", "--load", 0])
	app.port = int(app.target.wait_line(b"webapp: running").rpartition(":")[2].strip("/"))
	capture = recording("-p", app.pid)
	before = app.spent()
	wrk(app, SAMPLES / HZ)
	truth = app.truth(before)
	stacks = capture.stop(complete=0.98)	# threads that are being born or are ending have no whole stack
	compare(stacks, truth, capture)


# ---- numpy

def test_numpy(recording, spawn, threads, full):
	victim = spawn(SYSTEM_PYTHON, os.path.join(EXAMPLES, "numpy_mix.py"), "--wait", "--threads", threads, ready=False)
	victim.wait_line(b"numpy_mix: running")
	capture = recording("-p", victim.pid)
	victim.say("begin")
	start, system = victim.cpu(), system_seconds([victim.pid])
	assert live.gone(lambda: victim.cpu() - start >= SAMPLES / HZ * (6 if full else 1), timeout=120)
	victim.say("end")
	said = json.loads(victim.wait_line(b"{"))
	system = system_seconds([victim.pid]) - system
	stacks = capture.stop()
	truth = Truth("numpy_mix.py", said["process"], system)
	for name, part in said["parts"].items():
		truth.add(name, said["function"], part["line"], part["cpu"], part["layer"], "tax" if name == "loop" else None)
	compare(stacks, truth, capture)


# ---- pure Python

# examples/hot_loop.py with a clock around one of its functions: from one line on standard input to the next.
HOT_LOOP = """
import random, sys, threading, time
sys.path.insert(0, %r)
import hot_loop
plain, spent = hot_loop.distance, 0
def distance_by_the_clock(a, b):
	global spent
	since = time.thread_time_ns()
	found = plain(a, b)
	spent += time.thread_time_ns() - since - cost
	return found
def empty(a, b):
	return a
def clock():
	since = time.thread_time_ns()
	found = empty("", "")
	return time.thread_time_ns() - since
cost = sorted(clock() for _ in range(2001))[1000]
hot_loop.distance = distance_by_the_clock
def run():
	rng = random.Random(1)
	while not over:
		hot_loop.work(rng, 0)
print("READY", flush=True)
sys.stdin.readline()
over, cpu = False, time.process_time()
thread = threading.Thread(target=run)
thread.start()
sys.stdin.readline()
over = True
thread.join()
print("said", time.process_time() - cpu, spent / 1e9, flush=True)
sys.stdin.read()
"""


def test_hot_loop(recording, spawn, newest, tmp_path):
	"""distance() is what is worth a change: its share, and that the answer names it."""
	script = tmp_path / "timed.py"
	script.write_text(HOT_LOOP % EXAMPLES)
	victim = spawn(newest.path, script)
	capture = recording("-p", victim.pid)
	victim.say("begin")
	start, system = victim.cpu(), system_seconds([victim.pid])
	assert live.gone(lambda: victim.cpu() - start >= SAMPLES / HZ, timeout=120)
	victim.say("end")
	process, distance = map(float, victim.wait_line(b"said").split()[1:])
	system = system_seconds([victim.pid]) - system
	stacks = capture.stop()
	truth = Truth("hot_loop.py", process, system)
	# Python, and what the interpreter calls for it in its library, libc and, for memory, the kernel
	truth.add("distance", "distance", None, distance, "mixed")
	compare(stacks, truth, capture)
