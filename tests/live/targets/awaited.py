# SPDX-License-Identifier: BSD-2-Clause
"""Functions that are waited for: what they do while a tracer attaches is decided from outside.

Commands, each answered by DONE:

stays N      an execution of stays(), which says INSIDE, waits for a line, and calls leaf() N times
shortly N     N calls of shortly()
cells N     the same of a function whose first instructions are of its cells
steps       a generator: three stays
deep N      recurses(N), whose innermost says INSIDE and waits
thread N    stays N in a new thread
ends N      shortly N in a new thread, which ends then
fork        a child that calls shortly() 1000 times, and ends
unrelated   a hundred calls of others
parent N    N calls of libc's getppid()
"""
import os
import sys
import threading


def leaf(x):
    return x


def wait():
    print("INSIDE")
    sys.stdout.flush()
    sys.stdin.buffer.readline()  # in C alone


def inner(n):
    wait()
    for i in range(n):
        leaf(i)


def stays(n):
    inner(n)
    return leaf(n)


def shortly(n):
    return n


def make():
    free = 1

    def cells(n):
        def within():
            return n + free
        return within
    return cells


cells = make()


def steps():
    yield leaf(1)
    yield leaf(2)


def recurses(n):
    if n:
        return recurses(n - 1)
    wait()
    return leaf(n)


def unrelated():
    for i in range(100):
        leaf(i)


def fork():
    pid = os.fork()
    if not pid:
        for i in range(1000):
            shortly(i)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def main():
    print("READY")
    sys.stdout.flush()
    for line in iter(sys.stdin.buffer.readline, b""):
        line = line.decode()
        word, args = line.split()[0], [int(a) for a in line.split()[1:]]
        if word == "stays":
            stays(*args)
        elif word == "thread":
            thread = threading.Thread(target=stays, args=args)
            thread.start()
            thread.join()
        elif word == "ends":
            thread = threading.Thread(target=shortly, args=args)
            thread.start()
            thread.join()
            # it has left Python then, and a moment later the kernel
            while len(os.listdir("/proc/self/task")) > 1:
                pass
        elif word in ("shortly", "cells"):
            for i in range(args[0]):
                (shortly if word == "shortly" else cells)(i)
        elif word == "steps":
            list(steps())
        elif word == "deep":
            recurses(*args)
        elif word == "unrelated":
            unrelated()
        elif word == "fork":
            fork()
        elif word == "parent":
            for i in range(args[0]):
                os.getppid()
        print("DONE")
        sys.stdout.flush()


main()
