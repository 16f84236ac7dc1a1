# SPDX-License-Identifier: BSD-2-Clause
"""Interpreters at their beginning and at their end, and layouts that lie: a clear word or the truth, no crash."""
import json
import os

import conftest
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


# not in roots: what they import and load would not be at this test's hand
PLAIN = conftest.few_of([i for i in conftest.INTERPRETERS if not i.root])


@pytest.mark.parametrize("plain", [i for i in PLAIN if i.version >= (3,)], ids=str)
def test_edges_half_initialised(plain, spawn, tmp_path):
	(tmp_path / "encodings").mkdir()
	write(tmp_path / "encodings" / "__init__.py", HALF)
	victim = spawn(plain.path, "-S", "-c", "pass", env={"PYTHONPATH": str(tmp_path)})
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
def test_edges_finalising(plain, spawn, tmp_path):
	script = write(tmp_path / "last.py", FINALISING)
	victim = spawn(plain.path, script)
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
def test_edges_torn_down(plain, spawn, tmp_path):
	source = write(tmp_path / "down.c", DOWN)
	library = live.compile_c(str(source), str(tmp_path / "down.so"), "-shared", "-fPIC")
	script = write(tmp_path / "down.py", "import ctypes\nkept = ctypes.CDLL(%r)\n" % library)
	victim = spawn(plain.path, script)
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
def test_edges_second_cookie(plain, spawn, tmp_path):
	"""A fake _PyRuntime beside the real one: the real one's frames."""
	hexadecimal = "0x%02x%02x%02xf0" % plain.version
	source = write(tmp_path / "second.c", SECOND % (hexadecimal, hexadecimal))
	library = live.compile_c(str(source), str(tmp_path / "second.so"), "-shared", "-fPIC")
	script = write(tmp_path / "second.py", "import ctypes\nkept = ctypes.CDLL(%r)\ndef busy():\n\twhile True:\n\t\tsum(range(1000))\n"
		       "print('READY', flush=True)\nbusy()\n" % library)
	victim = spawn(plain.path, script)
	stacks, summary, _ = look(victim, 0.5)
	seen = python_names(stacks)
	assert set(seen) <= {("busy", "second.py"), ("<module>", "second.py")}, seen
	assert seen.get(("busy", "second.py"), 0) >= 0.9 * summary["samples"] > 10, (seen, summary)


# ---- layouts that lie

def entries(minor):
	"""Index of each u64 of _Py_DebugOffsets, by the list that CPython's header gives."""
	with open(os.path.join(live.TOP, "src", "python", "debugoffsets.tsv")) as lines:
		names = [line.split()[1] for line in lines if line.startswith(minor + "\t")]
	return {name: 3 + i for i, name in enumerate(names)}


LIES = [("code_object.filename", "code_object.name"), ("interpreter_frame.previous", "interpreter_frame.executable"),
	("thread_state.current_frame", "thread_state.interp"), ("thread_state.current_frame", "thread_state.next"),
	("thread_state.next", "thread_state.interp"), ("interpreter_state.threads_head", "interpreter_state.gc"),
	("thread_state.thread_id", "thread_state.native_thread_id"), ("thread_state.status", "thread_state.next")]


@pytest.mark.minor((3, 13))
@pytest.mark.parametrize("field, other", LIES, ids=lambda name: name.split(".")[1])
def test_edges_offsets_lie(interp, target, field, other):
	"""What the process itself says is possible, and wrong."""
	index = entries("%d.%d" % interp.version[:2])
	if field not in index or other not in index:
		pytest.skip("this version has no such entry")
	victim = target(interp, "offsets.py", index[field], "@%d" % index[other])
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.3, hz=499)
	true = {("busy", "offsets.py"), ("main", "offsets.py"), ("<module>", "offsets.py")}
	assert set(python_names(stacks)) <= true, python_names(stacks)
	for stack in stacks:
		lines = [f.line for f in stack.python() if f.function == "busy"]
		assert all(12 <= line <= 16 for line in lines), stack
	whole = [s for s in stacks if [f.function for f in s.python()] == ["<module>", "main", "busy"]]
	if live.total(whole) < 0.9 * summary["samples"]:
		# refused, or each sample says that it lacks its Python frames
		marked = live.total(s for s in stacks if s.markers())
		assert summary.get("python_error") or live.total(whole) + marked >= 0.98 * summary["samples"], summary
	assert victim.alive()
