# SPDX-License-Identifier: BSD-2-Clause
"""Lines whose blanks are counted; a refused one stays in the memory of native/raw_malloc.c."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("raw_malloc")

	def handle(self, request):
		text = request.text[:100]
		try:
			self.native.spaces(text, request.bad)
		except ValueError:
			self.world.lost(1200 + len(text))
