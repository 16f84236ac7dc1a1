#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writing a large profile: 1,000,000 samples with 100,000 distinct stacks, in every format.

Input: golden_write's synthetic profile ($GOLDEN_WRITE, default build/tests/golden_write).
Output: for each format the time of the writing alone, and the memory that it takes at most beyond the
profile itself; then the time and the memory of all of `pitviper report`, from a recording to the file.
"""
import os
import subprocess
import tempfile
import time

import common

SIZE = ["1000000", "100000"]
GOLDEN_WRITE = os.environ.get("GOLDEN_WRITE") or os.path.join(common.TOP, "build", "tests", "golden_write")
PITVIPER = os.environ.get("PITVIPER") or os.path.join(common.TOP, "build", "src", "pitviper")


def formats():
	"""Those that there are, from the message about one that there is not."""
	run = subprocess.run([GOLDEN_WRITE, "?"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
	return run.stderr.rpartition(":")[2].split()


def measured_write(name, path):
	with open(path, "wb") as file:
		run = subprocess.run([GOLDEN_WRITE, name, *SIZE, "--measure"], stdout=file, stderr=subprocess.PIPE,
				     text=True, check=True)
	seconds, kilobytes = run.stderr.split()
	return float(seconds), int(kilobytes) / 1000


def measured_report(recording, name, path):
	start = time.monotonic()
	pid = os.posix_spawn(PITVIPER, [PITVIPER, "report", "-q", recording, "--format", name, "-o", path], os.environ)
	_, status, usage = os.wait4(pid, 0)
	if status:
		raise RuntimeError("report --format %s: status %d" % (name, status))
	return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main():
	report = common.Report("Writing 1,000,000 samples, 100,000 stacks", __doc__)
	args = report.arguments(root=False)
	repeat = 3 if args.quick else 7
	with tempfile.TemporaryDirectory() as scratch:
		recording = os.path.join(scratch, "large.pvr")
		measured_write("pvr", recording)
		for name in formats():
			path = os.path.join(scratch, "out")
			writes = [measured_write(name, path) for _ in range(repeat)]
			size = os.path.getsize(path)
			report.row("%s: write" % name, [s for s, _ in writes], "s", 2)
			report.row("%s: memory beyond the profile" % name, [m for _, m in writes], "MB", 250, 1)
			report.row("%s: file" % name, [size / 1e6], "MB", None, 1)
			reports = [measured_report(recording, name, path) for _ in range(repeat)]
			report.row("%s: report, from a recording" % name, [s for s, _, _ in reports], "s", 2)
			report.row("%s: CPU time of report" % name, [s for _, s, _ in reports], "s", 2)
			report.row("%s: memory of report, all of it" % name, [m for _, _, m in reports], "MB", 250, 1)
	report.end()


main()
