#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Kernel cost of a sample: run time of the BPF programs by the kernel's own account.

Input: a steady program of about 12 native and 4 Python frames, recorded at 99 Hz, 1 and 10 kHz
with kernel.bpf_stats_enabled.  Output: us a run, and run time as a share of the target's CPU time.
"""
import statistics
import tempfile
import time

import common
import live

BUDGET_US = {1000: 10.0, 10000: 7.0}
BUDGET_SHARE = {99: 0.3, 1000: 1.2}


def measure(victim, hz, seconds):
	proc = live.start_pitviper("record", "-q", "-F", hz, "-o", "/dev/null", "--format", "folded", "-p", victim.pid)
	try:
		live.wait_attached(proc)
		time.sleep(0.3)		# the first samples fill caches and copy names
		cpu0, before = common.cpu_seconds(victim.pid), common.bpf_programs(proc.pid)
		time.sleep(seconds)
		cpu1, after = common.cpu_seconds(victim.pid), common.bpf_programs(proc.pid)
	finally:
		live.interrupt(proc)
	runs = sum(after[n][0] - before[n][0] for n in after)
	ns = sum(after[n][1] - before[n][1] for n in after)
	if not runs:
		return None, None
	return ns / runs / 1000, 100 * ns / 1e9 / (cpu1 - cpu0)


def depth(victim):
	stacks, _, _ = live.record("-p", victim.pid, seconds=1, hz=499)
	deep = sorted((sum(f.kind == "native" for f in s.frames), len(s.python())) for s in stacks for _ in range(s.count))
	return [statistics.median(n for n, _ in deep), statistics.median(p for _, p in deep)]


def main():
	report = common.Report("Kernel cost of a sample", __doc__)
	args = report.arguments()
	old = common.bpf_stats(True)
	progress = tempfile.NamedTemporaryFile()
	progress.write(bytes(24))
	progress.flush()
	try:
		with common.program("steady.py", progress.name) as victim:
			report.note("median frames of a sample", "%g native, %g Python (%s)" % (
				*depth(victim), common.interpreter().name))
			for hz, seconds in ((99, 4), (1000, 2), (10000, 2)):
				results = [measure(victim, hz, seconds) for _ in range(2 if args.quick else 5)]
				report.row("BPF run time of a sample at %d Hz" % hz, [r[0] for r in results], "us", BUDGET_US.get(hz))
				report.row("BPF run time / target CPU time at %d Hz" % hz, [r[1] for r in results], "%",
					   BUDGET_SHARE.get(hz), 3)
	finally:
		common.bpf_stats(old)
	report.end()



main()
