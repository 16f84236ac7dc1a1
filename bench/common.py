# SPDX-License-Identifier: BSD-2-Clause
"""What the measurements share: running pitviper, statistics, and how a figure is shown.

Input: $PITVIPER (default build/src/pitviper), $BENCH_PYTHON (default: a CPython 3.13, else the
newest found).  Output: each script prints its command, its figures with their spread, and the budget;
as JSON after `--json`.  Standard library only.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "live"))
import live  # noqa: E402

PROGRAMS = os.path.join(TOP, "bench", "programs")


def interpreter():
	wanted = os.environ.get("BENCH_PYTHON")
	if wanted:
		return live.Interp(os.path.basename(wanted), wanted)
	found = [i for i in live.find_interpreters() if not i.root]
	return next((i for i in found if i.version[:2] == (3, 13)), found[-1])


def program(name, *args, python=None, **kw):
	return live.Target([python or interpreter().path, os.path.join(PROGRAMS, name)] + [str(a) for a in args], **kw)


def spread(values):
	"""Median and the range of the middle half."""
	values = sorted(values)
	if len(values) < 3:
		return {"median": statistics.median(values), "low": values[0], "high": values[-1], "n": len(values)}
	quarters = statistics.quantiles(values, n=4)
	return {"median": statistics.median(values), "low": quarters[0], "high": quarters[2], "n": len(values)}


class Report:
	"""Rows of: what, figure with spread, budget, whether it is kept."""

	def __init__(self, title, description):
		parser = argparse.ArgumentParser(description=description)
		parser.add_argument("--json", action="store_true", help="rows as JSON")
		parser.add_argument("--quick", action="store_true", help="fewer repetitions")
		self.parser, self.title, self.rows = parser, title, []

	def arguments(self, root=True):
		self.args = self.parser.parse_args()
		self.command = " ".join([os.path.relpath(sys.argv[0], TOP)] + [a for a in sys.argv[1:] if a != "--json"])
		if root and os.getuid() != 0:
			sys.exit("%s: needs root" % sys.argv[0])
		return self.args

	def row(self, what, values, unit, budget=None, digits=2):
		values = [v for v in values if v is not None]
		if not values:
			return self.note(what, "not measured")
		s = spread(values)
		kept = None if budget is None else s["median"] <= budget
		self.rows.append({"what": what, "unit": unit, "budget": budget, "kept": kept, "digits": digits, **s})
		if not self.args.json:
			print(self.text(self.rows[-1]), flush=True)
		return s["median"]

	def note(self, what, text):
		self.rows.append({"what": what, "note": text})
		if not self.args.json:
			print(self.text(self.rows[-1]), flush=True)

	@staticmethod
	def text(row):
		if "note" in row:
			return "%-62s %s" % (row["what"], row["note"])
		return "%-62s %s" % (row["what"], Report.figure(row)) + (
			"" if row["budget"] is None else
			"   budget %g %s: %s" % (row["budget"], row["unit"], "kept" if row["kept"] else "EXCEEDED"))

	@staticmethod
	def figure(row):
		d = row["digits"]
		return "%.*f %s (%.*f to %.*f, n=%d)" % (d, row["median"], row["unit"], d, row["low"], d, row["high"], row["n"])

	def end(self):
		if self.args.json:
			print(json.dumps({"title": self.title, "command": self.command, "rows": self.rows}))


def start_record(hz, *args):
	"""A pitviper that records to nowhere and has attached."""
	proc = live.start_pitviper("record", "-q", "-F", hz, "-o", "/dev/null", "--format", "folded", *args)
	live.wait_attached(proc)
	time.sleep(0.15)
	return proc


def paired(measure, start, pairs):
	"""Ratios on / off of a figure, one a pair: each "on" against the "off" just before and just after it."""
	ratios = []
	off_before = measure()
	for _ in range(pairs):
		proc = start()
		if proc is None:
			return []
		try:
			on = measure()
		finally:
			proc.send_signal(signal.SIGINT)
			proc.communicate(timeout=30)
		off_after = measure()
		ratios.append(on / ((off_before + off_after) / 2))
		off_before = off_after
	return ratios


def thread_cpu_ns(pid, tid=None):
	"""CPU time of a thread (or of a single-threaded process) in ns, as the scheduler counts it."""
	with open("/proc/%d/task/%d/schedstat" % (pid, tid or pid)) as line:
		return int(line.read().split()[0])


def cpu_seconds(pid):
	return sum(thread_cpu_ns(pid, int(t)) for t in os.listdir("/proc/%d/task" % pid)) / 1e9


def bpf_stats(on):
	"""Switches the kernel's accounting of BPF run time; returns what it was."""
	path = "/proc/sys/kernel/bpf_stats_enabled"
	with open(path) as f:
		old = f.read().strip()
	with open(path, "w") as f:
		f.write("1" if on else "0")
	return old == "1"


def bpf_programs(pid):
	"""(run count, run ns, names) of the BPF programs that a process holds."""
	tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
	ids = set()
	for fd in os.listdir("/proc/%d/fdinfo" % pid):
		try:
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
				ids |= {int(line.split()[1]) for line in info if line.startswith("prog_id:")}
		except OSError:
			pass
	shown = json.loads(subprocess.run([tool, "-j", "prog", "show"], stdout=subprocess.PIPE).stdout)
	mine = [p for p in shown if p["id"] in ids]
	return {p["name"]: (p.get("run_cnt", 0), p.get("run_time_ns", 0)) for p in mine}


def map_bytes(pid):
	"""Memory of the BPF maps that a process holds, by name, as the kernel accounts it."""
	out = {}
	for fd in os.listdir("/proc/%d/fdinfo" % pid):
		try:
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
				fields = dict(line.split(":", 1) for line in info.read().split("\n") if ":" in line)
		except OSError:
			continue
		if "map_id" in fields:
			out[int(fields["map_id"])] = int(fields["memlock"])
	return sum(out.values())


def rss_anon(pid):
	with open("/proc/%d/status" % pid) as status:
		for line in status:
			if line.startswith("RssAnon:"):
				return int(line.split()[1]) * 1024
	return 0


def write_between(page, begin, end, text):
	"""Replaces what stands between two marks of a page."""
	with open(page, encoding="utf-8") as file:
		old = file.read()
	before, _, rest = old.partition(begin)
	_, _, after = rest.partition(end)
	if not after:
		sys.exit("%s: has no %r and %r" % (page, begin, end))
	with open(page, "w", encoding="utf-8") as file:
		file.write(before + begin + "\n" + text + "\n" + end + after)
