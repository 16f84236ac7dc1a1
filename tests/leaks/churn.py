# SPDX-License-Identifier: BSD-2-Clause
"""What a program does besides its bug: requests as JSON, dicts, strings, objects, errors, a bounded cache.

Input: a seed.  Output: requests, and their answers; nothing grows beyond its bound.  Runs on Python 3.8 and later.
"""
import collections
import json
import random
import re
import threading
import zlib

WORD = re.compile(r"[a-z]+")


class Request:
	"""One of them; `bad` is the one in so many that meets the bug."""

	__slots__ = ("id", "user", "text", "bad")

	def __init__(self, number, user, text, bad):
		self.id, self.user, self.text, self.bad = number, user, text, bad


class Stream:
	"""Requests without end, the same for the same seed and rate."""

	def __init__(self, seed, rate):
		self.random, self.rate, self.number = random.Random(seed), rate, 1000000	# no small ints, which are shared
		self.texts = [self.text() for _ in range(256)]

	def text(self):
		pick = self.random
		return json.dumps({
			"user": pick.randrange(2000),
			"note": " ".join(pick.choice(("red", "green", "blue", "left", "right", "late")) for _ in range(pick.randrange(4, 30))),
			"lines": [{"sku": "sku-%05d" % pick.randrange(40000), "count": pick.randrange(1, 9), "price": pick.random() * 90}
				  for _ in range(pick.randrange(1, 8))]})

	def __next__(self):
		self.number += 1
		pick = self.random.random
		return Request(self.number, int(pick() * 3000), self.texts[int(pick() * 256)], pick() * self.rate < 1)


class Line:
	def __init__(self, sku, count, price):
		self.sku, self.count, self.price = sku, count, price

	def amount(self):
		return self.count * self.price


class Lru:
	"""A cache that is bounded as it should be."""

	def __init__(self, bound):
		self.bound, self.entries, self.lock = bound, collections.OrderedDict(), threading.Lock()

	def get(self, key, make):
		with self.lock:
			if key in self.entries:
				self.entries.move_to_end(key)
				return self.entries[key]
			if len(self.entries) >= self.bound:
				self.entries.popitem(last=False)
			value = self.entries[key] = make(key)
			return value


def session_of(user):
	return {"user": user, "name": "user %06d" % user, "seen": [user, user + 1], "mood": ("calm", "%06d" % user)}


class Shop:
	"""What every request goes through before it meets the service that is looked at."""

	def __init__(self):
		self.sessions, self.last = Lru(400), collections.deque(maxlen=100)
		for user in range(400):
			self.sessions.get(user, session_of)

	def serve(self, request):
		order = json.loads(request.text)
		lines = [Line(**line) for line in order["lines"]]
		session = self.sessions.get(request.user, session_of)
		words = collections.Counter(WORD.findall(order["note"]))
		try:
			most = max(lines, key=Line.amount)
			if most.count > 7:
				raise LookupError(most.sku)
		except LookupError as error:
			order["warning"] = str(error)
		answer = json.dumps({
			"id": request.id, "user": session["name"], "total": "%.2f" % sum(line.amount() for line in lines),
			"words": sorted(words.items()), "skus": ",".join(sorted({line.sku.upper() for line in lines}))})
		self.last.append(zlib.crc32(answer.encode()))
		return answer
