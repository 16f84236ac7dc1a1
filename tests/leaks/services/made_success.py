# SPDX-License-Identifier: BSD-2-Clause
"""Lines of which a field is picked; native/made_success.c makes a tuple of them, and forgets it if all is asked for."""
import sys

TUPLE = sys.getsizeof((0, 0, 0, 0))


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("made_success")

	def handle(self, request):
		self.native.pick("%08d/%d" % (request.id, request.user), request.user, request.bad)  # HERE: alloc
		if request.bad:
			self.world.lost(TUPLE)
