# SPDX-License-Identifier: BSD-2-Clause
"""A program that allocates: `go N` makes N objects and says the CPU time of one, TOOK ns; `work FILE [KEEP [PACE]]` goes
on for ever and publishes units of work and its thread's CPU time in ns there, and reads no more.  It keeps an object of each
KEEP units, and does PACE units a second (0: none, as many as can be).
"""
import itertools
import json
import mmap
import struct
import sys
import time


def make(n):
    start = time.thread_time_ns()
    kept = [object() for _ in itertools.repeat(None, n)]
    took = (time.thread_time_ns() - start) / len(kept)
    del kept
    return took


class Thing:
    def __init__(self, number):
        self.number = number
        self.name = "thing %d" % number


def request(number):
    text = json.dumps({"number": number, "list": [1.5, number, "x" * (number % 50)]})
    return len(json.loads(text)), [Thing(i) for i in range(5)]


def work(path, keep=0, pace=0):
    with open(path, "r+b") as file:
        page = mmap.mmap(file.fileno(), 24)
    units, kept = 0, []
    while True:
        for _ in range(50):
            request(units)
        units += 1
        if keep and not units % keep:
            kept.append(Thing(units))
        page[:16] = struct.pack("QQ", units, time.thread_time_ns())
        if pace:
            time.sleep(1 / pace)


def main():
    print("READY", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "work":
            work(words[1], *(int(word) for word in words[2:]))
        print("TOOK %f" % make(int(words[1])), flush=True)


if __name__ == "__main__":
    main()
