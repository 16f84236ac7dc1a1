# SPDX-License-Identifier: BSD-2-Clause
"""300 distinct functions on one stack, one of them with a long line table; the leaf spins.

Input: argv[1], a directory for the generated source.  Output: READY, then CPU time until its parent ends.  Function
number N is called fN, in the file calls_made.py, and calls f(N+1) in its last line.
"""
import os
import sys

from pv_compat import say

DEPTH, LONG, STATEMENTS = 300, 150, 6000
PARENT = os.getppid()


def spin():
	while os.getppid() == PARENT:
		for _ in range(2000):
			pass


def source():
	for number in range(DEPTH):
		yield "def f%d(x):" % number
		if number == LONG:
			for statement in range(STATEMENTS):
				yield "\tx = x + %d" % (statement % 7)
		yield "\tf%d(x)" % (number + 1)
	yield "def f%d(x):" % DEPTH
	yield "\tspin()"


def main():
	path = os.path.join(sys.argv[1], "calls_made.py")
	with open(path, "w") as out:
		out.write("\n".join(source()) + "\n")
	with open(path) as text:
		space = {"spin": spin}
		exec(compile(text.read(), path, "exec"), space)
	code = space["f%d" % LONG].__code__
	table = getattr(code, "co_linetable", None) or code.co_lnotab
	assert len(table) > 14 * 1024, len(table)
	say("READY")
	space["f0"](0)


sys.setrecursionlimit(2000)
main()
