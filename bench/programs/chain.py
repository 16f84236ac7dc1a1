# SPDX-License-Identifier: BSD-2-Clause
"""A chain of N distinct functions with a loop in the last: every frame has a code object of its own.

Input: argv[1], N.  Output: READY; then it computes until its parent ends.  For 2.7 and 3.6 to 3.15.
"""
import os
import sys

PARENT = os.getppid()
LEAF = """
def f0():
	total = 0
	for n in range(20000):
		total += n * n
	return total
"""
LINK = """
def f%d():
	return f%d()
"""


def main():
	depth = int(sys.argv[1])
	scope = {}
	exec(LEAF + "".join(LINK % (n, n - 1) for n in range(1, depth)), scope)
	first = scope["f%d" % (depth - 1)]
	print("READY")
	sys.stdout.flush()
	while os.getppid() == PARENT:
		first()


main()
