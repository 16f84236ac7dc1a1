# SPDX-License-Identifier: BSD-2-Clause
"""A thread that writes what it is given, and keeps what it should write again: a local variable of a function that never ends."""
import queue
import sys
import threading

BOUND, WAITING = 50, 50


class Event:
	__slots__ = ("number", "text")

	def __init__(self, number, text):
		self.number, self.text = number, text


class Service:
	def __init__(self, world):
		self.world, self.events, self.idle = world, queue.SimpleQueue(), threading.Event()
		self.room = queue.SimpleQueue()
		for _ in range(WAITING):
			self.room.put(None)
		threading.Thread(target=self.write, daemon=True).start()

	def write(self):
		backlog, written = [Event(500000 + number, "event %09d of %d" % (number, number)) for number in range(BOUND)], 0
		while True:
			event = self.events.get()
			if event is None:
				self.idle.set()
				continue
			written += len(event[0].text)
			if event[1]:
				backlog.append(event[0])
			self.room.put(None)
			if not self.world.leaking and len(backlog) > BOUND:
				del backlog[0]

	def handle(self, request):
		event = Event(request.id, "event %09d of %d" % (request.id, request.user))  # HERE: alloc
		self.room.get()
		self.events.put((event, request.bad))
		if request.bad:
			self.world.lost(sys.getsizeof(event) + sys.getsizeof(event.text), 2)

	def rest(self):
		self.idle.clear()
		self.events.put(None)
		self.idle.wait()
