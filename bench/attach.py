#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""From the start of pitviper to the first sample.

Input: busy programs: plain, and with numpy (OpenBLAS) where it can be imported; with an empty
cache of unwind tables ($XDG_CACHE_HOME on a fresh directory) and with a filled one.
Output: milliseconds, by pitviper's own account (first_sample_ms), and the whole run seen from outside.
"""
import os
import shutil
import subprocess
import tempfile

import common
import live

HZ = 997
SYSTEM = "/usr/bin/python3"


def first_sample(victim, cache):
	env = dict(os.environ, XDG_CACHE_HOME=cache)
	run = live.pitviper("record", "--json", "-F", HZ, "-d", 0.3, "-o", "/dev/null", "--format", "folded",
			    "-p", victim.pid, env=env)
	summary = live.last_json(run.out)
	return summary["first_sample_ms"], 1000 * run.seconds


def measure(report, name, victim, budget, repeats):
	cold, warm, cache = [], [], tempfile.mkdtemp(prefix="pv-bench-")
	try:
		for _ in range(repeats):
			shutil.rmtree(cache)
			os.mkdir(cache)
			cold.append(first_sample(victim, cache)[0])
		wall = []
		for _ in range(repeats):
			ms, whole = first_sample(victim, cache)
			warm.append(ms)
			wall.append(whole - 300)
	finally:
		shutil.rmtree(cache)
	report.row("first sample, %s, nothing cached" % name, cold, "ms", budget, 0)
	report.row("first sample, %s, tables cached" % name, warm, "ms", 100, 0)
	report.row("whole run less its 300 ms, %s, tables cached" % name, wall, "ms", None, 0)


def main():
	report = common.Report("Attach to first sample", __doc__)
	args = report.arguments()
	repeats = 3 if args.quick else 9
	with common.program("idle.py") as victim:
		measure(report, common.interpreter().name, victim, 100, repeats)
	if subprocess.run([SYSTEM, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
		report.note("with numpy", "not measured: numpy is not installed for " + SYSTEM)
	else:
		with common.program("idle.py", "numpy", "numpy.linalg", python=SYSTEM) as victim:
			measure(report, "numpy and its BLAS", victim, 250, repeats)
	report.end()


main()
