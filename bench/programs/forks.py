# SPDX-License-Identifier: BSD-2-Clause
"""Forks: "fork" makes a child that stays until "end", and says its number and when fork() was called, in ns."""
import os
import signal
import sys
import time


def quick():
    return 1


quick()
print("READY")
sys.stdout.flush()
child = 0
for line in sys.stdin:
    if line.startswith("fork"):
        began = time.monotonic_ns()
        child = os.fork()
        if not child:
            while True:
                signal.pause()
        print("CHILD %d %d" % (child, began))
        sys.stdout.flush()
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("ENDED")
        sys.stdout.flush()
