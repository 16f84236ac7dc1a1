# SPDX-License-Identifier: BSD-2-Clause
"""Tables with 200 columns that are sorted by native/numpy_argsort.c, which does as numpy did until it was corrected."""
import sys

import numpy

COLUMNS = 200


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("numpy_argsort")
		self.dtype = self.make(0) if world.shared else None
		self.watched = self.dtype.names if world.shared else None

	def make(self, number):
		return numpy.dtype([("c%d_%d" % (number, column), "i4") for column in range(COLUMNS)])  # HERE: alloc

	def handle(self, request):
		if not request.bad and request.id % 8:
			return
		dtype = self.dtype or self.make(request.id)
		table = numpy.zeros(3, dtype)
		table[dtype.names[0]] = (request.id % 7, 5, request.user)
		self.native.argsort(table, dtype.names[0] if request.bad else None)
		if request.bad:
			self.world.lost(sys.getsizeof(dtype.names) + sum(sys.getsizeof(name) for name in dtype.names), 1 + COLUMNS)
