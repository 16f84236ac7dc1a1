#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a web app under load notices of being recorded: Flask in gunicorn, asked by wrk.

Input: examples/webapp with one worker under wrk from the other CPU, recorded and not recorded in
turn.  The app counts its requests and its CPU time itself (account.py).  Output: ratios recorded /
not recorded of requests a second, and of CPU time a request, which other load of the machine
disturbs less.
"""
import os
import subprocess
import sys
import tempfile
import time

import common
import live

WEBAPP = os.path.join(common.TOP, "examples", "webapp")
PYTHON = "/usr/bin/python3"
sys.path.insert(0, WEBAPP)
import account  # noqa: E402


class Counters:
	def __init__(self, directory):
		self.directory = directory

	def now(self):
		cells = account.read(self.directory).values()
		return (sum(c["application"]["count"] for c in cells), sum(c["process"]["cpu"] for c in cells), time.monotonic())

	def over(self, seconds):
		"""Requests a second and CPU seconds a request, over this long."""
		before = self.now()
		time.sleep(seconds)
		requests, cpu, wall = (b - a for a, b in zip(before, self.now()))
		return requests / wall, cpu / requests


def measure(report, what, counters, start, pairs, seconds):
	"""Both figures come from the same intervals."""
	seen = []

	def once():
		seen.append(counters.over(seconds))
		return seen[-1][0]

	rates = common.paired(once, start, pairs)
	# off, on, off, on, ..., off: as in paired()
	costs = [seen[n][1] / ((seen[n - 1][1] + seen[n + 1][1]) / 2) for n in range(1, len(seen) - 1, 2)]
	report.row("requests a second, %s / not recorded" % what, rates, "x", digits=3)
	report.row("CPU time a request, %s / not recorded" % what, costs, "x", digits=3)
	return [rate for rate, _ in seen[::2]]


def main():
	report = common.Report("A web app under load", __doc__)
	report.parser.add_argument("--pairs", type=int, default=12)
	report.parser.add_argument("--seconds", type=float, default=2, help="of each interval")
	args = report.arguments()
	pairs = 4 if args.quick else args.pairs
	mix = os.path.join(live.TARGETS, "mix.lua")
	with tempfile.TemporaryDirectory() as directory:
		app = live.Target([PYTHON, os.path.join(WEBAPP, "run.py"), "--workers", "1", "--load", "0"], ready=False,
				  env={"WEBAPP_ACCOUNT": directory})
		address = app.wait_line(b"webapp: running").rpartition(" ")[2]
		wrk = subprocess.Popen(["wrk", "-t1", "-c4", "-d600s", "-s", mix, address], stdout=subprocess.DEVNULL)
		try:
			counters = Counters(directory)
			assert live.gone(lambda: counters.now()[0] > 20), "the app does not answer"
			rates = []
			for hz in (99, 1000):
				rates += measure(report, "recorded at %d Hz" % hz, counters,
						 lambda: common.start_record(hz, "--children", "-p", app.pid), pairs, args.seconds)
			# how much of this is noise: something else, toggled the same way
			rates += measure(report, "nothing", counters, lambda: subprocess.Popen(["sleep", "1000"]), pairs, args.seconds)
			report.row("requests a second, not recorded", rates, "", digits=0)
		finally:
			wrk.kill()
			wrk.wait()
			app.proc.terminate()
			app.proc.wait(timeout=30)
			app.stop()
	report.end()


main()
