#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Child processes: how long a new program is [new mapping], and what a child costs.

Input: children started one after the other by posix_spawn: /bin/true, and a python3 that does nothing.
Output: CPU milliseconds of a child's life that are [new mapping], by samples at 10 kHz; pitviper's own CPU
time a child; the parent's time a child with and without a recording at 99 Hz.
"""
import os
import subprocess
import sys
import tempfile
import time

import common
import live

HZ = 10007
SYSTEM = "/usr/bin/python3"
SPAWN = """
import os, sys
command = sys.argv[2:]
for _ in range(int(sys.argv[1])):
	os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)
"""


def spawn(script, count, command):
	return [SYSTEM, script, str(count)] + command


def record(hz, command):
	with tempfile.NamedTemporaryFile(suffix=".folded") as output:
		run = live.pitviper("record", "--children", "--json", "-F", hz, "-o", output.name, "--", *command, timeout=600)
		return live.parse_folded(output.name), live.last_json(run.out)


def measure(report, script, name, count, command, budget, repeats):
	unread, whole, own = [], [], []		# the start of pitviper is not a child's
	for _ in range(repeats):
		stacks, _ = record(HZ, spawn(script, count, command))
		mine = [s for s in stacks if s.process != os.path.basename(script)]
		unread.append(1000 * live.total([s for s in mine if "[new mapping]" in s.markers()]) / HZ / count)
		whole.append(1000 * live.total(mine) / HZ / count)
		few, many = (record(99, spawn(script, n * count, command))[1]["own_cpu_s"] for n in (1, 4))
		own.append(1000 * (many - few) / (3 * count))
	report.row("a %s child is sampled for" % name, whole, "ms")
	report.row("of that it is [new mapping]", unread, "ms", budget)
	report.row("pitviper's own CPU time a child, at 99 Hz", own, "ms")


def slowdown(report, script, name, count, command, repeats):
	ratios = []
	for _ in range(repeats):
		start = time.monotonic()
		subprocess.run(spawn(script, count, command), check=True)
		off = time.monotonic() - start
		with tempfile.NamedTemporaryFile(suffix=".folded") as output:
			proc = live.start_pitviper("record", "-q", "--children", "-o", output.name, "-p", os.getpid())
			live.wait_attached(proc)
			start = time.monotonic()
			subprocess.run(spawn(script, count, command), check=True)
			ratios.append(100 * ((time.monotonic() - start) / off - 1))
			live.interrupt(proc)
	report.row("%s children one after the other, recorded at 99 Hz" % name, ratios, "% slower", None, 1)


def main():
	report = common.Report("Child processes", __doc__)
	args = report.arguments()
	repeats = 3 if args.quick else 9
	with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
		script.write(SPAWN)
		script.flush()
		measure(report, script.name, "/bin/true", 200, ["/bin/true"], 1, repeats)
		measure(report, script.name, "python3", 40, [SYSTEM, "-c", "pass"], 3, repeats)
		slowdown(report, script.name, "/bin/true", 300, ["/bin/true"], repeats)
		slowdown(report, script.name, "python3", 40, [SYSTEM, "-c", "pass"], repeats)
	report.end()


if __name__ == "__main__":
	sys.exit(main())
