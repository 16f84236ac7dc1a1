#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long a search for the holders of objects takes, by the size of the process.

Input: build/tests/find_holders, tests/live/targets/holders.py on $BENCH_PYTHON; --mb: how large that is.
Output: the time of one whole look for one object (heap/holders.h), with names (heap/names.h), of the looks for
lost references, and of 100,000 objects; and, which a busy machine changes less, how that is to copying as much memory.
"""
import json
import os
import subprocess
import time

import common

TOOL = os.path.join(common.TOP, "build", "tests", "find_holders")
TARGET = os.path.join(common.TOP, "tests", "live", "targets", "holders.py")
PIECE = 1 << 20


def find(pid, *args, addresses=()):
	done = subprocess.run([TOOL, str(pid)] + list(args), input="\n".join(map(str, addresses)), text=True,
			      stdout=subprocess.PIPE, check=True)
	return [json.loads(line) for line in done.stdout.splitlines()]


def copying(n):
	"""Seconds that it takes to read n bytes of a process by /proc/PID/mem, a megabyte at a time: one's own, which is there."""
	block = bytearray(b"x" * PIECE)
	into = bytearray(PIECE)
	address = int(common.live.ctypes.addressof(common.live.ctypes.c_char.from_buffer(block)))
	with open("/proc/self/mem", "rb", 0) as mem:
		begin = time.monotonic()
		for _ in range(n // PIECE):
			mem.seek(address)
			mem.readinto(into)
		return time.monotonic() - begin


def main():
	report = common.Report("Holders", __doc__)
	report.parser.add_argument("--mb", type=int, default=1024)
	args = report.arguments()
	runs = 3 if args.quick else 10
	size = "a process of %d MB: " % args.mb
	with common.live.Target([common.interpreter().path, TARGET, "size", str(args.mb)], ready=False, timeout=300) as target:
		ids = json.loads(target.wait_line(b"IDS", 300)[4:])
		target.wait_line(b"READY", 300)
		looks, ratios, found = [], [], ()
		for _ in range(runs):
			found = find(target.pid, "held", addresses=[ids["one"]])[-1]
			looks.append(found["took_ns"] / 1e9)
			ratios.append(looks[-1] / copying(found["bytes"]))
		report.row(size + "one object, %.0f MB searched" % (found["bytes"] / 1e6), looks, "s", budget=2 * args.mb / 1024)
		report.row(size + "that, times the copying of as much", ratios, "times")
		report.row(size + "with its holder's name", [find(target.pid, "subject", hex(ids["one"]))[0]["took_ns"] / 1e9 for _ in range(runs)], "s",
			   budget=2 * args.mb / 1024)
		report.row(size + "whether it is lost", [find(target.pid, "lost", "1", addresses=[ids["one"]])[-1]["all_ns"] / 1e9 for _ in range(runs)], "s")
		report.row(size + "100,000 objects with names", [find(target.pid, "subject", "Nested")[0]["took_ns"] / 1e9 for _ in range(runs)], "s")
	report.end()


if __name__ == "__main__":
	main()
