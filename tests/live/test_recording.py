# SPDX-License-Identifier: BSD-2-Clause
"""Recordings of real captures: killed, on a full disk, reported where nothing of the capture is left."""
import os
import pathlib
import re
import shutil
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
	"""A file system of 64 kB."""
	path = tmp_path / "small"
	path.mkdir()
	subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(path)], check=True)
	yield path
	subprocess.run(["umount", str(path)], check=True)


def test_full_disk(newest, target, tmp_path, small_disk):
	victim = target(newest, "life.py")
	path, folded = str(small_disk / "x.pvr"), str(tmp_path / "x.folded")
	victim.say("burn 60")
	run = live.pitviper("record", "-F", 20000, "-d", 60, "--json", "-p", victim.pid, "-o", path, "-o", folded, timeout=90)
	assert run.status == 1 and run.seconds < 50, run
	assert "the capture ended early: cannot write %s: No space left on device" % path in run.text()
	told = live.last_json(run.out)
	assert told["outputs"] == [folded] and told["output_cut_off"] == path, run
	captured = live.parse_folded(folded)	# the other output has what was recorded until then
	again, stacks = report(path, str(tmp_path / "y.folded"))
	assert again.status == 0 and "breaks off" in again.text()
	assert live.total(stacks) == live.total(captured) > 1000
	# what did not fit any more is counted: it was taken, and is in no output
	summary = live.last_json(run.out)
	assert summary["samples"] == live.total(captured) and summary["lost"]["unrecorded"] > 0
	assert summary["samples_lost"] >= summary["lost"]["unrecorded"]
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
