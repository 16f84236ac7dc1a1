#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What watching calls costs a Python call, build x site x kind; --write puts the table into docs/performance.md.

Input: every CPython that tests/live/live.py finds; a program that says its CPU time a call.  Each kind of watching is
measured between two runs without probes: another function is watched, this one is (latency), each call is recorded
(trace), with its arguments (trace --args).  Output: ns more a call (entry and exit), and that in hits of a bare probe:
one whose program does nothing, in another program, on an instruction that the kernel emulates, in the same run.
Exit status 1: where both sites of a call are emulated `latency` or `trace` takes more than 4.5 bare hits.  Needs root.
"""
import argparse
import datetime
import json
import os
import platform
import signal
import statistics
import sys
import time

import bare
import common
import live

BUDGET_HITS, BUDGETED = 4.5, ("latency", "trace")
PAGE = os.path.join(common.TOP, "docs", "performance.md")
BEGIN, END = "<!-- bench/calls.py --write writes from here -->", "<!-- to here -->"

# kind: the command that watches the calls of quick(), which run() makes
KINDS = {
	"another watched": ["latency", "--json", "other"],
	"latency": ["latency", "--json", "quick"],
	"trace": ["trace", "--arm-now", "--json", "-o", "/dev/null", "--format", "folded", "-n", "1000000", "run"],
	"trace --args": ["trace", "--arm-now", "--json", "-o", "/dev/null", "--format", "folded", "-n", "1000000", "--args", "run"],
}
HEADS = ["Python", "places (single-stepped)", "hits a call: emulated, stepped", "a call alone", *KINDS]


def watched(victim, command, n):
	"""ns a call while pitviper watches, what it says of its probes, and its losses."""
	attached = 5 if command[0] == "trace" else 4	# three tracepoints, the probes, for trace the ends of threads
	proc = live.start_pitviper(command[0], "--budget", 1000, "-p", victim.pid, *command[1:])
	try:
		while len(live.bpf_links(proc.pid)) < attached:
			if proc.poll() is not None:
				sys.exit("pitviper: %s" % proc.stderr.read().decode())
			time.sleep(0.01)
		took = bare.measure(victim, n)
	finally:
		if proc.poll() is None:
			proc.send_signal(signal.SIGINT)
		out, err = proc.communicate()
	if proc.returncode:
		sys.exit("pitviper: %s" % err.decode())
	return took, json.loads(out)


def check(kind, said, n):
	"""A cost counts if all calls were seen."""
	if kind == "latency":
		seen = said["functions"][0]["calls"]
	elif kind.startswith("trace"):
		seen = sum(one["calls"] for one in said["callees"] if one["function"].endswith("quick"))
		seen += said["losses"]["events"]
	else:
		return
	if seen < n:
		sys.exit("%s saw %d calls of %d" % (kind, seen, n))


def measure(interp, hit_ns, n, rounds):
	"""One row: its cells, and what is beyond the budget."""
	cells, costs, probes = {"Python": interp.name}, {kind: [] for kind in KINDS}, None
	alone = []
	script = interp.stage(os.path.join(common.PROGRAMS, "callee.py"))
	with live.Target(interp.prefix() + [interp.path, script]) as victim:
		for _ in range(rounds):
			for kind, command in KINDS.items():
				before = bare.measure(victim, n)
				took, said = watched(victim, command, n)
				check(kind, said, n)
				after = bare.measure(victim, n)
				alone += [before, after]
				costs[kind].append(took - (before + after) / 2)
				if kind == "latency":
					probes = said["probes"]
	stepped = probes["stepped_hits"] / n
	cells["places (single-stepped)"] = "%d (%d)" % (probes["sites"], probes["stepped_sites"])
	cells["hits a call: emulated, stepped"] = "%.1f, %.1f" % (probes["hits"] / n, stepped)
	cells["a call alone"] = "%.0f ns" % statistics.median(alone)
	for kind, ns in costs.items():
		cells[kind] = "%.0f ns, %.1f" % (statistics.median(ns), statistics.median(ns) / hit_ns)
	# the budget holds where both sites are emulated
	hits = {kind: statistics.median(costs[kind]) / hit_ns for kind in BUDGETED}
	return cells, ["%s, %s: %.2f" % (interp.name, kind, hits[kind]) for kind in BUDGETED
		       if stepped < 0.01 and hits[kind] > BUDGET_HITS]


def table(rows):
	lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
	return "\n".join(lines + ["| " + " | ".join(row[head] for head in HEADS) + " |" for row in rows])


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--quick", action="store_true", help="fewer calls and rounds")
	parser.add_argument("--rounds", type=int, help="how often each is measured (5; --quick: 1)")
	parser.add_argument("--interp", action="append", default=[], help="only those whose name contains this (may be repeated)")
	parser.add_argument("--write", action="store_true", help="into docs/performance.md")
	args = parser.parse_args()
	if os.getuid() != 0:
		sys.exit("%s: needs root" % sys.argv[0])
	n, rounds = (10000, 1) if args.quick else (30000, 5)
	rounds = args.rounds or rounds
	found = [i for i in live.find_interpreters() if i.version >= (3, 6) and not i.free_threaded and
		 (not args.interp or any(word in i.name for word in args.interp))]
	if not found:
		sys.exit("no such Python on this machine")
	bare_ns, rows, beyond = bare.hit_ns(100000, 2 * rounds + 1), [], []
	hit_ns = statistics.median(bare_ns)
	for interp in found:
		print("%s ..." % interp.name, file=sys.stderr, flush=True)
		cells, bad = measure(interp, hit_ns, n, rounds)
		rows.append(cells)
		beyond += bad
	text = "\n%s, Linux %s, %d CPUs, load %.1f: `%s`. A bare hit takes %.0f ns (%.0f to %.0f). %s\n\n%s\n" % (
		datetime.date.today().isoformat(), platform.release(), os.cpu_count(), os.getloadavg()[1],
		" ".join(["bench/calls.py"] + sys.argv[1:]), hit_ns, min(bare_ns), max(bare_ns),
		"**Over the budget of %g bare hits: %s.**" % (BUDGET_HITS, ", ".join(beyond)) if beyond else
		"None is over the budget of %g bare hits." % BUDGET_HITS, table(rows))
	print(text)
	if args.write:
		common.write_between(PAGE, BEGIN, END, text)
	sys.exit(1 if beyond else 0)


main()
