#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long a search for the holders of objects takes, by the size of the process.

Input: build/tests/find_holders, tests/live/targets/holders.py.  Output: a line for each: the time of one whole
look (heap/holders.h, took_ns), of names (heap/names.h), of the looks for lost references.

    bench/holders.py [--mb 1024] [--python /usr/bin/python3] [--runs 3]
"""
import argparse
import json
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(TOP, "build", "tests", "find_holders")


def run(pid, *args, addresses=()):
	done = subprocess.run([TOOL, str(pid)] + list(args), input="\n".join(map(str, addresses)), text=True,
			      stdout=subprocess.PIPE, check=True)
	return [json.loads(line) for line in done.stdout.splitlines()]


def main():
	parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
	parser.add_argument("--mb", type=int, default=1024)
	parser.add_argument("--python", default="/usr/bin/python3")
	parser.add_argument("--runs", type=int, default=3)
	options = parser.parse_args()
	target = subprocess.Popen([options.python, os.path.join(TOP, "tests", "live", "targets", "holders.py"), "size", str(options.mb)],
				  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
	try:
		ids = json.loads(target.stdout.readline()[4:])
		target.stdout.readline()
		for _ in range(options.runs):
			whole = run(target.pid, "held", addresses=[ids["one"]])[-1]
			print("one object: %.0f MB searched in %.2f s" % (whole["bytes"] / 1e6, whole["took_ns"] / 1e9))
		for _ in range(options.runs):
			subject, *rows = run(target.pid, "subject", hex(ids["one"]))
			print("with its name: %.2f s: %s" % (subject["took_ns"] / 1e9, rows[0]["text"]))
		whole = run(target.pid, "lost", "1", addresses=[ids["one"]])[-1]
		print("whether it is lost: %.2f s, %d looks more" % (whole["all_ns"] / 1e9, whole["looks"]))
		subject, *rows = run(target.pid, "subject", "Nested")
		print("100,000 objects with names: %.2f s: %s" % (subject["took_ns"] / 1e9, rows[0]["text"]))
	finally:
		target.kill()


if __name__ == "__main__":
	main()
