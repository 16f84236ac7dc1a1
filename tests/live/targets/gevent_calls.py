# SPDX-License-Identifier: BSD-2-Clause
"""A function of gevent's greenlets, all at once in one thread: each sleeps in the middle of it."""
import sys

import gevent


def sleeps(ms):
    gevent.sleep(ms / 1000.0)
    inner()


def inner():
    gevent.sleep(0.002)


print("READY")
sys.stdout.flush()
for line in sys.stdin:
    n, ms = [int(word) for word in line.split()]
    gevent.joinall([gevent.spawn(sleeps, ms) for _ in range(n)])
    print("DONE")
    sys.stdout.flush()
