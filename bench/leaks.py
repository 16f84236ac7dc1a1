#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper memory` says of the catalogue of leaks (tests/leaks), against the truth; with --write into docs/memory.md.

Each case, leaking and clean, at one bad request of ten and of a thousand, with three seeds, on 3.8, 3.11, 3.13, Debian's stripped
3.11 and 3.14, serves requests while `pitviper memory -p PID -d SECONDS --json` looks at it.  Answers are kept in a file, one a line,
so that the whole can be measured in parts; a run that is there already is not done again (--again: all).
Input: $PITVIPER, $PYROOTS, compilers, the interpreters' headers.  Output: a line a run, a table; exit status 1 if a twin is accused,
fewer of the leaking runs are right than should be, or a run failed.
Needs root.
"""
import argparse
import collections
import concurrent.futures
import datetime
import hashlib
import json
import os
import platform
import sys
import traceback

import common
import live

sys.path.insert(0, os.path.join(common.TOP, "tests", "leaks"))
import build  # noqa: E402
import catalogue  # noqa: E402
import judge  # noqa: E402
import lab  # noqa: E402

PAGE = os.path.join(common.TOP, "docs", "memory.md")
BEGIN, END = "<!-- bench/leaks.py --write writes from here -->", "<!-- to here -->"
# of runs at one bad request of a thousand alone
RARE_BEGIN, RARE_END = "<!-- bench/leaks.py --rate 1000 --write writes from here -->", "<!-- to here, of a thousand -->"
RATES, SEEDS = (10, 1000), (1, 2, 3)
REACH = 0.95		# of the leaking runs; of the twins none may be accused

def hunt(pid, seconds, whole=None):
	options = ["-o", whole] if whole else []
	run = live.pitviper("memory", "-p", pid, "-d", seconds, "--json", *options, timeout=seconds * 4 + 120)
	if run.status != 0:
		raise AssertionError(repr(run))
	return live.last_json(run.out), run.seconds


def kept_at(row, directory):
	os.makedirs(directory, exist_ok=True)
	name = "-".join(str(row[part]) for part in ("interp", "case", "variant", "rate", "seed"))
	return os.path.join(directory, name + ".json")


def one(interp, case, variant, rate, seed, args):
	"""One run: its answer beside the truth."""
	row = {"interp": interp.name, "case": case.name, "variant": variant, "rate": rate, "seed": seed}
	leaks = case.leaks(variant, interp.version)
	try:
		with lab.Victim(interp, case, "clean" if variant == "clean" else "leaking", rate, seed) as victim:
			victim.run(args.warm)
			before = victim.go(args.pace)
			found, row["took"] = hunt(victim.start["parent"] if variant == "parent" else victim.served_by, args.duration,
						  args.keep and kept_at(row, args.keep))
			after = victim.truth()
			assert victim.alive() and not after["errors"], after["errors"]
		answer = judge.answer_of(found)
		row.update(judge.judge(answer, case, leaks))
		row["lost_objects"] = after["lost_objects"] - before["lost_objects"]
		row["lost_bytes"] = after["lost_bytes"] - before["lost_bytes"]
		row["served"] = after["served"] - before["served"]
		row["text"] = answer.text
	except build.NoHeaders:
		raise
	except Exception as error:	# a run that failed is a wrong one, and is told
		row.update(verdict="failed", right=False, accused=False, first="", kind=False,
			   text="".join(traceback.format_exception_only(type(error), error))[-1500:])
	return row


def runs(args):
	interpreters = [i for i in lab.interpreters() if not args.interp or any(word in i.name for word in args.interp)]
	cases = [c for c in catalogue.CASES if not args.case or c.name in args.case]
	for seed in args.seed or (SEEDS[:1] if args.quick else SEEDS):
		for rate in args.rate or (RATES[:1] if args.quick else RATES):
			for case in cases:
				for interp in interpreters:
					if not case.applies(interp) or (build.source_of(case.name) and not has_headers(interp)):
						continue
					for variant in case.variants + (("parent",) if case.forked else ()):
						if not args.variant or variant in args.variant:
							yield interp, case, variant, rate, seed


def has_headers(interp):
	try:
		return bool(build.include_flags(interp))
	except build.NoHeaders:
		return False


def key(row):
	return tuple(row[name] for name in ("interp", "case", "variant", "rate", "seed", "tool", "duration", "pace"))


def load(path):
	try:
		with open(path, encoding="utf-8") as lines:
			return [json.loads(line) for line in lines]
	except FileNotFoundError:
		return []


def measure(args, tool):
	"""Does what is not there yet; returns the rows that count: the last of each run."""
	common_to_all = {"tool": tool, "duration": args.duration, "pace": args.pace}
	wanted = list(runs(args))
	kept = {key(row): row for row in load(args.results)}
	rows = {}
	todo = []
	for interp, case, variant, rate, seed in wanted:
		of_run = dict(interp=interp.name, case=case.name, variant=variant, rate=rate, seed=seed)
		name = key(dict(common_to_all, **of_run))
		# the last build that has an answer
		found = [key(dict(common_to_all, tool=one, **of_run)) for one in [tool] + args.build]
		found = [one for one in found if one in kept]
		if found and not args.again:
			rows[name] = kept[found[0]]
		elif not args.kept:
			todo.append((interp, case, variant, rate, seed))
	os.makedirs(os.path.dirname(args.results), exist_ok=True)
	with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool, open(args.results, "a", encoding="utf-8") as out:
		for done in concurrent.futures.as_completed([pool.submit(one, *run, args) for run in todo]):
			row = dict(done.result(), **common_to_all)
			rows[key(row)] = row
			out.write(json.dumps(row) + "\n")
			out.flush()
			print(line_of(row), file=sys.stderr, flush=True)
	return list(rows.values())


def line_of(row):
	state = "right" if row["right"] else "ACCUSED" if row["accused"] else "wrong"
	return "%-8s %-16s %-8s 1/%-5d seed %d %-14s says %-8s %s%s" % (
		state, row["case"], row["variant"], row["rate"], row["seed"], row["interp"], row["verdict"],
		("first: %s" % row["first"]) if row["first"] else "",
		"" if row["right"] else ": " + " ".join(row["text"].split())[:200])


def share(rows):
	return "%d of %d" % (sum(r["right"] for r in rows), len(rows)) if rows else ""


def cell(rows, truth):
	"""One of the table: right of all, leaking and twins apart."""
	bad = [r for r in rows if truth(r)]
	clean = [r for r in rows if not truth(r)]
	text = share(bad)
	if clean:
		accused = sum(r["accused"] for r in clean)
		text += (", " if text else "") + "clean " + share(clean) + (", **%d accused**" % accused if accused else "")
	return text


def tables(rows):
	versions = {i.name: i.version for i in lab.interpreters()}
	names = [name for name in versions if any(r["interp"] == name for r in rows)]

	def truth(row):
		return catalogue.by_name(row["case"]).leaks(row["variant"], versions[row["interp"]])

	lines = ["| case | what | kind | " + " | ".join(names) + " | named first | kind right |", "|" + "---|" * (len(names) + 5)]
	for case in catalogue.CASES:
		of_case = [r for r in rows if r["case"] == case.name]
		if not of_case:
			continue
		bad = [r for r in of_case if truth(r)]
		first = collections.Counter(r["first"] or "nothing guilty" for r in bad)
		lines.append("| %s | %s | %s | %s | %s | %s |" % (
			case.name, case.what.replace("|", "\\|"), case.kind,
			" | ".join(cell([r for r in of_case if r["interp"] == name], truth) for name in names),
			", ".join("%s %d" % pair for pair in first.most_common()), "%d of %d" % (sum(r["kind"] for r in bad), len(bad)) if bad else ""))
	bad, clean = [r for r in rows if truth(r)], [r for r in rows if not truth(r)]
	accused = sum(r["accused"] for r in clean)
	failed, short = sum(r["verdict"] == "failed" for r in rows), False
	head = []
	if bad:
		by_rate = ", ".join("1 of %d: %s" % (rate, share([r for r in bad if r["rate"] == rate]))
				    for rate in sorted({r["rate"] for r in bad}))
		part = sum(r["right"] for r in bad) / len(bad)
		short = part < REACH
		head.append("Of the leaking runs %s are right (%.1f %%; %s; %.0f %% is what should be reached)." % (
			share(bad), 100 * part, by_rate, 100 * REACH))
		head.append("The kind (lost, or held and by whom) is right in %d of %d." % (sum(r["kind"] for r in bad), len(bad)))
	if clean:
		head.append("Of %d runs of clean twins **%d are accused**, %d are called clean, %d undecided, %d failed." % (
			len(clean), accused, sum(r["right"] for r in clean), sum(r["verdict"] == "unknown" for r in clean),
			sum(r["verdict"] == "failed" for r in clean)))
	return " ".join(head), "\n".join(lines), accused or short or failed


def shown(arguments):
	"""A command line as a page tells it: paths are this machine's."""
	return ["FILE" if before == "--results" else "DIR" if before == "--keep" else word
		for before, word in zip([""] + arguments, arguments)]


def tool_digest():
	with open(live.PITVIPER, "rb") as file:
		return hashlib.sha256(file.read()).hexdigest()[:12]


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("-d", "--duration", type=int, default=20, help="seconds of a hunt")
	parser.add_argument("--pace", type=float, default=2000, help="requests a second; 0: as many as can be")
	parser.add_argument("--warm", type=int, default=20000, help="requests before the hunt: caches are turned over")
	parser.add_argument("--quick", action="store_true", help="one bad request of ten, one seed")
	parser.add_argument("--interp", action="append", default=[], help="only those whose name contains this (may be repeated)")
	parser.add_argument("--case", action="append", default=[], help="only this one (may be repeated)")
	parser.add_argument("--variant", action="append", choices=["leaking", "clean", "parent"], default=[])
	parser.add_argument("--rate", action="append", type=int, default=[])
	parser.add_argument("--seed", action="append", type=int, default=[])
	parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
	parser.add_argument("--results", default=os.path.join(build.output_directory(), "results.jsonl"), help="where answers are kept")
	parser.add_argument("--keep", metavar="DIR", help="write the whole of each answer there")
	parser.add_argument("--build", action="append", default=[], metavar="DIGEST",
			    help="answers that this build gave count, where the present one has none")
	parser.add_argument("--kept", action="store_true", help="do no runs, take the answers that there are")
	parser.add_argument("--again", action="store_true", help="do all runs, also those that are kept")
	parser.add_argument("--write", action="store_true", help="into docs/memory.md")
	args = parser.parse_args()
	if os.getuid() != 0:
		sys.exit("%s: needs root" % sys.argv[0])
	for interp in lab.interpreters():
		if not has_headers(interp):
			print("no headers of %s: its extensions are not tried" % interp.name, file=sys.stderr)
	try:
		rows = measure(args, tool_digest())
	finally:
		lab.unstage()
	if not rows:
		sys.exit("nothing to run")
	head, table, wrong = tables(rows)
	head += " Seeds: %s. Builds, and how many runs are of each: %s." % (
		", ".join(str(seed) for seed in sorted({r["seed"] for r in rows})),
		", ".join("%s %d" % pair for pair in collections.Counter(r["tool"] for r in rows).most_common()))
	text = "\n%s, Linux %s, %d CPUs, load %.1f; `%s`: hunts of %d s, %g requests a second. %s\n\n%s\n" % (
		datetime.date.today().isoformat(), platform.release(), os.cpu_count(), os.getloadavg()[1],
		" ".join(["bench/leaks.py"] + shown(sys.argv[1:])), args.duration, args.pace, head, table)
	print(text)
	if args.write:
		rare = {row["rate"] for row in rows} == {1000}
		common.write_between(PAGE, RARE_BEGIN if rare else BEGIN, RARE_END if rare else END, text)
	sys.exit(1 if wrong else 0)


main()
