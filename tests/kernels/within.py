# SPDX-License-Identifier: BSD-2-Clause
"""Python that calls native functions that call Python.

Input: argv[1], within.c as a library; lines "go N".  Output: TRUTH and what whole() calls as a JSON list of [depth, name];
READY; DONE after N calls of whole().
"""
import ctypes
import json
import sys

library = ctypes.CDLL(sys.argv[1])
leaf, middle, back = library.within_leaf, library.within_middle, library.within_back


def called_back():
	middle(1)


callback = ctypes.CFUNCTYPE(None)(called_back)


def plain():
	return 1


def whole():
	middle(2)
	plain()
	back(callback, 2)
	leaf()


TRUTH = [
	(0, "whole"), (1, "within_middle"), (2, "within_leaf"), (2, "within_leaf"), (1, "plain"),
	(1, "within_back"),
	(2, "called_back"), (3, "within_middle"), (4, "within_leaf"),
	(2, "called_back"), (3, "within_middle"), (4, "within_leaf"),
	(2, "within_leaf"),
	(1, "within_leaf"),
]


def main():
	whole()
	print("TRUTH " + json.dumps(TRUTH))
	print("READY")
	sys.stdout.flush()
	for line in iter(sys.stdin.readline, ""):
		for _ in range(int(line.split()[1])):
			whole()
		print("DONE")
		sys.stdout.flush()


main()
