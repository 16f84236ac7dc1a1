# SPDX-License-Identifier: BSD-2-Clause
"""A steady load of about 12 native and 4 Python frames.

Input: argv[1], where to publish progress (a mapped file of 3 native u64: work units done,
thread CPU ns, pid).  Output: READY; then the first two grow until its parent ends.
"""
import mmap
import os
import struct
import sys
import time

PARENT = os.getppid()


def leaf(x):
	total = 0
	for n in (1, 2, 3, 4, 5, 6, 7, 8):
		total += n * x
	return total


def unit():
	for x in range(800):
		leaf(x)


def main():
	with open(sys.argv[1], "r+b") as f:
		shared = mmap.mmap(f.fileno(), 24)
	done = 0
	print("READY", flush=True)
	while os.getppid() == PARENT:
		unit()
		done += 1
		shared[:] = struct.pack("QQQ", done, time.thread_time_ns(), os.getpid())


main()
