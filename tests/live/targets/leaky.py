# SPDX-License-Identifier: BSD-2-Clause
"""Leaks in known lines, among churn.

It says which lines leak, in objects and in C's memory, before READY.  A line on standard input is a word and
numbers; each is answered by DONE and what the word says.
"""
import json
import os
import sys
import threading

LINES = {}
KEPT = []
LOCK = threading.Lock()

try:
    import ctypes
    C = ctypes.CDLL(None)
    C.malloc.restype = ctypes.c_void_p
    C.malloc.argtypes = [ctypes.c_size_t]
    C.free.argtypes = [ctypes.c_void_p]
except ImportError:
    ctypes = None


class Thing(object):
    def __init__(self, number):
        self.number = number
        self.name = "thing %d" % number


def here(what):
    LINES[what] = sys._getframe(1).f_lineno


def keep(number):
    here("objects"); KEPT.append(bytearray(64))


def keep_raw(number):
    here("raw"); C.malloc(200 + number % 3)


def churn(number):
    text = json.dumps({"number": number, "list": [1.5, number, "x" * (number % 50)]})
    things = [Thing(i) for i in range(5)]
    return len(json.loads(text)) + len(things)


def churn_raw(number):
    C.free(C.malloc(100 + number % 7))


def work(begin):
    begin.wait()
    number = 0
    while True:
        number += 1
        churn(number)
        if ctypes:
            churn_raw(number)
        if number % 10 == 0:
            keep(number)
            if ctypes:
                keep_raw(number)


def fork(*_):
    child = os.fork()
    if not child:
        while True:
            churn(7)
    return child


def start(n):
    """All begin together: those that run would keep the others from being made."""
    begin = threading.Event()
    for _ in range(n):
        thread = threading.Thread(target=work, args=(begin,))
        thread.daemon = True
        thread.start()
    begin.set()


def hold(n):
    """So many blocks of C's memory, for ever."""
    for number in range(n):
        keep_raw(number)


def leave(*_):
    os._exit(0)


def main():
    keep(0)
    if ctypes:
        keep_raw(0)
    start(1)
    print("LINES " + json.dumps(LINES))
    print("READY")
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        words = line.split()
        said = {"fork": fork, "threads": start, "hold": hold, "leave": leave}[words[0]](*map(int, words[1:]))
        print("DONE %s" % said)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
