# SPDX-License-Identifier: BSD-2-Clause
"""Python that calls an extension module that calls Python: what `trace --native` shows is known line by line.

Input: the module's directory, a copy of it; lines: what to do, how often.  Output: DONE and the module's own counts.
"""
import _ctypes
import ctypes
import json
import sys

sys.path.insert(0, sys.argv[1])
import trace_ext  # noqa: E402


def plain():
    return 1


def called_back():
    trace_ext.middle(1)
    return plain()


def whole():
    trace_ext.middle(2)
    trace_ext.call_back(called_back, 2)
    trace_ext.call_back(plain, 1)
    plain()


def throws():
    return trace_ext.throws(5)


def jumps():
    return trace_ext.jumps(5)


def switches():
    return trace_ext.switches(2)


def unloads():
    """A second copy of the module's functions: loaded, called, unloaded, and all of it again."""
    for _ in range(2):
        library = ctypes.CDLL(sys.argv[2])
        library.nat_middle(2)
        _ctypes.dlclose(library._handle)


def loads():
    return ctypes.CDLL(sys.argv[2])


def greenlets(n):
    import gevent

    def waits():
        gevent.sleep(0.001)
        trace_ext.middle(1)

    def runs():
        trace_ext.call_back(waits, 1)

    gevent.joinall([gevent.spawn(runs) for _ in range(n)])


def main():
    held = []
    print("READY")
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        word, n = line.split()
        if word == "greenlets":
            greenlets(int(n))
        elif word == "hold":
            held.append(loads())
        elif word == "let_go":
            _ctypes.dlclose(held.pop()._handle)
        else:
            for _ in range(int(n)):
                globals()[word]()
        print("DONE " + json.dumps(trace_ext.counts()))
        sys.stdout.flush()


main()
