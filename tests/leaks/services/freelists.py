# SPDX-License-Identifier: BSD-2-Clause
"""Memory that goes round: one line frees what another one, which keeps a bounded number, is given next."""

RING = 3000


class Service:
	def __init__(self, world):
		self.kept = [self.entry(1000000 + number) for number in range(RING)]

	def entry(self, number):
		return (float(number), [number, number + 0.5], {"number": number})

	def spill(self, number):
		return sum(len(pair) + len(each) + len(entry) for pair, each, entry in (
			((i + 0.5, i), [i, i + 0.25], {"i": i}) for i in range(number % 60)))

	def handle(self, request):
		rows = [(i, i * 0.5, [i], {"row": i}) for i in range(request.id % 40)]
		self.spill(request.id)
		del rows
		self.kept[request.id % RING] = self.entry(request.id)
