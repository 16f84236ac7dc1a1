# SPDX-License-Identifier: BSD-2-Clause
"""Where a target is, and where pitviper is: containers seen from outside and from inside, numbers of
processes that differ, roots and namespaces of their own, binaries that are gone or replaced.

The containers are targets/container: what a runtime makes, by unshare(1), an overlay and pivot_root(8).
"""
import os
import shutil
import subprocess
import sysconfig

import conftest
import live
import pytest

CONTAINER = os.path.join(live.TARGETS, "container")
BUILD = os.path.dirname(os.path.dirname(live.PITVIPER))
DIRS = [os.path.dirname(live.TARGETS), BUILD]


def functions(stacks):
	return {f.function for s in stacks for f in s.python()}


def children_of(pid):
	with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
		return [int(word) for word in children.read().split()]


def only_child(pid):
	children = children_of(pid)
	assert len(children) == 1, children
	return children[0]


def place(tmp_path, name="place"):
	path = tmp_path / name
	path.mkdir()
	return str(path)


def container(tmp_path, *command, root="/", dirs=(), name="place"):
	"""The command line of one; the interpreters of pyenv and the test's own directory are in it."""
	home = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
	dirs = DIRS + [str(tmp_path)] + ([home] if root == "/" and os.path.isdir(home) else []) + list(dirs)
	return [CONTAINER, root, place(tmp_path, name), *dirs, "--", *command]


class Inside:
	"""A container whose first process waits; commands are run in it from outside, as by docker exec."""

	def __init__(self, spawn, tmp_path, **kw):
		self.shell = spawn(*container(tmp_path, "sh", "-c", "echo READY; read line", **kw))
		self.init = only_child(self.shell.pid)

	def enter(self, *command):
		# the place of the process to be: its root and working directory, too
		return ["nsenter", "--target", str(self.init), "--mount", "--pid", "--uts", "--ipc", "--net",
			"--root", "--wd", *map(str, command)]


@pytest.fixture
def inside(spawn, tmp_path):
	return Inside(spawn, tmp_path)


def numbers_of(pid, tid):
	"""The numbers that the kernel tells of a thread: the host's first, its own namespace's last."""
	with open("/proc/%d/task/%s/status" % (pid, tid)) as status:
		return [int(n) for n in next(line for line in status if line.startswith("NSpid:")).split()[1:]]


def number_inside(pid):
	return numbers_of(pid, pid)[-1]


def tids_inside(pid, level):
	return {numbers_of(pid, tid)[level] for tid in os.listdir("/proc/%d/task" % pid)}


# a thread that burns, and one that sleeps
LIFE = """
import os, threading
def early():
	while True:
		for _ in range(2000): pass
thread = threading.Thread(target=early)
thread.daemon = True
thread.start()
os.write(1, b"READY\\n")
os.read(0, 1)
"""


def life(enter, interp):
	return enter + interp.command(os.path.join(live.TARGETS, "life.py"))


# ---- a container, seen from the host

def foreign():
	"""The roots of other distributions' Pythons, and one Python of this machine."""
	plain = [i for i in conftest.INTERPRETERS if not i.root]
	return plain[-1:] + [i for i in conftest.INTERPRETERS if i.root]


@pytest.mark.parametrize("python", foreign(), ids=str)
def test_from_outside(python, spawn, tmp_path):
	"""Mounts, root and PID namespace of its own: names, lines and threads as anywhere."""
	victim = spawn(*container(tmp_path, python.path, "-c", LIFE, root=python.root or "/"))
	pid = only_child(victim.pid)
	assert number_inside(pid) == 1
	stacks, summary, _ = live.record("-p", pid, seconds=0.5, hz=499)
	assert "early" in functions(stacks) and summary["with_python"] >= 0.98 * summary["samples"], summary
	assert summary["complete"] >= 0.95 * summary["samples"], summary["lost"]
	answer = live.loads(live.pitviper("stack", "--json", pid).out)
	assert {t["tid"] for t in answer["threads"]} == set(map(int, os.listdir("/proc/%d/task" % pid)))
	text = live.pitviper("doctor", pid).out.decode()
	assert ".".join(map(str, python.version)) in text and "PID namespace" in text, text


def test_across_the_border(newest, spawn, tmp_path):
	"""--children goes into the namespaces and the root of what it starts."""
	code = ("import time\ndef in_container():\n\twhile time.process_time() < 1.5: sum(range(1000))\n"
		"in_container()")
	command = container(tmp_path, newest.path, "-c", code)
	outer = "import subprocess, sys\ndef outside():\n\tsubprocess.check_call(%r)\noutside()" % command
	stacks, summary, _ = live.record("--children", "--", newest.path, "-c", outer, hz=499)
	mine = [s for s in stacks if "in_container" in functions([s])]
	assert live.total(mine) > 100, summary["processes"]	# of 740, less what ran until it was found
	pids = {s.pid for s in mine}
	assert len(pids) == 1 and 1 not in pids		# the host's number, not the container's
	process = next(p for p in summary["processes"] if p["pid"] in pids and p.get("interpreter"))
	assert process["interpreter"].startswith("CPython "), process


# ---- pitviper in a container

JUST_ENOUGH = "--inh-caps=-all,+bpf,+perfmon,+sys_ptrace", "--bounding-set=-all,+bpf,+perfmon,+sys_ptrace"


@pytest.mark.parametrize("rights", [(), ("setpriv", *JUST_ENOUGH)], ids=["root", "three"])
def test_inside(newest, spawn, inside, tmp_path, rights):
	"""All numbers are the container's: those asked for, and those in the answers."""
	victim = spawn(*life(inside.enter(), newest))
	outer = only_child(victim.pid)		# of nsenter, which forked into the namespace
	pid = number_inside(outer)
	assert pid != outer
	output = str(tmp_path / "inside.folded")
	run = live.pitviper("record", "--json", "-p", pid, "-d", 0.5, "-F", 499, "--threads", "-o", output,
			    prefix=inside.enter(*rights))
	assert run.status == 0, run
	stacks, summary = live.parse_folded(output), live.last_json(run.out)
	assert "early" in functions(stacks) and summary["with_python"] >= 0.98 * summary["samples"], summary
	threads = tids_inside(outer, 1)
	assert {s.tid for s in stacks} <= threads and {t["tid"] for t in summary["threads"]} <= threads
	run = live.pitviper("stack", "--json", pid, prefix=inside.enter(*rights))
	assert run.status == 0, run
	assert {t["tid"] for t in live.loads(run.out)["threads"]} == threads
	run = live.pitviper("doctor", pid, prefix=inside.enter(*rights))
	assert run.status == 0 and b"a container" in run.out, run
	# the host's number is nobody there, and is said to be
	run = live.pitviper("stack", outer, prefix=inside.enter(*rights))
	assert run.status == 4 and b"no such process" in run.err, run


def test_inside_children(newest, spawn, inside, tmp_path):
	"""Forks, execs and ends are followed by the container's numbers, and CPU time is whole."""
	output = str(tmp_path / "kin.folded")
	burn = live.compile_c(os.path.join(live.TARGETS, "burn.c"), str(tmp_path / "burn"))
	script = "fork 3 0.3\\nchain 0.3 %s\\nstorm 60 %s 8\\nexit\\n" % (newest.path, burn)
	command = newest.command(os.path.join(live.TARGETS, "kin.py"))
	run = live.pitviper("record", "--json", "--children", "-F", 499, "-o", output, "--",
			    "sh", "-c", "printf '%s' | exec \"$@\"" % script, "sh", *command,
			    prefix=inside.enter())
	assert run.status == 0, run
	stacks, summary = live.parse_folded(output), live.last_json(run.out)
	assert {"in_fork", "last_of_chain"} <= functions(stacks), functions(stacks)
	said = [line.split() for line in run.out.decode().splitlines() if line.startswith("child ")]
	burnt = {int(words[2]): float(words[3]) for words in said}
	assert len([words for words in said if words[1] == "fork"]) == 3
	for pid, seconds in [(pid, seconds) for pid, seconds in burnt.items() if seconds > 0.1]:
		of = [p for p in summary["processes"] if p["pid"] == pid]
		assert of, (pid, summary["processes"])
		samples = live.total([s for s in stacks if s.pid == pid])
		assert abs(samples / 499 - seconds) < 0.1 + 0.15 * seconds, (pid, seconds, samples)
	assert summary["lost"]["child"] == 0 and summary["lost"]["proc_gone"] == 0, summary["lost"]
	# what lived shortly the kernel's side alone knows, and when it is freed only by its host's number
	assert len(burnt) > 60 and summary["target_cpu_s"] >= sum(burnt.values()), (summary["target_cpu_s"], burnt)


def test_siblings(newest, spawn, inside, tmp_path):
	"""What has the same number in another container is another process."""
	other = spawn(*container(tmp_path, newest.path, "-c", LIFE, name="other"))
	assert number_inside(only_child(other.pid)) == number_inside(inside.init) == 1
	run = live.pitviper("record", "--json", "-p", 1, "-d", 0.5, "-F", 499, "-o", "/dev/null", prefix=inside.enter())
	assert run.status == 0 and live.last_json(run.out)["samples"] == 0, run


def test_nested(newest, spawn, inside, tmp_path):
	"""A namespace within the container's is seen from there by the container's numbers."""
	victim = spawn(*life(inside.enter("unshare", "--pid", "--fork", "--kill-child"), newest))
	deepest = only_child(only_child(victim.pid))
	numbers = numbers_of(deepest, deepest)
	assert len(numbers) == 3, numbers
	output = str(tmp_path / "nested.folded")
	run = live.pitviper("record", "--json", "-p", numbers[1], "-d", 0.5, "-F", 499, "-o", output, "--threads",
			    prefix=inside.enter())
	assert run.status == 0 and "early" in functions(live.parse_folded(output)), run
	assert {t["tid"] for t in live.last_json(run.out)["threads"]} <= tids_inside(deepest, 1)


def test_chroot(spawn, tmp_path):
	"""Paths are what the process sees: the C library of a chroot is not one's own code."""
	root = tmp_path / "root"
	(root / "usr/lib").mkdir(parents=True)
	program = live.compile_c(os.path.join(live.TARGETS, "burn.c"), str(root / "usr/lib/burn"), "-static")
	victim = subprocess.Popen(["chroot", str(root), "/usr/lib/burn", "60000"], stdout=subprocess.DEVNULL)
	try:
		assert live.gone(lambda: os.readlink("/proc/%d/exe" % victim.pid) == program)
		doctor = live.pitviper("doctor", victim.pid).out.decode()
		assert "/usr/lib/burn\n" in doctor and str(tmp_path) not in doctor, doctor
		run = live.pitviper("record", "--json", "-p", victim.pid, "-d", 0.3, "-F", 499, "-o", "/dev/null")
		assert not any(line["own"] for line in live.last_json(run.out)["hottest"] if line["module"] == "burn"), run
		assert any(line["function"] == "burns" for line in live.last_json(run.out)["hottest"]), run
	finally:
		victim.kill()
		victim.wait()


def test_foreign_numbers():
	"""A /proc whose numbers are not ours: everything would be about the wrong processes."""
	for command in (["stack", "1"], ["record", "-p", "1", "-d", "1"], ["record", "--", "true"]):
		run = live.pitviper(*command, prefix=["unshare", "--pid", "--fork", "--kill-child"])
		assert run.status == 1 and b"/proc is that of another PID namespace" in run.err, run


def test_without_rights():
	"""Root of a user namespace is nobody to the kernel: refused with the reason."""
	prefix = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
	for command in (["record", "--", "true"], ["stack", "1"]):
		run = live.pitviper(*command, prefix=prefix)
		assert run.status == 3 and b"user namespace" in run.err, run
	# nor does it answer what there is
	facts = live.last_json(live.pitviper("doctor", "--json", prefix=prefix).out)["facts"]
	kernel = {fact["name"]: fact for fact in facts if fact["section"] == "kernel" and fact["name"] != "release"}
	for name in set(kernel) - {"BTF (/sys/kernel/btf/vmlinux)", "perf cpu-clock event"}:
		assert kernel[name]["state"] == "unknown" and "user namespace" in kernel[name]["hint"], kernel[name]
	assert len(kernel) > 5


# ---- C libraries

@pytest.mark.parametrize("compiler", ["cc", "musl-gcc"])
def test_let_go(compiler, tmp_path):
	"""What is started runs free from its first instruction on, whatever loads it."""
	program = str(tmp_path / "traced")
	subprocess.run([compiler, "-O1", "-g", "-o", program, os.path.join(live.TARGETS, "traced.c")], check=True)
	stacks, summary, run = live.record("--", program, hz=499, check=7)
	assert b"TracerPid:\t0\n" in run.out, run.out
	burnt = [s for s in stacks if any(f.function == "burns_here" for f in s.frames)]
	assert live.total(burnt) >= 0.9 * live.total(stacks) > 50
	# its tables were there from the beginning
	assert summary["lost"]["unread"] + summary["lost"]["nat_nomap"] <= 3, summary["lost"]


# ---- binaries that are gone, or others by now

def replaced(path):
	"""As a package manager upgrades: another file takes the name, the old one lives on nameless."""
	with open(path + ".new", "wb") as new:
		new.write(b"\x7fELF, but of another version\n" * 1000)
	os.rename(path + ".new", path)


@pytest.mark.parametrize("how", [os.unlink, replaced])
def test_upgraded(how, spawn, tmp_path):
	"""The library that holds the interpreter is removed, or replaced by another, while it runs."""
	library = os.path.join(sysconfig.get_config_var("LIBPL"), "libpython%s.so" % sysconfig.get_python_version())
	# under the name that it asks to be found by
	copy = shutil.copy(os.path.realpath(library), str(tmp_path))
	program = live.compile_c(os.path.join(live.TARGETS, "embed.c"), str(tmp_path / "embed"),
				 "-Wl,-rpath," + str(tmp_path), libraries=[copy])
	victim = spawn(program, BURN)
	how(copy)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert {"outer", "inner"} <= functions(stacks)
	assert summary["complete"] >= 0.95 * summary["samples"], summary["lost"]
	assert any(f.kind == "native" and f.function.startswith("PyRun_") for s in stacks for f in s.frames)
	assert "file deleted" in live.pitviper("doctor", victim.pid).out.decode()


BURN = """
import sys
def inner(n):
	return sum(i * i for i in range(n))
def outer():
	while True:
		inner(1000)
sys.stdout.write("READY\\n")
sys.stdout.flush()
outer()
"""
