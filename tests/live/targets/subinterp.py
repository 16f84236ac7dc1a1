# SPDX-License-Identifier: BSD-2-Clause
"""A thread of the main interpreter that runs Python code in a sub-interpreter (3.10 to 3.12).

Input: argv[1], how many calls of outer(); 1 if not given.  Output: READY, then CPU time in sub_leaf(), called by
sub_mid(), until its parent ends.  The main interpreter's frames below it are those of outer() and <module>.
"""
import sys

import _xxsubinterpreters as interpreters

CODE = """
import os, sys
parent = os.getppid()
def sub_leaf():
	while os.getppid() == parent:
		for _ in range(2000):
			pass
def sub_mid():
	sub_leaf()
os.write(1, b"READY\\n")
sub_mid()
"""


def outer(n):
	if n > 1:
		return outer(n - 1)
	return interpreters.run_string(interpreters.create(), CODE)


sys.setrecursionlimit(1000000)
outer(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
