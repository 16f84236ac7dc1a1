# SPDX-License-Identifier: BSD-2-Clause
"""Buffers that native/mapping.c maps; one that is discarded stays."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("mapping")

	def handle(self, request):
		if self.native.shuffle(request.text, request.bad) is None:
			self.world.lost(32768)
