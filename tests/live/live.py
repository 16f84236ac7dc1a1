# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests share: the interpreters of this machine, targets, pitviper's own runs.

Input: $PITVIPER (default build/src/pitviper), $PYENV_ROOT, $PYROOTS.  Output: plain objects; the
tests themselves decide.  Nothing here knows how pitviper works, only what it promises on its
command line.
"""
import ctypes
import glob
import json
import math
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TARGETS = os.path.join(HERE, "targets")
PITVIPER = os.environ.get("PITVIPER") or os.path.join(TOP, "build", "src", "pitviper")
sys.path.insert(0, os.path.join(TOP, "tests", "golden"))
import read_pvr  # noqa: E402

SUPPORTED = [(2, 7)] + [(3, minor) for minor in range(6, 16)]
FREE_THREADED = [(3, 13)]		# of 3.14 and 3.15 no build is to be had: tests/walk/made_interpreter.c

# 2.7 has no such statement: the same in one line, up to a mark of oracle.py
YIELD_FROM = re.compile(r"\byield from ([^#\n]+?)(?=\s*(?:#|$))", re.M)
ENTER = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'


class Interp:
	"""One Python that can run a target: plain, or inside a root made by tools/mk-pyroot.sh.  Free-threaded
	ones are made by tools/mk-freethreaded.sh."""

	def __init__(self, name, path, root=None):
		self.name, self.path, self.root = name, path, root
		self.stagedir = None
		out = subprocess.run(
			self.prefix() + [path, "-c", "import sys; print(sys.version_info[:3])"],
			stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60).stdout.decode()
		self.version = tuple(int(n) for n in re.findall(r"\d+", out))
		self.free_threaded = path.endswith("t")
		self.symtab = self.has_symtab()

	def prefix(self):
		"""A root is entered in a mount namespace of its own, with a /proc in it."""
		return ["unshare", "-m", "sh", "-c", ENTER, self.root] if self.root else []

	def has_symtab(self):
		"""Whether the eval loop can have a name here: judged by readelf, not by pitviper."""
		objects = [os.path.realpath((self.root or "") + self.path)]
		objects += glob.glob(os.path.join(os.path.dirname(objects[0]), "..", "lib", "libpython*.so*"))
		for path in objects:
			# grep -q would close the pipe early: readelf's whole answer is small enough
			out = subprocess.run(["readelf", "-WS", path], stdout=subprocess.PIPE).stdout
			syms = subprocess.run("nm '%s' 2>/dev/null | grep -cE ' [tT] (_PyEval_EvalFrameDefault|PyEval_EvalFrameEx)'" % path,
					      shell=True, stdout=subprocess.PIPE).stdout
			if b".symtab" in out and int(syms or 0) > 0:
				return True
		return False

	def stage(self, script):
		"""The path of a target as the interpreter sees it, with its siblings beside it."""
		if not self.root and self.version >= (3,):
			return script
		if not self.stagedir:
			self.stagedir = tempfile.mkdtemp(prefix="pv-live-", dir=(self.root or "") + "/tmp")
			os.chmod(self.stagedir, 0o755)
		for path in {script, *glob.glob(os.path.join(TARGETS, "*.py"))}:
			with open(path, encoding="utf-8") as text:
				source = text.read()
			if self.version < (3,):
				source = YIELD_FROM.sub(r"for _one in \1: yield _one", source)
			with open(os.path.join(self.stagedir, os.path.basename(path)), "w", encoding="utf-8") as out:
				out.write(source)
		return os.path.join(self.stagedir, os.path.basename(script))[len(self.root or ""):]

	def outside(self, path):
		return (self.root or "") + path

	def command(self, script, *args):
		return self.prefix() + [self.path, self.stage(script)] + [str(a) for a in args]

	def tempfile(self, suffix=".json"):
		fd, path = tempfile.mkstemp(prefix="pv-live-", suffix=suffix,
					    dir=os.path.join(self.root, "tmp") if self.root else None)
		os.close(fd)
		return path, path[len(self.root or ""):]

	def __repr__(self):
		return self.name


def find_interpreters():
	found = []
	pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
	for path in sorted(glob.glob(os.path.join(pyenv, "versions", "[23].*", "bin", "python"))):
		found.append(("pyenv-" + path.split(os.sep)[-3], path, None))
	for path in sorted(glob.glob("/usr/bin/python3.*")):
		if re.fullmatch(r"/usr/bin/python3\.\d+", path):
			found.append(("usr-" + os.path.basename(path)[6:], path, None))
	roots = os.environ.get("PYROOTS") or os.path.join(TOP, "pyroots")
	for root in sorted(glob.glob(os.path.join(roots, "[23].*"))):
		for kind in ("", "d"):
			path = "/usr/bin/python" + os.path.basename(root) + kind
			if os.path.exists(root + path) and os.getuid() == 0:
				found.append(("root-" + os.path.basename(root) + kind, path, root))
		path = os.path.join(root, "bin", "python" + os.path.basename(root))
		if root.endswith("t") and os.path.exists(path):
			found.append(("built-" + os.path.basename(root), path, None))
	out = []
	for name, path, root in found:
		interp = Interp(name, path, root)
		if interp.version[:2] in SUPPORTED:
			out.append(interp)
	out.sort(key=lambda i: (i.version, i.name))
	return out


class Target:
	"""A program under test.  Always killed; never waited for by sleeping."""

	def __init__(self, command, stdin=True, env=None, cwd=None, ready=True, user=None, timeout=60, pass_fds=()):
		if user is not None:
			command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"] + command
		self.proc = subprocess.Popen(
			command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
			stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
			env=dict(os.environ, **env) if env else None, cwd=cwd, pass_fds=pass_fds)
		self.pid = self.proc.pid
		self.buffer = b""
		if ready:
			self.wait_line(b"READY", timeout)

	def wait_line(self, word, timeout=60):
		"""Reads its output up to a line that starts with word; returns that line."""
		deadline = time.monotonic() + timeout
		fd = self.proc.stdout.fileno()
		while True:
			while b"\n" in self.buffer:
				line, _, self.buffer = self.buffer.partition(b"\n")
				if line.startswith(word):
					return line.decode()
			left = deadline - time.monotonic()
			if left <= 0 or not select.select([fd], [], [], left)[0]:
				raise AssertionError("the target did not say %r in %d s" % (word, timeout))
			data = os.read(fd, 65536)
			if not data:
				raise AssertionError("the target ended (%s) before it said %r" % (self.proc.wait(), word))
			self.buffer += data

	def wait_reading(self):
		"""Until it waits for its standard input, and allocates nothing any more."""
		def reading():
			with open("/proc/%d/syscall" % self.pid) as call:
				return call.read().startswith("0 0x0 ")	# read(), of descriptor 0
		assert gone(reading, 30)

	def wait_asleep(self):
		"""Until each of its threads waits for something, where its stack then stands still."""
		def asleep():
			calls = []
			for tid in os.listdir("/proc/%d/task" % self.pid):
				with open("/proc/%d/task/%s/syscall" % (self.pid, tid)) as call:
					calls.append(call.read())
			return all(call.split()[0].isdigit() for call in calls)
		assert gone(asleep, 30)

	def say(self, line):
		self.proc.stdin.write(line.encode() + b"\n")
		self.proc.stdin.flush()

	def alive(self):
		return self.proc.poll() is None

	def cpu(self):
		"""User and system seconds so far."""
		with open("/proc/%d/stat" % self.pid) as stat:
			fields = stat.read().rpartition(")")[2].split()
		return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

	def stop(self):
		if self.proc.poll() is None:
			self.proc.kill()
		self.proc.wait()
		for stream in (self.proc.stdin, self.proc.stdout):
			try:
				if stream:
					stream.close()
			except OSError:
				pass

	def __enter__(self):
		return self

	def __exit__(self, *args):
		self.stop()


# ---- pitviper

class Run:
	"""What one run of pitviper did."""

	def __init__(self, status, out, err, seconds):
		self.status, self.out, self.err, self.seconds = status, out, err, seconds

	def text(self):
		return self.err.decode(errors="replace")

	def __repr__(self):
		return "<status %s in %.2f s; stderr: %s; stdout: %s>" % (
			self.status, self.seconds, self.text()[-2000:], self.out[-500:])


def pitviper(*args, timeout=60, user=None, env=None, cwd=None, prefix=()):
	command = list(prefix) + [PITVIPER] + [str(a) for a in args]
	if user is not None:
		command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"] + command
	start = time.monotonic()
	proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
				env=dict(os.environ, **env) if env else None, cwd=cwd)
	try:
		out, err = proc.communicate(timeout=timeout)
	except subprocess.TimeoutExpired:
		proc.kill()
		out, err = proc.communicate()
		raise AssertionError("pitviper %s did not end in %d s: %s" % (args, timeout, err[-1000:]))
	return Run(proc.returncode, out, err, time.monotonic() - start)


def loads(data):
	"""JSON whose strings may hold raw bytes of file names (surrogateescape)."""
	return json.loads(data.decode("utf-8", "surrogateescape"))


def last_json(data):
	"""The JSON object at the end of an output that may begin with a table."""
	text = data.decode("utf-8", "surrogateescape").strip()
	at = 0 if text.startswith("{") else text.index("\n{") + 1
	return json.JSONDecoder().raw_decode(text[at:])[0]


def start_pitviper(*args, **kw):
	"""One in the background; the caller ends it."""
	return subprocess.Popen([PITVIPER] + [str(a) for a in args], stdin=subprocess.DEVNULL,
				stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def bpf_links(pid):
	"""The types of the BPF links that a process holds."""
	types = []
	try:
		for fd in os.listdir("/proc/%d/fdinfo" % pid):
			try:
				with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
					types += re.findall(r"^link_type:\s*(\S+)", info.read(), re.M)
			except OSError:
				pass
	except OSError:
		pass
	return types


def descriptors(pid, kind):
	"""How many of a process's descriptors are of this kind: "perf_event", "bpf-prog"."""
	count = 0
	try:
		for fd in os.listdir("/proc/%d/fd" % pid):
			try:
				count += kind in os.readlink("/proc/%d/fd/%s" % (pid, fd))
			except OSError:
				pass
	except OSError:
		pass
	return count


def perf_fds(pid):
	return descriptors(pid, "perf_event")


def attached(pid):
	"""Whether that pitviper's timers run: its first events, one a CPU, only tell of mappings, forks, execs and exits."""
	return perf_fds(pid) > os.sysconf("SC_NPROCESSORS_CONF") and descriptors(pid, "bpf-prog") > 0


def wait_attached(proc, timeout=30):
	"""Until that pitviper has its programs loaded and a timer on each CPU: seen from outside, in /proc."""
	deadline = time.monotonic() + timeout
	stable = 0
	while stable < 3:
		if proc.poll() is not None:
			raise AssertionError("pitviper ended (%d) before it attached: %s" % (
				proc.returncode, proc.stderr.read()[-1000:]))
		assert time.monotonic() < deadline, "pitviper did not attach in %d s" % timeout
		stable = stable + 1 if attached(proc.pid) else 0
		time.sleep(0.01)


def record(*args, seconds=None, hz=None, threads=False, timeout=None, check=0, output=None, user=None):
	"""Runs `pitviper record`; returns (stacks, summary, run).  args end the command line."""
	own = output is None
	if own:
		output = tempfile.mktemp(prefix="pv-live-", suffix=".folded")
	command = ["record", "--json", "-o", output]
	command += ["-d", seconds] if seconds else []
	command += ["-F", hz] if hz else []
	command += ["--threads"] if threads else []
	command += list(args)
	run = pitviper(*command, timeout=timeout or (seconds or 30) * 3 + 60, user=user)
	assert check is None or run.status == check, run
	stacks = parse_folded(output) if os.path.exists(output) else None
	summary = last_json(run.out) if run.status == 0 or b"{" in run.out else None
	if own and os.path.exists(output):
		os.unlink(output)
	return stacks, summary, run


def record_cpu(victim, cpu, *args, hz):
	"""The same of as much CPU time of a busy target, however long that takes on a machine that is busy, too."""
	output = tempfile.mktemp(prefix="pv-live-", suffix=".folded")
	proc = start_pitviper("record", "--json", "-F", hz, "-o", output, "-p", victim.pid, *args)
	try:
		wait_attached(proc)
		until = victim.cpu() + cpu
		assert gone(lambda: victim.cpu() >= until, 60 + 20 * cpu), "the target is not busy"
		run = interrupt(proc)
		assert run.status == 0, run
		return parse_folded(output), last_json(run.out), run
	finally:
		proc.kill()
		proc.wait()
		if os.path.exists(output):
			os.unlink(output)


# ---- folded stacks
# Frames are escaped: a backslash is doubled, any other byte that could break a line or a frame is \xNN.

ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")
PYTHON = re.compile(r"^(?P<function>.+?) \((?P<file>.+):(?P<line>-?\d+|\?)\)$", re.S)
NATIVE = re.compile(r"^(?P<function>.+) \((?P<module>[^()]+)\)$", re.S)
THREAD = re.compile(r"^thread (?P<name>.*) \((?P<tid>\d+)\)$", re.S)
PROCESS = re.compile(r"^process (?P<title>.*) \((?P<pid>\d+)\)$", re.S)
UNKNOWN = re.compile(r"^\[unknown .*\+0x[0-9a-f]+\]$")
MARKER = re.compile(r"^\[[^\]]+\]$")


def unescape(name):
	"""The bytes of a frame's text as they were in the target, as a str with surrogateescape."""
	raw = ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else b"\\", name)
	return raw.decode("utf-8", "surrogateescape")


def same_file(shown, true):
	"""Frames show a file by its base name, or by its whole path."""
	return shown == true or ("/" not in shown and not true.startswith("<") and shown == os.path.basename(true))


class Frame:
	__slots__ = ("kind", "function", "file", "line", "text")

	def __init__(self, text):
		self.text, self.file, self.line = text, None, None
		if UNKNOWN.match(text):
			self.kind, self.function = "native", text
			return
		if text.endswith("_[k]"):
			self.kind, self.function = "kernel", text[:-4]
			return
		if text == "[gc]":
			self.kind, self.function = "gc", text	# nothing is missing: here a collection begins
			return
		if text == "[JIT]":
			self.kind, self.function = "native", text	# code that no file is behind, without a name
			return
		if MARKER.match(text):
			self.kind, self.function = "marker", text
			return
		match = PYTHON.match(text)
		if match and ".so:" not in text:
			self.kind, self.function = "python", match["function"]
			self.file = match["file"]
			self.line = int(match["line"]) if match["line"] != "?" else 0
			return
		match = NATIVE.match(text)
		if match and (match["module"].endswith(".py") or match["module"].startswith("<")):
			self.kind, self.function = "python", match["function"]	# its line is not known
			self.file, self.line = match["module"], 0
			return
		self.kind, self.function = "native", match["function"] if match else text
		self.file = match["module"] if match else None

	def __repr__(self):
		return self.text


class Stack:
	__slots__ = ("frames", "count", "thread", "tid", "process", "pid")

	def __init__(self, frames, count, thread=None, tid=None):
		self.frames, self.count, self.thread, self.tid = frames, count, thread, tid
		self.process = self.pid = None

	def python(self):
		return [f for f in self.frames if f.kind == "python"]

	def markers(self):
		return [f.function for f in self.frames if f.kind == "marker"]

	def __repr__(self):
		return ";".join(f.text for f in self.frames) + " %d" % self.count


def parse_folded(path):
	"""Every line must be well formed: a broken one is an error here, not something to skip."""
	cache, out = {}, []
	with open(path, "rb") as lines:
		for number, line in enumerate(lines, 1):
			match = re.fullmatch(rb"(.+) (\d+)\n", line)
			assert match, "%s:%d: not a folded line: %r" % (path, number, line[:300])
			names = match[1].split(b";")
			assert all(names), "%s:%d: an empty frame: %r" % (path, number, line[:300])
			stack = Stack([], int(match[2]))
			process = PROCESS.match(unescape(names[0]))
			if process:
				stack.process, stack.pid = process["title"], int(process["pid"])
				names = names[1:]
			thread = THREAD.match(unescape(names[0])) if names else None
			if thread:
				stack.thread, stack.tid = thread["name"], int(thread["tid"])
				names = names[1:]
			for name in names:
				if name not in cache:
					cache[name] = Frame(unescape(name))
				stack.frames.append(cache[name])
			out.append(stack)
	return out


def total(stacks):
	return sum(s.count for s in stacks)


def within(samples, seconds, hz, percent=3, what=""):
	"""Samples against CPU time: four standard errors of a count, and what clocks and machines differ by."""
	expected = seconds * hz
	bound = 4 * math.sqrt(expected) + percent * expected / 100 + 2
	assert abs(samples - expected) <= bound, "%s: %d samples, %.1f expected, +- %.1f" % (what, samples, expected, bound)


def compile_c(source, output, *flags, libraries=(), compiler="cc"):
	"""Compiles a C target beside its test; cc is a dependency of building pitviper anyway."""
	subprocess.run([compiler, "-O1", "-g", "-pthread", *flags, "-o", output, source, *libraries, "-ldl"], check=True)
	return output


class PerfAttr(ctypes.Structure):
	"""struct perf_event_attr of include/uapi/linux/perf_event.h, its first version with bp_len."""
	_fields_ = [("type", ctypes.c_uint32), ("size", ctypes.c_uint32), ("config", ctypes.c_uint64),
		    ("sample_period", ctypes.c_uint64), ("sample_type", ctypes.c_uint64), ("read_format", ctypes.c_uint64),
		    ("flags", ctypes.c_uint64), ("wakeup", ctypes.c_uint32), ("bp_type", ctypes.c_uint32),
		    ("bp_addr", ctypes.c_uint64), ("bp_len", ctypes.c_uint64)]


def take_register(tid, address):
	"""A debug register of a thread, as another tool takes it; the descriptor, negative: there is none left."""
	libc = ctypes.CDLL(None, use_errno=True)
	# PERF_TYPE_BREAKPOINT, HW_BREAKPOINT_W
	attr = PerfAttr(type=5, size=ctypes.sizeof(PerfAttr), sample_period=1, bp_type=2, bp_addr=address, bp_len=8)
	return libc.syscall(298, ctypes.byref(attr), tid, -1, -1, 0)


def bpf_held(pid):
	"""The BPF programs, maps and links that a process holds, as (kind, id): read from /proc."""
	held = set()
	for fd in os.listdir("/proc/%d/fdinfo" % pid):
		try:
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
				text = info.read()
		except OSError:
			continue
		for kind in ("prog", "map", "link"):
			held |= {(kind, int(n)) for n in re.findall(r"^%s_id:\s*(\d+)" % kind, text, re.M)}
	return held


def bpf_left(held):
	"""Those of them that the kernel still has; needs bpftool.  Others' programs come and go meanwhile."""
	tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
	now = set()
	for kind in ("prog", "map", "link"):
		out = subprocess.run([tool, "-j", kind, "show"], stdout=subprocess.PIPE).stdout
		now |= {(kind, item["id"]) for item in json.loads(out or b"[]")}
	return held & now


def gone(check, timeout=10):
	"""Polls until check() is true: for what the kernel frees a grace period later."""
	deadline = time.monotonic() + timeout
	while not check():
		if time.monotonic() > deadline:
			return False
		time.sleep(0.02)
	return True


def in_poll(pid):
	"""Does a pitviper wait for what comes next?  It has done all that it had to, then."""
	with open("/proc/%d/syscall" % pid) as file:
		return file.read().startswith("7 ")


def in_sleep(pid):
	"""Does a pitviper wait between two looks at all of memory?"""
	with open("/proc/%d/syscall" % pid) as file:
		return file.read().startswith("230 ")


def recorded(path):
	"""Samples in a recording that may still grow."""
	try:
		with open(path, "rb") as file:
			return read_pvr.Recording(file.read()).total
	except (FileNotFoundError, read_pvr.NotARecording):
		return 0


def wait_recorded(proc, path, n, timeout=60):
	deadline = time.monotonic() + timeout
	while recorded(path) < n:
		assert proc.poll() is None, proc.stderr.read()
		assert time.monotonic() < deadline, "no %d samples in %d s" % (n, timeout)
		time.sleep(0.05)


def interrupt(proc, how=signal.SIGINT, timeout=30):
	proc.send_signal(how)
	start = time.monotonic()
	out, err = proc.communicate(timeout=timeout)
	return Run(proc.returncode, out, err, time.monotonic() - start)
