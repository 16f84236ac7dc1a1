# SPDX-License-Identifier: BSD-2-Clause
"""Jobs that are made here and freed by another thread; late ones stay in the memory of native/handover.c."""
import queue
import threading

WAITING = 50		# jobs at a time, so that nothing grows because the other thread is slow


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("handover")
		self.jobs, self.room, self.idle = queue.SimpleQueue(), queue.SimpleQueue(), threading.Event()
		for _ in range(WAITING):
			self.room.put(None)
		threading.Thread(target=self.finish, daemon=True).start()

	def finish(self):
		while True:
			job = self.jobs.get()
			if job is None:
				self.idle.set()
			else:
				self.native.finish(job)
				self.room.put(None)

	def handle(self, request):
		self.room.get()
		text = request.text[:150]
		self.jobs.put(self.native.job(text, request.bad))
		if request.bad:
			self.world.lost(916 + len(text))

	def rest(self):
		self.idle.clear()
		self.jobs.put(None)
		self.idle.wait()
