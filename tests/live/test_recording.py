# SPDX-License-Identifier: BSD-2-Clause
"""Recordings of real captures: killed, on a full disk, reported where nothing of the capture is left."""
import errno
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess

import live
import pytest
from live import read_pvr


def report(path, output, *args, **kw):
	run = live.pitviper("report", "-q", path, "-o", output, *args, **kw)
	return run, live.parse_folded(output) if os.path.exists(output) else None


def test_killed(newest, target, tmp_path):
	victim = target(newest, "life.py")
	path, folded = str(tmp_path / "x.pvr"), str(tmp_path / "x.folded")
	victim.say("burn 30")
	proc = live.start_pitviper("record", "-F", 999, "-p", victim.pid, "-o", path)
	try:
		live.wait_recorded(proc, path, 1500)
		# it is there while it grows, and for its owner alone
		assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
		run, stacks = report(path, folded)
		assert run.status == 0 and "breaks off" in run.text() and live.total(stacks) >= 1500
		before = live.recorded(path)
	finally:
		proc.kill()
		proc.communicate()
	run, stacks = report(path, folded)
	assert run.status == 0 and "it has no end" in run.text()
	assert live.total(stacks) >= before
	functions = {f.function for s in stacks for f in s.python()}
	assert {"work_of_main", "early"} <= functions
	assert live.total([s for s in stacks if s.python()]) >= 0.95 * live.total(stacks)


@pytest.fixture
def small_disk(tmp_path):
	"""A file system of 4 MB."""
	path = tmp_path / "small"
	path.mkdir()
	subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(path)], check=True)
	yield path
	subprocess.run(["umount", str(path)], check=True)


def fill(disk):
	"""Leaves no room; what is open there may still grow by the rest of a page."""
	with open(disk / "filler", "wb", buffering=0) as out:
		try:
			while True:
				out.write(bytes(4096))
		except OSError as full:
			assert full.errno == errno.ENOSPC


def on_a_full_disk(victim, disk, *outputs, **kw):
	"""A capture whose recording has 1000 samples when its disk is full."""
	path = str(disk / "x.pvr")
	proc = live.start_pitviper("record", "-F", 999, "-d", 60, "--json", "-p", victim.pid, "-o", path, *outputs, **kw)
	try:
		live.wait_recorded(proc, path, 1000)
		fill(disk)
	except BaseException:
		proc.kill()
		proc.communicate()
		raise
	return proc, path


def test_full_disk(newest, target, tmp_path, small_disk):
	"""The recording breaks off, which is said at once; the other output has everything."""
	victim = target(newest, "life.py")
	folded = str(tmp_path / "x.folded")
	proc, path = on_a_full_disk(victim, small_disk, "-o", folded)
	told = "the recording breaks off, the other outputs do not: cannot write %s: No space left on device" % path
	try:
		assert proc.stderr.readline().decode() == "pitviper: %s\n" % told
		# and it goes on
		victim.say("burn 1")
		victim.wait_line(b"burnt")
	finally:
		proc.send_signal(signal.SIGINT)
		out, err = proc.communicate(timeout=60)
	assert proc.returncode == 1 and told in err.decode()
	summary, captured = live.last_json(out), live.parse_folded(folded)
	assert summary["outputs"] == [folded] and summary["output_cut_off"] == path
	assert summary["samples"] == live.total(captured) and not summary["lost"]["unrecorded"]
	assert live.total([s for s in captured if any(f.function == "work_of_main" for f in s.python())]) > 100
	run, stacks = report(path, str(tmp_path / "y.folded"))
	assert run.status == 0 and "breaks off" in run.text()
	assert 1000 <= live.total(stacks) < live.total(captured)
	assert victim.alive()


@pytest.mark.parametrize("other", [False, True])
def test_full_disk_and_no_other_place(newest, target, tmp_path, small_disk, other):
	"""With no output that wants the rest, or no room for it, the capture ends: what there is is kept, what is not is counted."""
	victim = target(newest, "life.py")
	folded = str(tmp_path / "x.folded")
	outputs = ["-o", folded] if other else []
	proc, path = on_a_full_disk(victim, small_disk, *outputs, env=dict(os.environ, TMPDIR=str(small_disk)))
	out, err = proc.communicate(timeout=50)
	assert proc.returncode == 1
	assert "the capture ended early: cannot write %s: No space left on device" % path in err.decode()
	summary = live.last_json(out)
	assert summary["outputs"] == ([folded] if other else []) and summary["output_cut_off"] == path
	# it was taken, and is in no output
	assert summary["lost"]["unrecorded"] > 0 and summary["samples_lost"] >= summary["lost"]["unrecorded"]
	run, stacks = report(path, str(tmp_path / "y.folded"))
	assert run.status == 0 and "breaks off" in run.text()
	assert live.total(stacks) == summary["samples"] >= 1000
	assert not other or live.total(live.parse_folded(folded)) == summary["samples"]
	assert victim.alive()


def test_nothing_of_the_capture_is_left(newest, target, tmp_path):
	"""In a root with nothing but pitviper's libraries, the target gone, as somebody else."""
	victim = target(newest, "life.py")
	path, folded = str(tmp_path / "x.pvr"), str(tmp_path / "x.folded")
	victim.say("burn 1.5")
	live.record("-o", path, "-p", victim.pid, hz=999, seconds=1, output=folded)
	victim.stop()
	root = tmp_path / "root"
	libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", live.PITVIPER], stdout=subprocess.PIPE, text=True).stdout)
	for file in [live.PITVIPER, *libraries]:
		to = root / file.lstrip("/")
		to.parent.mkdir(parents=True, exist_ok=True)
		shutil.copy(file, to)
	shutil.copy(path, root / "x.pvr")
	os.chmod(root / "x.pvr", 0o644)
	run = subprocess.run(["chroot", "--userspec=65534:65534", str(root), live.PITVIPER, "report", "-q", "/x.pvr", "-o", "-"],
			     stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]})
	assert run.returncode == 0 and not run.stderr, run.stderr
	assert run.stdout == pathlib.Path(folded).read_bytes()
	told = read_pvr.Recording(pathlib.Path(path).read_bytes())
	assert told.whole and any(file.endswith(b"life.py") for file in told.sources)
	assert told.totals["samples"] == told.total == live.total(live.parse_folded(folded))
	assert all(0 <= s.time <= told.totals["duration_ns"] for s in told.samples)


def test_an_old_one_stays_until_the_capture_begins(tmp_path):
	path = tmp_path / "x.pvr"
	path.write_bytes(b"old")
	run = live.pitviper("record", "-d", 1, "-p", 2 ** 22 - 1, "-o", path)
	assert run.status == 4 and path.read_bytes() == b"old", run


def test_it_belongs_to_the_user_of_sudo(newest, target, tmp_path):
	victim = target(newest, "life.py")
	path = tmp_path / "x.pvr"
	run = live.pitviper("record", "-d", 0.2, "-p", victim.pid, "-o", path, env={"SUDO_UID": "1234", "SUDO_GID": "2345"})
	assert run.status == 0, run
	assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (1234, 2345, 0o600)
