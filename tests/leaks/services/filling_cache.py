# SPDX-License-Identifier: BSD-2-Clause
"""Pages that functools.lru_cache keeps without a limit; the twin's has one, and is far from it."""
import functools
import sys

LIMIT = 200000


class Page:
	__slots__ = ("number", "text")

	def __init__(self, number, text):
		self.number, self.text = number, text


def make_page(number):
	return Page(number, "page %09d" % number)  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world = world
		self.remembered = functools.lru_cache(maxsize=None if world.leaking else LIMIT)(make_page)

	def handle(self, request):
		if not request.bad:
			make_page(request.id)
			return
		page = self.remembered(request.id)
		self.world.lost(sys.getsizeof(page) + sys.getsizeof(page.text), 2)
