# SPDX-License-Identifier: BSD-2-Clause
"""A program that does nothing in a known place.

Input: argv[1], how it waits: sleep, epoll, lock, read; workers, of which two wait.
Output: READY and the line at which it waits, then it waits until its parent ends it.
"""
import inspect
import os
import select
import sys
import threading
import time

from pv_compat import say


def line():
	"""That of the call below the caller's."""
	return inspect.currentframe().f_back.f_lineno + 1


def wait_sleep():
	say("READY %d" % line())
	time.sleep(3600)


def wait_epoll():
	poll = select.epoll()
	say("READY %d" % line())
	poll.poll()


def wait_lock():
	lock = threading.Lock()
	lock.acquire()
	say("READY %d" % line())
	lock.acquire()


def wait_read():
	end, _ = os.pipe()
	say("READY %d" % line())
	os.read(end, 1)


def wait_workers():
	"""Two, and a master that waits for them; which are theirs stands behind the line."""
	ready, go = os.pipe(), os.pipe()
	at = line() + 6
	pids = [os.fork(), 0]
	if pids[0]:
		pids[1] = os.fork()
	if not all(pids):
		os.close(go[1])  # the master's end of it keeps them
		os.write(ready[1], b"x")
		os.read(go[0], 1)
		return
	for _ in pids:
		os.read(ready[0], 1)
	say("READY %d %d %d" % (at, pids[0], pids[1]))
	for _ in pids:
		os.wait()


globals()["wait_" + sys.argv[1]]()
