# SPDX-License-Identifier: BSD-2-Clause
"""examples/mariadb: what the row conversion of mysqlclient calls, as the program counts it; and nothing of it stays.

The truth is the program's: how many values the server has that are not NULL, and its thread's CPU clock around the
conversion.  That the functions were called it knows from their results, against the server's own sums.
"""
import contextlib
import glob
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile

import live
import pytest
import test_latency

RUN = os.path.join(live.TOP, "examples", "mariadb", "run.py")
PYTHON = "/usr/bin/python3"		# Debian's: the one that has mysqlclient
HZ = 1997
# from 36 to 60 thousand calls of each, and queries enough for some 3,000 samples
COUNTED, SAMPLED = 20, 200
LIBRARY = {"Date_or_None": "times.py", "TimeDelta_or_None": "times.py", "DateTime_or_None": "times.py"}


@contextlib.contextmanager
def place():
	"""A TMPDIR of its own, through which any user may go."""
	path = tempfile.mkdtemp(prefix="pv-mariadb-")
	os.chmod(path, 0o755)
	try:
		yield path
	finally:
		for pid in servers(path):		# of a test that failed
			os.kill(pid, signal.SIGKILL)
		shutil.rmtree(path, ignore_errors=True)


def servers(path):
	"""Processes that have this path in their command line: keepers and servers."""
	found = []
	for name in glob.glob("/proc/[0-9]*/cmdline"):
		with contextlib.suppress(OSError), open(name, "rb") as file:
			if os.fsencode(path + "/") in file.read():
				found.append(int(name.split("/")[2]))
	return found


def call(path, *args):
	return subprocess.run([PYTHON, RUN, *args], env=dict(os.environ, TMPDIR=path), stdin=subprocess.DEVNULL,
			      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, universal_newlines=True)


@pytest.fixture(scope="module")
def installed():
	if not shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:" + os.environ["PATH"]):
		pytest.skip("no MariaDB here: tools/install-deps --tests")
	if subprocess.run([PYTHON, "-c", "import MySQLdb"], stderr=subprocess.DEVNULL).returncode:
		pytest.skip("no mysqlclient for %s: tools/install-deps --tests" % PYTHON)


@pytest.fixture(scope="module")
def started(installed):
	"""A server for several tests, by `start`."""
	with place() as path:
		done = call(path, "start")
		assert done.returncode == 0, done.stdout
		yield path
		done = call(path, "stop")
		assert done.returncode == 0 and not servers(path) and not os.listdir(path), (done.stdout, os.listdir(path))


@contextlib.contextmanager
def ready(path, *args):
	"""The program at its start, as a target whose output is one line of JSON."""
	with live.Target([PYTHON, RUN, "run", "--wait", "--json", *args], env={"TMPDIR": path}, ready=False) as one:
		line = one.wait_line(b"mariadb: ready")
		assert int(line.split()[-1]) == one.pid
		yield one


def finish(one):
	"""Its account."""
	one.say("")
	return json.loads(one.wait_line(b"{", 60))


def test_every_call_is_counted(started):
	with ready(started, "--queries", str(COUNTED)) as one:
		functions = ["to_price", "to_utc", "to_checksum", "BaseCursor._fetch_row", *LIBRARY]
		proc = test_latency.start("--by", "caller", "--budget", "100", "-p", one.pid, *functions)
		account = finish(one)
		(report,), _ = test_latency.finish(proc, stop=False)
	seen = {entry["function"].rpartition(".")[2]: entry for entry in report["functions"]}
	truth = dict(account["calls"], _fetch_row=account["row_conversion"]["times"])
	assert set(truth) == set(seen) and account["passes"] == COUNTED
	assert {name: entry["calls"] for name, entry in seen.items()} == truth, report["losses"]
	assert min(truth.values()) == COUNTED and truth["to_price"] > 30000
	# the conversion calls them, or one of them does
	for name, entry in seen.items():
		caller = {"DateTime_or_None": "to_utc", "_fetch_row": "Cursor._fetch_row"}.get(name, "BaseCursor._fetch_row")
		assert [by["function"] for by in entry["by_caller"]] == [caller], entry


def test_what_the_conversion_calls(started, tmp_path):
	"""Every call in a few executions, in the order of the columns; not one that a row with NULL does not have."""
	output = tmp_path / "rows.txt"
	with live.Target([PYTHON, RUN, "run", "--json"], env={"TMPDIR": started}, ready=False) as one:
		one.wait_line(b"mariadb: running")
		run = live.pitviper("trace", "--arm-now", "-q", "--json", "--budget", "100", "-n", "3", "-o", output, "-p", one.pid,
				    "BaseCursor._fetch_row")
		assert run.status == 0, run
		one.proc.send_signal(signal.SIGINT)
		account = json.loads(one.wait_line(b"{", 60))
	report = live.last_json(run.out)
	calls = {entry["function"].rpartition(".")[2]: entry["calls"] for entry in report["callees"]}
	want = {name: 3 * n // account["passes"] for name, n in account["calls"].items()}
	assert calls == dict(want, _fetch_row=3), (calls, want, report)
	entered = [line.split("-> ")[1].split(" ")[0] for line in output.read_text().splitlines() if "-> " in line]
	# row 0 has only the column that cannot be NULL, row 1 has all five
	rows = ["Date_or_None", "to_price", "Date_or_None", "to_utc", "DateTime_or_None", "TimeDelta_or_None", "to_checksum"]
	assert entered[:8] == ["BaseCursor._fetch_row", *rows], entered[:20]
	assert len(entered) == sum(calls.values())


def test_share_of_the_conversion(started, tmp_path):
	output = str(tmp_path / "rows.folded")
	with ready(started, "--queries", str(SAMPLED)) as one:
		proc = live.start_pitviper("record", "--json", "-F", HZ, "-o", output, "-p", one.pid)
		live.wait_attached(proc)
		account = finish(one)
		out, err = proc.communicate(timeout=60)
		assert proc.returncode == 0, err
	stacks = [s for s in live.parse_folded(output) if any(f.function == "Program.run" for f in s.frames)]
	n = live.total(stacks)
	assert n > 0.8 * account["cpu"] * HZ, (n, account)
	inside = [s for s in stacks if any(f.function == "BaseCursor._fetch_row" for f in s.frames)]
	seen, true = live.total(inside) / n, account["row_conversion"]["cpu"] / account["cpu"]
	assert abs(seen - true) < 4 * math.sqrt(true * (1 - true) / n) + 0.015, (seen, true, n)
	# each function that C calls stands on the C code that calls it, and that on the conversion
	for function in account["calls"]:
		found = [s for s in stacks if any(f.function == function for f in s.python())]
		assert found, function
		for stack in found:
			names = [f.function for f in stack.frames]
			between = stack.frames[names.index("BaseCursor._fetch_row"):names.index(function)]
			assert any(f.kind == "native" and "_mysql" in f.text and ".so" in f.text for f in between), stack
	assert live.last_json(out)["samples"] >= n


def test_start_and_stop(installed):
	"""What is started twice or not at all is told; if the keeper is killed its server ends, and the next start clears up."""
	with place() as path:
		assert call(path, "stop").returncode == 1
		assert call(path, "start").returncode == 0
		done = call(path, "start")
		assert done.returncode == 1 and "runs already" in done.stdout
		keeper = int(re.search(r"pid (\d+)", done.stdout)[1])
		(database,) = set(servers(path)) - {keeper}
		assert os.stat("/proc/%d" % database).st_uid != 0
		os.kill(keeper, signal.SIGKILL)
		assert live.gone(lambda: not servers(path), 30)
		assert call(path, "start").returncode == 0
		done = call(path, "stop")
		assert done.returncode == 0, done.stdout
		assert not servers(path) and not os.listdir(path)


def test_nothing_stays(installed):
	"""Of a run with a server of its own, however it ends."""
	with place() as path, contextlib.ExitStack() as stack:
		runs = [stack.enter_context(live.Target([PYTHON, RUN, "run"], env={"TMPDIR": path}, ready=False)) for _ in range(2)]
		for one in runs:
			one.wait_line(b"mariadb: running")
		assert len(servers(path)) == 4 and len(os.listdir(path)) == 2
		runs[0].proc.send_signal(signal.SIGINT)
		assert "calls of BaseCursor._fetch_row()" in runs[0].wait_line(b"  ", 30)
		assert runs[0].proc.wait(30) == 0
		assert len(servers(path)) == 2 and len(os.listdir(path)) == 1
		runs[1].proc.kill()
		assert live.gone(lambda: not servers(path) and not os.listdir(path), 30), os.listdir(path)
