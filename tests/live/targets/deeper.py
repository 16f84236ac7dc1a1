# SPDX-License-Identifier: BSD-2-Clause
"""Recursion deeper than any limit of a profiler, with a busy function at its end.

Input: argv[1], Python frames of rec() below leaf(); argv[2:], after each how many of them, counted from the leaf, a
call goes through C: sorted(), reduce() and map() in turn.  Output: READY from leaf(), which is busy until its parent
ends.
"""
import functools
import os
import sys
import threading

from pv_compat import say

PARENT = os.getppid()
THROUGH_C = set(int(n) for n in sys.argv[2:])


def leaf():
	say("READY")
	n = 0
	while n % 100000 or os.getppid() == PARENT:
		n += 1
	os._exit(0)


def rec(n):
	if n == 1:
		return leaf()
	if n in THROUGH_C:
		if n % 3 == 0:
			return sorted((n - 1,), key=rec)
		if n % 3 == 1:
			return functools.reduce(rec2, (0, n - 1))
		return list(map(rec, (n - 1,)))
	return rec(n - 1)


def rec2(_, n):
	return rec(n)


sys.setrecursionlimit(1000000)
threading.stack_size(512 << 20)
THREAD = threading.Thread(target=rec, args=(int(sys.argv[1]),))
THREAD.start()
THREAD.join()
