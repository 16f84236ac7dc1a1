# SPDX-License-Identifier: BSD-2-Clause
"""Functions with durations of their own, and everything that may happen in the middle of a call.

A line on standard input is a word and numbers; each is answered by DONE and what the word says.
"""
import ctypes
import os
import select
import subprocess
import sys
import threading
import time


def sleeps(seconds):
    time.sleep(seconds)


def spins(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def quick():
    return 1


class One(object):
    def same(self):
        return 1


class Two(object):
    def same(self):
        return 2


def never_called():
    return 0


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def first_way(seconds):
    sleeps(seconds)


def second_way(seconds):
    return sorted([1], key=lambda _: sleeps(seconds) or 0)


def falls(n, seconds):
    if n:
        falls(n - 1, seconds)
    time.sleep(seconds)
    raise ValueError(n)


def yields(seconds):
    time.sleep(seconds)
    yield 1
    time.sleep(seconds)


def polls_here(ms):
    select.poll().poll(ms)


def polls_there(ms):
    select.poll().poll(ms)


def calls_once():
    quick()


def calls_twice():
    quick()
    quick()


def dies():
    ctypes.CDLL(None).pthread_exit(None)


def say(*words):
    print("DONE " + " ".join(str(word) for word in words))
    sys.stdout.flush()


def do_sleep(n, ms):
    for _ in range(int(n)):
        sleeps(float(ms) / 1000)
    say()


def do_ways(n, ms):
    for _ in range(int(n)):
        sleeps(0)
        first_way(float(ms) / 1000)
        for _ in range(2):
            second_way(float(ms) / 1000)
    say()


def do_fall(n, ms):
    for _ in range(int(n)):
        try:
            falls(1, float(ms) / 1000)
        except ValueError:
            pass
    say()


def do_yield(n, ms):
    for _ in range(int(n)):
        list(yields(float(ms) / 1000))
    say()


def do_poll(n, ms):
    for _ in range(int(n)):
        polls_here(int(ms))
        polls_there(int(ms))
        polls_there(int(ms))
    say()


def do_spin(n, ms):
    start = time.thread_time() if hasattr(time, "thread_time") else time.process_time()
    for _ in range(int(n)):
        spins(float(ms) / 1000)
    end = time.thread_time() if hasattr(time, "thread_time") else time.process_time()
    say(end - start)


def do_quick(n):
    for _ in range(int(n)):
        quick()
    say()


def do_callers(n):
    for _ in range(int(n)):
        calls_once()
        calls_twice()
    say()


def do_threads(n, calls):
    def body():
        for _ in range(int(calls)):
            quick()
    threads = [threading.Thread(target=body) for _ in range(int(n))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say()


def do_die(n):
    # threads that are gone in the middle of a call; nobody can join them
    for _ in range(int(n)):
        tasks = len(os.listdir("/proc/self/task"))
        threading.Thread(target=dies, daemon=True).start()
        while len(os.listdir("/proc/self/task")) > tasks:
            time.sleep(0.001)
    say()


def do_fork():
    pid = os.fork()
    if not pid:
        # goes on as a child that nobody watches
        while True:
            quick()
            time.sleep(0.01)
    say(pid)


def do_daemon():
    # the child lives on, and the parent ends at once
    if os.fork():
        os._exit(0)
    os.read(0, 1)
    os._exit(0)


def passes():
    return quick()


def do_forks(n, calls):
    children = []
    for _ in range(int(n)):
        pid = os.fork()
        if not pid:
            while True:
                time.sleep(60)
        children.append(pid)
        for _ in range(int(calls)):
            passes()
    say(*children)


def do_spawn(n):
    for _ in range(int(n)):
        subprocess.call(["true"])
    say()


def do_fib(n):
    while True:
        fib(int(n))


def do_jit():
    say(getattr(getattr(sys, "_jit", None), "is_enabled", bool)())


def do_exec():
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"])


def main():
    print("READY")
    sys.stdout.flush()
    for line in sys.stdin:
        words = line.split()
        globals()["do_" + words[0]](*words[1:])


main()
