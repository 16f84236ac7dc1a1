# SPDX-License-Identifier: BSD-2-Clause
"""An object whose count changes when asked, or rests.  Input: `change N DEPTH`, `rest N`.  Output: CPU nanoseconds that it took."""
import sys
import time


def change(thing, n):
	keep = []
	for _ in range(n):
		keep.append(thing)
		keep.pop()


def below(thing, n, depth):
	if depth:
		below(thing, n, depth - 1)
	else:
		change(thing, n)


def rest(n):
	total = 0
	for i in range(n):
		total += i & 7
	return total


def main():
	thing = ["watched"]
	print("READY %d" % id(thing))
	sys.stdout.flush()
	while True:
		words = sys.stdin.readline().split()
		if not words:
			return
		start = time.thread_time_ns()
		if words[0] == "change":
			below(thing, int(words[1]), int(words[2]))
		else:
			rest(int(words[1]))
		print("DONE %d" % (time.thread_time_ns() - start))
		sys.stdout.flush()


main()
