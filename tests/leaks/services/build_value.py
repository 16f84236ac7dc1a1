# SPDX-License-Identifier: BSD-2-Clause
"""Labels that are packed by native/build_value.c, with "O" where "N" was meant."""
import sys


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("build_value")
		self.watched = "a label that all share" if world.shared else None

	def label(self, request):
		return "%08d, please handle with care, this side up; the return address is on the other side of the box, %d" % (  # HERE: alloc
			request.id, request.user)

	def handle(self, request):
		label = self.watched or self.label(request)
		pair = self.native.pack(label, request.user, not request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(pair[0]))
