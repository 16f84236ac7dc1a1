# SPDX-License-Identifier: BSD-2-Clause
"""Prices that are summed; those beyond the limit are not given back by native/missing_error.c."""
import sys


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("missing_error")
		self.watched = list(range(60)) if world.shared else None

	def handle(self, request):
		prices = self.watched or [count % 50 for count in range(60)]  # HERE: alloc
		try:
			self.native.total(prices, 1 if request.bad else 1 << 30)
		except ValueError:
			self.world.lost(sys.getsizeof(prices))
