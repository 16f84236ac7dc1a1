# SPDX-License-Identifier: BSD-2-Clause
"""Cells of native/dealloc_member.c; a cell with a note does not give it back when it goes."""
import sys


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("dealloc_member")
		self.watched = tuple(range(100)) if world.shared else None

	def row(self, request):
		return tuple([request.id] * 100)  # HERE: alloc

	def handle(self, request):
		row = self.watched or self.row(request)
		cells = [self.native.Cell(row) for _ in range(3)]
		if request.bad:
			cells.append(self.native.Cell(request.user, row))
			self.world.lost(sys.getsizeof(row))
