# SPDX-License-Identifier: BSD-2-Clause
"""Tickets that are stamped; a void one stays in the memory of native/object_malloc.c."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("object_malloc")

	def handle(self, request):
		if self.native.stamp(request.id, request.text[:300], request.bad) is None:
			self.world.lost(368)
