# SPDX-License-Identifier: BSD-2-Clause
"""A native function of gevent's greenlets, all at once in one thread: each sleeps in the middle of it."""
import ctypes
import sys

import gevent

library = ctypes.PyDLL(sys.argv[1])
CALLBACK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


@CALLBACK
def sleeps(ms):
    gevent.sleep(ms / 1000.0)
    return 0


def calls(ms):
    library.lib_call_back(sleeps, ctypes.c_void_p(ms))


print("READY")
sys.stdout.flush()
for line in sys.stdin:
    n, ms = [int(word) for word in line.split()]
    gevent.joinall([gevent.spawn(calls, ms) for _ in range(n)])
    print("DONE")
    sys.stdout.flush()
