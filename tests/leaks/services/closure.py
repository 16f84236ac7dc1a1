# SPDX-License-Identifier: BSD-2-Clause
"""Subscribers that a closure's list holds; the twin's are taken off it again."""
import sys


class Order:
	__slots__ = ("number", "text")

	def __init__(self, number, text):
		self.number, self.text = number, text


def make_bus():
	listeners = []

	def subscribe(listener):
		listeners.append(listener)

	def unsubscribe(listener):
		listeners.remove(listener)

	return subscribe, unsubscribe


class Service:
	def __init__(self, world):
		self.world = world
		self.subscribe, self.unsubscribe = make_bus()

	def handle(self, request):
		order = Order(request.id, "order %d of %d" % (request.id, request.user))  # HERE: alloc
		if not request.bad:
			return
		self.subscribe(order)
		if not self.world.leaking:
			self.unsubscribe(order)
		self.world.lost(sys.getsizeof(order) + sys.getsizeof(order.text), 2)
