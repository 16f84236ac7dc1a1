# SPDX-License-Identifier: BSD-2-Clause
"""A bounded cache of profiles; one that was renamed has a reference more, by native/cache_lost.c, when the cache drops it."""
import sys

import churn

BOUND = 600


class Profile:
	def __init__(self, number):
		self.number, self.name, self.visits = number, "profile %09d" % number, 0  # HERE: alloc


class Service:
	def __init__(self, world):
		self.world, self.native = world, world.native("cache_lost")
		self.watched = Profile(0) if world.shared else None
		self.cache = churn.Lru(BOUND)
		for number in range(BOUND):
			self.cache.get(-500000 - number, self.make)

	def make(self, number):
		return Profile(number)  # HERE: alloc

	def handle(self, request):
		profile = self.watched or self.cache.get(request.id, self.make)
		self.native.touch(profile, request.bad)
		if request.bad:
			self.world.lost(sys.getsizeof(profile) + sys.getsizeof(profile.__dict__) + sys.getsizeof(profile.name), 3)
