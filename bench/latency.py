#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper latency` costs a Python call, on every CPython at hand.

Input: a program that calls a function of no contents and says its CPU time a call, without probes, with
another function watched, and with this one.  Output: ns more a call, and that in hits of a bare probe,
whose price pitviper measures on itself in the same run.
"""
import json
import os
import signal
import time

import common
import live

BUDGET_HITS = 4.5


def links(pid):
	types = []
	for fd in os.listdir("/proc/%d/fdinfo" % pid):
		try:
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
				types += [line.split()[1] for line in info if line.startswith("link_type")]
		except OSError:
			pass
	return types


def measure(victim, n):
	victim.say("go %d" % n)
	return float(victim.wait_line(b"TOOK").split()[1])


def watched(victim, function, n):
	"""ns a call while `function` is watched, and pitviper's own report."""
	proc = live.start_pitviper("latency", "--json", "--budget", 1000, "-p", victim.pid, function)
	try:
		while "uprobe_multi" not in links(proc.pid) or len(links(proc.pid)) < 4:
			if proc.poll() is not None:
				raise SystemExit("pitviper: %s" % proc.stderr.read().decode())
			time.sleep(0.01)
		took = measure(victim, n)
	finally:
		if proc.poll() is None:
			proc.send_signal(signal.SIGINT)
		out, _ = proc.communicate()
	return took, json.loads(out)


def main():
	report = common.Report("What watching calls costs a Python call", __doc__)
	args = report.arguments()
	n = 10000 if args.quick else 30000
	for interp in live.find_interpreters():
		if interp.version < (3, 6):
			continue
		script = interp.stage(os.path.join(common.PROGRAMS, "callee.py"))
		with live.Target(interp.prefix() + [interp.path, script]) as victim:
			rows = {"other": [], "quick": []}
			hits = {"other": [], "quick": []}
			for _ in range(3 if args.quick else 5):
				bare = measure(victim, n)
				for function in rows:
					took, one = watched(victim, function, n)
					rows[function].append(took - bare)
					hits[function].append((took - bare) / one["probes"]["hit_ns"])
			stepped = one["probes"]["stepped_hits"]
			report.note(interp.name, "%.0f ns a call without probes; %d places, %d single-stepped (%d hits of them)" % (
				bare, one["probes"]["sites"], one["probes"]["stepped_sites"], stepped))
			report.row("%s, another function watched" % interp.name, rows["other"], "ns")
			report.row("%s, this one" % interp.name, rows["quick"], "ns")
			report.row("%s, this one, in bare hits" % interp.name, hits["quick"], "hits", BUDGET_HITS, 2)
	report.end()


main()
