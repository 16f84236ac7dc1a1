# SPDX-License-Identifier: BSD-2-Clause
"""A function of gevent's greenlets, all at once in one thread: each sleeps in the middle of it.

Output: READY, and after each line of input "DONE" with the microseconds that each call of fails() took.
"""
import sys
import time

import gevent

OWN = []


def sleeps(ms):
    gevent.sleep(ms / 1000.0)
    inner()


def inner():
    gevent.sleep(0.002)


def fails(k, ms):
    """As sleeps(), but every third ends by an exception; the others last four times as long."""
    start = time.perf_counter()
    gevent.sleep((ms if k % 3 == 0 else 4 * ms) / 1000.0)
    inner()
    OWN.append(int((time.perf_counter() - start) * 1e6))
    if k % 3 == 0:
        raise ValueError(k)


gevent.get_hub().NOT_ERROR += (ValueError,)
print("READY")
sys.stdout.flush()
for line in sys.stdin:
    words = line.split()
    n, ms = [int(word) for word in words[-2:]]
    if words[0] == "fails":
        gevent.joinall([gevent.spawn(fails, k, ms) for k in range(n)])
    else:
        gevent.joinall([gevent.spawn(sleeps, ms) for _ in range(n)])
    print("DONE", *OWN)
    sys.stdout.flush()
