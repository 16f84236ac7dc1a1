#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""pitviper's own memory while it records at 1 kHz: anonymous pages, BPF maps, and whether they grow.

Input: tests/live/targets/mix.py, recorded for a minute (--minutes 10 for the full form).
Output: MB at the end, and growth over the last half of the time.
"""
import os
import time

import common
import live


def main():
	report = common.Report("Own memory at 1 kHz", __doc__)
	report.parser.add_argument("--minutes", type=float, default=1)
	args = report.arguments()
	seconds = 15 if args.quick else args.minutes * 60
	command = [common.interpreter().path, os.path.join(live.TARGETS, "mix.py")]
	anon, maps = [], []
	with live.Target(command) as victim:
		proc = live.start_pitviper("record", "-q", "-F", 1000, "-o", "/dev/null", "--format", "folded", "-p", victim.pid)
		try:
			live.wait_attached(proc)
			until = time.monotonic() + seconds
			while time.monotonic() < until:
				time.sleep(min(1, seconds / 60))
				anon.append(common.rss_anon(proc.pid) / 1e6)
				maps.append(common.map_bytes(proc.pid) / 1e6)
		finally:
			live.interrupt(proc, timeout=60)
	half = len(anon) // 2
	report.row("anonymous memory, highest", [max(anon)], "MB", 60, 1)
	report.row("BPF maps", [max(maps)], "MB", 64, 1)
	report.row("growth of both over the last half (%g s)" % (seconds / 2),
		   [anon[-1] + maps[-1] - anon[half] - maps[half]], "MB", 1.0, 2)
	report.end()


main()
