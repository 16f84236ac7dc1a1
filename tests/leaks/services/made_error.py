# SPDX-License-Identifier: BSD-2-Clause
"""Lines whose fields are counted; native/made_error.c makes a tuple of them, and forgets it where there are too many."""
import sys

TUPLE = sys.getsizeof((0, 0, 0))


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("made_error")

	def handle(self, request):
		try:
			self.native.count("%08d/%d" % (request.id, request.user), request.user, 2 if request.bad else 3)  # HERE: alloc
		except ValueError:
			self.world.lost(TUPLE)
