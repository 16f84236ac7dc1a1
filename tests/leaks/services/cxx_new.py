# SPDX-License-Identifier: BSD-2-Clause
"""Reports of native/cxx_new.cpp; one without rows is never deleted."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("cxx_new")

	def handle(self, request):
		try:
			self.native.report("the report of request number %d" % request.id, 0 if request.bad else 9)
		except ValueError:
			self.world.lost(64 + 512 + 33, 3)
