# SPDX-License-Identifier: BSD-2-Clause
"""Values that are published in a module; if it is no module native/module_add.c keeps a reference."""
import sys
import types


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("module_add")
		self.watched = {1, 2, 3} if world.shared else None
		self.settings = types.ModuleType("settings")

	def handle(self, request):
		value = self.watched or {request.id, request.user, -request.id}  # HERE: alloc
		self.native.publish(self if request.bad else self.settings, "latest", value)
		if request.bad:
			self.world.lost(sys.getsizeof(value))
