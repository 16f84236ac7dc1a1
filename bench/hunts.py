#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a single hunt costs the program that it looks at: each hunt by itself, none hidden in a mean.

Input: programs/allocating.py, which allocates all the time and keeps some of it; `pitviper memory -d SEC`.  The program publishes
units of work and its CPU time; a hunt is compared with the seconds just before and just after it.  What the hunt says of itself
(by hits and their price) is shown beside it, by rung.  Output: a line a hunt, percent, the dearest, and the budgets.  Needs root.
"""
import sys
import time

import allocs
import common
import live

RUNGS = {"growth": 3, "bursts": 10}


def hunt(victim, seconds, rungs):
	options = ["--" + rung for rung in rungs]
	run = live.pitviper("memory", "-p", victim.pid, "-d", seconds, "--json", *options, timeout=4 * seconds + 120)
	if run.status:
		sys.exit(repr(run))
	return live.last_json(run.out)


def units(progress, function):
	"""CPU ns of a unit of work while that runs, and what it returns."""
	done, cpu = progress.now()
	result = function()
	done_after, cpu_after = progress.now()
	return (cpu_after - cpu) / max(1, done_after - done), (cpu_after - cpu) / 1e9, result


def said(found, rung):
	"""Percent of the program's time since the hunt began that hits of this rung took, and the windows that were seen."""
	return next((one for one in found["rungs"] if one["name"] == rung), {})


def main():
	report = common.Report("Single hunts", __doc__.splitlines()[0])
	report.parser.add_argument("-d", "--duration", type=int, default=15)
	report.parser.add_argument("--hunts", type=int, help="how many; default: 10, with --quick 3")
	report.parser.add_argument("--pace", type=int, default=0, help="units of work a second; 0: as many as can be")
	report.parser.add_argument("--rung", action="append", default=[], help="only this one (may be repeated); default: as the hunt climbs")
	args = report.arguments()
	slow, of_rung = [], {rung: [] for rung in RUNGS}
	progress = allocs.Progress()
	with common.program("allocating.py") as victim:
		victim.say("work %s %d %d" % (progress.file.name, 20 if not args.pace else 1, args.pace))
		while not progress.now()[0]:
			time.sleep(0.01)
		before = units(progress, lambda: time.sleep(5))[0]
		for _ in range(args.hunts or (3 if args.quick else 10)):
			on, cpu, found = units(progress, lambda: hunt(victim, args.duration, args.rung))
			after = units(progress, lambda: time.sleep(5))[0]
			slow.append(100 * (on / ((before + after) / 2) - 1))
			before = after
			line = "hunt: %5.1f %% slower" % slow[-1]
			for rung in RUNGS:
				one = said(found, rung)
				share = 100 * one.get("hits_s", 0) / cpu
				of_rung[rung].append(share)
				line += "; %s %s, says %.1f %% of all, %.1f %% of its own time" % (
					rung, one.get("state"), share, 100 * (one.get("slowdown") or 0))
			print(line + "; %.1f s of CPU" % cpu, file=sys.stderr, flush=True)
	report.row("a hunt of %d s: slowdown" % args.duration, slow, "%", None, 1)
	report.row("the dearest", [max(slow)], "%", sum(RUNGS.values()), 1)
	for rung, budget in RUNGS.items():
		report.row("%s: what the hunt itself says" % rung, of_rung[rung], "%", None, 1)
		report.row("%s: the dearest" % rung, [max(of_rung[rung])], "%", budget, 1)
	report.end()


if __name__ == "__main__":
	main()
