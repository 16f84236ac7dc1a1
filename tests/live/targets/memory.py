# SPDX-License-Identifier: BSD-2-Clause
"""A program that serves, and keeps what it should not, for tests/live/test_memory.py; also for Python 2.7.

Input: argv[1]: held (a list of the module that grows), lost (a reference too many of some), mapped (mappings that are kept),
rare (the same as held, of few that are made, while it computes), flat (nothing stays), filled (a cache that is as large as it may be), texts (nothing but texts of TEXT bytes, kept); argv[2]: seconds,
0 for ever; argv[3]: its exit status; argv[4]: a file for what it does.
Output: READY; in the file a line for each (of texts each 20th): time.time(), how many it made up to then, how many of them it keeps.
"""
import ctypes
import mmap
import sys
import time

INCREF = ctypes.pythonapi.Py_IncRef
INCREF.argtypes = [ctypes.py_object]
INCREF.restype = None
KEPT, CACHE = [], {}
ONES = [1] * 20000	# to compute something without an allocation
TEXT = 398	# so large, without its head, that each is of a size of its own


class Record(object):
	__slots__ = "number", "fields"	# all that one consists of is made where it is made

	def __init__(self, number, fields):
		self.number, self.fields = number, fields


def make(number):
	return Record(number, ["field %d" % i for i in range(number % 7)])  # HERE


def serve(kind, number):
	if kind == "texts":
		KEPT.append("%*d" % (TEXT, number))  # TEXTS
		return
	if kind == "rare":
		sum(ONES)
		if number % 150:
			return
	record = make(number)
	if kind == "flat":
		return
	if kind == "filled":
		CACHE[number % 500] = record
	elif kind == "rare":
		if number % 300 == 0:
			KEPT.append(record)
	elif number % 10 == 0:
		if kind == "held":
			KEPT.append(record)
		elif kind == "lost":
			INCREF(record)
		elif kind == "mapped":
			KEPT.append(mmap.mmap(-1, 65536))
			KEPT[-1].write(b"x" * 65536)


def main(kind, seconds=0, status=0, log=None):
	for number in range(3000):
		serve("filled" if kind == "filled" else "flat", number)
	print("READY")
	sys.stdout.flush()
	begin = time.time()
	number = 0
	while not seconds or time.time() - begin < seconds:
		for _ in range(20):
			number += 1
			serve(kind, number)
			# of texts now and then: a line is made in pools that are taken and given back again and again
			if log and (kind != "texts" or number % 20 == 0):
				log.write("%.6f %d %d\n" % (time.time(), number, len(KEPT)))
		time.sleep(0.01)
	sys.exit(status)


main(sys.argv[1], *[int(arg) for arg in sys.argv[2:4]] + [open(arg, "w", 1) for arg in sys.argv[4:]])
