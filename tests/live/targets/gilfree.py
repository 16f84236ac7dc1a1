# SPDX-License-Identifier: BSD-2-Clause
"""Threads that are nearly always in C code without the GIL: hashing, zlib, bz2; numpy on request.

Input: argv[1], the file for the truth; argv[2] "numpy" to multiply matrices as well.  Output: the truth as JSON: for
each thread of threading.enumerate() that works, its native id and the one Python function that
calls the C code; then READY, then work until its parent ends.
"""
import bz2
import hashlib
import json
import os
import sys
import threading
import time
import zlib

from pv_compat import native_id, say, start_thread

PARENT = os.getppid()
DATA = bytes(bytearray(range(256))) * 40000		# 10 MB: one call takes many samples
ROWS = 700


def calls_sha256():
	hashlib.sha256().update(DATA)		# 2.7 keeps the GIL in the constructor


def calls_md5():
	hashlib.md5().update(DATA)


def calls_crc32():
	zlib.crc32(DATA)


def calls_compress():
	zlib.compress(DATA[:2000000], 6)


def calls_bz2():
	bz2.compress(DATA[:500000])


CALLS = [calls_sha256, calls_md5, calls_crc32, calls_compress, calls_bz2]

if len(sys.argv) > 2:
	import numpy
	MATRIX = numpy.ones((ROWS, ROWS))
	SERIES = numpy.arange(3000000, dtype=float)

	def calls_matmul():
		numpy.dot(MATRIX, MATRIX)

	def calls_sqrt():
		numpy.sqrt(SERIES)
	CALLS += [calls_matmul, calls_sqrt]


def again(function):
	while os.getppid() == PARENT:
		function()
		if sys.version_info < (3, 2):
			time.sleep(0.001)	# the old GIL goes to whoever takes it first


def main():
	started = {}
	for function in CALLS:
		thread = start_thread(again, (function,), function.__name__)
		started[thread.ident] = function.__name__
	truth = {str(native_id(t)): started[t.ident] for t in threading.enumerate() if t.ident in started}
	with open(sys.argv[1], "w") as out:
		json.dump({"threads": truth}, out)
	say("READY")
	again(calls_crc32)


main()
