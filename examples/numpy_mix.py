#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""numpy at work, and what it costs: a program that knows where its time goes.

Input: options (--help).  Output: a line when it runs; when it ends, by a signal or after --seconds,
its account as JSON: CPU seconds of the process and, by the lines of work(), of its threads' own
clocks (CLOCK_THREAD_CPUTIME_ID), to hold beside what a profiler says.
Needs numpy (Debian's python3-numpy).
"""
import argparse
import json
import os
import signal
import sys
import threading
import time

# The product would run on threads of its own, of whose time our threads' clocks know nothing.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy  # noqa: E402

# Whether the time of a line is spent in C, in Python code, in the kernel, or in several of them.
LAYERS = {"product": "C", "sort": "C", "pick": "C", "loop": "Python", "temporary": "mixed", "read": "kernel"}


class Watch:
    """Of one thread: CPU time by part, and the line that each part is."""

    def __init__(self):
        self.cpu = dict.fromkeys(LAYERS, 0)
        self.lines = {}
        self.since = time.thread_time_ns()

    def done(self, part):
        """To be called on the line after the one that is the part."""
        now = time.thread_time_ns()
        self.cpu[part] += now - self.since
        self.lines[part] = sys._getframe(1).f_lineno - 1
        self.since = time.thread_time_ns()  # the account itself is nobody's time


class Data:
    def __init__(self, seed):
        rng = numpy.random.default_rng(seed)
        self.left, self.right = rng.random((2, 160, 160))
        self.values = rng.random(30000)
        self.index = rng.integers(0, len(self.values), 600000)
        self.prices = rng.integers(1, 1000, 30000).tolist()
        self.big = rng.random(400000)
        self.file = open("/dev/zero", "rb", buffering=0)
        self.block = bytearray(8 << 20)


def tax(prices):
    """The loop that one means to turn into numpy some day."""
    total = 0
    for price in prices:
        if price % 3:
            total += price * 19
        else:
            total += price * 7
    return total


def work(data, watch):
    data.left @ data.right
    watch.done("product")
    numpy.sort(data.values)
    watch.done("sort")
    data.values[data.index]
    watch.done("pick")
    tax(data.prices)
    watch.done("loop")
    data.big * 2 + data.big
    watch.done("temporary")
    data.file.readinto(data.block)
    watch.done("read")


def run(seed, stop, watches):
    data = Data(seed)
    watch = Watch()
    watches.append(watch)
    while not stop.is_set():
        work(data, watch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="that do the same (1)")
    parser.add_argument("--seconds", type=float, default=600, help="ends by itself after so long (600)")
    parser.add_argument("--wait", action="store_true",
                        help="begin when a line comes on standard input, end when the next one comes, and stay until its end")
    arguments = parser.parse_args()
    stop, watches = threading.Event(), []
    if not arguments.wait:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    print("numpy_mix: running, pid %d" % os.getpid(), flush=True)
    if arguments.wait:
        sys.stdin.readline()
    cpu = time.process_time()
    threads = [threading.Thread(target=run, args=(seed, stop, watches)) for seed in range(arguments.threads)]
    for thread in threads:
        thread.start()
    if arguments.wait:
        sys.stdin.readline()
    else:
        stop.wait(arguments.seconds)
    stop.set()
    for thread in threads:
        thread.join()
    account = {"process": time.process_time() - cpu, "function": "work", "parts": {
        part: {"cpu": sum(watch.cpu[part] for watch in watches) / 1e9, "line": watches[0].lines[part], "layer": layer}
        for part, layer in LAYERS.items()}}
    print(json.dumps(account), flush=True)
    if arguments.wait:
        sys.stdin.read()


main()
