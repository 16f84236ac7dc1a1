#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What watching allocations costs: one that is traced, and a program that allocates all the time.

Input: tests/walk/survey_blocks.c; programs/allocating.py.  Each figure is between two without probes.  One allocation is
counted in hits of a bare probe: one whose program does nothing, on an instruction that the kernel emulates, in another
program of the same run.  Slowdowns are CPU time for a unit of work; the times that are watched and the gaps between them
are both in it.  Output: ratios and percent with their spread, and the budgets.  Needs root.
"""
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time

import bare
import common

PROGRAM = os.environ.get("PV_SURVEY") or os.path.join(common.TOP, "build", "tests", "survey_blocks")
KINDS = {"count": 1.6, "line": 2.5, "merged": None}


class Progress:
	"""What the program publishes."""

	def __init__(self):
		self.file = tempfile.NamedTemporaryFile()
		self.file.write(bytes(24))
		self.file.flush()
		self.map = mmap.mmap(self.file.fileno(), 24)

	def now(self):
		return struct.unpack("QQ", self.map[:16])

	def cost(self, seconds):
		"""CPU ns for a unit of work, over this long."""
		units, cpu = self.now()
		time.sleep(seconds)
		units_after, cpu_after = self.now()
		return (cpu_after - cpu) / (units_after - units)


class Survey:
	def __init__(self, pid, *args):
		self.proc = subprocess.Popen([PROGRAM, str(pid)] + [str(a) for a in args], stdin=subprocess.PIPE,
					     stdout=subprocess.PIPE)
		for line in self.proc.stdout:
			if line.startswith(b"OPEN"):
				return
		sys.exit("%s ended: %d" % (PROGRAM, self.proc.wait()))

	def finish(self):
		out = self.proc.communicate()[0]
		if self.proc.returncode:
			sys.exit("%s ended: %d" % (PROGRAM, self.proc.returncode))
		return json.loads(out.splitlines()[-1])


def watched(victim, kind, n):
	"""ns that an allocation takes longer, and what the kernel's side says of them."""
	before = bare.measure(victim, n)
	survey = Survey(victim.pid, kind, 600)
	on = bare.measure(victim, n)
	said = survey.finish()
	after = bare.measure(victim, n)
	return on - (before + after) / 2, said


def one_allocation(report, n, rounds):
	hit = bare.hit_ns(n, rounds)
	report.row("a bare hit", hit, "ns", digits=0)
	middle = sorted(hit)[len(hit) // 2]
	with common.program("allocating.py") as victim:
		for kind, budget in KINDS.items():
			costs, walks = [], []
			for _ in range(rounds):
				took, said = watched(victim, kind, n if kind != "merged" else n // 10)
				costs.append(took)
				if said["walks"]:
					walks.append(said["added_ns"] / said["walks"])
			report.row("an allocation, %s" % kind, costs, "ns", digits=0)
			report.row("an allocation, %s, in bare hits" % kind, [cost / middle for cost in costs], "x", budget)
			if kind == "merged":
				report.row("what is done beyond the hit, its walk first", walks, "ns", digits=0)
				report.row("an allocation, merged, to a bare hit and that",
					   [cost / (middle + walk) for cost, walk in zip(costs, walks)], "x", 1.5)


def slowdown(report, kind, budget, seconds, pairs):
	progress = Progress()
	with common.program("allocating.py") as victim:
		victim.say("work %s" % progress.file.name)
		while not progress.now()[0]:
			time.sleep(0.01)
		ratios, said = [], []
		before = progress.cost(seconds)
		for _ in range(pairs):
			survey = Survey(victim.pid, kind, 3600)
			on = progress.cost(2 * seconds)
			one = survey.finish()
			said.append(100 * one["hits_ns"] / one["took_ns"])
			after = progress.cost(seconds)
			ratios.append(100 * (on / ((before + after) / 2) - 1))
			before = after
	report.row("%s: slowdown of a program that allocates" % kind, ratios, "%", budget, 1)
	report.row("%s: what the survey itself says" % kind, said, "%", None, 1)


def main():
	report = common.Report("Watching allocations", __doc__.splitlines()[0])
	args = report.arguments()
	one_allocation(report, 20000, 3 if args.quick else 9)
	slowdown(report, "growth", 3, 3 if args.quick else 6, 3 if args.quick else 9)
	slowdown(report, "bursts", 10, 3 if args.quick else 6, 3 if args.quick else 9)
	report.end()


if __name__ == "__main__":
	main()
