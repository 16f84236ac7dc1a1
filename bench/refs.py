#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper refs` costs the followed process: a change of the count, and everything else while the count rests.

Input: a CPython and bench/programs/counted.py, which says its CPU time.  The machine's bare watchpoint is an event of
perf's on the same word, with nothing behind it.  The walk is what `pitviper record` pays for a sample of the same loop,
by the kernel's account of BPF programs, in the same round; nothing that refs says of itself counts.  Output: ns a change;
the budget is twice the bare watchpoint plus the walk.  At rest: CPU time with and without, by turns.  Needs root.
"""
import ctypes
import json
import os
import signal
import statistics
import sys
import tempfile

import common
import live

N, REST, WALKED = 20000, 3000000, 4000000


class Attr(ctypes.Structure):
	_fields_ = [("type", ctypes.c_uint32), ("size", ctypes.c_uint32), ("config", ctypes.c_uint64),
		    ("sample_period", ctypes.c_uint64), ("sample_type", ctypes.c_uint64), ("read_format", ctypes.c_uint64),
		    ("flags", ctypes.c_uint64), ("wakeup", ctypes.c_uint32), ("bp_type", ctypes.c_uint32),
		    ("bp_addr", ctypes.c_uint64), ("bp_len", ctypes.c_uint64), ("rest", ctypes.c_uint8 * 64)]


def bare(tid, address):
	attr = Attr(type=5, size=112, sample_period=1, bp_type=2, bp_addr=address, bp_len=8)
	fd = ctypes.CDLL(None, use_errno=True).syscall(298, ctypes.byref(attr), tid, -1, -1, 0)
	if fd < 0:
		sys.exit("no debug register: %s" % os.strerror(ctypes.get_errno()))
	return fd


class Victim:
	def __init__(self):
		self.target = common.program("counted.py", ready=False)
		self.address = int(self.target.wait_line(b"READY").split()[1])
		self.pid = self.target.pid

	def rest(self, n):
		return self.ask("rest %d" % n)

	def change(self, n, depth):
		return self.ask("change %d %d" % (n, depth))

	def ask(self, words):
		self.target.say(words)
		return int(self.target.wait_line(b"DONE").split()[1])


class Follow:
	def __init__(self, victim):
		self.proc = live.start_pitviper("refs", "--json", "-p", victim.pid, "-n", 5000000, hex(victim.address))
		said = b""
		while b"pitviper: watching" not in said:
			line = self.proc.stderr.readline()
			if not line:
				sys.exit("pitviper: %s" % said.decode())
			said += line

	def end(self):
		self.proc.send_signal(signal.SIGINT)
		return json.loads(self.proc.communicate()[0])


def run_ns(pid):
	"""What the kernel says that the BPF programs of a pitviper have taken."""
	return sum(ns for _, ns in common.bpf_programs(pid).values())


def walk(victim, depth):
	"""ns that record pays for a sample of the loop that changes the count, not followed."""
	with tempfile.NamedTemporaryFile(suffix=".folded") as output:
		proc = live.start_pitviper("record", "-q", "-F", 4999, "-o", output.name, "-p", victim.pid)
		live.wait_attached(proc)
		victim.change(N, depth)	# the first samples fill caches and copy names
		before = run_ns(proc.pid)
		victim.change(WALKED, depth)
		spent = run_ns(proc.pid) - before
		live.interrupt(proc)
		samples = live.total(live.parse_folded(output.name))
	# those of the first N are among them: a few in a thousand
	return spent / samples


class Figures:
	"""Of a loop so many Python calls below the program's own."""

	def __init__(self, depth):
		self.depth, self.plain, self.traps, self.whole, self.programs, self.walks, self.ratios = depth, [], [], [], [], [], []

	def round(self, victim):
		without = victim.change(N, self.depth)
		fd = bare(victim.pid, victim.address)
		trapped = victim.change(N, self.depth)
		hits = int.from_bytes(os.read(fd, 8), "little")
		os.close(fd)
		self.walks.append(walk(victim, self.depth))
		follow = Follow(victim)
		rest = victim.rest(REST)
		account = run_ns(follow.proc.pid)
		followed = victim.change(N, self.depth)
		account = run_ns(follow.proc.pid) - account
		found = follow.end()
		n = len(found["changes"])
		if found["quality"]["lost"] or n + found["quality"]["unchanged"] < hits:
			sys.exit("%d of %d changes were told" % (n, hits))
		self.plain.append(without / n)
		self.traps.append((trapped - without) / hits)
		self.whole.append((followed - without) / n)
		self.programs.append(account / n)
		self.ratios.append(self.whole[-1] / (2 * self.traps[-1] + self.walks[-1]))
		return rest

	def tell(self, report):
		where = "%d calls deep" % self.depth
		report.row("a change, not followed, " + where, self.plain, "ns", digits=0)
		report.row("the machine's bare watchpoint", self.traps, "ns", digits=0)
		report.row("a followed change, " + where, self.whole, "ns", digits=0)
		report.row("of that in BPF programs, by the kernel's account", self.programs, "ns", digits=0)
		report.row("a sample of record's in the same loop, by the same (the walk)", self.walks, "ns", digits=0)
		report.row("a followed change, in (2 bare watchpoints + the walk)", self.ratios, "times", budget=1)


def main():
	report = common.Report("What following a count costs", __doc__)
	args = report.arguments()
	rounds = 3 if args.quick else 9
	victim, old = Victim(), common.bpf_stats(True)
	loops, with_it, without = [Figures(0), Figures(50)], [], []
	try:
		victim.change(N, 0)
		for _ in range(rounds):
			for loop in loops:
				with_it.append(loop.round(victim))
				without.append(victim.rest(REST))
		for loop in loops:
			loop.tell(report)
		report.row("while the count rests, by the same without",
			   [a / statistics.median(without) for a in with_it], "times", budget=1.03, digits=3)
	finally:
		victim.target.stop()
		common.bpf_stats(old)
	report.end()


main()
