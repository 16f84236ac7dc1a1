# SPDX-License-Identifier: BSD-2-Clause
"""One object whose count is followed.  Input: the directory of refs_ext.so ("-": none), commands.  Output: what
sys.getrefcount() saw before and after each.
"""
import collections
import ctypes	# before anyone looks: stacks through a library that was just mapped are not whole
import gc
import os
import sys
import threading
import time

if sys.argv[1] != "-":
	sys.path.insert(0, sys.argv[1])
	import refs_ext
else:
	refs_ext = None


class Thing(object):
	def __init__(self):
		self.other = None


class Slotted(object):
	__slots__ = ("slot", "unset")
	shared = ["shared"]

	@property
	def made(self):
		return [self]

	def method(self):
		return self

	@classmethod
	def own(cls):
		return cls

	@staticmethod
	def free():
		return None


class Worker(threading.Thread):
	"""One that waits for numbers: so many references it takes."""

	def __init__(self):
		threading.Thread.__init__(self)
		self.daemon = True
		self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
		self.n, self.kept, self.number = 0, [], 0

	def run(self):
		self.number = threading.get_native_id() if hasattr(threading, "get_native_id") else 0
		self.done.release()
		while True:
			self.go.acquire()
			keep(self.kept, self.n)
			self.done.release()


KINDS = {"none": lambda: None, "list": lambda: ["watched"], "thing": Thing, "tuple": lambda: tuple([str(os.getpid())]),
	 "dict": dict, "slotted": Slotted, "other": lambda: Other(), "generator": lambda: (i for i in [1])}
kept = []
held = {}
named = []
sample = Slotted()
sample.slot = {"slot": 1}


def keep(into, n):
	for _ in range(n):
		into.append(held["object"])


def mixed(n):
	"""All sorts of things that take references and give them back, and some that keep them."""
	thing = held["object"]
	for i in range(n):
		kept.append(thing)
		pair = (thing, thing)
		again = {"a": thing, "b": pair}
		again.clear()
		del pair
		kept.extend([thing] * (i % 5))
		if i % 3 == 0 and kept:
			kept.pop()

		def closure(one=thing):
			return [one for _ in range(3)]

		closure()
		try:
			raise ValueError(thing)
		except ValueError:
			pass
		list(x for x in (thing,))
	del thing, closure


def batch(name, n, every):
	function = getattr(refs_ext, name)
	thing = held["object"]
	for _ in range(n):
		function(thing, every)
	del thing


def holds_it():
	one = held["object"]
	two = [one, one]
	return len(two)


def calls(n):
	for _ in range(n):
		holds_it()


def give_birth():
	return Thing()


def grow_up(thing):
	for _ in range(20):
		thing.other = [thing]
		time.sleep(0.05)
		thing.other = None


def born(n):
	"""Things that live for a second each, until standard input ends."""
	def run():
		for _ in range(n):
			grow_up(give_birth())

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()


class Other(object):
	def __init__(self):
		self.other = None


def make_thing():
	return Thing()


def make_other():
	return Other()


def turns():
	"""Two types as large as each other take turns, until standard input ends."""
	def run():
		while True:
			for make in (make_thing, make_other):
				one = make()
				two = [one]
				time.sleep(0.0005)
				del one, two
				time.sleep(0.0005)

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()
	print("TURNS")
	sys.stdout.flush()


def often():
	one = make_thing()
	time.sleep(0.0002)
	del one


def seldom():
	often()


def rarely():
	"""One line makes all, after 2000 and a word that there may be others one in 61 for another function."""
	def run():
		for _ in range(2000):
			often()
		print("BORN")
		sys.stdout.flush()
		while True:
			for _ in range(60):
				often()
			if held.get("seldom"):
				seldom()

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()


Large = type("Large", (object,), {"__slots__": ["slot%d" % i for i in range(80)]})


def make_large():
	return Large()


def larges():
	"""Objects that malloc() is asked for, and that stay, until standard input ends."""
	def run():
		while True:
			kept.append(make_large())
			time.sleep(0.01)
			kept[-1].slot0 = [kept[-1]]

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()


def make_text(number):
	return ("%d" % number).rjust(380)


def flood():
	"""Objects that fill an arena of Python's own allocator in less than a second, and stay, beside many of other sizes."""
	kept.extend(str(i).rjust(length) for length in (50, 90, 120, 150, 180) for i in range(30000))

	def run():
		number = 0
		while True:
			for _ in range(40):
				number += 1
				kept.append(make_text(number))
			time.sleep(0.002)

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()
	print("FLOOD")
	sys.stdout.flush()


def new_queue():
	return collections.deque()


def queues(n):
	"""Objects of a type whose tp_name has a module in it."""
	def run():
		for _ in range(n):
			kept.append(new_queue())
			time.sleep(0.01)
			kept[-1].append(kept[-1])

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()


def lose(one, by):
	by(one)


def by_hand(n, gives):
	"""References that ctypes takes, and gives back or not."""
	take, give, thing = ctypes.pythonapi.Py_IncRef, ctypes.pythonapi.Py_DecRef, held["object"]
	take.argtypes = give.argtypes = [ctypes.py_object]
	take.restype = give.restype = None
	for _ in range(n):
		lose(thing, take)
		holds_it()
		if gives:
			give(thing)


def write(n):
	"""Into what the object has, not its count; prints what stands there after each."""
	thing, made = held["object"], []
	for i in range(n):
		if isinstance(thing, list):
			thing.append(i)
			made.append(len(thing))
		elif isinstance(thing, dict):
			thing[i] = i
			made.append(len(thing))
		else:
			thing.slot = [i]
			kept.append(thing.slot)
			made.append(id(thing.slot))
	print("WROTE " + " ".join(map(str, made)))
	sys.stdout.flush()


def busy():
	"""One count that changes all the time, until standard input ends."""
	def run():
		one = held["object"]
		while True:
			two = one
			two = None

	thread = threading.Thread(target=run)
	thread.daemon = True
	thread.start()


def fork(n, seconds):
	"""Children that do as the parent does, or call leaky() for so long; prints how each ended, 3: calls were slow."""
	ended, thing = [], held["object"]
	for _ in range(n):
		pid = os.fork()
		if not pid:
			try:
				last, end, calls = time.time() + seconds / 2, time.time() + seconds, 0
				while time.time() < end:
					refs_ext.leaky(thing, 7)
					calls += time.time() > last
				mixed(30)
				# one every 50 us: a probe on each line takes more
				os._exit(3 if calls < seconds / 2 * 20000 else 0)
			finally:
				os._exit(1)
		ended.append(os.waitpid(pid, 0)[1])
	print("CHILDREN " + " ".join(map(str, ended)))
	sys.stdout.flush()


def junk():
	"""What was an int is another's block, whose first word is an address, low as a program's that is not PIE."""
	libc, malloc = ctypes.CDLL(None), ctypes.pythonapi.PyObject_Malloc
	libc.mmap.restype = malloc.restype = ctypes.c_void_p
	libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
	malloc.argtypes = [ctypes.c_size_t]
	for at in range(0x200000, 0x1000000, 0x20000):
		low = libc.mmap(at, 1 << 16, 3, 0x100022, -1, 0)	# MAP_FIXED_NOREPLACE
		if low == at:
			break
	one = int("9" * 16)
	address = id(one)
	del one
	blocks = []
	while address not in blocks and len(blocks) < 100000:
		blocks.append(malloc(32))
	kept.append(blocks)
	ctypes.c_uint64.from_address(address).value = low + 0x7e8
	print("JUNK %d %d" % (address, address in blocks))
	sys.stdout.flush()


def again(kind):
	"""Others of its kind until one is at its address, of which many references are taken; prints whether one came."""
	address, others = id(held["object"]), []
	drop_it()
	while len(others) < 100000:
		others.append(KINDS[kind]())
		if id(others[-1]) == address:
			break
	kept.extend([others[-1]] * 1000)
	kept.append(others)
	held["object"] = others[-1]
	print("AGAIN %d" % (id(others[-1]) == address))
	sys.stdout.flush()


def rename():
	"""What the name referred to goes, one that it does not refer to comes in its place."""
	global named
	named = None
	kept.append([])
	named = []
	print("DONE 0 0")
	sys.stdout.flush()


def outgrow():
	"""A text of which there is one reference grows until it is elsewhere; prints how often it was there again."""
	text = "%d" % os.getpid()
	print("ID %d" % id(text))
	sys.stdout.flush()
	sys.stdin.readline()
	address, n = id(text), 0
	for _ in range(200):
		text += "0123456789abcdef"
	for i in range(20000):
		kept.append("%d" % (1000000 + i))
		if id(kept[-1]) == address:
			kept.extend([kept[-1]] * 1000)
			n += 1
	print("AGAIN %d" % n)
	sys.stdout.flush()


def release():
	kept[:] = []


def drop_it():
	del held["object"]


def count():
	return sys.getrefcount(held["object"])


def threads(workers, n, new):
	"""Those that are there take n each, then so many new ones do."""
	for worker in workers:
		worker.n = n
		worker.go.release()
		worker.done.acquire()
	young = []
	for _ in range(new):
		one = Worker()
		one.start()
		one.done.acquire()
		young.append(one)
		one.n = n + 1
		one.go.release()
		one.done.acquire()
	print("TIDS " + " ".join("%d:%d" % (w.number, w.n) for w in workers + young))
	sys.stdout.flush()
	return workers + young


def main():
	workers = []
	print("READY")
	sys.stdout.flush()
	while True:
		words = sys.stdin.readline().split()
		if not words:
			return
		if words[0] == "new":
			held["object"] = KINDS[words[1]]()
			print("ID %d" % id(held["object"]))
			sys.stdout.flush()
			continue
		if words[0] == "workers":
			for _ in range(int(words[1])):
				workers.append(Worker())
				workers[-1].start()
				workers[-1].done.acquire()
			print("DONE 0 0")
			sys.stdout.flush()
			continue
		if words[0] in ("busy", "outgrow", "rename"):
			{"busy": busy, "outgrow": outgrow, "rename": rename}[words[0]]()
			continue
		if words[0] == "seldom":
			held["seldom"] = True
			continue
		if words[0] == "again":
			again(words[1])
			continue
		if words[0] in ("turns", "larges", "flood", "rarely"):
			{"turns": turns, "larges": larges, "flood": flood, "rarely": rarely}[words[0]]()
			continue
		if words[0] == "exec":
			os.execv(sys.executable, [sys.executable] + sys.argv)
		if words[0] == "drop":
			drop_it()
			print("DONE 0 0")
			sys.stdout.flush()
			continue
		before = count()
		if words[0] == "mixed":
			mixed(int(words[1]))
		elif words[0] == "born":
			born(int(words[1]))
		elif words[0] == "queues":
			queues(int(words[1]))
		elif words[0] == "by_hand":
			by_hand(int(words[1]), int(words[2]))
		elif words[0] == "write":
			write(int(words[1]))
		elif words[0] == "calls":
			calls(int(words[1]))
		elif words[0] == "threads":
			workers = threads(workers, int(words[1]), int(words[2]))
		elif words[0] == "junk":
			junk()
		elif words[0] == "fork":
			fork(int(words[1]), float(words[2]))
		elif words[0] == "release":
			release()
			gc.collect()
		else:
			batch(words[0], int(words[1]), int(words[2]))
		print("DONE %d %d" % (before, count()))
		sys.stdout.flush()


main()
