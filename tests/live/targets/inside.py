# SPDX-License-Identifier: BSD-2-Clause
"""Executions of a function that makes calls of every kind (counted.py), and what sys.setprofile saw in one.

Says TRUTH and a JSON list of the calls in the order of their beginnings, [depth, name, line, file], then
READY.  Commands, each answered by DONE and what they tell:

go N        N executions of round_trip()
profiled N  the same with the profile function on: a JSON list of lists as in TRUTH
and what main() has besides.
"""
import ctypes
import json
import os
import sys
import threading
import time

import counted

pthread_exit = ctypes.CDLL(None).pthread_exit
events = []
stack = []


def round_trip():
    counted.in_one_thread()


def profile(frame, event, arg):
    code = frame.f_code
    if event == "call":
        stack.append(code)
        if round_trip.__code__ in stack:
            depth = len(stack) - 1 - stack.index(round_trip.__code__)
            events.append((depth, code))
    elif event == "return":
        assert not stack or stack.pop() is code


def profiled():
    del events[:]
    del stack[:]
    sys.setprofile(profile)
    round_trip()
    sys.setprofile(None)
    return [[depth, getattr(code, "co_qualname", code.co_name), code.co_firstlineno, os.path.basename(code.co_filename)]
            for depth, code in events]


def quick(x):
    return x


def outer(n):
    for i in range(n):
        quick(i)


def sleeps(seconds):
    outer(2)
    if seconds > 60:
        print("ASLEEP")
        sys.stdout.flush()
    time.sleep(seconds)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def dies():
    quick(1)
    pthread_exit(None)


def die(n):
    # threads that are gone in the middle of a call; nobody can join them
    for _ in range(n):
        tasks = len(os.listdir("/proc/self/task"))
        thread = threading.Thread(target=dies)
        thread.daemon = True
        thread.start()
        while len(os.listdir("/proc/self/task")) > tasks:
            time.sleep(0.001)


def levels():
    passes(1)


def steps():
    yield 1
    quick(1)
    yield 2


def made(name):
    """A function whose code object has the same size whatever its name."""
    space = {}
    exec(compile("def %s():\n    return 1\n" % name, __file__, "exec"), space)
    return space[name]


passing = made("passing")


def replaces():
    """Calls of another function whose code object is where passing()'s was."""
    global passing
    at, others = id(passing.__code__), []
    passing = None
    for _ in range(1000):
        others.append(made("another"))
        if id(others[-1].__code__) == at:
            return [others[-1]() for _ in range(5)]
    return []


def passes(x):
    return outer(x)


def in_threads(n, rounds):
    def body():
        for _ in range(rounds):
            outer(3)
    threads = [threading.Thread(target=body) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def runs_late():
    # a function that nobody has seen before, gone again before anybody could ask for its name
    space = {"quick": quick}
    exec(compile("def late(n):\n    return [quick(i) for i in range(n)]\n", "late.py", "exec"), space)
    space.pop("late")(2)


def runs_in_turn(n):
    # functions that differ in nothing but their name, each at the place of the one before
    for i in range(n):
        name = "turn_%04d" % i
        space = {}
        exec(compile("def %s():\n    return 1\n" % name, "turn.py", "exec"), space)
        space.pop(name)()


def do_fork():
    pid = os.fork()
    if not pid:
        while True:
            outer(1)
            time.sleep(0.001)
    return pid


def do_daemon():
    """The child lives on, the parent ends at once, as daemons begin."""
    pid = os.fork()
    if pid:
        os._exit(0)
    os.read(0, 1)
    os._exit(0)


def gathers(gate):
    quick(1)
    gate.wait()


def crowd(n):
    """So many executions of gathers() at once."""
    gate = threading.Barrier(n + 1)
    threads = [threading.Thread(target=gathers, args=(gate,)) for _ in range(n)]
    for thread in threads:
        thread.start()
    while gate.n_waiting < n:
        time.sleep(0.001)
    gate.wait()
    for thread in threads:
        thread.join()


def main():
    counted.in_one_thread()  # what is done once only, such as the cache, is over
    profiled()
    print("TRUTH " + json.dumps(profiled()))
    print("READY")
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        word, args = line.split()[0], [float(a) for a in line.split()[1:]]
        told = ""
        if word == "go":
            for _ in range(int(args[0])):
                round_trip()
        elif word == "profiled":
            told = json.dumps([profiled() for _ in range(int(args[0]))])
        elif word == "outer":
            outer(int(args[0]))
        elif word == "sleeps":
            for seconds in args:
                sleeps(seconds)
        elif word == "fib":
            fib(int(args[0]))
        elif word == "die":
            die(int(args[0]))
        elif word == "levels":
            levels()
        elif word == "replaces":
            told = str(len(replaces()))
        elif word == "steps":
            list(steps())
        elif word == "threads":
            in_threads(int(args[0]), int(args[1]))
        elif word == "crowd":
            crowd(int(args[0]))
        elif word == "daemon":
            do_daemon()
        elif word == "late":
            runs_late()
        elif word == "turn":
            runs_in_turn(int(args[0]))
        elif word == "fork":
            told = str(do_fork())
        elif word == "exec":
            os.execv(sys.executable, [sys.executable, "-c", "import sys; print('DONE'); sys.stdout.flush(); sys.stdin.read()"])
        print(("DONE " + told).strip())
        sys.stdout.flush()


main()
