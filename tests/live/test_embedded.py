# SPDX-License-Identifier: BSD-2-Clause
"""Interpreters that are not a program called python: a C program linked to libpython in every way,
uWSGI, an executable by another name, two libpythons in one process.

The C programs are targets/embed.c and targets/two_pythons.c, built against what is on this machine.
"""
import glob
import os
import shutil
import socket
import struct
import subprocess
import sysconfig
import threading

import conftest
import live
import pytest

SYSTEM = sysconfig.get_python_version()		# of the Python that runs the tests, Debian's
LIBPYTHON = os.path.join(sysconfig.get_config_var("LIBPL"), "libpython" + SYSTEM)
LIBRARIES = ["-lexpat", "-lz", "-lm", "-ldl", "-lutil"]		# of the static one

BURN = """
import os
def inner(n):
	return sum(i * i for i in range(n))
def outer():
	while True:
		inner(1000)
os.write(1, b"READY\\n")
outer()
"""


def functions(stacks):
	return {f.function for s in stacks for f in s.python()}


def whole(summary, part=0.95):
	assert summary["complete"] >= part * summary["samples"] > 0, (summary["samples"], summary["lost"])


def pyenv(version):
	home = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
	found = sorted(glob.glob(os.path.join(home, "versions", version + ".*", "lib", "libpython%s*.so.1.0" % version)))
	return found[-1] if found else None


def build(tmp_path, how):
	"""embed.c, linked to Debian's Python in one of the ways that there are."""
	ways = {
		"shared": (["-pie", "-fPIE"], ["-lpython" + SYSTEM]),
		"static": (["-no-pie", "-rdynamic"], [LIBPYTHON + ".a", *LIBRARIES]),
		"static-pie": (["-pie", "-fPIE", "-rdynamic", "-s"], [LIBPYTHON + "-pic.a", *LIBRARIES]),
	}
	flags, libraries = ways[how]
	return live.compile_c(os.path.join(live.TARGETS, "embed.c"), str(tmp_path / "quite-another-name"), *flags,
			      libraries=libraries)


@pytest.mark.parametrize("how", ["shared", "static", "static-pie"])
def test_program(how, spawn, tmp_path):
	"""A C program with an interpreter in it, whatever it is called and however linked."""
	victim = spawn(build(tmp_path, how), BURN)
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert {"<module>", "outer", "inner"} <= functions(stacks)
	assert any(f.function == "main" for s in stacks for f in s.frames) or how == "static-pie"	# stripped
	whole(summary)
	# also when it looks in the middle of a call, which it does here once in thirty times
	for _ in range(20):
		assert b" outer (<string>:7)" in live.pitviper("stack", victim.pid).out
	assert SYSTEM.encode() in live.pitviper("doctor", victim.pid).out


def test_renamed(newest, spawn, tmp_path):
	"""An executable that nobody would take for a Python by its name."""
	copy = str(tmp_path / "backupd")
	shutil.copy(os.path.realpath(newest.path), copy)
	victim = spawn(copy, "-c", BURN, env={"PYTHONHOME": os.path.dirname(os.path.dirname(newest.path))})
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert {"outer", "inner"} <= functions(stacks)
	whole(summary)


# ---- uWSGI

APPLICATION = """
import time
def burn(seconds):
	until = time.thread_time() + seconds
	while time.thread_time() < until:
		for _ in range(2000):
			pass
def application(environ, start_response):
	burn(0.05)
	start_response("200 OK", [("Content-Type", "text/plain")])
	return [b"done"]
"""


def ask(port):
	with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
		connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
		answer = b""
		while True:
			data = connection.recv(4096)
			if not data:
				return answer
			answer += data


def test_uwsgi(spawn, tmp_path):
	"""Debian's uWSGI: libpython comes with a plugin, workers are forked, requests run in threads of C."""
	(tmp_path / "app.py").write_text(APPLICATION)
	with socket.socket() as free:
		free.bind(("127.0.0.1", 0))
		port = free.getsockname()[1]
	server = spawn("uwsgi_python3", "--http-socket", "127.0.0.1:%d" % port, "--wsgi-file", tmp_path / "app.py",
		       "--master", "--processes", "2", "--enable-threads", "--threads", "2", "--die-on-term",
		       "--need-app", ready=False)
	try:
		assert live.gone(lambda: answers(port), 30)
		stop = threading.Event()

		def load():
			while not stop.is_set():
				assert ask(port).endswith(b"done")

		clients = [threading.Thread(target=load) for _ in range(3)]
		for client in clients:
			client.start()
		try:
			stacks, summary, _ = live.record("--children", "-p", server.pid, seconds=2, hz=499)
			worker = max(summary["processes"], key=lambda p: p["samples"])["pid"]
			answer = live.loads(live.pitviper("stack", "--json", worker).out)
		finally:
			stop.set()
			for client in clients:
				client.join()
	finally:
		subprocess.run(["kill", "-INT", str(server.pid)], check=True)
		server.proc.wait()
	busy = [s for s in stacks if "burn" in functions([s])]
	assert live.total(busy) >= 0.8 * live.total(stacks)
	for stack in busy:
		names = [f.function for f in stack.frames]
		assert names.index("application") < names.index("burn")
		assert any("uwsgi" in name for name in names[:names.index("application")]), names
	whole(summary)
	assert all(p["interpreter"].startswith("CPython %s." % SYSTEM) for p in summary["processes"] if p["samples"] > 20)
	assert answer["interpreter"].startswith("CPython %s." % SYSTEM), answer


def answers(port):
	try:
		return ask(port).endswith(b"done")
	except OSError:
		return False


# ---- two libpythons

TWO = """
def inner():
	n = 0
	while n < 100000: n += 1
def of_0():
	while True: inner()
def of_1():
	while True: inner()
(of_1 if which else of_0)()
"""


def libraries():
	others = [path for path in map(pyenv, ("3.13", "3.12", "3.10", "3.9")) if path]
	if not others:
		pytest.skip("no second libpython on this machine")
	return os.path.realpath(LIBPYTHON + ".so"), others[0]


def two(spawn, tmp_path, *modes):
	program = live.compile_c(os.path.join(live.TARGETS, "two_pythons.c"), str(tmp_path / "two"))
	debian, other = libraries()
	return spawn(program, TWO, modes[0], debian, "/usr", modes[1], other, os.path.dirname(os.path.dirname(other)))


@pytest.mark.parametrize("used", [0, 1])
def test_two_mapped(used, spawn, tmp_path):
	"""Of two libpythons the one that runs is read."""
	victim = two(spawn, tmp_path, *(["run", "map"] if used == 0 else ["map", "run"]))
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert functions(stacks) == {"<module>", "of_%d" % used, "inner"}
	whole(summary)


def test_two_running(spawn, tmp_path):
	"""Both run: neither is shown for the other, and it is told why."""
	victim = two(spawn, tmp_path, "run", "run")
	stacks, summary, run = live.record("-p", victim.pid, seconds=0.5, hz=499)
	assert not functions(stacks) and live.total(stacks) > 20
	assert "two CPythons run in this process" in summary["python_error"], summary["python_error"]
	assert b"two CPythons run" in live.pitviper("doctor", victim.pid).out
	answer = live.pitviper("stack", victim.pid)
	assert b"two CPythons run" in answer.out + answer.err, answer


# ---- no symbols at all

def sections(image):
	"""The section headers of an ELF file, by name: (offset in the file, size)."""
	offset, = struct.unpack_from("<Q", image, 0x28)
	size, n, names = struct.unpack_from("<HHH", image, 0x3a)
	headers = [struct.unpack_from("<IIQQQQ", image, offset + i * size) for i in range(n)]
	text = headers[names][4]
	return {bytes(image[text + h[0]:image.index(0, text + h[0])]).decode(): (h[4], h[5]) for h in headers}


def make_bare(source, copy, headers):
	"""A copy of a static, stripped interpreter in which no symbol has its name any more; without headers
	nothing says where its sections are either."""
	with open(source, "rb") as whole:
		image = bytearray(whole.read())
	found = sections(image)
	assert ".symtab" not in found
	start, size = found[".dynstr"]
	names = bytes(image[start:start + size]).replace(b"Py", b"Qx")
	image[start:start + size] = names
	if not headers:
		struct.pack_into("<Q", image, 0x28, 0)
		struct.pack_into("<HHH", image, 0x3a, 0, 0, 0)
	with open(copy, "wb") as out:
		out.write(image)
	os.chmod(copy, 0o755)
	return copy


def static_pythons():
	"""One of each minor version."""
	return list({i.version[:2]: i for i in conftest.INTERPRETERS if not i.symtab}.values())


# nothing that would load an extension module: it could not find the names that it needs
BARE = """
import posix
def inner():
	n = 0
	while n < 100000:
		n += 1
def outer():
	while True:
		inner()
posix.write(1, b"READY\\n")
outer()
"""


@pytest.mark.parametrize("headers", [True, False], ids=["sections", "nothing"])
@pytest.mark.parametrize("python", static_pythons(), ids=str)
def test_bare(python, headers, spawn, tmp_path):
	"""By its data alone, or refused with the reason; never taken for no Python."""
	outside, within = python.tempfile(suffix="-bare")
	try:
		make_bare(os.path.realpath(python.outside(python.path)), outside, headers)
		victim = spawn(*python.prefix(), within, "-E", "-S", "-c", BARE)
		stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=499)
		doctor = live.pitviper("doctor", victim.pid).out.decode()
	finally:
		os.unlink(outside)
	if python.version < (3, 7) or python.version >= (3, 15) or (python.version >= (3, 13) and not headers):
		assert not functions(stacks) and "cannot read the CPython" in summary["python_error"], summary
		assert summary["python_error"] in doctor
		return
	assert functions(stacks) == {"<module>", "outer", "inner"}
	assert ".".join(map(str, python.version)) in doctor and "no symbols" in doctor, doctor
	whole(summary)


def test_bare_program(spawn, tmp_path):
	"""libpython.a linked into a program and stripped: names go, Python's stacks stay."""
	program = live.compile_c(os.path.join(live.TARGETS, "embed.c"), str(tmp_path / "bare"), "-no-pie", "-s",
				 libraries=[LIBPYTHON + ".a", *LIBRARIES])
	code = BARE.replace("while True:", "for _ in range(100):") + "raise SystemExit(7)"
	stacks, summary, _ = live.record("--", program, code, hz=499, check=7)
	assert functions(stacks) >= {"outer", "inner"}
	assert summary["interpreter"].startswith("CPython " + SYSTEM)


def test_bare_later(spawn, tmp_path):
	"""One that is not to be found before it is initialised is found as soon as it is."""
	program = live.compile_c(os.path.join(live.TARGETS, "embed.c"), str(tmp_path / "bare"), "-no-pie", "-s",
				 libraries=[LIBPYTHON + ".a", *LIBRARIES])
	make_bare(program, str(tmp_path / "barer"), headers=False)
	victim = spawn(tmp_path / "barer", BARE.replace("READY", "NOW"), "later")
	output = str(tmp_path / "out.folded")
	record = live.start_pitviper("record", "--json", "-F", "499", "-p", victim.pid, "-o", output)
	live.wait_attached(record)
	victim.say("now")
	victim.wait_line(b"NOW")
	until = victim.cpu() + 1
	assert live.gone(lambda: victim.cpu() > until, 30)
	run = live.interrupt(record)
	assert run.status == 0, run
	assert {"outer", "inner"} <= functions(live.parse_folded(output)), run
	summary = live.last_json(run.out)
	assert summary["interpreter"].startswith("CPython " + SYSTEM) and not summary.get("python_error"), summary
