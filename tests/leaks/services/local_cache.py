# SPDX-License-Identifier: BSD-2-Clause
"""Pages that each thread keeps for itself; the pinned ones are never dropped."""
import collections
import sys
import threading

BOUND = 200


class Page:
	def __init__(self, number):
		self.number, self.text = number, "page %09d" % number  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.local = world, threading.local()

	def make(self, number):
		return Page(number)  # HERE: alloc

	def handle(self, request):
		pages = self.local.__dict__.setdefault("pages", collections.OrderedDict())
		pinned = self.local.__dict__.setdefault("pinned", {})
		page = pages[request.id] = self.make(request.id)
		if len(pages) > BOUND:
			pages.popitem(last=False)
		if request.bad:
			if self.world.leaking:
				pinned[request.id] = page
			self.world.lost(sys.getsizeof(page) + sys.getsizeof(page.__dict__) + sys.getsizeof(page.text), 3)
