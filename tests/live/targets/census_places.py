# SPDX-License-Identifier: BSD-2-Clause
"""Objects where a heap is at its oddest, for tests/live/test_census.py.

Input: argv[1]: threads: tuples that threads of their own made, too large for a pool; blocked: the same where
brk() gives no more; interpreters: objects of a subinterpreter; malloc: as threads, with holes in it.
Output: READY and the number of objects of the type Odd (malloc: the bytes in use that mallinfo() tells, and
those in mappings of their own), then nothing, until standard input ends.
"""
import ctypes
import sys
import threading

N = 2000


class Odd(tuple):
	pass


def make(kept):
	kept.extend(Odd(range(i % 500, i % 500 + 100)) for i in range(N))


def threads():
	kept = [[] for _ in range(3)]
	made = [threading.Thread(target=make, args=(one,)) for one in kept]
	for one in made:
		one.start()
	for one in made:
		one.join()
	return kept, 3 * N


def malloc():
	kept, _ = threads()
	for one in kept:
		del one[::3]
	holes = [bytes(3000 + i) for i in range(2000)]
	del holes[::2]
	libc = ctypes.CDLL(None)
	new = hasattr(libc, "mallinfo2")  # glibc 2.33; before, its numbers are ints
	names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

	class Info(ctypes.Structure):
		_fields_ = [(name, ctypes.c_size_t if new else ctypes.c_int) for name in names]
	ask = libc.mallinfo2 if new else libc.mallinfo
	ask.restype = Info
	ask()
	info = ask()
	return (kept, holes), "%d %d" % (info.uordblks, info.hblkhd)


def blocked():
	"""A page behind the heap's end: brk() cannot grow it."""
	libc = ctypes.CDLL(None, use_errno=True)
	libc.sbrk.restype = libc.mmap.restype = ctypes.c_void_p
	libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
	end = libc.sbrk(0)
	assert libc.mmap(end, 4096, 0, 0x32, -1, 0) == end  # PROT_NONE; MAP_PRIVATE, FIXED, ANONYMOUS
	kept = []
	make(kept)
	return kept, N


def interpreters():
	try:
		import _interpreters as module
	except ImportError:
		import _xxsubinterpreters as module
	code = "class Odd(tuple): pass\nimport builtins\nbuiltins.kept = [Odd((i,)) for i in range(%d)]" % N
	made = module.create()
	assert not module.run_string(made, code)
	return made, N


keep, n = globals()[sys.argv[1]]()
print("READY %s" % n)
sys.stdout.flush()
sys.stdin.read()
