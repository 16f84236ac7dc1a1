# SPDX-License-Identifier: BSD-2-Clause
"""Texts that native/realloc_chain.c puts together; one that is cut off stays."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("realloc_chain")

	def handle(self, request):
		if self.native.render("%08d " % request.id, 150, request.bad) is None:
			self.world.lost(9 * 150)
