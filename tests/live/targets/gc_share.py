# SPDX-License-Identifier: BSD-2-Clause
"""A program that knows how much of its own CPU time goes into the garbage collector.

Input: a line on stdin, once a capture has begun.  Output: READY; after CPU_SECONDS a line "TRUTH " and JSON:
of each thread, by its id, the CPU seconds and how many of them lie between "start" and "stop" of gc.callbacks.
usage: gc_share.py MODE SHARE CPU_SECONDS
  cycles      cyclic garbage, collected by gc.collect() for SHARE of the time
  auto        the same, collected when the interpreter thinks fit: no set share
  off         the same, never collected
  finalizers  SHARE of the time goes into __del__ and callbacks of weak references, which call Python functions
  released    finalizers compute and sleep without the GIL, while another thread runs
"""
import gc
import json
import random
import sys
import threading
import time
import weakref
import zlib

MODE, SHARE, CPU_SECONDS = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
BLOCK = bytes(range(256)) * 51200		# 13 MB
REFS = set()
TOTAL, GC, BEGAN = {}, {}, {}
COLLECTIONS = [0]


def on_gc(phase, info):
	me = threading.get_native_id()
	if phase == "start":
		BEGAN[me] = time.thread_time()
	elif me in BEGAN:
		GC[me] = GC.get(me, 0) + time.thread_time() - BEGAN.pop(me)
		COLLECTIONS[0] += 1


def spin(n):
	x = 1
	for _ in range(n):
		x = x * 48271 % 2147483647
	return x


class Node:
	def __init__(self):
		self.me = self
		self.rest = [self, [self], {"self": self}]


class Heavy:
	def __init__(self):
		self.me = self

	def __del__(self):
		finalizer_work()


class Watched:
	def __init__(self):
		self.me = self


class Releasing:
	def __init__(self):
		self.me = self

	def __del__(self):
		# Much work to a sleep: what a thread switch costs is on the thread's clock, but no interrupt comes in it.
		# One long call without the GIL: to have it back each takes the other thread's 5 ms.
		for _ in range(5):
			finalizer_work()
		zlib.crc32(BLOCK)
		time.sleep(0.002)


def on_death(ref):
	REFS.discard(ref)
	finalizer_work()


def finalizer_work():
	spin(3000)


def litter():
	"""Garbage that only the collector frees."""
	if MODE == "finalizers":
		for _ in range(10):
			Heavy()
			REFS.add(weakref.ref(Watched(), on_death))
	elif MODE == "released":
		for _ in range(3):
			Releasing()
	else:
		# never the same twice: a loop of an even length can keep step with the samples
		for _ in range(random.randrange(1500, 4500)):
			Node()


def busy(seconds):
	"""Work that makes nothing for the collector."""
	end = time.thread_time() + seconds
	while time.thread_time() < end:
		spin(200)


def main_work(me, start):
	"""A collection, and as much other work as makes its share right."""
	litter()
	if MODE in ("off", "auto"):
		busy(0.001)
		return
	gc.collect(0)
	behind = GC.get(me, 0) / SHARE - (time.thread_time() - start)
	if behind > 0:
		busy(min(behind, 0.05))


def other_work(me, start):
	spin(1000)


def loop(work):
	me, start = threading.get_native_id(), time.thread_time()
	while time.process_time() < END:
		work(me, start)
	TOTAL[me] = time.thread_time() - start


gc.collect()
gc.freeze()
gc.callbacks.append(on_gc)
gc.set_threshold(20000)
if MODE != "auto":
	gc.disable()
print("READY", flush=True)
sys.stdin.readline()
END = time.process_time() + CPU_SECONDS
OTHER = threading.Thread(target=loop, args=(other_work,))
if MODE == "released":
	OTHER.start()
loop(main_work)
if MODE == "released":
	OTHER.join()
print("TRUTH " + json.dumps({"total": TOTAL, "gc": GC, "collections": COLLECTIONS[0]}), flush=True)
sys.stdin.readline()
