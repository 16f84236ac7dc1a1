# SPDX-License-Identifier: BSD-2-Clause
"""What each thread saw last, in a list of native/tls_nodes.c; pinned entries are never dropped."""


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("tls_nodes")

	def handle(self, request):
		self.native.remember("%d %s" % (request.id, request.text[:200]), request.bad)
		if request.bad:
			self.world.lost(512)
