# SPDX-License-Identifier: BSD-2-Clause
"""A program that does nothing in a known place.

Input: argv[1], how it waits: sleep, epoll, lock, read.
Output: READY and the line at which it waits, then it waits until its parent ends it.
"""
import inspect
import os
import select
import sys
import threading
import time


def line():
	"""That of the call below the caller's."""
	return inspect.currentframe().f_back.f_lineno + 1


def wait_sleep():
	print("READY", line(), flush=True)
	time.sleep(3600)


def wait_epoll():
	poll = select.epoll()
	print("READY", line(), flush=True)
	poll.poll()


def wait_lock():
	lock = threading.Lock()
	lock.acquire()
	print("READY", line(), flush=True)
	lock.acquire()


def wait_read():
	end, _ = os.pipe()
	print("READY", line(), flush=True)
	os.read(end, 1)


globals()["wait_" + sys.argv[1]]()
