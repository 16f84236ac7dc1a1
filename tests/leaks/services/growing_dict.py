# SPDX-License-Identifier: BSD-2-Clause
"""A module's dict of what was refused; the twin's forgets the oldest."""
import sys
import threading

BOUND = 300

_refused = {}
lock = threading.Lock()


def make_entry(number, user):
	return {"number": number, "user": user, "reason": "refused %09d" % number}  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world = world
		for number in range(BOUND):
			_refused[-1 - number] = make_entry(500000 + number, 600000 + number)

	def handle(self, request):
		entry = make_entry(request.id, request.user)
		if request.bad:
			with lock:
				_refused[request.id] = entry
				if not self.world.leaking:
					del _refused[next(iter(_refused))]
			self.world.lost(sys.getsizeof(entry) + sys.getsizeof(entry["reason"]), 2)
