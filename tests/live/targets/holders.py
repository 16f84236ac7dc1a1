# SPDX-License-Identifier: BSD-2-Clause
"""Objects whose holders the program knows, for tests/live/test_holders.py and bench/holders.py; also for Python 2.7.

Input: argv[1]: names, lost, clean (threads that allocate, move and free objects all the time),
untouched, many, or size MB.
Output: IDS and JSON, then READY.  Standard input: a line ends it.
"""
from __future__ import print_function

import collections
import ctypes
import functools
import gc
import json
import sys
import threading

INCREF = ctypes.pythonapi.Py_IncRef
INCREF.argtypes = [ctypes.py_object]
INCREF.restype = None
LOST = 100    # objects of each kind
CACHED = 10000
IDS = {}


class Thing(object):
	pass


class Holder(object):
	def __init__(self):
		self.data = {}


class Slots(object):
	__slots__ = ("one", "two")


def closure():
	captured = Thing()
	IDS["closure"] = id(captured)

	def inner():
		return captured
	return inner


def generator():
	held = Thing()
	IDS["generator"] = id(held)
	yield 1


def default(value=Thing()):
	return value


def worker(ready, end):
	local = Thing()
	IDS["local"] = id(local)
	ready.set()
	end.wait()


def sorter(ready, end):
	"""C code with the object among the arguments of a call, on its stack."""
	blocked = Thing()
	IDS["blocked"] = id(blocked)

	def key(one):
		ready.set()
		return end.wait()
	sorted([blocked], key=key)


def names():
	scope = globals()
	scope["attr"] = Thing()
	scope["fn"] = closure()
	scope["cache"] = {"k%d" % i: Thing() for i in range(5)}
	scope["nested"] = {"a": {"b": [0, Thing()]}}
	scope["holder"] = Holder()
	scope["holder"].data["x"] = Thing()
	scope["holder"].direct = Thing()
	Holder.klass = Thing()
	scope["slots"] = Slots()
	scope["slots"].two = Thing()
	scope["queue"] = collections.deque(Thing() for _ in range(200))
	scope["pair"] = (1, Thing())
	scope["group"] = {Thing()}
	scope["part"] = functools.partial(print, Thing())
	scope["recent"] = collections.deque((Thing() for _ in range(20)), maxlen=300)
	if hasattr(functools, "lru_cache"):
		scope["remember"] = functools.lru_cache(maxsize=1000)(lambda key: Thing())
		scope["forever"] = functools.lru_cache(maxsize=None)(lambda key: Thing())
		IDS["remember"], IDS["forever"] = [[id(scope[name](key)) for key in range(7)][5] for name in ("remember", "forever")]
	scope["gen"] = generator()
	next(scope["gen"])
	scope["many"] = [Holder() for _ in range(1000)]
	IDS.update({
		"attr": id(scope["attr"]), "dict": id(scope["cache"]["k3"]), "nested": id(scope["nested"]["a"]["b"][1]),
		"instance": id(scope["holder"].data["x"]), "direct": id(scope["holder"].direct), "klass": id(Holder.klass),
		"slot": id(scope["slots"].two), "deque": id(scope["queue"][150]), "recent": id(scope["recent"][3]), "tuple": id(scope["pair"][1]),
		"set": id(list(scope["group"])[0]), "partial": id(scope["part"].args[0]),
		"default": id(default.__defaults__[0])})
	ready, scope["end"] = threading.Event(), threading.Event()
	threading.Thread(target=worker, args=(ready, scope["end"])).start()
	ready.wait()
	ready.clear()
	threading.Thread(target=sorter, args=(ready, scope["end"])).start()
	ready.wait()


class Nested(object):
	def __init__(self, i):
		self.uid = i
		self.tags = [i, (i, i + 1)]


KINDS = {
	"tuple": lambda i: (object(), [i]),
	"list": lambda i: [object()],
	"dict": lambda i: {"i": Thing()},
	"str": lambda i: "text %d" % i * 20,
	"Nested": Nested,
	"large": lambda i: (None,) * 2000 + (object(),),
}


def lose(kind):
	"""Objects with a reference that nobody has any more."""
	ids = []
	for i in range(LOST):
		one = KINDS[kind](i)
		INCREF(one)
		# no int: that of 2.7 has the very address in it
		ids.append("%d" % id(one))
	return ids


def churn(n):
	"""Old values on stacks and in freed memory become others'."""
	kept = [[KINDS[kind](i) for kind in sorted(KINDS)] for i in range(20 * LOST)]
	return churn(n - 1) + len(kept) % 2 if n else 0


def lost():
	"""And a cache: none of it is lost but one, of which there is a reference more."""
	IDS["lost"] = {kind: lose(kind) for kind in KINDS}
	scope = globals()
	scope["cache"] = {i: Nested(i) for i in range(CACHED)}
	IDS["cache"] = ["%d" % id(one) for one in scope["cache"].values()]
	IDS["one"] = "%d" % id(scope["cache"][CACHED // 2])
	INCREF(scope["cache"][CACHED // 2])
	churn(20)


@functools.wraps(sorted)
def in_order(things):
	return sorted(things, key=lambda one: one.uid)


def busy(end, queue):
	"""Objects move from place to place, come and go."""
	ring, table, n = collections.deque(Nested(i) for i in range(100)), {}, 0
	while not end.is_set():
		n += 1
		ring.rotate(7)
		ring.append(ring.popleft())
		table[n % 500] = Nested(n)
		table.pop((n * 7) % 500, None)
		queue.append(table.get(n % 500))
		if len(queue) > 200:
			queue.popleft()
		in_order([one for one in list(queue) if one])
		json.loads(json.dumps({"a": [1, 2, {"b": "c%d" % n}]}))
		try:
			raise KeyError(n)
		except KeyError as error:
			table[n % 500] = error.args
		one = generator()
		next(one)
		big = [Nested(n)] * (n % 3000)
		big.extend(ring)


def clean():
	scope = globals()
	scope["end"], queue = threading.Event(), collections.deque()
	scope["cache"] = {i: Nested(i) for i in range(20000)}
	scope["tables"] = [{str(i): (i, [i])} for i in range(5000)]
	for _ in range(4):
		thread = threading.Thread(target=busy, args=(scope["end"], queue))
		thread.daemon = True
		thread.start()
	gc.collect()
	seen = {id(one) for one in gc.get_objects()}
	for one in gc.get_objects():
		seen.update(id(other) for other in gc.get_referents(one))
	IDS["all"] = sorted(seen)


def hide():
	"""An object that only bytes hold: no path leads there."""
	scope = globals()
	one = Thing()
	IDS["hidden"] = id(one)
	INCREF(one)
	# of malloc(): small ones are in the object itself
	scope["place"] = (ctypes.c_size_t * 1000)()
	scope["place"][500] = id(one)


def untouched():
	"""A list that says of itself that its items are 16 GB of memory that nobody ever touched."""
	scope = globals()
	gc.disable()
	hide()
	scope["liar"] = []
	mmap = ctypes.CDLL(None).mmap
	mmap.restype = ctypes.c_void_p
	mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
	# MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
	at = mmap(None, 16 << 30, 3, 0x4022, -1, 0)
	fields = (ctypes.c_ssize_t * 3).from_address(id(scope["liar"]) + 16)
	fields[1], fields[2], fields[0] = at, 1 << 31, 1 << 31


def many():
	"""So many objects that it takes a while to go through them."""
	scope = globals()
	gc.disable()
	hide()
	scope["many"] = [[[]] for _ in range(600000)]


def own_kb():
	with open("/proc/self/status") as status:
		return sum(int(line.split()[1]) for line in status if line.startswith(("RssAnon", "VmSwap")))


def size(mb):
	scope = globals()
	scope["one"] = Thing()
	IDS["one"] = id(scope["one"])
	scope["keep"] = []
	# objects of all kinds, as a program's heap is; also what is swapped out
	while own_kb() < mb << 10:
		scope["keep"].append([(i, Nested(i), str(i), {i: [i]}) for i in range(1000)])


if sys.argv[1] == "size":
	gc.disable()
	size(int(sys.argv[2]))
else:
	globals()[sys.argv[1]]()
print("IDS " + json.dumps(IDS))
IDS.clear()
print("READY")
sys.stdout.flush()
sys.stdin.readline()
if "end" in globals():
	globals()["end"].set()
