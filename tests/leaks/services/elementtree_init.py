# SPDX-License-Identifier: BSD-2-Clause
"""An XML parser that is made ready again by calling its __init__ again, which loses what it had; the twin makes a new one."""
import threading

import _elementtree


class Service:
	def __init__(self, world):
		self.world, self.lock, self.parser = world, threading.Lock(), _elementtree.XMLParser()

	def again(self):
		if self.world.leaking:
			self.parser.__init__()  # HERE: alloc
		else:
			self.parser = _elementtree.XMLParser()

	def handle(self, request):
		with self.lock:
			if request.bad:
				self.again()
				self.world.lost(2000, 10)
