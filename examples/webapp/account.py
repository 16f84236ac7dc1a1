# SPDX-License-Identifier: BSD-2-Clause
"""The app's own account of its CPU time, to hold beside what a profiler says.

Input: the handlers, which say after each part of their work that it is done.  Output: a file for
each process in the directory $WEBAPP_ACCOUNT, written by way of shared memory, so that it may be
read while the app runs: read(), or `python3 account.py DIRECTORY`.

The clock is the thread's own CPU time (CLOCK_THREAD_CPUTIME_ID): time that a thread waits, for the
GIL, for another process or for the network, is nobody's.  Standard library, Python 3.8 or newer.
"""
import json
import mmap
import os
import sys
import threading
import time

# Each is one line of one handler in handlers.py.  It spends its time in Python code, in C code,
# or in the kernel; "mixed" is in all of them.  What the interpreter does for Python code in C
# functions of its own, such as adding numbers, is Python here, and C in pitviper's answer.
PARTS = {
    "report/fetch_orders": "C",
    "report/to_row": "mixed",
    "report/dumps": "C",
    "search/find": "C",
    "thumbnail/shrink": "Python",
    "thumbnail/compress": "C",
    "download/read_file": "kernel",
}
NAMES = ["process", "application"] + list(PARTS)
# cells of a name: CPU time in ns, how often, line in handlers.py
CPU, COUNT, LINE, WIDTH = range(4)
AT = {name: number * WIDTH for number, name in enumerate(NAMES)}
SIZE = len(NAMES) * WIDTH * 8  # bytes


class Account:
    """Of one process, from begin() or its first part on.  Another process may read the cells at any time."""

    def __init__(self):
        self.cells = None
        self.lock = threading.Lock()

    def begin(self):
        directory = os.environ.get("WEBAPP_ACCOUNT")
        if directory:
            with open(os.path.join(directory, str(os.getpid())), "w+b") as file:
                file.truncate(SIZE)
                shared = mmap.mmap(file.fileno(), SIZE)
        else:
            shared = mmap.mmap(-1, SIZE)
        self.start = time.process_time_ns()  # what the process did before is not part of the account
        self.cells = memoryview(shared).cast("Q")

    def add(self, name, ns, line=0):
        at = AT[name]
        with self.lock:
            if not self.cells:
                self.begin()
            self.cells[at + CPU] += ns
            self.cells[at + COUNT] += 1
            self.cells[at + LINE] = line

    def end(self, ns):
        """Of a request, which took so long."""
        self.add("application", ns)
        self.cells[AT["process"]] = time.process_time_ns() - self.start


ACCOUNT = Account()
os.register_at_fork(after_in_child=ACCOUNT.__init__)  # a process has its own cells, and a lock that nobody holds


class Watch:
    """Of one request: what the thread's CPU clock said when the last part ended."""

    def __init__(self, page):
        self.page = page
        self.since = time.thread_time_ns()

    def done(self, part):
        """To be called on the line after the one that is the part."""
        now = time.thread_time_ns()
        ACCOUNT.add(self.page + "/" + part, now - self.since, sys._getframe(1).f_lineno - 1)
        self.since = time.thread_time_ns()  # the account itself is nobody's time


def measured(application):
    """A WSGI application, the framework's own share of the time included."""
    def call(environ, start_response):
        since = time.thread_time_ns()
        try:
            return application(environ, start_response)
        finally:
            ACCOUNT.end(time.thread_time_ns() - since)
    ACCOUNT.begin()
    return call


def read(directory):
    """{pid: {name: {"cpu": seconds, "count": n, "line": n}}} of all processes so far."""
    account = {}
    for pid in os.listdir(directory):
        with open(os.path.join(directory, pid), "rb") as file:
            data = file.read()
        if len(data) < SIZE:  # the process has just begun
            continue
        cells = memoryview(data).cast("Q")
        account[int(pid)] = {
            name: {"cpu": cells[at + CPU] / 1e9, "count": cells[at + COUNT], "line": cells[at + LINE]}
            for name, at in AT.items()}
    return account


def table(directory):
    """What a person wants to know: shares of all the processes' CPU time."""
    processes = read(directory).values()
    total = sum(process["process"]["cpu"] for process in processes)
    lines = ["what the app's own clock says, of %.2f s of CPU time:" % total]
    spent = {name: sum(process[name]["cpu"] for process in processes) for name in NAMES}
    for page in dict.fromkeys(name.partition("/")[0] for name in PARTS):
        parts = [name for name in PARTS if name.startswith(page + "/")]
        rows = [(page, sum(spent[name] for name in parts), "")]
        rows += [("  " + name.partition("/")[2], spent[name], PARTS[name]) for name in parts]
        lines += ["  %5.1f %%  %-20s %s" % (100 * cpu / max(total, 1e-9), name, layer) for name, cpu, layer in rows]
    rest = total - sum(spent[name] for name in PARTS)
    lines.append("  %5.1f %%  all else: framework and server" % (100 * rest / max(total, 1e-9)))
    lines.append("Python code here includes the interpreter's own C functions, which count as C in pitviper's first line")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
