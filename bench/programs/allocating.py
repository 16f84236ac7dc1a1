# SPDX-License-Identifier: BSD-2-Clause
"""A program that allocates: `go N` makes N objects and says the CPU time of one, TOOK ns; `work FILE` goes on
for ever and publishes units of work and its thread's CPU time in ns there, and reads no more.
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


def work(path):
    with open(path, "r+b") as file:
        page = mmap.mmap(file.fileno(), 24)
    units = 0
    while True:
        for _ in range(50):
            request(units)
        units += 1
        page[:16] = struct.pack("QQ", units, time.thread_time_ns())


def main():
    print("READY", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "work":
            work(words[1])
        print("TOOK %f" % make(int(words[1])), flush=True)


if __name__ == "__main__":
    main()
