# SPDX-License-Identifier: BSD-2-Clause
"""Cycles that outlive two collections, among so many old objects that a full one comes once in minutes, if ever.

Both variants make them; the leaking one keeps some, too.
"""
import collections
import gc
import sys

OLD, RECENT, EACH = 160000, 8000, 8
_kept = []


class Page:
	__slots__ = ("visit", "text")

	def __init__(self, visit, number):
		self.visit, self.text = visit, "page %09d" % number  # HERE: alloc


class Visit:
	__slots__ = ("page",)

	def __init__(self, number):
		self.page = Page(self, number)  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world = world
		self.old = [[number] for number in range(OLD)]
		# who has been here lately: long enough to be old, as far as the collector goes, when it is let go
		self.recent = collections.deque((Visit(-number) for number in range(RECENT)), maxlen=RECENT)
		gc.collect()

	def handle(self, request):
		if request.id % EACH == 0:
			self.recent.append(Visit(request.id))
		if request.bad:
			visit = Visit(request.id)  # HERE: alloc
			if self.world.leaking:
				_kept.append(visit)
			self.world.lost(sys.getsizeof(visit) + sys.getsizeof(visit.page) + sys.getsizeof(visit.page.text), 3)
