# SPDX-License-Identifier: BSD-2-Clause
"""A service that reads tables of 1,000 columns, one in a second and a half, and sorts each of them many times, mostly by a column.

Input: the directory of the extension.  Output: "READY", then once a second its resident memory in kB.  Ends with standard input.
"""
import sys
import threading
import time

import numpy

sys.path.insert(0, sys.argv[1])
import numpy_leak  # noqa: E402

COLUMNS, SORTS, SECONDS_A_TABLE = 1000, 200, 1.5


class Table:
	def __init__(self, number):
		self.dtype = read_header(number)
		self.records = numpy.zeros(50, self.dtype)
		self.records[self.dtype.names[0]] = numpy.arange(50)[::-1]


def read_header(number):
	"""The names of a file's columns: each file has others."""
	return numpy.dtype([("c%d_%d" % (number, column), "i4") for column in range(COLUMNS)])


def handle(table, request):
	order = None if request % 7 else table.dtype.names[0]
	return numpy_leak.argsort(table.records, order)


def serve():
	number = request = 0
	while True:
		number += 1
		table = Table(number)
		for _ in range(SORTS):
			request += 1
			handle(table, request)
			time.sleep(SECONDS_A_TABLE / SORTS)


def resident():
	with open("/proc/self/statm") as statm:
		return int(statm.read().split()[1]) * 4


def main():
	threading.Thread(target=serve, daemon=True).start()
	print("READY")
	sys.stdout.flush()
	threading.Thread(target=sys.stdin.read, daemon=True).start()
	while threading.active_count() > 2:
		time.sleep(1)
		print("RSS %d" % resident())
		sys.stdout.flush()


main()
