# SPDX-License-Identifier: BSD-2-Clause
"""gevent_calls.py for interpreters without gevent: the same functions, which take turns by switch_ext.c.

Input: the module's directory; lines as gevent_calls.py's.
"""
import functools
import sys
import threading
import time

sys.path.insert(0, sys.argv[1])
import _greenlet  # noqa: E402

OWN = []


def pause(ms, then=None):
    if then:
        then()
    end = time.perf_counter() + ms / 1000.0
    while time.perf_counter() < end:
        _greenlet.turn()


def sleeps(ms):
    pause(ms)
    inner()


def inner():
    pause(2)


def fails(k, ms):
    start = time.perf_counter()
    pause(ms if k % 3 == 0 else 4 * ms)
    inner()
    OWN.append(int((time.perf_counter() - start) * 1e6))
    if k % 3 == 0:
        raise ValueError(k)


def quick():
    return 1


def goes_on():
    """Another execution begins, in a greenlet; this one is none of it, though it is below an old place of pause()'s."""
    _greenlet.start([functools.partial(sleeps, 1e6)])
    quick()


def reused():
    """The frames of one that can never end, and are gone with its thread, become others'."""
    thread = threading.Thread(target=_greenlet.start, args=([functools.partial(sleeps, 1e6)],))
    thread.start()
    thread.join()
    _greenlet.drop()
    pause(0, goes_on)


print("READY")
sys.stdout.flush()
for line in sys.stdin:
    words = line.split()
    if words[0] == "reused":
        reused()
        print("DONE")
        sys.stdout.flush()
        continue
    n, ms = [int(word) for word in words[-2:]]
    if words[0] == "fails":
        results = _greenlet.run([functools.partial(fails, k, ms) for k in range(n)])
        assert results == ["ValueError" if k % 3 == 0 else None for k in range(n)], results
    else:
        _greenlet.run(n * [functools.partial(sleeps, ms)])
    print("DONE", *OWN)
    sys.stdout.flush()
