#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What pitviper knows of every Python at hand, and how well: proves it, measures it, and with --write puts it into docs/pythons.md.

Input: the interpreters that tests/live/live.py finds (pyenv, /usr/bin, roots made by tools/mk-pyroot.sh under $PYROOTS), its
targets and oracles.  Output: a table; exit status 1 if a thread differs, a stack cannot have been, or too few are whole.
Needs root and python3-pytest (the oracles stand in test files).
"""
import argparse
import collections
import datetime
import glob
import json
import os
import platform
import re
import statistics
import subprocess
import sys

import common
import live
import oracle_check
import test_blocked

PAGE = os.path.join(common.TOP, "docs", "pythons.md")
BEGIN, END = "<!-- bench/pythons.py --write writes from here -->", "<!-- to here -->"
CHAIN = os.path.join(common.PROGRAMS, "chain.py")
SHORT, LONG = 5, 105		# functions on the stack
WHOLE = 0.995
# what should be reached, by column: a figure beyond it is no wrong answer, but it is shown
REACH = {"found in": (100, "ms"), "a sample, 3.13 = 1": (1.2, "("), "a Python frame": (0.25, "us")}

HEADS = ["Python", "build", "facts from", "found in", "blocked threads equal", "whole while running", "impossible", "a sample, 3.13 = 1",
	 "a Python frame", "the same with its C frames", "at -F 99: said, measured", "fixtures"]


class Python:
	"""One interpreter and what came out."""

	def __init__(self, interp):
		self.interp, self.cells, self.bad = interp, {}, []

	def target(self, script, *args):
		"""A started target, and the truth that it published."""
		outside, inside = self.interp.tempfile()
		path = script if os.path.isabs(script) else os.path.join(live.TARGETS, script)
		victim = live.Target(self.interp.command(path, *([inside] if not os.path.isabs(script) else []), *args), timeout=120)
		victim.truth = outside
		return victim


def facts(pid):
	run = live.pitviper("doctor", "--json", pid)
	return {(f["section"], f["name"]): f["value"] for f in json.loads(run.out)["facts"]}


def number(text, pattern):
	found = re.search(pattern, text or "")
	return float(found[1]) if found else None


def blocked(python):
	with python.target(test_blocked.script_of(python.interp)) as victim:
		with open(victim.truth) as truth_file:
			truth = json.load(truth_file)
		wrong, frames = [], 0
		for _ in range(2):
			differ, frames = test_blocked.differences(truth, test_blocked.snapshot(victim.pid))
			wrong += differ
		known = [facts(victim.pid) for _ in range(3)]
	os.unlink(victim.truth)
	threads = len(truth["threads"])
	python.cells["blocked threads equal"] = "%g %% of %d, %s frames" % (100 * (1 - len(wrong) / (2 * threads)), threads, format(frames, ","))
	python.bad += wrong
	about = known[0]
	python.cells["build"] = about[("interpreter", "build")]
	python.cells["facts from"] = "%s; layout: %s" % (
		about[("interpreter", "CPython")].rpartition("from ")[2], about[("interpreter", "layout")])
	took = [number(k[("interpreter", "detection")], r"([\d.]+) ms of CPU") for k in known]
	python.cells["found in"] = "%.0f ms" % statistics.median(took)
	python.cells["Python"] = "%s (%s)" % (about[("interpreter", "CPython")].split(",")[0], python.interp.name)


def running(python, seconds):
	with python.target("mix.py") as victim:
		_, summary, _ = live.record("-p", victim.pid, seconds=seconds, hz=2000)
	os.unlink(victim.truth)
	share = summary["complete"] / summary["samples"]
	python.cells["whole while running"] = "%.2f %% of %s" % (int(share * 10000) / 100, format(summary["samples"], ","))
	if share < WHOLE:
		python.bad.append("only %.2f %% whole: %s" % (100 * share, {k: v for k, v in summary["lost"].items() if v}))


def impossible(python, wanted):
	stacks = []
	with python.target("oracle.py") as victim:
		for _ in range(12):
			got, _, _ = live.record("-p", victim.pid, seconds=4, hz=5000, threads=True)
			stacks += got
			if live.total(stacks) >= wanted:
				break
		with open(victim.truth) as truth:
			report = oracle_check.check(json.load(truth), stacks, python.interp.symtab)
	os.unlink(victim.truth)
	python.cells["impossible"] = "%d of %s; marked %.2f %%" % (
		report["impossible"], format(report["samples"], ","), 100 * report["marked_share"])
	if report["impossible"]:
		python.bad += report["examples"]
	if report["samples"] < wanted:
		python.bad.append("only %d samples of the oracle's program" % report["samples"])


def sample_us(victim, hz, seconds, *options):
	"""Run time of a sample by pitviper's own account: the kernel's would count ticks of other programs, too."""
	_, summary, _ = live.record("-p", victim.pid, *options, seconds=seconds, hz=hz)
	return summary["bpf_run_s"] / summary["samples"] * 1e6 if summary["samples"] else None


def costs(python, reference, rounds):
	"""us of each (interpreter, depth, options): the least of the rounds, both interpreters in turn in each."""
	least = collections.defaultdict(lambda: float("inf"))
	for _ in range(rounds):
		for depth in (SHORT, LONG):
			for one in {python, reference}:
				with one.target(CHAIN, depth) as victim:
					for options in ((), ("--no-native",)):
						us = sample_us(victim, 4000, 0.6, *options)
						if us:
							least[one, depth, options] = min(least[one, depth, options], us)
				os.unlink(victim.truth)
	return least


def cost(python, reference, rounds):
	least = costs(python, reference, rounds)
	alone = ("--no-native",)
	python.ratio = least[python, SHORT, ()] / least[reference, SHORT, ()]
	python.cells["a sample, 3.13 = 1"] = "%.2f (%.1f us)" % (python.ratio, least[python, SHORT, ()])
	for name, options in (("a Python frame", alone), ("the same with its C frames", ())):
		python.cells[name] = "%.2f us" % ((least[python, LONG, options] - least[python, SHORT, options]) / (LONG - SHORT))
	with python.target(CHAIN, SHORT) as victim:
		said = number(facts(victim.pid).get(("cost", "a sample")), r"about ([\d.]+) us")
		measured = sample_us(victim, 99, 2)
	os.unlink(victim.truth)
	python.cells["at -F 99: said, measured"] = "%s, %s us" % (
		"?" if said is None else "%.0f" % said, "?" if measured is None else "%.0f" % measured)


def count_fixtures(name):
	return len(glob.glob(os.path.join(common.TOP, "tests", "fixtures", "walk", name + "-*")))


def fixtures(python):
	minor = "%d.%d%s" % (*python.interp.version[:2], "t" * python.interp.free_threaded)
	parts = [(count_fixtures(kind + minor), word) for kind, word in (("", "upstream's"), ("debian-", "Debian's"), ("debug-", "debug"))]
	return ", ".join("%d %s" % part for part in parts if part[0]) or "none"


def absent(everyone):
	"""Rows of versions that are supported, and not at hand."""
	for version in live.SUPPORTED:
		minor = "%d.%d" % version
		if not any(p.interp.version[:2] == version and not p.interp.free_threaded for p in everyone):
			yield {"Python": minor, "build": "none at hand", "fixtures": str(count_fixtures(minor) + count_fixtures("debian-" + minor))}
		made = count_fixtures("made-%st" % minor)
		if made:
			yield {"Python": minor + "t", "build": "none to be had: free-threaded, **unverified layout**",
			       "facts from": "CPython's headers", "fixtures": "%d made with the headers" % made}


def beyond(cells):
	"""The columns whose figure is beyond what should be reached."""
	return [head for head, (most, unit) in REACH.items() if (number(cells.get(head), r"([\d.]+) " + re.escape(unit)) or 0) > most]


def verdict(found):
	bad = [p.interp.name for p in found if p.bad]
	text = "**Wrong: %s.**" % ", ".join(bad) if bad else "No answer was wrong."
	far = ["%s: %s %s" % (p.interp.name, head, p.cells[head]) for p in found for head in beyond(p.cells)]
	reach = ", ".join(("%s %g %s" % (head, most, unit)).rstrip(" (") for head, (most, unit) in REACH.items())
	return text + (" Beyond reach (%s): %s." % (reach, "; ".join(far)) if far else " All within reach (%s)." % reach)


def table(found, everyone):
	rows = [p.cells for p in found] + list(absent(everyone))
	lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
	lines += ["| " + " | ".join(str(row.get(head, "")).replace("|", "\\|") for head in HEADS) + " |" for row in rows]
	return "\n".join(lines)


def commit():
	run = subprocess.run(["git", "-C", common.TOP, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
	return run.stdout.decode().strip() or "unknown"


def measure(python, reference, args):
	print("%s ..." % python.interp.name, file=sys.stderr, flush=True)
	blocked(python)
	running(python, 2 if args.quick else 6)
	impossible(python, 5000 if args.quick else 20000)
	if not args.no_cost:
		cost(python, reference, 1 if args.quick else 4)
	python.cells["fixtures"] = fixtures(python)
	for line in python.bad[:5]:
		print("  WRONG: " + line, file=sys.stderr, flush=True)


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--quick", action="store_true", help="fewer samples and rounds")
	parser.add_argument("--no-cost", action="store_true", help="the proof only")
	parser.add_argument("--interp", action="append", default=[], help="only those whose name contains this (may be repeated)")
	parser.add_argument("--write", action="store_true", help="into docs/pythons.md")
	args = parser.parse_args()
	if os.getuid() != 0:
		sys.exit("%s: needs root" % sys.argv[0])
	everyone = [Python(i) for i in live.find_interpreters()]
	found = [p for p in everyone if not args.interp or any(word in p.interp.name for word in args.interp)]
	if not found:
		sys.exit("no such Python on this machine")
	reference = next((p for p in everyone if p.interp.version[:2] == (3, 13)), found[-1])
	for python in found:
		measure(python, reference, args)
	bad = [p for p in found if p.bad]
	text = "\n%s, Linux %s, %d CPUs, pitviper at %s, load %.1f: `%s`. %s\n\n%s\n" % (
		datetime.date.today().isoformat(), platform.release(), os.cpu_count(), commit(), os.getloadavg()[1],
		" ".join(["bench/pythons.py"] + sys.argv[1:]),
		verdict(found), table(found, everyone))
	print(text)
	if args.write:
		common.write_between(PAGE, BEGIN, END, text)
	sys.exit(1 if bad else 0)


main()
