# SPDX-License-Identifier: BSD-2-Clause
"""A heap of many objects: argv[1] of them, in records of ten.  Output: READY; then, with argv[2] = busy, it
replaces records all the time, and each line on standard input is answered with how many so far."""
import gc
import select
import sys


class Record:
	def __init__(self, i):
		self.number = i


def record(i):
	return (Record(i), [i], {"key": i}, "name %d" % i, 10**9 + i, i * 1.5, (i, str(i)), bytes(i % 60))


kept = [record(i) for i in range(int(sys.argv[1]) // 10)]
gc.collect()
print("READY", flush=True)
if sys.argv[2:] == ["busy"]:
	done = 0
	while True:
		for i in range(1000):
			kept[(done + i) % len(kept)] = record(i)
		done += 1000
		if select.select([sys.stdin], [], [], 0)[0]:
			if not sys.stdin.readline():
				break
			print("DONE", done, flush=True)
sys.stdin.read()
