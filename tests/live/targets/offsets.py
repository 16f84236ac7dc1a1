# SPDX-License-Identifier: BSD-2-Clause
"""A CPython 3.13 or later that lies about its own _Py_DebugOffsets.

Input: argv[1], index of a u64 in them; argv[2], its new value, or "@N": that of u64 N.  Output: READY; then it is busy in
busy(), called by main().
"""
import ctypes
import sys


def busy():
	total = 0
	for n in range(10 ** 5):
		total += n * n
	return total


def main():
	while True:
		busy()


def runtime():
	words = (ctypes.c_uint64 * 128).in_dll(ctypes.pythonapi, "_PyRuntime")
	assert bytes(words)[:8] == b"xdebugpy"
	return words


def lie(index, value):
	words = runtime()
	words[index] = words[int(value[1:])] if value.startswith("@") else int(value)


if len(sys.argv) > 1:
	lie(int(sys.argv[1]), sys.argv[2])
print("READY", flush=True)
main()
