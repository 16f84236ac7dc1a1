# SPDX-License-Identifier: BSD-2-Clause
"""An object that is kept more and more often, and objects that become more and more.

Input: lines "take N", and "grow".  Output: READY and the address of the object; DONE after N more references to it, or
before growing for ever.
"""
import sys
import time

one, taken, kept = [1], [], []


def takes():
	taken.append(one)


def leaks():
	kept.append([object() for _ in range(200)])


def main():
	print("READY 0x%x" % id(one))
	sys.stdout.flush()
	for line in iter(sys.stdin.readline, ""):
		if line.startswith("take"):
			for _ in range(int(line.split()[1])):
				takes()
		print("DONE")
		sys.stdout.flush()
		while line.startswith("grow"):
			leaks()
			time.sleep(0.01)


main()
