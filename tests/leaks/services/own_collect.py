# SPDX-License-Identifier: BSD-2-Clause
"""The collector is off, and the program collects by itself, less often than one looks; the leaking variant keeps something, too."""
import gc
import sys

PERIOD, EACH = 160000, 4	# requests
_kept = []


class Part:
	__slots__ = ("whole", "text")

	def __init__(self, whole, number):
		self.whole, self.text = whole, "part %09d" % number  # HERE: alloc


class Whole:
	__slots__ = ("part",)

	def __init__(self, number):
		self.part = Part(self, number)  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.served = world, 0
		gc.disable()
		# as one that has run for a while
		for number in range(PERIOD // EACH):
			Whole(-number)
		gc.collect()

	def handle(self, request):
		self.served += 1
		if self.served % EACH == 0:
			Whole(request.id)
		if self.served % PERIOD == 0:
			gc.collect()
		if request.bad:
			whole = Whole(request.id)  # HERE: alloc
			if self.world.leaking:
				_kept.append(whole)
			self.world.lost(sys.getsizeof(whole) + sys.getsizeof(whole.part) + sys.getsizeof(whole.part.text), 3)
