# SPDX-License-Identifier: BSD-2-Clause
"""Targets that change while they are watched: threads born later, exits, execs; programs that are
started; deep stacks; odd names; programs without Python."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import live
import pytest


def background(tmp_path, *args):
	"""A pitviper record that has attached; ends with its target or by the caller."""
	output = str(tmp_path / "out.folded")
	proc = live.start_pitviper("record", "--json", "-o", output, *args)
	try:
		live.wait_attached(proc)
	except BaseException:
		proc.kill()
		raise
	return proc, output


def finish(proc, timeout=60):
	try:
		out, err = proc.communicate(timeout=timeout)
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == 0, err
	return live.last_json(out), err


def functions(stacks):
	return {f.function for s in stacks for f in s.python()}


def test_threads_born_later(interp, target, tmp_path):
	victim = target(interp, "life.py")
	proc, output = background(tmp_path, "-p", victim.pid, "-F", 999, "--threads")
	tids = {}
	for name in ("late_one", "late_two"):
		victim.say("thread " + name)
		tids[int(victim.wait_line(b"thread").split()[1])] = name
	victim.say("burn 0.5")		# beside three others: two seconds
	victim.wait_line(b"burnt")
	victim.say("exit 3")
	summary, _ = finish(proc)
	stacks = live.parse_folded(output)
	for tid, name in tids.items():
		of = [s for s in stacks if s.tid == tid]
		assert name in functions(of), (name, live.total(of))
		# the first samples may be of a thread without a thread state; all others are Python
		assert live.total([s for s in of if s.python()]) >= 0.95 * live.total(of) - 3
	assert "early" in functions(stacks) and "work_of_main" in functions(stacks)
	assert {t["tid"] for t in summary["threads"]} >= set(tids)


RENAMED = """
import ctypes, threading, time
libc = ctypes.CDLL(None)
def call_me(name):
	libc.prctl(15, name, 0, 0, 0)		# PR_SET_NAME
def burn(seconds):
	until = time.thread_time() + seconds
	while time.thread_time() < until: pass
def renamed_later():
	call_me(b"first")
	burn(0.3)
	go.wait()
	call_me(b"second")
	burn(0.1)
	call_me(b"last")
	go.wait()
def short():
	call_me(b"short")
	burn(0.1)
def main():
	one = threading.Thread(target=renamed_later)
	one.start()
	go.wait()
	call_me(b"head")
	two = threading.Thread(target=short)
	two.start()
	two.join()
	print(one.native_id, two.native_id, flush=True)
	input()
	go.wait()
	one.join()
go = threading.Barrier(2)
print("READY", flush=True)
input()
main()
"""


@pytest.mark.parametrize("late", [False, True])
def test_a_thread_has_its_last_name(newest, spawn, tmp_path, late):
	"""Whenever it got it, and though it is gone when its first sample is taken in (late)."""
	script = tmp_path / "renamed.py"
	script.write_text(RENAMED)
	victim = spawn(newest.path, script)
	output = str(tmp_path / "x.folded")
	proc = live.start_pitviper("record", "--json", "--threads", "-F", 997, "-p", victim.pid, "-o", output)
	try:
		live.wait_attached(proc)
		if late:
			proc.send_signal(signal.SIGSTOP)
		victim.say("go")
		one, two = (int(word) for word in victim.wait_line(b"").split())
		proc.send_signal(signal.SIGCONT)
		victim.say("go")
		out, err = proc.communicate(timeout=60)
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == 0, err
	names = {thread["tid"]: thread["name"] for thread in live.last_json(out)["threads"]}
	assert names[one] == "last" and names[two] == "short", names
	assert names.get(victim.pid, "head") == "head", names
	# and one frame, whatever its name was at its first sample
	roots = {s.thread for s in live.parse_folded(output) if s.tid == one}
	assert len(roots) == 1, roots


def test_target_exits(newest, target, tmp_path):
	victim = target(newest, "life.py")
	proc, output = background(tmp_path, "-p", victim.pid, "-d", 60)
	victim.say("exit 0")
	summary, _ = finish(proc, timeout=20)		# long before the 60 s
	assert summary["duration_s"] < 20
	assert os.path.exists(output)


def test_target_is_killed(newest, target, tmp_path):
	victim = target(newest, "life.py")
	proc, output = background(tmp_path, "-p", victim.pid, "-F", 999)
	victim.say("burn 0.3")
	victim.wait_line(b"burnt")
	victim.proc.kill()
	finish(proc, timeout=20)
	assert "work_of_main" in functions(live.parse_folded(output))


@pytest.mark.parametrize("into", ["python", "native"])
def test_target_execs(newest, target, tmp_path, into):
	"""What ran before and what runs after are both shown, each by its own name."""
	victim = target(newest, "life.py")
	proc, output = background(tmp_path, "-p", victim.pid, "-F", 999)
	victim.say("burn 0.3")
	victim.wait_line(b"burnt")
	if into == "python":
		script = str(tmp_path / "after.py")
		with open(script, "w") as out:
			out.write("import time\ndef after_exec():\n\twhile time.thread_time() < 1: pass\n\n\nafter_exec()\n")
		victim.say("exec %s %s" % (newest.path, script))
	else:
		program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
		victim.say("exec %s 3" % program)
	victim.proc.wait(timeout=30)
	finish(proc)
	stacks = live.parse_folded(output)
	assert "work_of_main" in functions(stacks)
	after = [s for s in stacks if any(f.function in ("after_exec", "leaf_of_c") for f in s.frames)]
	assert live.total(after) > 100
	assert not any({"work_of_main", "early"} & functions([s]) for s in after)


def test_target_stopped(newest, target):
	"""A stopped process has no CPU time: an answer, not an error and not a hang."""
	victim = target(newest, "life.py")
	victim.proc.send_signal(signal.SIGSTOP)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=1)
	assert summary["samples"] == live.total(stacks) <= 2
	run = live.pitviper("stack", "--json", victim.pid)
	assert run.status == 0 and live.loads(run.out)["threads"]
	victim.proc.send_signal(signal.SIGCONT)


# ---- programs that pitviper starts

def test_record_program(interp, tmp_path):
	"""From its first instruction on; its output and its exit status are its own."""
	script = tmp_path / "prog.py"
	script.write_text("import os, sys\ndef busy():\n\twhile sum(os.times()[:2]) < 0.5: pass\n\n\n"
			  "busy()\nsys.stdout.write('said %s' % sys.argv[1:])\nsys.exit(7)\n")
	output = str(tmp_path / "p.folded")
	path = interp.stage(str(script))
	run = live.pitviper("record", "-F", 999, "-o", output, "--", *interp.prefix(), interp.path, path, "a", "--b c")
	assert run.status == 7, run
	assert b"said ['a', '--b c']" in run.out
	stacks = live.parse_folded(output)
	assert "busy" in functions(stacks)
	# the start of the interpreter itself is there: code of libc or ld.so before any Python frame
	assert any(not s.python() for s in stacks)
	imports = [f for s in stacks for f in s.python() if f.file.startswith("<frozen ") or f.file == "site.py"]
	# in a root the program that is started is another one, which goes over to Python
	assert imports or interp.root, "the first imports are missing: it was not watched from its start"


def test_record_program_ends_by_signal(newest, tmp_path):
	output = str(tmp_path / "p.folded")
	run = live.pitviper("record", "-o", output, "--", newest.path, "-c", "import os; os.kill(os.getpid(), 15)")
	assert run.status == 128 + 15, run
	assert re.search(r"^pitviper: python\S* \(\d+\) was ended by SIGTERM$", run.err.decode(), re.M), run
	assert os.path.exists(output)


@pytest.mark.parametrize("reaped", [False, True])
def test_record_target_ends_by_signal(newest, spawn, tmp_path, reaped):
	"""One of -p: told by /proc, or, where its parent has waited for it at once, by the kernel's side."""
	code = "import os, sys\nprint('READY', flush=True)\nsys.stdin.read()"
	if reaped:
		code = ("import os, sys\npid = os.fork()\nif pid:\n\tos.waitpid(pid, 0)\n\tsys.stdin.read()\n"
			"print('READY', os.getpid(), flush=True)\nsys.stdin.read()")
	parent = spawn(newest.path, "-c", code, ready=False)
	line = parent.wait_line(b"READY")
	pid = int(line.split()[1]) if reaped else parent.pid
	proc, _output = background(tmp_path, "-p", pid)
	os.kill(pid, signal.SIGKILL)
	_out, err = proc.communicate(timeout=60)
	assert proc.returncode == 0, err
	assert re.search(r"^pitviper: python\S* \(%d\) was ended by SIGKILL$" % pid, err.decode(), re.M), err


def test_record_short_programs(newest, tmp_path):
	for program, status in ((["/bin/true"], 0), (["/bin/false"], 1), (["/bin/sh", "-c", "exit 200"], 200)):
		run = live.pitviper("record", "-o", str(tmp_path / "p.folded"), "--", *program)
		assert run.status == status, run


def test_record_program_twice(newest, tmp_path):
	"""The same command again: outputs are replaced, nothing is left from the first."""
	output = tmp_path / "p.folded"
	for _again in range(2):
		run = live.pitviper("record", "-F", 999, "-o", output, "--", newest.path, "-c", "sum(range(3000000))")
		assert run.status == 0, run
		assert live.parse_folded(str(output))
		assert os.listdir(tmp_path) == ["p.folded"]


# ---- deep

def test_deep(interp, target):
	"""1,200 Python frames, and more than 500 native ones by nested callbacks, to the last frame.

	Up to 3.10 each Python frame has three or four native ones: 1,200 of them may be cut, and must then say so.
	"""
	levels = 150
	victim = target(interp, "deep.py", 1200, levels)
	stacks, summary, _ = live.record_cpu(victim, 2, hz=199)
	straight = nested = native = 0
	for stack in stacks:
		names = [f.function for f in stack.frames]
		whole = names.count("straight") == 1201
		if whole or names.count("nested") == levels + 1:
			outermost = stack.python()[0].function.rpartition(".")[2]
			assert outermost.lstrip("_") == "bootstrap", outermost
		if names.count("nested") == levels + 1:
			nested += stack.count
			native = max(native, sum(f.kind == "native" for f in stack.frames))
			assert not stack.markers(), stack.markers()
		elif whole:
			straight += stack.count
			assert interp.version < (3, 11) or not stack.markers(), stack.markers()
			assert stack.markers() or sum(f.kind == "native" for f in stack.frames) > 1200 \
				or interp.version >= (3, 11)
	assert straight > 10 and nested > 10, (straight, nested, summary["lost"])
	assert native >= 3 * levels
	assert native > 500 or not interp.symtab, native
	if interp.version >= (3, 11):
		assert summary["complete"] >= 0.99 * summary["samples"], summary["lost"]


# ---- names

def test_odd_names(newest, target):
	"""Any function and file name: one line a stack, and the name is whole."""
	victim = target(newest, "oddnames.py", truth=True)
	with open(victim.truth) as truth:
		cases = json.load(truth)
	stacks, _, _ = live.record("-p", victim.pid, seconds=3, hz=999)
	seen = {f.function: f for s in stacks for f in s.python()}
	for function, filename in cases:
		assert function in seen, function
		assert live.same_file(seen[function].file, filename), (seen[function].file, filename)
		assert seen[function].line in (3, 4, 5)


# ---- no Python

def test_native_program(spawn, tmp_path):
	"""A C program: native and kernel stacks, and a word that there is no Python."""
	program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
	victim = spawn(program, 1000)
	stacks, summary, run = live.record("-p", victim.pid, seconds=2, hz=999)
	assert summary["with_python"] == 0 and not functions(stacks)
	say = live.pitviper("record", "-d", 0.5, "-o", str(tmp_path / "say.folded"), "-p", victim.pid)
	assert b"Python" in say.out + say.err, "it does not say that there is no Python here"
	assert summary["samples"] > 200 and summary["complete"] >= 0.99 * summary["samples"], summary
	chains = [[f.function for f in s.frames if f.kind == "native"] for s in stacks]
	deep = [c for c in chains if "leaf_of_c" in c]
	assert deep
	for chain in deep:
		at = chain.index("main")
		assert chain[at:at + 3] == ["main", "outer_of_c", "middle_of_c"], chain
	kernel = [s for s in stacks if s.frames[-1].kind == "kernel"]
	assert kernel, "system calls without kernel frames"
	assert summary["kernel"] == live.total(kernel)


def test_native_stack(spawn, tmp_path):
	program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
	victim = spawn(program, "sleep")
	run = live.pitviper("stack", "--json", victim.pid)
	assert run.status == 0, run
	answer = live.loads(run.out)
	assert len(answer["threads"]) == 2
	main = next(t for t in answer["threads"] if t["tid"] == victim.pid)
	names = [f["function"] for f in main["frames"]]
	assert "sleeps_in_c" in names and names.index("sleeps_in_c") < names.index("main")
	assert not any(f["kind"] == "python" for t in answer["threads"] for f in t["frames"])


# ---- the answers of doctor

def test_doctor_of_the_machine():
	run = live.pitviper("doctor")
	assert run.status == 0, run
	assert json.loads(live.pitviper("doctor", "--json").out)


CONFIGURED = """
import sys, sysconfig
debug = hasattr(sys, "gettotalrefcount")
print("%d %d" % (debug, bool(sysconfig.get_config_var("Py_GIL_DISABLED"))))
"""


def mapped_code(pid, root):
	"""The files that the process may run, as it sees them, and the vdso: as the kernel tells."""
	with open("/proc/%d/maps" % pid) as maps:
		lines = [line.split(None, 5) for line in maps]
	paths = {line[5].strip() for line in lines if "x" in line[1] and len(line) == 6} - {"[vsyscall]"}
	return {path[len(root):] if path.startswith(root + "/") else path for path in paths}


def test_doctor(interp, target):
	"""All that it is there for: each fact against somebody else who knows, and what record and stack say."""
	victim = target(interp, "life.py")
	run = live.pitviper("doctor", victim.pid)
	version = ".".join(map(str, interp.version))
	assert run.status == 0 and version in run.out.decode(), run
	run = live.pitviper("doctor", "--json", victim.pid)
	assert run.status == 0, run
	facts = {(f["section"], f["name"]): f for f in json.loads(run.out)["facts"]}
	known = {name: f["value"] for (section, name), f in facts.items() if section == "interpreter"}
	assert re.match(re.escape(version) + r"\b.*, from \S", known["CPython"]), known
	code = mapped_code(victim.pid, interp.root or "")
	# Debian's shared and static builds share their configuration: where the code is, maps tell
	said = subprocess.run(interp.prefix() + [interp.path, "-c", CONFIGURED], stdout=subprocess.PIPE, check=True).stdout
	debug, free_threaded = map(int, said.split())
	shared = any(os.path.basename(path).startswith("libpython") for path in code)
	build = ", ".join(["Py_DEBUG" if debug else "release"] + ["free-threaded"] * free_threaded +
			  ["shared libpython" if shared else "in the executable", "with symbols" if interp.symtab else "stripped"])
	assert known["build"] == build, (known, said)
	assert known["GIL"] == ("off" if free_threaded else "on") and known["interpreters"] == "1", known
	# where each of these is from
	for name, source in (("runtime state", "from |section|variables"), ("layout", r"table \d\.\d|_Py_DebugOffsets"),
			     ("eval loop", "EvalFrame"), ("thread state key", r"autoT[LS]Skey|_Py_tss_gilstate|list of thread states"),
			     ("garbage collector", "by its text|by symbol")):
		assert re.search(source, known[name]), (name, known)
	assert ("_Py_DebugOffsets" in known["layout"]) == (interp.version >= (3, 13)), known
	# unwind coverage of every object, and nothing else
	objects = {name: f for (section, name), f in facts.items() if section == "unwinding" and name[0] in "/["}
	assert set(objects) == code, (sorted(objects), sorted(code))
	for name, fact in objects.items():
		covered = re.match(r"([\d.]+) % of ([\d.]+) kB of code", fact["value"])
		assert fact["state"] == "ok" and covered and 0 < float(covered[1]) <= 100, (name, fact)
	assert re.match(r"about [\d.]+ us, [\d.e-]+ % of a busy CPU", facts[("cost", "a sample")]["value"]), facts
	# record and stack read the same interpreter
	_, summary, _ = live.record("-p", victim.pid, seconds=0.2)
	answer = live.loads(live.pitviper("stack", "--json", victim.pid).out)
	assert summary["interpreter"] == answer["interpreter"], (summary, answer)
	assert ("CPython " + known["CPython"]).startswith(summary["interpreter"]), (summary["interpreter"], known)


def test_two_at_once(newest, target):
	"""Two pitvipers on one target do not disturb each other."""
	victim = target(newest, "oracle.py", truth=True)
	other = live.start_pitviper("record", "-p", victim.pid, "-d", 20, "--format", "folded", "-o", "/dev/null")
	try:
		live.wait_attached(other)
		_, summary, _ = live.record_cpu(victim, 1, hz=999)
		assert summary["samples"] > 500
	finally:
		other.kill()
		other.communicate()


def test_namespaces(newest, spawn, tmp_path):
	"""A target in PID and mount namespaces of its own is read as any other."""
	script = os.path.join(live.TARGETS, "life.py")
	victim = spawn("unshare", "--pid", "--mount", "--fork", "--kill-child", newest.path, script)
	child = int(subprocess.run(["pgrep", "-P", str(victim.pid)], stdout=subprocess.PIPE, check=True).stdout)
	stacks, summary, _ = live.record("-p", child, seconds=2, hz=499)
	assert "early" in functions(stacks) and summary["with_python"] >= 0.98 * summary["samples"]


def test_moved_binary(tmp_path, spawn):
	"""An interpreter whose file is deleted while it runs: still names and lines."""
	source = next((i for i in live.find_interpreters() if not i.root and i.path.startswith("/usr/bin")), None)
	if source is None:
		pytest.skip("no interpreter of /usr/bin to copy")
	copy = str(tmp_path / "python-copy")
	shutil.copy(os.path.realpath(source.path), copy)
	victim = spawn(copy, os.path.join(live.TARGETS, "life.py"), env={"PYTHONHOME": "/usr"})
	os.unlink(copy)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=2, hz=499)
	assert "early" in functions(stacks), sys.version
	assert summary["complete"] >= 0.95 * summary["samples"], summary["lost"]
