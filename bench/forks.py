#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""From the fork of a process whose calls are watched until no breakpoint is left in the child.

Input: a program that forks and says when, with `latency` and with `trace` on it; the bytes of the child's code at the
places where its parent has breakpoints, read over and over.  Output: milliseconds from the call of fork() until they
are the file's, by when the parent has its breakpoints by a new link, too.  Needs root.
"""
import os
import signal
import time

import common
import live

COMMANDS = {
	"latency": ["latency", "--json", "quick"],
	"trace": ["trace", "--arm-now", "--json", "-o", "/dev/null", "--format", "folded", "quick"],
}
LIMIT_S = 10	# a child that is not clean by then is told as that


def code_parts(pid):
	"""Of all files: where their code is mapped, and its true bytes."""
	with open("/proc/%d/maps" % pid) as maps:
		for line in maps:
			fields = line.split(None, 5)
			if "x" not in fields[1] or "/" not in line:
				continue
			start, end = (int(n, 16) for n in fields[0].split("-"))
			with open("/proc/%d/map_files/%x-%x" % (pid, start, end), "rb") as file:
				file.seek(int(fields[2], 16))
				yield start, file.read(end - start)


def broken(pid):
	"""The breakpoints of a process: their addresses, with the byte that is the file's."""
	found = []
	with open("/proc/%d/mem" % pid, "rb") as mem:
		for start, true in code_parts(pid):
			mem.seek(start)
			code = mem.read(len(true))
			if code != true:
				found += [(start + i, true[i]) for i in range(len(true)) if code[i] != true[i]]
	return found


def left(mem, places):
	"""How many of the places still have another byte than the file's."""
	n = 0
	for address, true in places:
		mem.seek(address)
		n += mem.read(1)[0] != true
	return n


def clean_ms(victim):
	places = broken(victim.pid)
	victim.say("fork")
	_, child, began = victim.wait_line(b"CHILD").split()
	try:
		with open("/proc/%d/mem" % int(child), "rb", buffering=0) as mem:
			while left(mem, places):
				if time.monotonic_ns() - int(began) > LIMIT_S * 1e9:
					raise SystemExit("after %d s the child still has breakpoints" % LIMIT_S)
			took = (time.monotonic_ns() - int(began)) / 1e6
		with open("/proc/%d/mem" % victim.pid, "rb", buffering=0) as mem:
			if left(mem, places) != len(places):
				raise SystemExit("the parent has lost breakpoints")
	finally:
		victim.say("end")
		victim.wait_line(b"ENDED")
	return took, len(places)


def measure(name, command, repeats):
	"""The figures, and how many places the parent has breakpoints at."""
	with common.program("forks.py") as victim:
		proc = live.start_pitviper(command[0], "--budget", 100, "-p", victim.pid, *command[1:])
		try:
			while not broken(victim.pid):
				if proc.poll() is not None:
					raise SystemExit("%s: %s" % (name, proc.stderr.read().decode()))
				time.sleep(0.01)
			time.sleep(0.3)
			found = [clean_ms(victim) for _ in range(repeats)]
		finally:
			proc.send_signal(signal.SIGINT)
			proc.communicate(timeout=30)
	return [ms for ms, _ in found], found[-1][1]


def main():
	report = common.Report("Fork of a watched process", __doc__)
	args = report.arguments()
	for name, command in COMMANDS.items():
		ms, n = measure(name, command, 5 if args.quick else 25)
		report.row("%s: fork() until the child has none of %d breakpoints" % (name, n), ms, "ms", 200, 0)
	report.end()


main()
