# SPDX-License-Identifier: BSD-2-Clause
"""Deep stacks: Python alone, and Python through C callbacks, to known depths.

Input: argv[1], Python depth; argv[2], levels of nested sorted() callbacks.  Output: READY, then
alternates between the two until its parent ends.
"""
import os
import sys
import threading

from pv_compat import say

PARENT = os.getppid()


def spin():
	for _ in range(300000):
		pass


def straight(n):
	if n == 0:
		return spin()
	return straight(n - 1)


def nested(n):
	if n == 0:
		return spin() or 0
	sorted((n - 1,), key=nested)
	return 0


def main():
	sys.setrecursionlimit(100000)
	say("READY")
	while os.getppid() == PARENT:
		straight(int(sys.argv[1]))
		nested(int(sys.argv[2]))


threading.stack_size(512 << 20)
THREAD = threading.Thread(target=main)
THREAD.start()
THREAD.join()
