# SPDX-License-Identifier: BSD-2-Clause
"""A mix of what programs do: callbacks from C, json, regex, threads, asyncio, recursion, class bodies.

Input: none.  Output: READY, then work until its parent ends.  Runs on CPython 2.7 (without asyncio) and newer.
"""
import functools
import json
import os
import re
import sys

from pv_compat import say, start_thread

if sys.version_info >= (3,):
	from mix_async import loop_works
else:
	def loop_works(work):
		work(5)

PARENT = os.getppid()
DOCUMENT = {"users": [{"name": "u%d" % n, "tags": ["a", "b", str(n)], "score": n / 3} for n in range(40)]}
WORDS = re.compile(r"(?P<word>[a-z]+)(\d+)?", re.I)
TEXT = "the quick brown fox 42 jumps over 17 lazy dogs and runs 99 miles " * 8


class Point(object):
	def __init__(self, x, y):
		self.x, self.y = x, y

	def __eq__(self, other):
		return self.x == other.x and self.y == other.y

	def __lt__(self, other):
		return (self.x, self.y) < (other.x, other.y)

	def __hash__(self):
		return hash((self.x, self.y))

	@property
	def length(self):
		return (self.x ** 2 + self.y ** 2) ** 0.5


def with_json():
	text = json.dumps(DOCUMENT, indent=1, default=str)
	return json.loads(text, object_hook=lambda d: d)


def with_regex():
	return WORDS.sub(lambda m: m.group("word").upper(), TEXT)


def with_callbacks():
	points = [Point(n * 7 % 13, n) for n in range(40)]
	points.sort(key=lambda p: p.length)
	points.sort()
	return functools.reduce(lambda a, b: a + b.x, points, 0), Point(1, 1) in points, len(set(points))


def with_generators(n=30):
	def tree(level):
		if level:
			yield from tree(level - 1)
			yield level
	return sum(tree(n))


def with_recursion(n=12):
	return n if n < 2 else with_recursion(n - 1) + with_recursion(n - 2)


def with_exceptions():
	for n in range(50):
		try:
			{}[n]
		except KeyError as error:
			str(error)


def with_classes():
	class Made(Point):
		size = [n for n in range(5)]

		def total(self):
			return sum(self.size)
	return Made(1, 2).total()


WORK = [with_json, with_regex, with_callbacks, with_generators, with_recursion, with_exceptions, with_classes]


def worker(offset):
	while os.getppid() == PARENT:
		for n in range(len(WORK)):
			WORK[(n + offset) % len(WORK)]()


def main():
	for n in range(3):
		start_thread(worker, (n * 2,))
	say("READY")
	while os.getppid() == PARENT:
		loop_works(with_generators)
		for work in WORK:
			work()


main()
