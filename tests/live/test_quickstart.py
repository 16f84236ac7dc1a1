# SPDX-License-Identifier: BSD-2-Clause
"""./quickstart from a fresh copy of the tree: builds, records the web app, leaves the page, stops the app."""
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import live
import pytest

NOT_COPIED = shutil.ignore_patterns("build*", ".git", ".cache", "pyroots", "vm-out", "__pycache__", "quickstart.*")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
	top = tmp_path_factory.mktemp("quickstart") / "a path with spaces"
	shutil.copytree(live.TOP, top, symlinks=True, ignore=NOT_COPIED)
	yield top
	for pid in left(top):		# of a test that failed
		os.kill(pid, signal.SIGKILL)


def start(clone, *args, stdout=subprocess.PIPE):
	# where there is a ccache, what was compiled in another folder serves here
	env = dict(os.environ, CCACHE_BASEDIR=str(clone), CCACHE_NOHASHDIR="1")
	return subprocess.Popen([str(clone / "quickstart"), *args], stdin=subprocess.DEVNULL, stdout=stdout,
				stderr=subprocess.STDOUT, cwd="/", env=env, start_new_session=True)


def left(clone):
	"""Processes that run there: by their working directory, and by what they were started as."""
	found = {}
	for pid in filter(str.isdigit, os.listdir("/proc")):
		try:
			with open("/proc/%s/cmdline" % pid, "rb") as cmdline:
				command = cmdline.read()
			if os.readlink("/proc/%s/cwd" % pid).startswith(str(clone)) or str(clone).encode() in command:
				found[int(pid)] = command
		except OSError:
			pass
	return found


def until(proc, word, timeout=180):
	"""Its output up to this word."""
	out, deadline = b"", time.monotonic() + timeout
	while word not in out:
		left = deadline - time.monotonic()
		assert left > 0 and select.select([proc.stdout], [], [], left)[0], out[-2000:]
		data = os.read(proc.stdout.fileno(), 65536)
		assert data, out[-2000:]
		out += data
	return out


def test_from_a_fresh_tree(clone):
	# into a file, from which nothing that was said before may be lost
	with tempfile.TemporaryFile() as said:
		proc = start(clone, "-d", "3", stdout=said)
		try:
			proc.wait(timeout=300)
		finally:
			proc.kill()
		said.seek(0)
		out = said.read().decode()
	assert proc.returncode == 0, out[-3000:]
	page = clone / "quickstart.html"
	assert stat.S_IMODE(page.stat().st_mode) == 0o600
	text = page.read_text(errors="replace")
	assert text.lower().startswith("<!doctype html"), text[:100]
	assert "handlers.py" in out, "the summary does not name the app's code"
	# what the app says of itself stands beside it, and it was under load
	account = out[out.index("what the app's own clock says"):]
	assert float(re.search(r"of ([\d.]+) s of CPU time", account)[1]) > 0.5, account
	assert float(re.search(r"([\d.]+) %  report", account)[1]) > 25, account
	assert "Open quickstart.html in a browser" in out
	assert live.gone(lambda: not left(clone)), left(clone)


def test_stopped_in_the_middle(clone):
	"""Once more in the same tree; a signal stops the app, its workers and its load."""
	proc = start(clone, "-d", "60")
	try:
		out = until(proc, b"webapp: running")
		pid = int(re.search(rb"pid (\d+)", out)[1])
		assert pid in left(clone)
		os.killpg(proc.pid, signal.SIGTERM)
		rest = proc.communicate(timeout=60)[0]
	finally:
		proc.kill()
		proc.communicate()
	assert proc.returncode == 143, rest
	assert live.gone(lambda: not left(clone)), left(clone)
