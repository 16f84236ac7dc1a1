# SPDX-License-Identifier: BSD-2-Clause
"""Busy functions whose names and files hold what a terminal obeys; the process has such a name, too.

Input: none, or "wait": it waits in such a file instead.  Output: READY, then work until its parent ends.
"""
import os
import sys
import time

PARENT = os.getppid()
NAMES = ["\x1b[31mred", "two\nlines", "\u202eesrever", "\x9bC1"]


def burn():
	for _ in range(300000):
		pass


def renamed(function, name, file):
	changes = {"co_name": name, "co_filename": "/srv/%s.py" % file}
	if sys.version_info >= (3, 11):
		changes["co_qualname"] = name
	return type(function)(function.__code__.replace(**changes), globals())


def wait():
	while True:
		time.sleep(3600)


def main():
	with open("/proc/self/comm", "w") as comm:
		comm.write("\x1b[5m\x9bname")
	functions = [renamed(burn, name, name) for name in NAMES]
	print("READY", flush=True)
	if len(sys.argv) > 1:
		renamed(wait, "\u202ewait", "\x1b[2J")()
	while os.getppid() == PARENT:
		for function in functions:
			function()


main()
