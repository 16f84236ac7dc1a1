# SPDX-License-Identifier: BSD-2-Clause
"""Code made at run time: said to be that, and named where a perf map names it; other Pythons."""
import json
import os
import shutil

import live
import pytest

NOBODY = 65534


@pytest.fixture(scope="module")
def made(tmp_path_factory):
	return live.compile_c(os.path.join(live.TARGETS, "perfmap.c"), str(tmp_path_factory.mktemp("made") / "made"))


@pytest.fixture
def perf_map():
	"""perf_map(pid, text, owner): the file, removed at the end."""
	written = []

	def write(number, text, owner=None, root=""):
		path = "%s/tmp/perf-%d.map" % (root, number)
		with open(path, "wb") as out:
			out.write(text)
		if owner is not None:
			os.chown(path, owner, owner)
		written.append(path)
		return path

	yield write
	for path in written:
		if os.path.exists(path):
			os.unlink(path)


def leaves(stacks):
	"""Samples by the leaf-most frame that is none of the kernel's."""
	out = {}
	for stack in stacks:
		user = [f for f in stack.frames if f.kind != "kernel"]
		out[user[-1].text] = out.get(user[-1].text, 0) + stack.count
	return out


def facts(pid):
	run = live.pitviper("doctor", "--json", pid)
	return {(f["section"], f["name"]): f for f in json.loads(run.out)["facts"]}


def area_of(victim):
	return [int(word, 16) for word in victim.ready.split()[1:]]


def start(spawn, made, arguments=(), **kw):
	victim = spawn(made, *arguments, ready=False, **kw)
	victim.ready = victim.wait_line(b"READY")
	return victim


def test_jit_without_names(spawn, made):
	victim = start(spawn, made)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.6, hz=499)
	seen = leaves(stacks)
	assert summary["samples"] > 20
	assert seen.get("[JIT]", 0) >= 0.95 * summary["samples"], seen
	# nothing says who called it, and that is said
	assert summary["complete"] <= 0.05 * summary["samples"], summary
	fact = facts(victim.pid)[("unwinding", "code made at run time")]
	assert fact["value"].startswith("1 area") and "no perf map" in fact["value"], fact


def test_jit_named(spawn, made, perf_map):
	victim = start(spawn, made)
	address, size = area_of(victim)
	perf_map(victim.pid, b"%x %x old\n%x %x odd;name \xff\n%x 10 behind\nnot a line" % (
		address, size, address, size, address + size))
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.6, hz=499)
	seen = leaves(stacks)
	name = b"odd;name \xff ([JIT])".decode("utf-8", "surrogateescape")
	assert seen.get(name, 0) >= 0.95 * summary["samples"], seen
	assert "names from its perf map" in facts(victim.pid)[("unwinding", "code made at run time")]["value"]
	assert look(victim)[0] == name[:-len(" ([JIT])")]


def look(victim):
	"""The functions of the one thread, as `stack` says, leaf first, without the kernel's."""
	answer = live.loads(live.pitviper("stack", "--json", victim.pid).out)
	return [f["function"] for f in answer["threads"][0]["frames"] if f["kind"] != "kernel"]


def test_look_does_not_wait_for_a_better_one(spawn, made):
	"""The thread is seen where it is, not where its stack happens to have an end."""
	victim = start(spawn, made, arguments=["30"])
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.6, hz=499)
	assert leaves(stacks)["[JIT]"] > 0.8 * summary["samples"] and summary["complete"] > 0, summary
	seen = [look(victim)[0] for _ in range(10)]
	assert seen.count("[JIT]") >= 3, seen


@pytest.mark.parametrize("lie", ["foreign", "link", "fifo"])
def test_jit_map_not_to_be_trusted(spawn, made, perf_map, tmp_path, lie):
	victim = start(spawn, made, user=NOBODY)
	address, size = area_of(victim)
	text = b"%x %x lie\n" % (address, size)
	path = perf_map(victim.pid, text, owner=4242)
	if lie != "foreign":
		os.unlink(path)
	if lie == "link":
		other = perf_map(victim.pid + 10 ** 7, text, owner=NOBODY)
		os.symlink(other, path)
	elif lie == "fifo":
		os.mkfifo(path)
	stacks, _, _ = live.record("-p", victim.pid, seconds=0.4, hz=499)
	assert set(leaves(stacks)) & {"[JIT]"} and not any("lie" in name for name in leaves(stacks)), leaves(stacks)
	value = facts(victim.pid)[("unwinding", "code made at run time")]["value"]
	assert ("somebody else" in value) == (lie == "foreign"), value


def test_jit_map_inside_its_namespaces(spawn, made, perf_map, tmp_path):
	"""Its own number, in its own /tmp; the same name in ours is another process's."""
	root = tmp_path / "root"
	(root / "tmp").mkdir(parents=True)
	shutil.copy(made, str(root / "made"))
	libraries = [w for line in os.popen("ldd " + made).read().split("\n") for w in line.split() if w.startswith("/")]
	for library in libraries:
		os.makedirs(str(root) + os.path.dirname(library), exist_ok=True)
		shutil.copy(os.path.realpath(library), str(root) + library)
	# --kill-child: it ends with its parent, whose number is the one that we are told
	shell = spawn("unshare", "--pid", "--fork", "--kill-child", "chroot", root, "/made", ready=False)
	shell.ready = shell.wait_line(b"READY")
	with open("/proc/%d/task/%d/children" % (shell.pid, shell.pid)) as children:
		pid = int(children.read().split()[0])
	address, size = area_of(shell)
	perf_map(1, b"%x %x right\n" % (address, size), root=str(root))
	perf_map(pid, b"%x %x wrong\n" % (address, size))
	stacks, summary, _ = live.record("-p", pid, seconds=0.4, hz=499)
	seen = leaves(stacks)
	assert seen.get("right ([JIT])", 0) >= 0.95 * summary["samples"], seen


@pytest.mark.minor((3, 12), (3, 13), (3, 14), (3, 15))
def test_jit_x_perf(interp, target):
	"""-X perf: every Python function is called through a trampoline, and is there once."""
	command = interp.command(os.path.join(live.TARGETS, "mix.py"))
	at = command.index(interp.path) + 1
	victim = live.Target(command[:at] + ["-X", "perf"] + command[at:])
	try:
		with open(interp.outside("/tmp/perf-%d.map" % victim.pid), "rb") as lines:
			assert b"py::" in lines.read(), "the trampolines are there"
		stacks, summary, _ = live.record("-p", victim.pid, seconds=2, hz=997)
		assert summary["with_python"] >= 0.98 * summary["samples"] > 50, summary
		# through the trampolines as through any code
		assert summary["complete"] >= 0.995 * summary["samples"], (summary["complete"], summary["lost"])
		doubled = [s for s in stacks if s.python() and any("py::" in f.text for f in s.frames)]
		assert not doubled, doubled[:3]
		assert live.total(s for s in stacks if any(f.text == "[JIT]" for f in s.frames)) <= 0.01 * summary["samples"]
	finally:
		victim.stop()
		if os.path.exists(interp.outside("/tmp/perf-%d.map" % victim.pid)):
			os.unlink(interp.outside("/tmp/perf-%d.map" % victim.pid))


@pytest.mark.minor((3, 13))
def test_jit_x_perf_jit(interp, target):
	"""-X perf_jit: the list that it keeps for perf is mapped as code is, so that perf hears of it; none runs there."""
	command = interp.command(os.path.join(live.TARGETS, "mix.py"))
	at = command.index(interp.path) + 1
	victim = live.Target(command[:at] + ["-X", "perf_jit"] + command[at:])
	dump = "/tmp/jit-%d.dump" % victim.pid
	try:
		with open("/proc/%d/maps" % victim.pid) as maps:
			assert any(line.split()[1] == "r-xp" and line.split()[-1] == dump for line in maps), "the list is mapped"
		found = facts(victim.pid)
		fact = found[("unwinding", dump)]
		assert fact["state"] == "info" and "perf" in fact["value"] and not fact["hint"], fact
		stacks, summary, _ = live.record("-p", victim.pid, seconds=1, hz=499)
		assert summary["with_python"] >= 0.98 * summary["samples"] > 20, summary
		assert not any(dump[5:] in f.text for s in stacks for f in s.frames)
	finally:
		victim.stop()
		if os.path.exists(interp.outside(dump)):
			os.unlink(interp.outside(dump))


PYPY = shutil.which("pypy3")


@pytest.mark.skipif(not PYPY, reason="no PyPy on this machine: apt-get install pypy3")
def test_jit_pypy(spawn):
	"""No Python frame, no wrong one, and the reason."""
	loop = "import sys\nprint('READY'); sys.stdout.flush()\nwhile True:\n\tsum(i * i for i in range(10 ** 5))\n"
	victim = spawn(PYPY, "-c", loop)
	stacks, summary, run = live.record("-p", victim.pid, seconds=1, hz=499)
	assert not any(s.python() for s in stacks)
	assert "PyPy" in summary["python_error"] and "not CPython" in summary["python_error"], summary
	assert live.total(s for s in stacks if any(f.text == "[JIT]" for f in s.frames)) > 0.5 * summary["samples"]
	run = live.pitviper("stack", victim.pid)
	assert run.status == 0 and b"PyPy" in run.out + run.err, run
	assert "PyPy" in facts(victim.pid)[("interpreter", "Python")]["value"]


NODE = shutil.which("node")


@pytest.mark.skipif(not NODE, reason="no node on this machine: apt-get install nodejs")
def test_jit_node(spawn, perf_map, tmp_path):
	"""The names that another runtime's JIT writes itself."""
	script = tmp_path / "loop.js"
	script.write_text("function busy(n) { let t = 0; for (let i = 0; i < n; i++) t += i % 7; return t; }\n"
			  "for (let i = 0; i < 300; i++) busy(1e5);\nconsole.log('READY');\nfor (;;) busy(1e6);\n")
	# it writes its map at its leisure, two megabytes at a time: until then all is [JIT]
	victim = spawn(NODE, "--perf-basic-prof", script, cwd=str(tmp_path))
	try:
		stacks, summary, _ = live.record("-p", victim.pid, seconds=0.6, hz=499)
	finally:
		victim.stop()
		if os.path.exists("/tmp/perf-%d.map" % victim.pid):
			os.unlink("/tmp/perf-%d.map" % victim.pid)
	named = live.total(s for s in stacks if any("busy" in f.text and "[JIT]" in f.text for f in s.frames))
	plain = live.total(s for s in stacks if any(f.text == "[JIT]" for f in s.frames))
	assert named + plain >= 0.9 * summary["samples"] > 10, (named, plain, summary)
