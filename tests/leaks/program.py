#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program with threads that serves requests and has, or has not, one of the catalogue's bugs.

Input: the name of a service in services/, its variant, how rare bad requests are, a seed, where its extension is; then
lines on standard input:
  run N       serve N requests, then rest
  go RATE     serve RATE a second from now on; 0: as many as can be
  rest        stop serving
  truth       say what was lost so far, without a pause
Output: a line "READY {...}"; for each of the lines one "DONE {...}", "GOING {...}", "DONE {...}", "TRUTH {...}": what was lost
by the program's own count, and, at rest, what the process itself can see of its memory.
Ends when standard input does.  Runs on Python 3.8 and later; knows nothing of any tool.
"""
import argparse
import ctypes
import gc
import importlib
import json
import os
import queue
import re
import select
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import churn  # noqa: E402

THREADS, OUTSTANDING = 3, 32


class Mallinfo2(ctypes.Structure):
	_fields_ = [(name, ctypes.c_size_t) for name in (
		"arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


class World:
	"""What a service is given: its variant, its extension, a place to count what it loses."""

	def __init__(self, args):
		self.leaking, self.rate, self.shared, self.seed = args.variant == "leaking", args.rate, args.shared, args.seed
		self.work, self.extensions, self.lock = args.work, args.extensions, threading.Lock()
		self.objects = self.bytes = 0
		self.master = args.master	# the process that forked this one, or this one itself

	def native(self, name):
		sys.path.insert(0, self.extensions)
		try:
			return importlib.import_module(name)
		finally:
			sys.path.pop(0)

	def lost(self, size, objects=1):
		"""A bad request lost so many bytes, if this is the variant that loses them."""
		if self.leaking:
			with self.lock:
				self.objects += objects
				self.bytes += size


class Server:
	def __init__(self, args):
		self.world = World(args)
		self.stream, self.shop = churn.Stream(args.seed, args.rate), churn.Shop()
		module = importlib.import_module("services." + args.service)
		self.service = module.Service(self.world)
		if args.shared:
			module.watched = self.service.watched	# where it can be found by name, too
		self.requests, self.free = queue.SimpleQueue(), queue.SimpleQueue()
		self.served = self.bad = 0
		self.errors = []
		self.malloc = None
		for _ in range(OUTSTANDING):
			self.free.put(None)
		for _ in range(THREADS):
			threading.Thread(target=self.work, daemon=True).start()

	def work(self):
		while True:
			request = self.requests.get()
			try:
				self.shop.serve(request)
				self.service.handle(request)
			except Exception as error:	# told, and the run is none
				self.errors.append(repr(error))
			del request
			self.free.put(None)

	def issue(self, count):
		for _ in range(count):
			self.free.get()
			request = next(self.stream)
			self.served += 1
			self.bad += request.bad
			self.requests.put(request)

	def rest(self):
		"""Until all that was asked is answered."""
		for _ in range(OUTSTANDING):
			self.free.get()
		for _ in range(OUTSTANDING):
			self.free.put(None)
		if hasattr(self.service, "rest"):
			self.service.rest()

	def truth(self):
		watched = getattr(self.service, "watched", None)
		return {
			"served": self.served, "bad": self.bad, "lost_objects": self.world.objects, "lost_bytes": self.world.bytes,
			"errors": self.errors[:3],
			"watched": None if watched is None else {"address": id(watched), "refcount": sys.getrefcount(watched)}}

	def allocated(self):
		"""Bytes that malloc() has given out, of all arenas."""
		if self.malloc is None:
			library = ctypes.CDLL(None)
			self.malloc = library.mallinfo2
			self.malloc.restype = Mallinfo2
		info = self.malloc()
		return info.uordblks + info.hblkhd

	def seen(self):
		"""What this process can see of its memory."""
		if not getattr(self.service, "NO_COLLECTION", False):
			gc.collect()
		types, objects = {}, 0
		for one in gc.get_objects():
			objects += 1
			types[type(one).__name__] = types.get(type(one).__name__, 0) + 1
		with open("/proc/self/smaps") as smaps:
			text = smaps.read()
		return {
			"blocks": sys.getallocatedblocks(), "malloc": self.allocated(), "objects": objects, "types": types,
			"rss": sum(int(kb) for kb in re.findall(r"^Rss: +(\d+)", text, re.M)) * 1024,
			"mapped": sum(int(kb) for kb in re.findall(r"^Size: +(\d+)", text, re.M)) * 1024}


def say(word, what):
	os.write(1, ("%s %s\n" % (word, json.dumps(what))).encode())


class Lines:
	"""Lines of standard input, with or without waiting for one."""

	def __init__(self):
		self.rest = b""

	def next(self, wait):
		while b"\n" not in self.rest:
			if not wait and not select.select([0], [], [], 0)[0]:
				return None
			data = os.read(0, 4096)
			if not data:
				sys.exit(0)
			self.rest += data
		line, _, self.rest = self.rest.partition(b"\n")
		return line.decode().split()


def obey(server):
	lines, rate, due = Lines(), None, 0.0
	while True:
		line = lines.next(wait=rate is None)
		if line is None:
			now = time.monotonic()
			if rate and due > now:
				time.sleep(due - now)
			count = 64 if not rate else max(1, int(rate / 100))
			server.issue(count)
			due = max(due, now - 1) + (count / rate if rate else 0)
		elif line[0] == "run":
			server.issue(int(line[1]))
			server.rest()
			say("DONE", dict(server.truth(), seen=server.seen()))
		elif line[0] == "go":
			rate, due = float(line[1]), time.monotonic()
			say("GOING", server.truth())
		elif line[0] == "rest":
			rate = None
			server.rest()
			say("DONE", dict(server.truth(), seen=server.seen()))
		else:
			say("TRUTH", server.truth())


def tend(server, child):
	"""What the process that forked does while its child serves: a little of the same."""
	while os.waitpid(child, os.WNOHANG)[0] == 0:
		server.issue(2)
		time.sleep(0.01)
	sys.exit(0)


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("service")
	parser.add_argument("variant", choices=["leaking", "clean"])
	parser.add_argument("--rate", type=int, default=10, help="one request in so many is bad")
	parser.add_argument("--seed", type=int, default=1)
	parser.add_argument("--extensions", default=".", help="where the extension of this variant is")
	parser.add_argument("--work", default="/tmp", help="a directory with what the service needs (ssl: a certificate)")
	parser.add_argument("--shared", action="store_true", help="one long-lived object goes through the bug, not one a request")
	parser.add_argument("--warm", type=int, default=1500, help="requests before READY")
	parser.add_argument("--forked", action="store_true", help="serve in a child; the parent does a little of the same")
	args = parser.parse_args()
	args.master = os.getpid()
	child = os.fork() if args.forked else 0
	server = Server(args)
	if child:
		tend(server, child)
	server.issue(args.warm)
	server.rest()
	say("READY", dict(server.truth(), pid=os.getpid(), parent=args.master, seen=server.seen(), version=sys.version_info[:3]))
	obey(server)


main()
