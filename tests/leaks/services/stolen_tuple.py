# SPDX-License-Identifier: BSD-2-Clause
"""Addresses that native/stolen_tuple.c puts into a tuple; that of a customer who moved with an INCREF too many."""
import sys


class Address:
	__slots__ = ("street", "number")

	def __init__(self, street, number):
		self.street, self.number = street, number


class Customer:
	def __init__(self, number, address):
		self.number, self.address = number, address


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("stolen_tuple")
		self.watched = Address("shared street", 1) if world.shared else None

	def handle(self, request):
		address = self.watched or Address("street %08d" % request.id, request.id)  # HERE: alloc
		self.native.pair(Customer(request.user, address), request.id, request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(address) + sys.getsizeof(address.street), 2)
