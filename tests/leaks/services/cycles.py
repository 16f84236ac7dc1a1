# SPDX-License-Identifier: BSD-2-Clause
"""Objects that hold each other while the collector is off; the twin's child does not hold its parent."""
import gc
import sys


class Node:
	def __init__(self, number, parent=None):
		self.number, self.parent, self.children = number, parent, []  # HERE: alloc
		self.text = "node %09d" % number  # HERE: alloc


class Service:
	NO_COLLECTION = True

	def __init__(self, world):
		self.world = world
		gc.collect()
		gc.disable()

	def tree(self, request):
		root = Node(request.id)  # HERE: alloc
		for number in range(3):
			root.children.append(Node(number, root if request.bad and self.world.leaking else None))  # HERE: alloc
		return root

	def handle(self, request):
		root = self.tree(request)
		if request.bad:
			self.world.lost(4 * (sys.getsizeof(root) + sys.getsizeof(root.__dict__) + sys.getsizeof(root.children)), 12)
