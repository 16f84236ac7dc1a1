# SPDX-License-Identifier: BSD-2-Clause
"""Bursts of blocks of all sizes, of which a few live for long: the memory is full of holes, and what is used is bounded."""
import threading

RING, BURST, EVERY = 4000, 3000, 600


class Service:
	def __init__(self, world):
		self.ring, self.at, self.lock = [b""] * RING, 0, threading.Lock()
		for number in range(RING // 20 + 20):
			self.burst(number)

	def keep(self, block):
		with self.lock:
			self.ring[self.at] = block
			self.at = (self.at + 1) % RING

	def burst(self, number):
		blocks = [bytes(40 + (number * 31 + i * 97) % 1500) for i in range(BURST)]
		for block in blocks[number % 150::150]:
			self.keep(block)

	def handle(self, request):
		self.keep(bytes(600 + request.id % 900))
		if request.id % EVERY == 0:
			self.burst(request.id // EVERY)
