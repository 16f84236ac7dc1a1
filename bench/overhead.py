#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Slowdown of a target: each profiler toggled on and off against one and the same process.

Input: a steady program that publishes work done and its thread's CPU time.  The measure is CPU
time for a unit of work; each "on" is compared with the "off" just before and just after it.
Output: slowdown in percent by profiler and rate, with its spread: pitviper, an interrupt that does
nothing (perf record without stacks), perf record --call-graph dwarf.
"""
import mmap
import shutil
import struct
import subprocess
import tempfile
import time

import common
import live


class Progress:
	def __init__(self):
		self.file = tempfile.NamedTemporaryFile()
		self.file.write(bytes(24))
		self.file.flush()
		self.map = mmap.mmap(self.file.fileno(), 24)

	def now(self):
		return struct.unpack("QQQ", self.map[:24])[:2]

	def cost(self, seconds):
		"""CPU ns for a unit of work, over this long."""
		units, cpu = self.now()
		time.sleep(seconds)
		units_after, cpu_after = self.now()
		return (cpu_after - cpu) / (units_after - units)


def start_perf(pid, hz, *options):
	proc = subprocess.Popen(
		["perf", "record", "-q", "-e", "cpu-clock", "-F", str(hz), *options, "-o", "/dev/null", "-p", str(pid)],
		stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
	if not live.gone(lambda: live.perf_fds(proc.pid) > 0 or proc.poll() is not None):
		raise AssertionError("perf did not attach")
	time.sleep(0.15)
	return None if proc.poll() is not None else proc


def toggle(progress, start, pairs, seconds):
	"""Percent by which a unit of work costs more, one number a pair."""
	return [100 * (ratio - 1) for ratio in common.paired(lambda: progress.cost(seconds), start, pairs)]


def main():
	report = common.Report("Slowdown of the target", __doc__)
	report.parser.add_argument("--pairs", type=int, default=12)
	report.parser.add_argument("--seconds", type=float, default=0.7, help="of each on and each off")
	args = report.arguments()
	pairs = 4 if args.quick else args.pairs
	progress = Progress()
	with common.program("steady.py", progress.file.name) as victim:
		progress.cost(1)
		for hz in (99, 1000, 10000):
			kinds = [("pitviper", lambda: common.start_record(hz, "-p", victim.pid))]
			if shutil.which("perf"):
				kinds += [("empty interrupt (perf record, no stacks)", lambda: start_perf(victim.pid, hz)),
					  ("perf record --call-graph dwarf", lambda: start_perf(victim.pid, hz, "--call-graph", "dwarf"))]
			for name, start in kinds:
				report.row("%s at %d Hz" % (name, hz), toggle(progress, start, pairs, args.seconds), "%")
		# how much of this is noise: nothing at all, toggled the same way
		report.row("nothing (the noise of this machine)", toggle(
			progress, lambda: subprocess.Popen(["sleep", "1000"]), pairs, args.seconds), "%")
	report.end()


main()
