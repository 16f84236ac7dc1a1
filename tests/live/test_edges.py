# SPDX-License-Identifier: BSD-2-Clause
"""Interpreters at their beginning and at their end, and layouts that lie: a clear word or the truth, no crash."""
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

import conftest
import debug_offsets
import live
import pytest

# encodings is imported while Py_Initialize() runs, before the interpreter is said to be initialised
HALF = """
def burn():
	print_ready()
	while True:
		sum(range(1000))
def print_ready():
	import posix
	posix.write(1, b"READY\\n")
burn()
"""

# by then its globals are gone: what it needs are defaults
FINALISING = """
import os, sys, threading
def burn(sum=sum, range=range):
	while True:
		sum(range(1000))
class Last:
	def __del__(self, burn=burn, write=os.write):
		write(1, b"READY\\n")
		burn()
def endless():
	while True:
		sum(range(1000))
thread = threading.Thread(target=endless)
thread.daemon = True
thread.start()
sys.last_one = Last()
"""

# after Py_Finalize() the C library runs the destructors of what was loaded
DOWN = """
#include <time.h>
#include <unistd.h>
static volatile unsigned long sink;
__attribute__((noinline)) void burns_at_the_end(void)
{
	struct timespec now, until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	do {
		for (int i = 0; i < 1000000; i++)
			sink++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < until.tv_sec + 5);
}
__attribute__((destructor)) static void at_exit(void)
{
	if (write(1, "READY\\n", 6) == 6)
		burns_at_the_end();
}
"""


def write(path, text):
	with open(str(path), "w") as out:
		out.write(text)
	return path


def look(victim, seconds=0.7):
	"""What record, stack and doctor say: stacks, summary, doctor's facts."""
	stacks, summary, _ = live.record("-p", victim.pid, seconds=seconds, hz=499)
	run = live.pitviper("stack", "--json", victim.pid)
	assert run.status in (0, 4), run
	run = live.pitviper("doctor", "--json", victim.pid)
	assert run.status in (0, 4), run
	known = json.loads(run.out)["facts"] if run.status == 0 else []
	return stacks, summary, {(f["section"], f["name"]): f for f in known}


def python_names(stacks):
	"""Samples of each (function, base name of the file)."""
	seen = {}
	for stack in stacks:
		for frame in stack.python():
			key = (frame.function.rpartition(".")[2], os.path.basename(frame.file))
			seen[key] = seen.get(key, 0) + stack.count
	return seen


# of those in roots the versions that are nowhere else
PLAIN = conftest.few_of([i for i in conftest.INTERPRETERS if not i.root])
PLAIN += [i for i in conftest.INTERPRETERS if i.root and i.version[:2] not in {p.version[:2] for p in PLAIN} and i.version >= (3, 14)]


@pytest.fixture
def folder():
	"""folder(interp): a directory for what it imports and loads, and the same as it sees it."""
	made = []

	def make(interp):
		outside = tempfile.mkdtemp(prefix="pv-live-", dir=(interp.root or "") + "/tmp")
		os.chmod(outside, 0o755)
		made.append(outside)
		return outside, outside[len(interp.root or ""):]

	yield make
	for outside in made:
		shutil.rmtree(outside)


@pytest.mark.parametrize("plain", [i for i in PLAIN if i.version >= (3,)], ids=str)
def test_edges_half_initialised(plain, spawn, folder):
	outside, inside = folder(plain)
	os.mkdir(os.path.join(outside, "encodings"))
	write(os.path.join(outside, "encodings", "__init__.py"), HALF)
	victim = spawn(*plain.prefix(), plain.path, "-S", "-c", "pass", env={"PYTHONPATH": inside})
	stacks, summary, known = look(victim)
	assert summary["samples"] > 10
	seen = python_names(stacks)
	for (name, file), count in seen.items():
		assert "importlib" in file or (name, file) in (("burn", "__init__.py"), ("<module>", "__init__.py")), seen
	# it is there, or it is said that it is not there yet
	if seen.get(("burn", "__init__.py"), 0) < 0.95 * summary["samples"]:
		value = known[("interpreter", "CPython")]["value"] if ("interpreter", "CPython") in known else \
			known[("interpreter", "Python")]["value"]
		assert "not initialised yet" in value or "python_error" in summary, (seen, known)


@pytest.mark.parametrize("plain", PLAIN, ids=str)
def test_edges_finalising(plain, spawn, folder):
	outside, inside = folder(plain)
	write(os.path.join(outside, "last.py"), FINALISING)
	victim = spawn(*plain.prefix(), plain.path, os.path.join(inside, "last.py"))
	stacks, summary, _ = look(victim)
	assert summary["samples"] > 10
	allowed = {("burn", "last.py"), ("__del__", "last.py"), ("endless", "last.py"), ("run", "threading.py"),
		   ("_bootstrap_inner", "threading.py"), ("_bootstrap", "threading.py"), ("__bootstrap", "threading.py"),
		   ("__bootstrap_inner", "threading.py")}
	seen = python_names(stacks)
	assert set(seen) <= allowed, seen
	for stack in stacks:
		names = [f.function.rpartition(".")[2] for f in stack.python()]
		assert names in ([], ["__del__", "burn"], ["__del__"]) or "endless" in names, stack


@pytest.mark.parametrize("plain", PLAIN, ids=str)
def test_edges_torn_down(plain, spawn, folder):
	outside, inside = folder(plain)
	source = write(os.path.join(outside, "down.c"), DOWN)
	live.compile_c(source, os.path.join(outside, "down.so"), "-shared", "-fPIC")
	write(os.path.join(outside, "down.py"), "import ctypes\nkept = ctypes.CDLL(%r)\n" % os.path.join(inside, "down.so"))
	victim = spawn(*plain.prefix(), plain.path, os.path.join(inside, "down.py"))
	stacks, summary, _ = look(victim)
	assert summary["samples"] > 10
	assert not python_names(stacks), "there is no interpreter any more"
	inside = [s for s in stacks if any(f.function == "burns_at_the_end" for f in s.frames)]
	assert live.total(inside) > 0.9 * summary["samples"]


# a library that has what an interpreter is found by, and nothing else of one
SECOND = """
#include <stdint.h>
__attribute__((visibility("default"))) uint64_t _PyRuntime[1 << 16] __attribute__((section(".PyRuntime,\\"aw\\",@progbits#"))) = {
	0x7970677562656478, %s, 0, 283320, 608, 632, 194968, 7272, 7264, 7344,
};
__attribute__((visibility("default"))) const unsigned long Py_Version = %s;
"""


@pytest.mark.parametrize("plain", [i for i in PLAIN if i.version >= (3,)], ids=str)
def test_edges_second_cookie(plain, spawn, folder):
	"""A fake _PyRuntime beside the real one: the real one's frames."""
	hexadecimal = "0x%02x%02x%02xf0" % plain.version
	outside, inside = folder(plain)
	source = write(os.path.join(outside, "second.c"), SECOND % (hexadecimal, hexadecimal))
	live.compile_c(source, os.path.join(outside, "second.so"), "-shared", "-fPIC")
	write(os.path.join(outside, "second.py"), "import ctypes\nkept = ctypes.CDLL(%r)\ndef busy():\n\twhile True:\n\t\tsum(range(1000))\n"
	      "print('READY', flush=True)\nbusy()\n" % os.path.join(inside, "second.so"))
	victim = spawn(*plain.prefix(), plain.path, os.path.join(inside, "second.py"))
	stacks, summary, _ = look(victim, 0.5)
	seen = python_names(stacks)
	assert set(seen) <= {("busy", "second.py"), ("<module>", "second.py")}, seen
	assert seen.get(("busy", "second.py"), 0) >= 0.9 * summary["samples"] > 10, (seen, summary)


# ---- layouts that lie

BUSY = (5, 10)	# lines of busy() in targets/offsets.py
LIES = [("code_object.filename", "code_object.name"), ("interpreter_frame.previous", "interpreter_frame.executable"),
	("thread_state.current_frame", "thread_state.interp"), ("thread_state.current_frame", "thread_state.next"),
	("thread_state.next", "thread_state.interp"), ("interpreter_state.threads_head", "interpreter_state.gc"),
	("thread_state.thread_id", "thread_state.native_thread_id"), ("thread_state.status", "thread_state.next"),
	("thread_state.base_frame", "thread_state.current_frame"), ("type_object.tp_flags", "type_object.tp_name")]


@pytest.mark.noroot
@pytest.mark.parametrize("minor", sorted(debug_offsets.QUOTED), ids="%d.%d".__mod__)
def test_edges_oracle(minor):
	"""The list that the lies below are told by is CPython's, and pitviper's is the same."""
	path = debug_offsets.header(minor)
	if path:
		assert debug_offsets.declared(path) == debug_offsets.quoted(minor), path
	with open(os.path.join(live.TOP, "src", "python", "debugoffsets.tsv")) as lines:
		product = [line.split()[1] for line in lines if line.startswith("%d.%d\t" % minor)]
	assert product == ["%s.%s" % pair for pair in debug_offsets.quoted(minor)]


def liars():
	"""Of each version and kind one interpreter, and the lies that it can tell."""
	kinds = {(i.version[:2], i.free_threaded): i for i in reversed(conftest.INTERPRETERS) if i.version[:2] in debug_offsets.QUOTED}
	for interp in sorted(kinds.values(), key=str):
		known = debug_offsets.entries(interp.version[:2])
		yield from [pytest.param(interp, *lie, id="%s-%s-%s" % (interp, *(name.split(".")[1] for name in lie)))
			    for lie in LIES if set(lie) <= set(known)]


def lying(interp, folder, index, other):
	"""A copy of the interpreter whose u64 at index is that at other: (command, environment).

	They are constants of the file, where pitviper reads them: what a process wrote over them would not be seen.
	"""
	outside, inside = folder(interp)
	said = subprocess.run(interp.prefix() + [interp.path, "-c", "import sys; print(sys.prefix)"], stdout=subprocess.PIPE, check=True)
	program = os.path.realpath((interp.root or "") + interp.path)
	libraries = glob.glob(os.path.join(os.path.dirname(program), "..", "lib", "libpython*.so.*")) if not interp.root else []
	source = next(path for path in [program] + libraries if ".PyRuntime" in readelf(path))
	copy = shutil.copy(source, outside)
	at = int(re.search(r"\.PyRuntime\s+PROGBITS\s+\w+\s+(\w+)", readelf(source)).group(1), 16)
	with open(copy, "r+b") as file:
		file.seek(at)
		words = list(struct.unpack("<128Q", file.read(1024)))
		assert words[0].to_bytes(8, "little") == b"xdebugpy" and words[index] != words[other]
		words[index] = words[other]
		file.seek(at)
		file.write(struct.pack("<128Q", *words))
	script = interp.stage(os.path.join(live.TARGETS, "offsets.py"))
	copy = os.path.join(inside, os.path.basename(source))
	if source in libraries:
		return interp.prefix() + [interp.path, script], {"LD_PRELOAD": copy}
	return interp.prefix() + [copy, script], {"PYTHONHOME": said.stdout.decode().strip()}


def readelf(path):
	return subprocess.run(["readelf", "-WS", path], stdout=subprocess.PIPE, check=True).stdout.decode()


@pytest.mark.parametrize("plain, field, other", liars())
def test_edges_offsets_lie(plain, spawn, folder, field, other):
	"""What the interpreter itself says is possible, and wrong."""
	index = debug_offsets.entries(plain.version[:2])
	command, env = lying(plain, folder, index[field], index[other])
	victim = spawn(*command, env=env)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.3, hz=499)
	true = {("busy", "offsets.py"), ("main", "offsets.py"), ("<module>", "offsets.py")}
	assert set(python_names(stacks)) <= true, python_names(stacks)
	for stack in stacks:
		lines = [f.line for f in stack.python() if f.function == "busy"]
		assert all(BUSY[0] <= line <= BUSY[1] for line in lines), stack
	whole = [s for s in stacks if [f.function for f in s.python()] == ["<module>", "main", "busy"]]
	if live.total(whole) < 0.9 * summary["samples"]:
		# refused, or each sample says that it lacks its Python frames
		marked = live.total(s for s in stacks if s.markers())
		assert summary.get("python_error") or live.total(whole) + marked >= 0.98 * summary["samples"], summary
	assert victim.alive()
