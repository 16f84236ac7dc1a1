# SPDX-License-Identifier: BSD-2-Clause
"""Three threads that run bytecode and nothing else, at once where there is no GIL; the main one sleeps.

Input: none.  Output: READY; then work until its parent ends.
"""
import os
import threading

from pv_compat import say

PARENT = os.getppid()


def spins(number):
	STARTED.wait()
	while os.getppid() == PARENT:
		for _ in range(10000):
			number += 1


STARTED = threading.Barrier(4)
for which in range(3):
	threading.Thread(target=spins, args=(which,), daemon=True).start()
STARTED.wait()
say("READY")
threading.Event().wait()
