# SPDX-License-Identifier: BSD-2-Clause
"""Jobs that are made here and freed by another thread; late ones stay in the memory of native/handover.c."""
import queue
import threading


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("handover")
		self.jobs, self.idle = queue.SimpleQueue(), threading.Event()
		threading.Thread(target=self.finish, daemon=True).start()

	def finish(self):
		while True:
			job = self.jobs.get()
			if job is None:
				self.idle.set()
			else:
				self.native.finish(job)

	def handle(self, request):
		text = request.text[:150]
		self.jobs.put(self.native.job(text, request.bad))
		if request.bad:
			self.world.lost(916 + len(text))

	def rest(self):
		self.idle.clear()
		self.jobs.put(None)
		self.idle.wait()
