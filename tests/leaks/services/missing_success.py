# SPDX-License-Identifier: BSD-2-Clause
"""Records that are checked; a flagged one is not given back by native/missing_success.c."""
import sys


def make_record(request):
	return {"id": request.id, "lines": [request.id, request.user], "note": "%08d" % request.id, "user": request.user}  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("missing_success")
		self.watched = {"id": 0, "lines": [], "note": "shared", "user": 0} if world.shared else None

	def handle(self, request):
		record = self.watched or make_record(request)
		self.native.check(record, request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(record) + sys.getsizeof(record["lines"]) + sys.getsizeof(record["note"]), 3)
