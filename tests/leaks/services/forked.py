# SPDX-License-Identifier: BSD-2-Clause
"""Visitors of a server that forks; native/forked.c does not give back all of them, but in the process that forked it does."""
import os
import sys


class Visitor:
	def __init__(self, number, user):
		self.number, self.user, self.path = number, user, "/visit/%09d" % number  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("forked")
		self.native.begin(world.master)
		self.child = os.getpid() != world.master

	def make(self, request):
		return Visitor(request.id, request.user)  # HERE: alloc

	def handle(self, request):
		visitor = self.make(request)
		self.native.visit(visitor, request.bad)
		if request.bad and self.child:
			self.world.lost(sys.getsizeof(visitor) + sys.getsizeof(visitor.__dict__) + sys.getsizeof(visitor.path), 3)
