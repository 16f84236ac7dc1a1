# SPDX-License-Identifier: BSD-2-Clause
"""Parcels that native/stolen_list.c puts into a list, with an INCREF too many."""
import sys


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("stolen_list")
		self.watched = bytes(range(256)) if world.shared else None

	def handle(self, request):
		parcel = self.watched or b"%d" % request.id * 40  # HERE: alloc
		got = self.native.collect((parcel, request.user, parcel), request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(got[0]))
