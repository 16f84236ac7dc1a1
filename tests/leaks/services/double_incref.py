# SPDX-License-Identifier: BSD-2-Clause
"""Invoices that are looked up; one that was looked up again has a reference more than native/double_incref.c returns."""
import sys


class Invoice:
	def __init__(self, request):
		self.number, self.user = request.id, request.user  # HERE: alloc
		self.lines = (request.id, request.user, request.bad)  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("double_incref")
		self.watched = None
		if world.shared:
			self.watched = Invoice.__new__(Invoice)

	def make(self, request):
		return Invoice(request)  # HERE: alloc

	def handle(self, request):
		table = {request.id: self.watched or self.make(request), "user": request.user}
		found = self.native.lookup(table, request.id, request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(found) + sys.getsizeof(found.__dict__), 3)
