# SPDX-License-Identifier: BSD-2-Clause
"""Several processes and their descendants: forks, execs, storms of short children, names, what is refused.

The truth is what the children say of themselves: their ids and the CPU time that they have used.
"""
import ctypes
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading

import live
import pytest

HZ = 997
SYSTEM_PYTHON = "/usr/bin/python3"		# Debian's, with Flask, gunicorn and numpy
# what costs samples, or whole processes
LOST = ("ring_sample", "sideband", "child", "process", "image", "proc_gone", "name_missing")


class Recording:
	"""A record --children in the background, until its target or the caller ends it."""

	def __init__(self, tmp_path, *args, children=True, hz=HZ):
		self.output = str(tmp_path / "out.folded")
		self.hz = hz
		self.proc = live.start_pitviper("record", "--json", "-F", hz, "-o", self.output,
						*(["--children"] if children else []), *args)
		try:
			live.wait_attached(self.proc)
		except BaseException:
			self.proc.kill()
			raise

	def end(self, signal_number=None, timeout=60):
		try:
			if signal_number:
				self.proc.send_signal(signal_number)
			out, err = self.proc.communicate(timeout=timeout)
		finally:
			self.proc.kill()
			self.proc.wait()
		assert self.proc.returncode == 0, err
		self.stacks, self.summary = live.parse_folded(self.output), live.last_json(out)
		return self.stacks, self.summary


def said(victim, word, timeout=120):
	"""What its children said until it was done: {pid: CPU seconds}."""
	cpu = {}
	while True:
		line = victim.wait_line(b"", timeout).split()
		if line[:1] == ["child"]:
			cpu[int(line[2])] = float(line[3])
		elif line == ["done", word]:
			return cpu


def order(victim, command):
	victim.say(command)
	return said(victim, command.split()[0])


def of(stacks, pid=None, function=None):
	"""Samples of a process, or that have a function."""
	return live.total([s for s in stacks if (pid is None or s.pid == pid) and
			   (function is None or any(f.function == function for f in s.frames))])


def nothing_lost(summary):
	lost = {name: summary["lost"][name] for name in LOST if summary["lost"][name]}
	# A page is not there while the fault that copies it after a fork is served.  What is seen again is read again;
	# of a hook of fork() that is never seen again the name is missing: of two or three frames a child at most.
	if lost.get("name_missing", 0) <= 3 * (len(summary["processes"]) - 1):
		lost.pop("name_missing", None)
	assert not lost, summary["lost"]
	assert not summary["samples_missing"], summary


@pytest.fixture
def kin(newest, target):
	return target(newest, "kin.py")


@pytest.fixture(scope="module")
def burn(tmp_path_factory):
	return live.compile_c(os.path.join(live.TARGETS, "burn.c"), str(tmp_path_factory.mktemp("c") / "burn"))


# ---- forks

def test_fork(interp, target, tmp_path):
	"""Children without an exec: their own frame, their own functions, no other's."""
	victim = target(interp, "kin.py")
	recording = Recording(tmp_path, "-p", victim.pid)
	cpu = order(victim, "fork 3 0.5")
	order(victim, "burn 0.3")
	victim.say("exit")
	stacks, summary = recording.end()
	assert len(cpu) == 3 and {p["pid"] for p in summary["processes"]} >= set(cpu) | {victim.pid}
	for pid, seconds in cpu.items():
		live.within(of(stacks, pid), seconds, HZ, what="child")
		assert of(stacks, pid, "in_fork") >= 0.9 * of(stacks, pid)
		assert not of(stacks, pid, "in_parent")
	assert of(stacks, victim.pid, "in_parent") > 100 and not of(stacks, victim.pid, "in_fork")
	assert {s.process for s in stacks} == {"kin.py"}
	parents = {p["pid"]: p["parent_pid"] for p in summary["processes"]}
	assert all(parents[pid] == victim.pid for pid in cpu)
	assert all(p["interpreter"] == summary["interpreter"] for p in summary["processes"])
	nothing_lost(summary)


def test_without_children(kin, burn, tmp_path):
	"""Not asked for: nothing of a child appears, however it was made; but that there were some is told."""
	recording = Recording(tmp_path, "-p", kin.pid, children=False)
	cpu = list(order(kin, "fork 2 0.2").values()) + list(order(kin, "storm 3 %s 50" % burn).values())
	order(kin, "burn 0.3")
	kin.say("exit")
	stacks, summary = recording.end()
	assert of(stacks, function="in_parent") > 100
	assert not of(stacks, function="in_fork") and not of(stacks, function="burns")
	assert {s.pid for s in stacks} == {None} and [p["pid"] for p in summary["processes"]] == [kin.pid]
	assert not summary["samples_missing"], summary
	# they have ended: a clock tick of user and one of system time may be missing, and more of their start
	assert sum(cpu) - 0.04 < summary["children_cpu_s"] < sum(cpu) + 0.3 and summary["children_at_least"], (cpu, summary)


def test_daemon(kin, tmp_path):
	"""A grandchild whose parent has ended belongs to the family."""
	recording = Recording(tmp_path, "-p", kin.pid)
	kin.say("daemon 0.5")
	cpu = {}
	for _ in range(3):		# the one between, the daemon, and "done", in any order
		line = kin.wait_line(b"").split()
		if line[:2] == ["child", "daemon"]:
			cpu[int(line[2])] = float(line[3])
	kin.say("exit")
	stacks, summary = recording.end()
	(pid, seconds), = cpu.items()
	live.within(of(stacks, pid), seconds, HZ, what="daemon")
	assert of(stacks, pid, "in_daemon") > 0.9 * of(stacks, pid)
	nothing_lost(summary)


def test_child_that_was_there_before(newest, target, spawn, tmp_path):
	"""Started before the capture, two levels deep; and what it forks after that."""
	shell = spawn("/bin/sh", "-c", "/bin/sh -c '%s %s; exit 0'; exit 0" % (
		newest.path, os.path.join(live.TARGETS, "kin.py")))
	recording = Recording(tmp_path, "-p", shell.pid)
	order(shell, "burn 0.3")
	cpu = order(shell, "fork 2 0.3")
	shell.say("exit")
	stacks, summary = recording.end()
	assert of(stacks, function="in_parent") > 100
	for pid, seconds in cpu.items():
		live.within(of(stacks, pid, "in_fork"), seconds, HZ, percent=10, what="grandchild")
	assert shell.pid not in {s.pid for s in stacks if of([s], function="in_parent")}
	nothing_lost(summary)


def test_killed_children(kin, tmp_path):
	"""A child that is killed has ended as any other."""
	recording = Recording(tmp_path, "-p", kin.pid)
	kin.say("fork 1 30")
	assert live.gone(lambda: subprocess.run(["pgrep", "-P", str(kin.pid)], stdout=subprocess.PIPE).stdout)
	child = int(subprocess.run(["pgrep", "-P", str(kin.pid)], stdout=subprocess.PIPE).stdout)
	live.gone(lambda: cpu_of(child) > 0.3)
	os.kill(child, signal.SIGKILL)
	kin.wait_line(b"done")
	kin.say("exit")
	stacks, summary = recording.end()
	assert of(stacks, child, "in_fork") > 0.2 * HZ
	nothing_lost(summary)


def cpu_of(pid):
	try:
		with open("/proc/%d/stat" % pid) as stat:
			fields = stat.read().rpartition(")")[2].split()
		return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
	except FileNotFoundError:
		return 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(newest, target, tmp_path, method):
	victim = target(newest, "kin.py")
	recording = Recording(tmp_path, "-p", victim.pid)
	cpu = order(victim, "mp %s 3 0.5" % method)
	victim.say("exit")
	stacks, summary = recording.end()
	assert len(cpu) == 3
	for pid, seconds in cpu.items():
		live.within(of(stacks, pid, "in_worker"), seconds, HZ, percent=6, what="worker")
		# what it took to start is there, too
		assert of(stacks, pid) >= of(stacks, pid, "in_worker")
	nothing_lost(summary)


FACTORIALS = """
import math, multiprocessing
if __name__ == "__main__":
	with multiprocessing.get_context("spawn").Pool(2) as pool:
		pool.map(math.factorial, [30000] * 60)
"""


def test_how_spawn_starts_is_not_own_code(newest, tmp_path):
	"""Children that run nothing but the library: their `python -c` is not what one could change."""
	script = tmp_path / "factorials.py"
	script.write_text(FACTORIALS)
	run = live.pitviper("record", "--children", "--json", "-F", HZ, "-o", tmp_path / "x.folded", "--", newest.path, script)
	assert run.status == 0, run
	summary = live.last_json(run.out)
	assert of(live.parse_folded(str(tmp_path / "x.folded")), function="spawn_main") > 0.5 * summary["samples"] > 100
	assert "<string>" not in summary["answer"] and "no code of your own" in summary["answer"], summary["answer"]


# ---- execs

def test_exec_chain(kin, newest, tmp_path):
	"""sh, env and a Python in one process: each under its own name."""
	recording = Recording(tmp_path, "-p", kin.pid)
	cpu = order(kin, "chain 0.5 %s" % newest.path)
	kin.say("exit")
	stacks, summary = recording.end()
	(pid, seconds), = cpu.items()
	programs = sorted((p["generation"], p["name"]) for p in summary["processes"] if p["pid"] == pid)
	assert programs[-1][0] == 4, programs
	last = [s for s in stacks if s.pid == pid and of([s], function="last_of_chain")]
	assert all(re.match(r"pv-live-chain-\d+\.py$", s.process) for s in last)
	live.within(of(stacks, pid), seconds, HZ, percent=6, what="all of the process")
	# the start of the Python, and the moment until its tables are there, are not in the function
	assert live.total(last) >= 0.4 * seconds * HZ
	nothing_lost(summary)


def test_program_with_children(newest, tmp_path):
	"""record --children -- sh -c: the shell is the program, its Pythons are what one wants to see."""
	for name in ("a", "b"):
		(tmp_path / (name + ".py")).write_text(
			"import os, time\ndef in_%s():\n\twhile time.process_time() < 0.5: pass\n\n\nin_%s()\n"
			# one write: both end at once, and unbuffered (PYTHONUNBUFFERED) each argument is one
			"print('cpu %%s %%d %%f' %% (%r, os.getpid(), time.process_time()))\n" % (name, name, name))
	output = str(tmp_path / "p.folded")
	run = live.pitviper("record", "--children", "--json", "-F", HZ, "-o", output, "--", "sh", "-c",
			    "%s a.py & %s b.py; wait; exit 3" % (newest.path, newest.path), cwd=str(tmp_path))
	assert run.status == 3, run
	stacks, summary = live.parse_folded(output), live.last_json(run.err if b"{" in run.err else run.out)
	lines = re.findall(r"cpu (\w) (\d+) ([\d.]+)", run.out.decode())
	assert len(lines) == 2
	for name, pid, seconds in lines:
		live.within(of(stacks, int(pid)), float(seconds), HZ, percent=6, what=name)
		assert of(stacks, int(pid), "in_" + name) > 0.5 * of(stacks, int(pid))
		assert {s.process for s in stacks if s.pid == int(pid) and of([s], function="in_" + name)} == {name + ".py"}
	assert summary["interpreter"].startswith("CPython")
	nothing_lost(summary)


# ---- storms

def entries(pid, name):
	"""How many entries the BPF map of that name has, which a pitviper holds."""
	tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
	for kind, number in live.bpf_held(pid):
		if kind != "map":
			continue
		shown = json.loads(subprocess.run([tool, "-j", "map", "show", "id", str(number)],
						  stdout=subprocess.PIPE).stdout)
		if shown.get("name") == name:
			return len(json.loads(subprocess.run([tool, "-j", "map", "dump", "id", str(number)],
							     stdout=subprocess.PIPE).stdout))
	raise AssertionError("no map " + name)


@pytest.mark.parametrize("count,ms", [(300, 8), (1000, 1)])
def test_storm(kin, burn, tmp_path, count, ms):
	"""Hundreds of children that live for a few milliseconds: the CPU time seen is what they say.

	A clock that begins with a child would see nothing of those that live shorter than its period.
	"""
	recording = Recording(tmp_path, "-p", kin.pid, hz=499)
	fds = len(os.listdir("/proc/%d/fd" % recording.proc.pid))
	cpu = order(kin, "storm %d %s %d" % (count, burn, ms))
	assert len(os.listdir("/proc/%d/fd" % recording.proc.pid)) <= fds + 3, "what has ended is held open"
	for name in ("watched", "programs"):
		assert live.gone(lambda: entries(recording.proc.pid, name) <= 3), "what has ended is kept in " + name
	kin.say("exit")
	stacks, summary = recording.end()
	assert len(cpu) == count
	mine = [s for s in stacks if s.pid in cpu and s.process == "burn"]
	live.within(live.total(mine), sum(cpu.values()), 499, percent=8, what="all children")
	# the time as the kernel counts it, parent and forks included
	live.within(summary["samples"] + summary["lost"]["spared"], summary["target_cpu_s"], 499, what="the whole")
	if ms >= 8:
		assert of(mine, function="burns") >= 0.3 * live.total(mine)
	assert not {s.process for s in stacks} - {"burn", "kin.py"}
	nothing_lost(summary)


def test_storm_of_pythons(newest, target, tmp_path):
	"""Children that are interpreters, each with the function that it lives for."""
	victim = target(newest, "kin.py")
	script = tmp_path / "short.py"
	script.write_text("import os, time, struct\ndef work():\n\twhile time.process_time() < 0.06: pass\n\n\nwork()\n"
			  "os.write(1, struct.pack('=Q', time.process_time_ns()))\n")
	recording = Recording(tmp_path, "-p", victim.pid)
	cpu = order(victim, "storm 40 %s %s" % (newest.path, script))
	victim.say("exit")
	stacks, summary = recording.end()
	mine = [s for s in stacks if s.process == "short.py"]
	live.within(live.total(mine), sum(cpu.values()), HZ, percent=8, what="all children")
	assert of(mine, function="work") > 0.1 * live.total(mine)
	nothing_lost(summary)


def test_events_that_are_lost(kin, burn, tmp_path):
	"""pitviper does not run while more is born, becomes something else and ends than the side-band can hold."""
	recording = Recording(tmp_path, "-p", kin.pid)
	recording.proc.send_signal(signal.SIGSTOP)
	lost = order(kin, "storm 1500 %s 1" % burn)
	recording.proc.send_signal(signal.SIGCONT)
	for name in ("watched", "programs"):
		assert live.gone(lambda: entries(recording.proc.pid, name) <= 3), "what has ended is kept in " + name
	after = order(kin, "fork 2 0.5")
	kin.say("exit")
	stacks, summary = recording.end()
	assert summary["lost"]["sideband"], "this test loses nothing"
	# from here on all is as it was
	for pid, seconds in after.items():
		live.within(of(stacks, pid), seconds, HZ, what="child")
		assert of(stacks, pid, "in_fork") > 0.9 * of(stacks, pid)
	# and before, every sample that the ring could hold is of one of these
	assert {s.pid for s in stacks} <= set(lost) | set(after) | {kin.pid}
	live.within(summary["samples"] + summary["lost"]["ring_sample"] + summary["lost"]["spared"] + summary["lost"]["proc_gone"],
	       summary["target_cpu_s"], HZ, what="the whole")


# ---- several, and by name

def waited_for(pid, kind):
	"""How many descriptors of this kind that process's epoll has."""
	fd_dir, count = "/proc/%d/fd" % pid, 0
	for fd in os.listdir(fd_dir):
		if "eventpoll" in os.readlink(os.path.join(fd_dir, fd)):
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
				held = re.findall(r"^tfd:\s*(\d+)", info.read(), re.M)
			count += sum(kind in os.readlink(os.path.join(fd_dir, other)) for other in held)
	return count


def test_several(newest, target, tmp_path):
	"""Two that have nothing to do with each other, one of them named twice."""
	victims = [target(newest, "kin.py") for _ in range(2)]
	recording = Recording(tmp_path, "-p", victims[0].pid, "-p", victims[1].pid, "-p", victims[0].pid, children=False)
	for victim, seconds in zip(victims, (0.6, 0.2)):
		order(victim, "burn %s" % seconds)
	assert waited_for(recording.proc.pid, "pidfd") == 2
	victims[0].say("exit")
	victims[0].proc.wait()
	order(victims[1], "burn 0.2")		# the capture goes on
	# one that has ended would wake it at once for ever
	assert live.gone(lambda: waited_for(recording.proc.pid, "pidfd") == 1)
	victims[1].say("exit")
	stacks, summary = recording.end()
	for victim, seconds in zip(victims, (0.6, 0.4)):
		live.within(of(stacks, victim.pid, "in_parent"), seconds, HZ, what="one of two")
	assert {s.pid for s in stacks} == {v.pid for v in victims}
	assert len(summary["processes"]) == 2
	nothing_lost(summary)


def test_several_with_a_past(newest, target, tmp_path):
	"""What it used before, in a thread that is gone, is not taken off what it uses now; not after its end, either."""
	victims = [target(newest, "kin.py") for _ in range(2)]
	order(victims[0], "thread 1.5")
	recording = Recording(tmp_path, "-p", victims[0].pid, "-p", victims[1].pid, children=False)
	order(victims[0], "burn 1")
	victims[0].say("exit")
	victims[0].proc.wait()
	order(victims[1], "burn 0.1")
	victims[1].say("exit")
	stacks, summary = recording.end()
	assert summary["target_cpu_s"] >= 1.1
	live.within(summary["samples"] + summary["lost"]["spared"], summary["target_cpu_s"], HZ, what="the whole")
	nothing_lost(summary)


def run_as(pid, *command):
	"""Runs a command under a process id that is free now (clone3 with set_tid)."""
	libc, number = ctypes.CDLL(None, use_errno=True), ctypes.c_int(pid)
	libc.syscall.restype = ctypes.c_long
	arguments = struct.pack("=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(number), 1, 0)
	child = libc.syscall(435, arguments, len(arguments))
	if not child:
		os.execv(command[0], command)
	assert child == pid, os.strerror(ctypes.get_errno())
	return child


def test_number_of_one_that_ended(newest, target, burn, tmp_path):
	"""A stranger with the number of a named process that has ended: its time is not the target's."""
	victims = [target(newest, "kin.py") for _ in range(2)]
	recording = Recording(tmp_path, "-p", victims[0].pid, "-p", victims[1].pid, children=False)
	order(victims[0], "burn 0.3")
	victims[0].say("exit")
	# its parent asks for it only now: the kernel tells its CPU time a grace period later, and until then the zombie does
	assert live.gone(lambda: waited_for(recording.proc.pid, "pidfd") == 1)
	victims[0].proc.wait()
	with open(os.devnull, "w") as nothing:
		kept = os.dup(1)
		os.dup2(nothing.fileno(), 1)
		try:
			stranger = run_as(victims[0].pid, burn, "1500")
		finally:
			os.dup2(kept, 1)
			os.close(kept)
	os.waitpid(stranger, 0)
	stranger = run_as(victims[0].pid, "/bin/sleep", "60")
	try:
		order(victims[1], "burn 0.1")
		victims[1].say("exit")
		stacks, summary = recording.end()
	finally:
		os.kill(stranger, signal.SIGKILL)
		os.waitpid(stranger, 0)
	live.within(summary["samples"] + summary["lost"]["spared"], summary["target_cpu_s"], HZ, what="the whole")
	assert {s.pid for s in stacks} == {v.pid for v in victims}
	nothing_lost(summary)


@pytest.fixture
def uniquely(newest, spawn, tmp_path):
	"""Starts kin.py under a name that nothing else has."""
	name = "pv-live-%d.py" % os.getpid()
	shutil.copy(os.path.join(live.TARGETS, "kin.py"), tmp_path / name)
	return name, lambda: spawn(newest.path, tmp_path / name)


def test_name(uniquely, tmp_path):
	name, start = uniquely
	run = live.pitviper("record", "-p", name)
	assert run.status == 4 and name in run.text(), run
	victim = start()
	for command in ("stack", "doctor"):
		run = live.pitviper(command, "--json", name)
		assert run.status == 0, run
	stacks, _, _ = live.record("-p", name, seconds=0.5)
	assert {s.pid for s in stacks} <= {None}
	other = start()
	for args in (("record", "-p", name), ("stack", name), ("doctor", name)):
		run = live.pitviper(*args)
		assert run.status == 2, run
		assert len(run.text().strip().split("\n")) == 1
		assert str(victim.pid) in run.text() and str(other.pid) in run.text(), run


def test_name_of_a_tree(uniquely, tmp_path):
	"""A master and its workers have one name: all of them, each once."""
	name, start = uniquely
	victim = start()
	victim.say("fork 2 20")
	pids = lambda: subprocess.run(["pgrep", "-P", str(victim.pid)], stdout=subprocess.PIPE).stdout.split()
	assert live.gone(lambda: len(pids()) == 2)
	workers = {int(pid) for pid in pids()}
	stacks, summary, _ = live.record("-p", name, "-p", victim.pid, seconds=1, hz=HZ)
	assert {s.pid for s in stacks} == workers
	assert {p["pid"] for p in summary["processes"]} == workers | {victim.pid}
	run = live.pitviper("stack", "--json", name)
	assert run.status == 0 and {json.loads(line)["pid"] for line in run.out.splitlines()} == workers | {victim.pid}, run
	run = live.pitviper("doctor", name)
	assert run.status == 2 and re.search(r"\b%d \([^)]*, parent of the others\)" % victim.pid, run.text()), run
	for pid in workers:
		assert of(stacks, pid, "in_fork") > 50
		os.kill(pid, signal.SIGKILL)


def test_title(newest, spawn, tmp_path):
	"""What a program calls itself: argv as setproctitle leaves it, which may be anything."""
	script = tmp_path / "titled.py"
	script.write_text("""
import ctypes, os, sys
def set_title(text):
	with open("/proc/self/stat") as stat:
		fields = stat.read().rpartition(")")[2].split()
	start, end = int(fields[45]), int(fields[46])
	ctypes.memmove(start, text[:end - start - 1].ljust(end - start, b"\\0"), end - start)
set_title(b"gunicorn: worker [app:\\x1b[31mapp;]")
print("READY", flush=True)
while True: pass
""")
	victim = spawn(newest.path, script, *(["x"] * 40))
	stacks, _, _ = live.record("--children", "-p", victim.pid, seconds=0.5, hz=HZ)
	assert {s.process for s in stacks} == {"gunicorn: worker [app:?[31mapp;]"}, {s.process for s in stacks}


# ---- what is refused

ELF32 = struct.pack(
	"<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0) + struct.pack(
	"<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 86, 86, 5, 4096) + b"\xeb\xfe"		# jmp to itself


@pytest.fixture
def program32(tmp_path):
	path = tmp_path / "program32"
	path.write_bytes(ELF32)
	path.chmod(0o755)
	try:
		proc = subprocess.Popen([str(path)])
	except OSError as error:
		pytest.skip("this kernel does not run 32-bit programs: %s" % error)
	yield str(path), proc
	proc.kill()
	proc.wait()


def test_32_bit(program32, kin, newest, target, tmp_path):
	"""Named, it is an error before anything else happens; as a child it is counted and told."""
	path, proc = program32
	output = tmp_path / "never.folded"
	run = live.pitviper("record", "-d", 20, "-p", kin.pid, "-p", proc.pid, "-o", output)
	assert run.status == 4 and run.seconds < 10 and "32-bit" in run.text() and not output.exists(), run
	shell = target(newest, "kin.py")
	recording = Recording(tmp_path, "-p", shell.pid)
	order(shell, "burn 0.2")
	shell.say("storm 1 %s" % path)
	child = lambda: subprocess.run(["pgrep", "-P", str(shell.pid)], stdout=subprocess.PIPE).stdout.split()
	assert live.gone(lambda: child() and cpu_of(int(child()[0])) > 0.2)
	pid = int(child()[0])
	os.kill(pid, signal.SIGKILL)
	stacks, summary = recording.end()
	assert summary["lost"]["process"] == 1, summary["lost"]
	told, = [p for p in summary["processes"] if p["pid"] == pid and p["name"] == "program32"]
	assert "32-bit" in told["python_error"]
	assert of(stacks, pid) > 0.1 * HZ


def test_one_that_is_gone(kin, tmp_path):
	child = subprocess.Popen(["/bin/true"])
	child.wait()
	run = live.pitviper("record", "-p", kin.pid, "-p", child.pid, "-o", tmp_path / "x.folded")
	assert run.status == 4 and str(child.pid) in run.text(), run
	assert not os.listdir(tmp_path)


# ---- killed

def test_killed(kin, burn, tmp_path):
	"""kill -9 amid a storm: no program, link, map or event is left; the children never noticed."""
	recording = Recording(tmp_path, "-p", kin.pid)
	held = live.bpf_held(recording.proc.pid)
	assert {"prog", "map", "link"} <= {kind for kind, _ in held}, held
	kin.say("storm 200 %s 5" % burn)
	kin.wait_line(b"child")
	recording.proc.kill()
	recording.proc.wait()
	assert live.gone(lambda: not live.bpf_left(held)), live.bpf_left(held)
	assert len(said(kin, "storm")) == 199


# ---- later mappings

@pytest.mark.parametrize("module", ["numpy", "json"])
def test_late_import_in_a_child(target, tmp_path, module):
	"""A library that a child maps while it is recorded: named, and hardly a sample is marked."""
	interp = next((i for i in live.find_interpreters() if i.path.startswith("/usr/bin") and not i.root), None)
	if interp is None or subprocess.run([interp.path, "-c", "import " + module]).returncode:
		pytest.skip("no numpy for an interpreter of /usr/bin")
	victim = target(interp, "kin.py")
	recording = Recording(tmp_path, "-p", victim.pid)
	cpu = order(victim, "late 1 %s" % module)
	victim.say("exit")
	stacks, summary = recording.end()
	(pid, seconds), = cpu.items()
	live.within(of(stacks, pid), seconds, HZ, percent=6, what="the child")
	after = [s for s in stacks if s.pid == pid and of([s], function="after_import")]
	assert live.total(after) > 0.5 * HZ
	if module == "numpy":
		assert any("umath" in f.text for s in after for f in s.frames if f.kind == "native")
	marked = live.total([s for s in after if s.markers()])
	assert marked <= 0.2 * live.total(after), (marked, live.total(after), summary["lost"])
	nothing_lost(summary)


HELD_BACK = """
import time
def burn(seconds):
	until = time.thread_time() + seconds
	while time.thread_time() < until: numpy.sort(many)
def while_held():
	burn(0.3)
def afterwards():
	burn(0.5)
print("READY", flush=True)
input()
import numpy
many = numpy.random.rand(30000)
while_held()
print("held", flush=True)
input()
afterwards()
"""


def test_held_back_while_a_library_is_mapped(spawn, tmp_path):
	"""pitviper gets no CPU for a while: what it did not know of then is marked, and nothing after that."""
	if subprocess.run([SYSTEM_PYTHON, "-c", "import numpy"]).returncode:
		pytest.skip("no numpy for " + SYSTEM_PYTHON)
	script, path, output = tmp_path / "late.py", str(tmp_path / "x.pvr"), str(tmp_path / "x.folded")
	script.write_text(HELD_BACK)
	victim = spawn(SYSTEM_PYTHON, script)
	proc = live.start_pitviper("record", "-q", "-F", HZ, "-p", victim.pid, "-o", path, "-o", output)
	try:
		live.wait_attached(proc)
		proc.send_signal(signal.SIGSTOP)
		victim.say("go")
		victim.wait_line(b"held")
		proc.send_signal(signal.SIGCONT)
		# what is written was taken in
		live.wait_recorded(proc, path, 0.2 * HZ)
		victim.say("go")
		_out, err = proc.communicate(timeout=60)
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == 0, err
	late = {function: [s for s in live.parse_folded(output) if of([s], function=function)]
		for function in ("while_held", "afterwards")}
	marked = {function: live.total([s for s in late[function] if {"[unwind break]", "[new mapping]"} & {
		f.text for f in s.frames}]) for function in late}
	assert live.total(late["while_held"]) > 0.2 * HZ and live.total(late["afterwards"]) > 0.4 * HZ
	assert marked["while_held"] > 0.5 * live.total(late["while_held"]), marked
	assert marked["afterwards"] == 0, marked


def test_kernel_names_are_read_before_they_are_needed(kin, tmp_path):
	"""A program that begins to import makes its first system calls then: no library waits for names of the kernel.

	They come from a pipe here, in place of /proc/kallsyms, which can be read once.
	"""
	pipe, output = str(tmp_path / "kallsyms"), str(tmp_path / "out.folded")
	os.mkfifo(pipe)
	feeder = subprocess.Popen(["sh", "-c", "exec cat /proc/kallsyms > '%s'" % pipe])
	command = [live.PITVIPER, "record", "--json", "--children", "-F", str(HZ), "-o", output, "-p", str(kin.pid)]
	proc = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /proc/kallsyms && exec "$@"', pipe, *command],
				stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	try:
		live.wait_attached(proc)
		# the target sleeps: there has been no sample yet
		assert feeder.wait(timeout=20) == 0
		order(kin, "late 0.5 json")
		kin.say("exit")
		_out, err = proc.communicate(timeout=60)
		assert proc.returncode == 0, err
	finally:
		for one in (proc, feeder):
			one.kill()
			one.wait()
	kernel = [f.function for s in live.parse_folded(output) for f in s.frames if f.kind == "kernel"]
	assert kernel and not [name for name in kernel if "unknown" in name]


JIT = """
import ctypes, mmap, time
code = bytes.fromhex("48ffcf75fbc3")		# dec %rdi; jne -5; ret
def area():
	memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
			   prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
	memory.write(code)
	address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
	return memory, ctypes.CFUNCTYPE(None, ctypes.c_ulong)(address)
def in_jit(function):
	until = time.process_time() + 1
	while time.process_time() < until:
		function(2000000)
print("READY", flush=True)
input()
kept = area()
in_jit(kept[1])
"""


def test_code_made_at_run_time(newest, spawn, tmp_path):
	"""An executable area without a file is said to be that; its Python callers are there."""
	script = tmp_path / "jit.py"
	script.write_text(JIT)
	victim = spawn(newest.path, script)
	recording = Recording(tmp_path, "-p", victim.pid, children=False)
	victim.say("go")
	stacks, summary = recording.end()
	inside = [s for s in stacks if s.frames[-1].function == "[JIT]"]
	assert live.total(inside) > 0.5 * HZ, summary["lost"]
	assert live.total([s for s in inside if s.markers()]) == live.total(inside)
	assert live.total([s for s in inside if of([s], function="in_jit")]) > 0.95 * live.total(inside)
	# it is looked at again and again, but not at every sample
	assert summary["own_cpu_s"] < 2, summary


# ---- gunicorn

APP = """
import os, time
from flask import Flask, jsonify
app = Flask(__name__)
def slow_part():
	until = time.thread_time() + 0.006
	while time.thread_time() < until: pass
@app.route("/slow")
def slow():
	slow_part()
	return jsonify(pid=os.getpid(), cpu=time.process_time())
"""


def free_port():
	with socket.socket() as one:
		one.bind(("127.0.0.1", 0))
		return one.getsockname()[1]


def ask(port):
	connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
	connection.request("GET", "/slow")
	answer = json.loads(connection.getresponse().read())
	connection.close()
	return answer["pid"], answer["cpu"]


@pytest.fixture
def gunicorn(tmp_path):
	"""A master with three workers, each of which has answered."""
	for module in ("flask", "gunicorn"):
		if subprocess.run([SYSTEM_PYTHON, "-c", "import " + module], stderr=subprocess.DEVNULL).returncode:
			pytest.skip("%s has no %s" % (SYSTEM_PYTHON, module))
	(tmp_path / "app.py").write_text(APP)
	port = free_port()
	master = subprocess.Popen([SYSTEM_PYTHON, "-m", "gunicorn", "-w", "3", "-b", "127.0.0.1:%d" % port, "app:app"],
				  cwd=str(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
	workers = set()

	def answers():
		try:
			workers.add(ask(port)[0])
		except OSError:
			pass
		return len(workers) == 3
	try:
		assert live.gone(answers, timeout=60), workers
		yield master, port, workers
	finally:
		master.terminate()
		master.wait()


@pytest.mark.parametrize("how", ["children", "name"])
def test_gunicorn(gunicorn, tmp_path, how):
	"""Every worker appears, with the share of the CPU time that it says it has used."""
	master, port, workers = gunicorn
	used, ends = {}, {}

	def load(number):
		for _ in range(number):
			pid, cpu = ask(port)
			used.setdefault(pid, cpu)
			ends[pid] = max(cpu, ends.get(pid, 0))

	def in_threads(number):
		threads = [threading.Thread(target=load, args=(number,)) for _ in range(4)]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
	recording = Recording(tmp_path, "-p", master.pid) if how == "children" else Recording(
		tmp_path, *(arg for pid in workers for arg in ("-p", pid)), children=False)
	in_threads(75)
	stacks, summary = recording.end(signal.SIGINT)
	assert {s.pid for s in stacks} - {master.pid} == workers
	assert summary["interpreter"].startswith("CPython 3.")
	samples = {pid: of(stacks, pid) for pid in workers}
	cpu = {pid: ends[pid] - used[pid] for pid in workers if pid in ends}
	whole, all_cpu = sum(samples.values()), sum(cpu.values())
	for pid in workers:
		share, true = 100 * samples[pid] / whole, 100 * cpu.get(pid, 0) / all_cpu
		bound = 400 * math.sqrt(0.25 / whole) + 2
		assert abs(share - true) <= bound, (samples, cpu, bound)
	assert of(stacks, function="slow_part") > 0.3 * whole
	nothing_lost(summary)
