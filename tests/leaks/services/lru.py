# SPDX-License-Identifier: BSD-2-Clause
"""A cache that is as large as it may be: what a request puts in lives longer than one looks, and nothing grows."""
import churn

BOUND = 8000


class Page:
	def __init__(self, number):
		self.number, self.text, self.links = number, "page %09d" % number, [number, number + 1]


class Service:
	def __init__(self, world):
		self.cache = churn.Lru(BOUND)
		for number in range(BOUND):
			self.cache.get(-500000 - number, Page)

	def handle(self, request):
		self.cache.get(request.id, Page)
