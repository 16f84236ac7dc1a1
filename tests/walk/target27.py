# -*- coding: utf-8 -*-
# SPDX-License-Identifier: BSD-2-Clause
"""What target.py is, in the syntax of CPython 2.7, with the modes that its fixtures need."""
import ctypes
import json
import os
import sys
import thread
import time

GATE = thread.allocate_lock()
GATE.acquire()
TIDS = {}
SPIN_SECONDS = 1.0
LIBC = ctypes.CDLL(None)


def hold(*_ignored):
	GATE.acquire()


class Old:
	def down(self, n):
		if n == 0:
			return list(self.items())
		return self.down(n - 1)

	def items(self):
		yield 1
		yield sorted([3], key=self.key)

	def key(self, _item):
		exec compile("hold()", "größe.py", "exec") in {"hold": hold}


def blocked():
	Old().down(2)


def deep():
	down(18)


def down(n):
	return across(n - 1) if n else hold()


def across(n):
	return list(map(down, (n,)))


def sleep():
	for _i in (time.sleep(n) for n in (10 ** 6,)):
		pass


def leaf(_item):
	return None


def spin():
	while True: list(map(leaf, (1,)))


def start_native():
	before = set(os.listdir("/proc/self/task"))
	made = ctypes.c_ulong()
	LIBC.pthread_create(ctypes.byref(made), None, LIBC.pause, None)
	return int((set(os.listdir("/proc/self/task")) - before).pop())


MODES = {f.__name__: f for f in (blocked, deep, sleep, spin)}


def start(mode):
	if mode == "native":
		return start_native(), None
	ident = thread.start_new_thread(run, (mode,))
	while mode not in TIDS:
		time.sleep(0.001)
	return TIDS[mode], ident


def run(mode):
	TIDS[mode] = LIBC.syscall(186)
	MODES[mode]()


def stack(ident):
	frame, found = sys._current_frames()[ident], []
	while frame:
		code = frame.f_code
		found.append([code.co_filename, code.co_name, frame.f_lineno])
		frame = frame.f_back
	return found[::-1]


def main():
	threads = {}
	if "spin" in sys.argv[1]:
		sys.setcheckinterval(1)
	for mode in sys.argv[1].split(","):
		tid, ident = start(mode)
		threads[mode] = {"tid": tid, "ident": ident, "stacks": []}
	time.sleep(0.5)
	end = time.time() + SPIN_SECONDS
	while time.time() < end:
		for one in threads.values():
			if one["ident"]:
				now = stack(one["ident"])
				if now not in one["stacks"]:
					one["stacks"].append(now)
	print json.dumps({"pid": os.getpid(), "version": sys.version.split()[0], "threads": threads})
	sys.stdout.flush()
	sys.stdin.read()
	os._exit(0)


main()
