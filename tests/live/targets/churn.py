# SPDX-License-Identifier: BSD-2-Clause
"""Compiles, runs and frees modules one after the other, so that code objects reuse addresses.

Input: argv[1] how many; argv[2] the variant; argv[3] CPU milliseconds in each.  Output: READY, then,
after a line on standard input (or at once with argv[4] = now), the work, then DONE.
Variants: "own": function names and lines say the number of their file;
"same": every module has the same names but one, the same first lines, file names of one length,
so that old and new allocations fall on the same addresses; the one name that differs, the callee's,
says the number.  Every frame of churn code must agree on the number: see churn_check.py.
"""
import gc
import sys

from pv_compat import say, thread_time


def source_own(n):
	# the function's first line says the number too: 1 + 3 * (n % 1000)
	return "\n" * (3 * (n % 1000)) + (
		"def f_%05d(until, now):\n"
		"\twhile now() < until: [x for x in range(20)]\n"
		"\treturn 1\n" % n)


def source_same(n):
	# gaps of different size, so that line tables of one length say different lines
	gap = "\n" * (1 + n % 5)
	return (
		"def mark_%05d(until, now):%s"
		"\tx = 0\n"
		"\twhile now() < until: x += 1\n"
		"\treturn x\n"
		"def work(until, now):%s"
		"\treturn mark_%05d(until, now)\n" % (n, gap, gap, n))


def run_one(n, variant, seconds):
	if variant == "own":
		source, name = source_own(n), "f_%05d" % n
	else:
		source, name = source_same(n), "work"
	namespace = {}
	exec(compile(source, "/churn/file_%05d.py" % n, "exec"), namespace)
	namespace[name](thread_time() + seconds, thread_time)
	namespace.clear()		# breaks the cycle: the code objects are freed here and now


def main():
	count, variant, ms = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
	say("READY")
	if len(sys.argv) < 5:
		sys.stdin.readline()
	gc.disable()
	for n in range(count):
		run_one(n, variant, ms / 1000)
	say("DONE")


if __name__ == "__main__":
	main()
