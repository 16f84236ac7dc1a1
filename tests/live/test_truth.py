# SPDX-License-Identifier: BSD-2-Clause
"""Shares of time against what the program says itself: examples/webapp under wrk and under its own
load, examples/numpy_mix.py.

The truth is the program's: CLOCK_THREAD_CPUTIME_ID around single lines of its code, and
process_time for all of it.  Nothing of it comes from pitviper or from this file.  At 10,000 samples
every share by function, by line and by layer is within 2 percentage points.
"""
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


def pytest_generate_tests(metafunc):
	"""Without --full one of each: the bare app runs on any Python, here the newest."""
	several = {"bare": [i for i in reversed(conftest.INTERPRETERS) if not i.root], "how": ["children", "pids"],
		   "threads": [3, 1]}
	for name in set(several) & set(metafunc.fixturenames):
		some = several[name] if metafunc.config.getoption("--full") else several[name][:1]
		metafunc.parametrize(name, some, ids=str)


class Truth:
	"""What a program says: its CPU seconds, and of which those of single lines."""

	def __init__(self, file, process):
		self.file, self.process, self.parts = file, process, {}

	def add(self, name, function, line, cpu, layer):
		self.parts[name] = (function, line, cpu, layer)

	def functions(self):
		return {function for function, _, _, _ in self.parts.values()}


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
	return {"python": "Python", "kernel": "kernel"}.get(leaf.kind, "marker")


# Of each layer of a part, the leaves that it may have.  C code of an interpreter that is one binary with its
# library (Debian's: sre, json) is in that binary, so "C" does not say which file.
LEAVES = {"Python": ("Python", "interpreter"), "C": ("C", "interpreter"), "kernel": ("kernel",)}


def compare(stacks, truth, spared):
	"""Asserts each share; prints all of them first, so that a failure shows the whole picture."""
	samples = live.total(stacks)
	percent = 100 / samples
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
		name = part_at.get((frame.function, frame.line))
		if name is None:
			elsewhere += stack.count
			continue
		lines[name] += stack.count
		layer = truth.parts[name][3]
		layers[name] += stack.count * (layer == "mixed" or layer_of(stack) in LEAVES[layer])
	rows = [("all", 100 * (samples + spared) / HZ / truth.process, 100.0)]
	for function in sorted(functions):
		true = sum(cpu for f, _, cpu, _ in truth.parts.values() if f == function)
		rows.append((function, functions[function] * percent, 100 * true / truth.process))
	for name, (_, _, cpu, layer) in truth.parts.items():
		rows.append(("  " + name, lines[name] * percent, 100 * cpu / truth.process))
		rows.append(("    of it " + layer, layers[name] * percent, 100 * cpu / truth.process))
	for layer in ("C", "kernel", "Python"):
		names = [name for name, part in truth.parts.items() if part[3] == layer]
		true = sum(truth.parts[name][2] for name in names)
		rows.append(("layer " + layer, sum(layers[name] for name in names) * percent, 100 * true / truth.process))
	rows.append(("lines that are not measured", elsewhere * percent, 0.0))
	print("%d samples, %d spared, %.2f s of CPU time" % (samples, spared, truth.process))
	for what, seen, true in rows:
		print("%-32s seen %6.2f %%  true %6.2f %%  %+5.2f" % (what, seen, true, seen - true))
	assert samples >= 10000
	wrong = [row for row in rows if abs(row[1] - row[2]) > WITHIN]
	assert not wrong, wrong


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

class WebApp:
	def __init__(self, directory, command, **kw):
		self.directory = str(directory)
		self.target = live.Target(command, ready=False, env={"WEBAPP_ACCOUNT": self.directory, **kw.pop("env", {})}, **kw)
		self.pid = self.target.pid

	def workers(self):
		return sorted(int(p) for p in subprocess.run(
			["pgrep", "-P", str(self.pid)], stdout=subprocess.PIPE).stdout.split())

	def spent(self):
		"""CPU seconds by process and name."""
		return {(pid, name): cell["cpu"] for pid, cells in account.read(self.directory).items()
			for name, cell in cells.items()}

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
		truth = Truth("handlers.py", sum(cpu for (_, name), cpu in spent.items() if name == "process"))
		for name, layer in account.PARTS.items():
			truth.add(name, name.partition("/")[0], lines[name],
				  sum(cpu for (_, n), cpu in spent.items() if n == name), layer)
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
	compare(stacks, truth, capture.spared)


def test_flask_threads_own_load(webapp, recording):
	"""run.py as quickstart starts it, with its own load, and threads in its workers."""
	app = webapp([SYSTEM_PYTHON, os.path.join(WEBAPP, "run.py"), "--threads", 2])
	app.target.wait_line(b"webapp: running")
	capture = recording("--children", "-p", app.pid)
	before = app.spent()
	app.wait_cpu(SAMPLES / HZ)
	truth = app.truth(before)
	stacks = capture.stop()
	compare(stacks, truth, capture.spared)


def test_bare_webapp(webapp, recording, bare):
	"""A thread for each request, hundreds of them: all are seen, from any Python."""
	app = webapp([bare.path, os.path.join(WEBAPP, "run.py"), "--server", "plain", "--load", 0])
	app.port = int(app.target.wait_line(b"webapp: running").rpartition(":")[2].strip("/"))
	capture = recording("-p", app.pid)
	before = app.spent()
	wrk(app, SAMPLES / HZ)
	truth = app.truth(before)
	stacks = capture.stop(complete=0.98)	# threads that are being born or are ending have no whole stack
	compare(stacks, truth, capture.spared)


# ---- numpy

def test_numpy(recording, spawn, threads, full):
	victim = spawn(SYSTEM_PYTHON, os.path.join(EXAMPLES, "numpy_mix.py"), "--wait", "--threads", threads, ready=False)
	victim.wait_line(b"numpy_mix: running")
	capture = recording("-p", victim.pid)
	victim.say("begin")
	start = victim.cpu()
	assert live.gone(lambda: victim.cpu() - start >= SAMPLES / HZ * (6 if full else 1), timeout=120)
	victim.say("end")
	said = json.loads(victim.wait_line(b"{"))
	stacks = capture.stop()
	truth = Truth("numpy_mix.py", said["process"])
	for name, part in said["parts"].items():
		truth.add(name, said["function"], part["line"], part["cpu"], part["layer"])
	compare(stacks, truth, capture.spared)
