#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""From "it grows" to the missing line: a leak that numpy had, hunted in a running service without touching it.

Input: --pitviper, --seconds.  Output: what `pitviper memory` and `pitviper refs` say, the line that was missing, and a graph
of the memory before and after.  Needs root, a C compiler, numpy and the headers of Python (tools/install-deps --examples).
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile

try:
	import numpy
except ImportError:
	sys.exit("%s has no numpy: run this with /usr/bin/python3, after tools/install-deps --examples" % sys.executable)

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SOURCE = os.path.join(HERE, "numpy_leak.c")
FIX = "Py_DECREF(reordered->names);"
WARM = 8	# seconds


def build(directory, *flags):
	os.makedirs(directory, exist_ok=True)
	subprocess.run(["cc", "-O2", "-g", "-shared", "-fPIC", "-I" + sysconfig.get_paths()["include"],
			"-I" + numpy.get_include(), *flags, SOURCE, "-o", os.path.join(directory, "numpy_leak.so")], check=True)


class Service:
	def __init__(self, directory):
		self.proc = subprocess.Popen([sys.executable, os.path.join(HERE, "tables.py"), directory], stdin=subprocess.PIPE,
					     stdout=subprocess.PIPE, text=True)
		if self.proc.stdout.readline() != "READY\n":
			sys.exit("the service did not start")

	def watch(self, seconds):
		"""Its resident memory in kB, once a second, when it has what it needs."""
		for _ in range(WARM):
			self.proc.stdout.readline()
		return [int(self.proc.stdout.readline().split()[1]) for _ in range(seconds)]

	def stop(self):
		self.proc.kill()
		self.proc.wait()


def ask(pitviper, *args):
	"""Runs pitviper: what it says goes to the terminal, what it found comes back."""
	command = [pitviper, *args]
	print("\n$ sudo " + " ".join(re.sub(r"^.*/", "", a) if a == pitviper else a if " " not in a else "'%s'" % a for a in command))
	sys.stdout.flush()
	with tempfile.NamedTemporaryFile(suffix=".json") as found:
		run = subprocess.run([*command, "-o", found.name])
		if run.returncode:
			sys.exit("pitviper ended with status %d" % run.returncode)
		with open(found.name) as text:
			return json.load(text)


def line_of(text, path):
	with open(path) as lines:
		return next(i for i, line in enumerate(lines, 1) if text in line)


def graph(name, values, least, most):
	bars = " .:-=+*#%@"
	shown = "".join(bars[int((value - least) * (len(bars) - 1) / max(most - least, 1))] for value in values)
	print("  %-8s %s  %+d kB in %d s" % (name, shown, values[-1] - values[0], len(values)))


def place_of(found):
	"""(the line to follow, the type): what memory found out.  Ends the run if that is not the leak."""
	verdict = found["verdict"]
	line = line_of("return numpy.dtype(", os.path.join(HERE, "tables.py"))
	# one tuple of 200 names is rarer than bursts are long; its names are made at the same line, which is the place that grows
	accused = verdict.get("site") or next((site for site in found.get("sites", []) if site["accused"]), {})
	places = ["%s:%d" % (os.path.basename(frame["file"]), frame["line"])
		  for frame in accused.get("frames", []) if frame["kind"] == "python"]
	types = verdict.get("types", [])
	if verdict["kind"] != "lost" or types[:1] != ["tuple"] or "tables.py:%d" % line not in places[:1]:
		sys.exit("NOT FOUND: memory was to say that `tuple` of tables.py:%d is lost, and says %s, %s, %s: %s" % (
			line, verdict["kind"], types, places, " ".join(verdict["text"])))
	return places[0], types[0]


def hunt(args, service):
	"""memory, then refs of what it named; the verdict of refs."""
	place, kind = place_of(ask(args.pitviper, "memory", "-p", str(service.proc.pid), "-d", str(args.seconds)))
	return ask(args.pitviper, "refs", "-p", str(service.proc.pid), "--alloc", place, "--type", kind, "-d", "10")


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--pitviper", default=os.path.join(TOP, "build", "src", "pitviper"))
	parser.add_argument("--seconds", type=int, default=30, help="of each look (30)")
	args = parser.parse_args()
	if os.getuid():
		sys.exit("run.py: needs root, as pitviper does")
	with tempfile.TemporaryDirectory(prefix="numpy-leak-") as directory:
		build(directory + "/leaking")
		build(directory + "/fixed", "-DFIXED")
		service = Service(directory + "/leaking")
		try:
			leaking = service.watch(args.seconds)
			found = hunt(args, service)
		finally:
			service.stop()
		verdict = found["verdict"]
		print("\nThe line that was missing, in %s behind line %d:\n\n    %s\n" % (
			os.path.relpath(SOURCE), (verdict.get("via") or verdict.get("site") or {}).get("line", 0), FIX))
		service = Service(directory + "/fixed")
		try:
			fixed = service.watch(args.seconds)
		finally:
			service.stop()
		least, most = min(leaking + fixed), max(leaking + fixed)
		graph("before", leaking, least, most)
		graph("with it", fixed, least, most)
		grew, rest = leaking[-1] - leaking[0], fixed[-1] - fixed[0]
		named = verdict.get("function") == "array_argsort" and \
			(verdict.get("via") or {}).get("line") == line_of("/* TAKEN", SOURCE)
		print("\n%s" % ("named, to the line" if named else "NOT NAMED: %s" % verdict["text"]))
		sys.exit(0 if named and rest < grew / 4 else 1)


signal.signal(signal.SIGINT, signal.default_int_handler)
main()
