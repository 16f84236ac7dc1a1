#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mysqlclient and a MariaDB server of its own: what does the conversion of rows call?

run:   starts a server (or takes that of `start`), fetches rows until Ctrl-C or --seconds, prints its account (rows.py)
start: a server that stays until `stop`
stop:  ends it, and removes all that it wrote

Input: options (--help).  Output: a line with the PID to record when it runs; when it ends, its own account.
The server's files are in a temporary directory, its port is on the loopback interface, nothing of the system's
MariaDB is touched (server.py).  Needs MariaDB and mysqlclient: Debian's mariadb-server-core and python3-mysqldb.
"""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

import server

STAYS = os.path.join(tempfile.gettempdir(), "pitviper-mariadb-%d" % os.getuid())


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "start", "stop"])
    parser.add_argument("--seconds", type=float, default=600, help="run: ends by itself after so long (600)")
    parser.add_argument("--queries", type=int, default=0, help="run: ends after so many, 2,000 rows each (no limit)")
    parser.add_argument("--wait", action="store_true",
                        help="run: begins when a line comes on standard input, so that a tracer sees the first row, too")
    parser.add_argument("--json", action="store_true", help="run: the account as one line of JSON")
    return parser.parse_args()


def start():
    if os.path.lexists(STAYS):
        if not server.is_mine(STAYS):
            raise server.Problem("%s is not yours: remove it, or set TMPDIR" % STAYS)
        pid = server.is_running(STAYS)
        if pid:
            raise server.Problem("one runs already, pid %d, in %s" % (pid, STAYS))
        shutil.rmtree(STAYS)  # of one whose keeper was killed
    os.mkdir(STAYS, 0o700)
    _, settings = server.start(STAYS, lifeline=False)
    print("mariadb: server on %s:%d, in %s; run.py stop ends it" % (settings["host"], settings["port"], STAYS))


def stop():
    pid = os.path.lexists(STAYS) and server.is_mine(STAYS) and server.is_running(STAYS)
    if not pid:
        raise server.Problem("none runs that run.py start has started: there is no %s with one" % STAYS)
    server.stop(pid)
    print("mariadb: stopped, %s is gone" % STAYS)


def run(arguments):
    try:
        import rows
    except ImportError as error:
        raise server.Problem("%s for %s: tools/install-deps --examples, or Debian's python3-mysqldb" % (error, sys.executable))

    keeper = None
    if os.path.lexists(STAYS) and server.is_mine(STAYS) and server.is_running(STAYS):
        settings = server.settings(STAYS)
    else:
        keeper, settings = server.start(tempfile.mkdtemp(prefix="pitviper-mariadb-"), lifeline=True)
    try:
        work(rows, settings, arguments)
    finally:
        if keeper:
            server.stop(keeper)


def work(rows, settings, arguments):
    stopped = []
    program = rows.Program(settings)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, lambda *_: stopped.append(True))
    print("mariadb: %s, pid %d" % ("ready" if arguments.wait else "running", os.getpid()), flush=True)
    if arguments.wait:
        sys.stdin.readline()
    signal.setitimer(signal.ITIMER_REAL, arguments.seconds)
    account = program.run(arguments.queries, lambda: stopped)
    print(json.dumps(account) if arguments.json else rows.table(account), flush=True)


def main():
    arguments = options()
    try:
        {"run": lambda: run(arguments), "start": start, "stop": stop}[arguments.what]()
    except server.Problem as problem:
        sys.exit("mariadb: %s" % problem)
    except KeyboardInterrupt:
        sys.exit(130)


main()
