#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper latency` costs a call of a native function, and how long 5,000 functions take to probe.

Input: a program that calls a function of no contents and says its CPU time a call, without probes and
with that function watched; a library of 5,000 functions.  Output: ns more a call (an entry and a
return), that in costs of the same two places with probes whose program does nothing; from the first of
5,000 probes to the last, in batches, and from the signal that ends it until none is left.
"""
import json
import os
import signal
import subprocess
import tempfile
import time

import bare
import common
import live

BUDGET_TIMES = 1.3
N_MANY = 5000
BUDGET_DETACH_MS = 200

ONE = """
	.globl many_%d
	.type many_%d, @function
many_%d:
	.cfi_startproc
	push %%rbp
	.cfi_def_cfa_offset 16
	pop %%rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size many_%d, .-many_%d
"""


def build(directory):
	program, library, source = (os.path.join(directory, name) for name in ("callee", "libmany.so", "many.s"))
	with open(source, "w") as file:
		file.write(".section .note.GNU-stack,\"\"\n.text\n" + "".join(ONE % ((i,) * 5) for i in range(N_MANY)))
	subprocess.run(["cc", "-shared", "-o", library, source], check=True)
	return live.compile_c(os.path.join(common.PROGRAMS, "native_callee.c"), program, "-ldl"), library


def code(pid, path):
	"""The bytes of a file's code in a process."""
	with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb") as mem:
		for line in maps:
			fields = line.split(None, 5)
			if len(fields) == 6 and "x" in fields[1] and fields[5].strip() == path:
				start, end = (int(n, 16) for n in fields[0].split("-"))
				mem.seek(start)
				return mem.read(end - start)
	raise SystemExit("%s is not mapped" % path)


def start(victim, *args):
	return live.start_pitviper("latency", "--json", "--budget", 1000, "-p", victim.pid, *args)


def end(proc, stop=True):
	if stop and proc.poll() is None:
		proc.send_signal(signal.SIGINT)
	out, err = proc.communicate()
	if proc.returncode:
		raise SystemExit("pitviper: %s" % err.decode())
	return json.loads(out)


def wait(check, proc):
	while not check():
		if proc.poll() is not None:
			raise SystemExit("pitviper: %s" % proc.stderr.read().decode())


def watched(victim, program, n):
	"""ns a call while it is watched, with bare probes in the same places, and pitviper's own report."""
	plain = code(victim.pid, program)
	proc = start(victim, "callee")
	wait(lambda: code(victim.pid, program) != plain, proc)
	entry = code(victim.pid, program)
	bare.measure(victim, 1)
	# where it returns to is probed a moment later
	wait(lambda: code(victim.pid, program) != entry, proc)
	took = bare.measure(victim, n)
	now, first = code(victim.pid, program), bare.code_of(victim.pid, program)[1]
	places = [first + i for i in range(len(plain)) if now[i] != plain[i]]
	one = end(proc)
	fds = bare.probes(victim.pid, program, places)
	probed = bare.measure(victim, n)
	for fd in fds:
		os.close(fd)
	return took, probed, one


def many(victim, library):
	"""ms from the first of many probes to the last, from the end's signal until none is there."""
	plain = code(victim.pid, library)
	proc = start(victim, "libmany:many_*")

	def changed():
		return sum(a != b for a, b in zip(plain, code(victim.pid, library)))

	wait(changed, proc)
	begun = time.monotonic()
	wait(lambda: changed() == N_MANY, proc)
	attached = time.monotonic()
	proc.send_signal(signal.SIGINT)
	while code(victim.pid, library) != plain:
		pass
	gone = time.monotonic()
	end(proc, stop=False)
	return (attached - begun) * 1000, (gone - attached) * 1000


def main():
	report = common.Report("What watching native calls costs", __doc__)
	args = report.arguments()
	n = 50000 if args.quick else 200000
	more, hits, attach, detach = [], [], [], []
	with tempfile.TemporaryDirectory() as directory:
		program, library = build(directory)
		with live.Target([program, library]) as victim:
			for _ in range(3 if args.quick else 9):
				plain = bare.measure(victim, n)
				took, probed, one = watched(victim, program, n)
				if one["probes"]["stepped_hits"]:
					raise SystemExit("a place that should be cheap is single-stepped")
				more.append(took - plain)
				hits.append((took - plain) / (probed - plain))
				times = many(victim, library)
				attach.append(times[0])
				detach.append(times[1])
	report.row("a native call, entry and return", more, "ns")
	report.row("the same, to probes whose program does nothing", hits, "times", BUDGET_TIMES)
	report.row("%d functions, from the first probe to the last, two pauses of 10 ms included" % N_MANY, attach, "ms")
	report.row("the same, from the signal until none is left", detach, "ms", BUDGET_DETACH_MS)
	report.end()


main()
