#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A census of a heap of 1,000,000 objects: how long it takes, and what the program loses by it.

Input: bench/programs/heap.py on each CPython without a root of its own; build/tests/heap_census
($HEAP_CENSUS).  Output: wall and CPU time for a million objects; and how much more CPU time a program that
replaces objects all the time needs for each while censuses are taken, against its own without, in turn.
"""
import json
import os
import subprocess
import time

import common
import live

OBJECTS = 1000000
TOOL = os.environ.get("HEAP_CENSUS") or os.path.join(common.TOP, "build", "tests", "heap_census")


def censuses(victim, n):
	run = subprocess.run([TOOL, str(victim.pid), "census", str(n)], stdout=subprocess.PIPE, check=True)
	return [json.loads(line) for line in run.stdout.splitlines()]


def cost(victim, seconds, census):
	"""ns of the program's CPU time a record."""
	def state():
		victim.say("")
		return int(victim.wait_line(b"DONE").split()[1]), common.thread_cpu_ns(victim.pid)
	until, (before, cpu_before) = time.monotonic() + seconds, state()
	while time.monotonic() < until:
		if census:
			censuses(victim, 1)
		time.sleep(1)
	after, cpu_after = state()
	return (cpu_after - cpu_before) / (after - before)


def main():
	report = common.Report("Census of the heap", __doc__)
	args = report.arguments()
	found = [i for i in live.find_interpreters() if not i.root and i.version >= (3,)]
	for interp in found[-2:] if args.quick else found:
		with common.program("heap.py", OBJECTS, python=interp.path) as victim:
			looks = censuses(victim, 3 if args.quick else 10)
		per = [1e6 / look["n_objects"] for look in looks]
		report.row("%s: 1,000,000 objects" % interp.name, [l["ms"] * p for l, p in zip(looks, per)], "ms", budget=1000)
		report.row("%s: CPU time of that" % interp.name, [l["cpu_ms"] * p for l, p in zip(looks, per)], "ms")
	shares = []
	with common.program("heap.py", OBJECTS // 10, "busy") as victim:
		for _ in range(3 if args.quick else 10):
			without = cost(victim, 3, False)
			shares.append(100 * (cost(victim, 3, True) / without - 1))
	report.row("more CPU time of the program, with a census a second", shares, "%", budget=3)
	report.end()


main()
