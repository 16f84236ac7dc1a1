# SPDX-License-Identifier: BSD-2-Clause
"""Interpreters that are not a program called python: a C program linked to libpython in every way,
uWSGI, an executable by another name, two libpythons in one process.

The C programs are targets/embed.c and targets/two_pythons.c, built against what is on this machine.
"""
import glob
import os
import shutil
import socket
import subprocess
import sysconfig
import threading

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
	stacks, summary, _ = live.record("-p", victim.pid, seconds=1, hz=499)
	assert {"<module>", "outer", "inner"} <= functions(stacks)
	assert any(f.function == "main" for s in stacks for f in s.frames) or how == "static-pie"	# stripped
	whole(summary)
	assert b" outer (<string>:7)" in live.pitviper("stack", victim.pid).out
	assert SYSTEM.encode() in live.pitviper("doctor", victim.pid).out


def test_renamed(newest, spawn, tmp_path):
	"""An executable that nobody would take for a Python by its name."""
	copy = str(tmp_path / "backupd")
	shutil.copy(os.path.realpath(newest.path), copy)
	victim = spawn(copy, "-c", BURN, env={"PYTHONHOME": os.path.dirname(os.path.dirname(newest.path))})
	stacks, summary, _ = live.record("-p", victim.pid, seconds=1, hz=499)
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
	stacks, summary, _ = live.record("-p", victim.pid, seconds=1, hz=499)
	assert functions(stacks) == {"<module>", "of_%d" % used, "inner"}
	whole(summary)


def test_two_running(spawn, tmp_path):
	"""Both run: neither is shown for the other, and it is told why."""
	victim = two(spawn, tmp_path, "run", "run")
	stacks, summary, run = live.record("-p", victim.pid, seconds=1, hz=499)
	assert not functions(stacks) and live.total(stacks) > 100
	assert "two CPythons run in this process" in summary["python_error"], summary["python_error"]
	assert b"two CPythons run" in live.pitviper("doctor", victim.pid).out
	answer = live.pitviper("stack", victim.pid)
	assert b"two CPythons run" in answer.out + answer.err, answer
