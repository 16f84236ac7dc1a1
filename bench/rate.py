#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ticks missing at 5 kHz: thread CPU time x F, less the samples that were recorded.

Input: a busy program; its CPU time as the scheduler counts it over the very capture (pitviper's
own start and end are subtracted by comparing two captures of different length).
Output: ticks missing in percent, samples dropped for want of ring buffer.
"""
import tempfile

import common
import live

HZ = 5000


def capture(victim, seconds):
	"""(CPU seconds of the target while attached, samples, dropped)"""
	_, summary, _ = live.record("-p", victim.pid, seconds=seconds, hz=HZ)
	return summary["target_cpu_s"], summary["samples"], summary["lost"].get("ring_sample", 0)


def outside(victim, seconds):
	"""The same with the target's CPU time measured from outside: from attached to detached."""
	output = tempfile.NamedTemporaryFile(suffix=".folded")
	proc = live.start_pitviper("record", "--json", "-F", HZ, "-d", seconds, "-o", output.name, "-p", victim.pid)
	live.wait_attached(proc)
	start = common.cpu_seconds(victim.pid)
	if not live.gone(lambda: not live.attached(proc.pid) or proc.poll() is not None, timeout=seconds + 30):
		raise AssertionError("pitviper does not end")
	cpu = common.cpu_seconds(victim.pid) - start
	out, _ = proc.communicate(timeout=60)
	return cpu, live.last_json(out)["samples"]


def main():
	report = common.Report("Ticks missing at 5 kHz", __doc__)
	args = report.arguments()
	missing, dropped = [], 0
	with common.program("idle.py") as victim:
		for _ in range(2 if args.quick else 5):
			cpu, samples, drops = capture(victim, 3)
			missing.append(100 * (1 - samples / (cpu * HZ)))
			dropped += drops
		report.row("ticks missing (CPU time by pitviper's summary)", missing, "%")
		# Two lengths: what attaching and detaching cost drops out of the difference.
		differences = []
		for _ in range(2 if args.quick else 5):
			short_cpu, short = outside(victim, 1)
			long_cpu, long = outside(victim, 5)
			differences.append(100 * (1 - (long - short) / ((long_cpu - short_cpu) * HZ)))
		report.row("ticks missing (CPU time by /proc, 5 s less 1 s)", differences, "%", 1.0)
		report.row("samples dropped (ring buffer full)", [dropped], "samples", 0, 0)
	report.end()


main()
