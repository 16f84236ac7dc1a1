# SPDX-License-Identifier: BSD-2-Clause
"""Asks for the app's pages, over and over: its own load, on the loopback interface only.

Input: --port, --threads, --seconds; standard input, at whose end it stops, too.  Output: requests, each after the
answer to the one before; what --say says after the first answer.  Standard library, Python 3.8 or newer.
"""
import argparse
import http.client
import random
import select
import signal
import sys
import threading

MIX = ["/report"] * 8 + ["/search"] * 3 + ["/thumbnail"] * 3 + ["/download"] * 4


def ask(port, seed, stop, answered):
    """Until told to stop, or the app is gone: a thread's requests."""
    rng = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    fails = 0
    while not stop.is_set() and fails < 3:
        for page in rng.sample(MIX, len(MIX)):
            if stop.is_set():
                break
            try:
                connection.request("GET", page)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                fails += 1
                break
            if response.status != 200:
                sys.exit("load.py: %s answers %d" % (page, response.status))
            fails = 0
            answered.set()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--say")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app; this ends after it
    stop, answered = threading.Event(), threading.Event()
    threads = [threading.Thread(target=ask, args=(arguments.port, seed, stop, answered), daemon=True)
               for seed in range(arguments.threads)]
    if arguments.say:
        threading.Thread(target=lambda: answered.wait() and print(arguments.say, flush=True), daemon=True).start()
    for thread in threads:
        thread.start()
    select.select([sys.stdin], [], [], arguments.seconds)
    stop.set()
    for thread in threads:
        thread.join(timeout=5)


main()
