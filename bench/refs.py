#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper refs` costs the followed process: a change of the count, and everything else while the count rests.

Input: a CPython and bench/programs/counted.py, which says its CPU time.  The machine's bare watchpoint is an event of
perf's on the same word, with nothing behind it.  Output: ns a change; the budget is twice the bare watchpoint plus the
program's own time (the walk), which pitviper says.  At rest: CPU time with and without, by turns.  Needs root.
"""
import ctypes
import json
import os
import signal
import statistics
import sys

import common
import live

N, REST = 20000, 3000000


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

	def do(self, what, n):
		self.target.say("%s %d" % (what, n))
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


def main():
	report = common.Report("What following a count costs", __doc__)
	args = report.arguments()
	rounds = 3 if args.quick else 9
	victim = Victim()
	try:
		victim.do("change", N)
		changes, plain, traps, whole, programs = [], [], [], [], []
		rest_without, rest_with = [], []
		for _ in range(rounds):
			without = victim.do("change", N)
			fd = bare(victim.pid, victim.address)
			trapped = victim.do("change", N)
			hits = int.from_bytes(os.read(fd, 8), "little")
			os.close(fd)
			follow = Follow(victim)
			rest_with.append(victim.do("rest", REST))
			followed = victim.do("change", N)
			found = follow.end()
			rest_without.append(victim.do("rest", REST))
			n = len(found["changes"])
			if found["quality"]["lost"] or n + found["quality"]["unchanged"] < hits:
				sys.exit("%d of %d changes were told" % (n, hits))
			plain.append(without / n)
			traps.append((trapped - without) / hits)
			whole.append((followed - without) / n)
			programs.append(found["cost"]["program_ns"] / n)
			changes.append(whole[-1] / (2 * traps[-1] + programs[-1]))
		report.row("a change, not followed", plain, "ns", digits=0)
		report.row("the machine's bare watchpoint", traps, "ns", digits=0)
		report.row("a followed change", whole, "ns", digits=0)
		report.row("of that in the program: reading, walking, telling", programs, "ns", digits=0)
		report.row("a followed change, in (2 bare watchpoints + the program)", changes, "times", budget=1)
		report.row("while the count rests, by the same without",
			   [a / statistics.median(rest_without) for a in rest_with], "times", budget=1.03, digits=3)
	finally:
		victim.target.stop()
	report.end()


main()
