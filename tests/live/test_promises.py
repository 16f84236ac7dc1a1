# SPDX-License-Identifier: BSD-2-Clause
"""Single promises of the command line: who holds the GIL, which frames are left out, how a program is ended,
how many samples there are, names and lines of many functions, sub-interpreters."""
import os
import re
import signal
import subprocess

import live
import pytest

SPINS = "import os\nos.write(1, b'READY\\n')\nwhile True: pass\n"
NATIVE_EVAL = re.compile(r"^_?PyEval_EvalFrame(Default|Ex)\b")


# ---- how many samples

def test_no_sample_twice(newest, target, tmp_path):
	"""Threads born while it records, by threads that were there and by those born later: as many samples as their
	CPU time is worth.  A thread that were followed twice would have twice as many.

	They burn before and after the capture, so that only pitviper knows what the kernel's clock said when; that it
	reads it rightly is test_no_sample_twice_of_grandchildren's.
	"""
	victim = target(newest, "life.py")
	output = str(tmp_path / "x.folded")
	proc = live.start_pitviper("record", "--json", "-F", 999, "--threads", "-o", output, "-p", victim.pid)
	try:
		live.wait_attached(proc)
		tids = []
		for number in range(8):
			victim.say("thread late_%d" % number)
			tids.append(int(victim.wait_line(b"thread").split()[1]))
		victim.say("burn 0.5")
		victim.wait_line(b"burnt")
		run = live.interrupt(proc)
	finally:
		proc.kill()
		proc.communicate()
	assert run.status == 0, run
	summary = live.last_json(run.out)
	assert summary["samples"] > 500, summary
	live.within(summary["samples"] + summary["lost"]["spared"], summary["target_cpu_s"], 999, what="all threads")
	assert {t["tid"] for t in summary["threads"]} >= set(tids)


BORN = """
import os, sys, threading, time
def burn():
	while time.thread_time() < 0.15: pass
def branch(depth):
	if depth:
		below = [threading.Thread(target=branch, args=(depth - 1,)) for _ in range(2)]
		for thread in below: thread.start()
	burn()
	if depth:
		for thread in below: thread.join()
print("READY", flush=True)
sys.stdin.readline()
branch(3)
times = os.times()
print("cpu %f" % (times.user + times.system), flush=True)
sys.stdin.readline()
"""


def test_no_sample_twice_of_grandchildren(newest, tmp_path, spawn):
	"""Threads that are born by threads that nobody has heard of yet; CPU time as the kernel counts it."""
	script = tmp_path / "born.py"
	script.write_text(BORN)
	victim = spawn(newest.path, script)
	proc = live.start_pitviper("record", "--json", "-F", 999, "-o", str(tmp_path / "x.folded"), "-p", victim.pid)
	try:
		live.wait_attached(proc)
		before = victim.cpu()
		victim.say("go")
		victim.wait_line(b"cpu")
		run = live.interrupt(proc)
		cpu = victim.cpu() - before
	finally:
		proc.kill()
		proc.communicate()
	assert run.status == 0, run
	summary = live.last_json(run.out)
	assert cpu > 1.5
	taken = summary["samples"] + summary["lost"]["spared"]
	live.within(taken, cpu, 999, what="by the kernel's clock")
	live.within(taken, summary["target_cpu_s"], 999, what="by pitviper's account of it")


SHORT = """
import sys, threading, time
used = 0
def work():
	global used
	start = time.thread_time()
	while time.thread_time() - start < 0.004: pass
	used += time.thread_time() - start
print("READY", flush=True)
sys.stdin.readline()
for _ in range(400):
	thread = threading.Thread(target=work)
	thread.start()
	thread.join()
print("used %f" % used, flush=True)
sys.stdin.readline()
"""


def test_short_threads(newest, tmp_path, spawn):
	"""A thread a request, as servers have it: threads that live shorter than a period have their share all the same."""
	script = tmp_path / "short.py"
	script.write_text(SHORT)
	victim = spawn(newest.path, script)
	output = str(tmp_path / "x.folded")
	proc = live.start_pitviper("record", "--json", "-F", 199, "-o", output, "-p", victim.pid)
	try:
		live.wait_attached(proc)
		victim.say("go")
		used = float(victim.wait_line(b"used").split()[1])
		run = live.interrupt(proc)
	finally:
		proc.kill()
		proc.communicate()
	assert run.status == 0, run
	samples = live.total([s for s in live.parse_folded(output) if any(f.function == "work" for f in s.python())])
	live.within(samples, used, 199, what="short threads")
	summary = live.last_json(run.out)
	assert not summary["samples_missing"]
	# the name of one that is gone cannot be read
	assert all(thread["name"] for thread in summary["threads"]), summary["threads"]


def test_ended_program_has_used_its_time(newest, tmp_path):
	"""What a program has used is known when it has ended, and by a second account: getrusage() of the one who waited."""
	run = live.pitviper("record", "--json", "-F", 499, "-o", tmp_path / "x.folded", "--", newest.path, "-c",
			    "import os, resource, subprocess, sys, time\n"
			    "while time.process_time() < 2: pass\n"
			    "used = resource.getrusage(resource.RUSAGE_SELF)\n"
			    "print('used', used.ru_utime + used.ru_stime)")
	assert run.status == 0, run
	used = float(re.search(rb"used ([\d.]+)", run.out)[1])
	summary = live.last_json(run.out[run.out.index(b"{"):])
	# what comes after its own last look is the interpreter's end
	assert used - 0.02 <= summary["target_cpu_s"] <= used + 0.1, (used, summary["target_cpu_s"])
	live.within(summary["samples"] + summary["lost"]["spared"], summary["target_cpu_s"], 499, what="all of it")


# ---- the GIL

def test_gil_is_held(interp, tmp_path, spawn):
	"""The one thread of a program that only runs bytecode holds it whenever it is looked at."""
	script = tmp_path / "spins.py"
	script.write_text(SPINS)
	# a free-threaded one has it only if it is told to; others do not look at this
	victim = spawn(*interp.prefix(), interp.path, interp.stage(str(script)), env={"PYTHON_GIL": "1"})
	run = live.pitviper("stack", victim.pid)
	assert run.status == 0 and b"GIL held by %d" % victim.pid in run.out, run
	assert b"holds the GIL" in run.out
	run = live.pitviper("stack", "--json", victim.pid)
	threads = live.loads(run.out)["threads"]
	assert [(t["tid"], t["gil"]) for t in threads] == [(victim.pid, True)], threads


OWN_GILS = """
import threading
try:
	import _interpreters
	run = _interpreters.exec
except ImportError:
	import _xxsubinterpreters as _interpreters
	run = _interpreters.run_string
SPIN = "import os\\nPARENT = %d\\n" % __import__("os").getppid() + "os.write(1, b'SPINS\\\\n')\\nwhile os.getppid() == PARENT:\\n\\tpass"
for _ in range(2):
	threading.Thread(target=lambda: run(_interpreters.create(), SPIN)).start()
"""


@pytest.mark.gil
@pytest.mark.minor((3, 12), (3, 13), (3, 14))
def test_each_interpreter_has_its_own(interp, tmp_path):
	"""Two that are isolated spin: both hold theirs, and both are named."""
	script = tmp_path / "gils.py"
	script.write_text(OWN_GILS)
	with live.Target(interp.command(str(script)), ready=False) as victim:
		victim.wait_line(b"SPINS")
		victim.wait_line(b"SPINS")
		run = live.pitviper("stack", victim.pid)
		holders = re.findall(rb"^thread (\d+) .*, holds the GIL", run.out, re.M)
		assert len(holders) == 2, run
		assert b", GIL held by %s\n" % b", ".join(holders) in run.out, run
		facts = live.loads(live.pitviper("doctor", "--json", victim.pid).out)["facts"]
		said = {f["name"]: f["value"] for f in facts if f["section"] == "interpreter"}
		assert said["interpreters"] == "3" and said["GIL"] == "on", said
		assert said["asyncio tasks"] == "asyncio is not loaded" and "greenlet" not in said, said


# ---- frames that are left out

def test_no_native_no_kernel(newest, target):
	victim = target(newest, "mix.py")
	kinds = {}
	for option in (None, "--no-native", "--no-kernel"):
		stacks, summary, _ = live.record("-p", victim.pid, *([option] if option else []), seconds=1.5, hz=999)
		assert summary["samples"] > 200
		kinds[option] = {f.kind for s in stacks for f in s.frames}
	assert {"python", "native", "kernel"} <= kinds[None], "this target shows nothing that could be left out"
	assert {"python"} <= kinds["--no-native"] <= {"python", "kernel", "marker", "gc"}, kinds
	assert {"python", "native"} <= kinds["--no-kernel"] <= {"python", "native", "marker", "gc"}, kinds


# ---- programs that pitviper starts

def children(pid):
	return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE).stdout.split()]


@pytest.mark.parametrize("command,how", [("record", signal.SIGTERM), ("record", signal.SIGINT), ("memory", signal.SIGTERM)])
def test_signal_after_the_outputs(tmp_path, command, how):
	"""The time is over, the outputs are written, the program runs on: a signal then ends the program, and by it us."""
	output = tmp_path / "x.folded"
	proc = live.start_pitviper(command, "-d", 1, "-o", output, "--", "/bin/sleep", "60")
	try:
		assert live.gone(output.exists, timeout=20)
		sleeper, = children(proc.pid)
		run = live.interrupt(proc, how, timeout=10)
		assert run.status == 128 + how and b"was ended by" not in run.err, run
		assert live.gone(lambda: not os.path.exists("/proc/%d" % sleeper))
		assert live.parse_folded(str(output)) is not None
	finally:
		for child in children(proc.pid):
			os.kill(child, signal.SIGKILL)
		proc.kill()
		proc.communicate()


def test_unwritable_directory(tmp_path):
	"""Without -o the output goes to the directory: that this fails must be known before the program starts."""
	mount, proof = tmp_path / "ro", tmp_path / "started"
	mount.mkdir()
	subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(mount)], check=True)
	try:
		run = live.pitviper("record", "--", "/bin/touch", proof, cwd=str(mount))
	finally:
		subprocess.run(["umount", str(mount)], check=True)
	assert run.status == 1, run
	assert len(run.text().strip().split("\n")) == 1 and "Read-only file system" in run.text(), run
	assert not proof.exists(), "the program was started"


# ---- many functions

@pytest.mark.minor((3, 11), (3, 13))
def test_many_functions(interp, target, tmp_path):
	"""300 functions on one stack, one with a line table of more than 14 KB: all get their names and lines."""
	directory = interp.tempfile("")[0]
	os.unlink(directory)
	os.mkdir(directory)
	victim = target(interp, "calls.py", directory[len(interp.root or ""):])
	stacks, summary, _ = live.record_cpu(victim, 1, hz=999)
	for name in os.listdir(directory):
		os.unlink(os.path.join(directory, name))
	os.rmdir(directory)
	# where fN calls the next one; f150 is 6,000 lines longer than the others
	lines, at = {}, 0
	for number in range(301):
		at += 2 + (6000 if number == 150 else 0)
		lines["f%d" % number] = at
	whole = 0
	for stack in stacks:
		seen = {f.function: f.line for f in stack.python() if f.file.endswith("calls_made.py") and
			f.function in lines}
		whole += stack.count * (seen == lines)
		# a name may be late, but what is shown is not wrong
		assert all(lines[name] == line for name, line in seen.items() if line), stack
	assert summary["samples"] > 500
	# the names are copied a few at a time: only the first samples may be without
	assert whole >= summary["samples"] - 100, (whole, summary)


# ---- sub-interpreters

@pytest.mark.minor((3, 10), (3, 11), (3, 12))
def test_subinterpreter(interp, target):
	"""Code of a sub-interpreter shows its frames, or the stack says that they are missing."""
	victim = target(interp, "subinterp.py")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=2, hz=499)
	assert summary["samples"] > 100
	silent = marked = 0
	for stack in stacks:
		names = {f.function.rpartition(".")[2] for f in stack.python()}
		silent += stack.count * (not {"sub_leaf", "sub_mid"} <= names and not stack.markers())
		marked += stack.count * bool(stack.markers())
	assert not silent, (silent, summary)
	# a stack that says so is not a complete one
	assert summary["complete"] <= summary["samples"] - marked, (marked, summary)
	bare = [s for s in stacks if not s.markers() and any(
		NATIVE_EVAL.match(f.function) for f in s.frames if f.kind == "native")]
	assert not bare, bare[0]
