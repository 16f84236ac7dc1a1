# SPDX-License-Identifier: BSD-2-Clause
"""What blocked.py and blocked27.py share: the cases that every CPython has, and how the truth is told.

Input: argv[1], the file to write the truth to.  Each case runs in a thread of its own and ends in hold(), which never
returns.  Output: the truth as JSON, made by CPython itself from sys._current_frames() once all are blocked, then the
line READY.  Valid in 2.7 and all of 3.
"""
import contextlib
import functools
import itertools
import json
import os
import re
import select
import sys
import tempfile
import threading
import time

from pv_compat import get_ident, get_native_id, native_id, say

try:
	import queue

	import _thread
except ImportError:		# 2.7
	import Queue as queue
	import thread as _thread

CASES = []
ENTERED = []			# native ids of the threads that are about to block
GATE = threading.Lock()
GATE.acquire()
PIPE = os.pipe()
BETWEEN = {}			# case -> (outer, inner, regex of the native frame between them)
NATIVE_OF = {}			# ident -> (native id, case)
EXTRA = {"blocks_in_join": 1, "pool_worker": 1, "timer_thread": 1, "bare_thread": 1}


def case(function, stack=0):
	CASES.append((function, stack))
	return function


def between(outer, inner, native):
	def note(function):
		BETWEEN[function.__name__] = (outer, inner, native)
		return function
	return note


def hold(*_ignored, **_also):
	# one line, so that the truth is the same just before and while it blocks
	ENTERED.append(get_native_id()); GATE.acquire()


# ---- how it blocks

@case
def blocks_in_lock():
	ENTERED.append(get_native_id()); GATE.acquire()


@case
def blocks_in_pipe_read():
	ENTERED.append(get_native_id()); os.read(PIPE[0], 1)


@case
def blocks_in_sleep():
	ENTERED.append(get_native_id()); time.sleep(100000)


@case
def blocks_in_select():
	ENTERED.append(get_native_id()); select.select([PIPE[0]], [], [])


@case
def blocks_in_read_of_file():
	with os.fdopen(os.dup(PIPE[0]), "rb") as stream:
		ENTERED.append(get_native_id()); stream.read(1)


@case
def blocks_in_queue():
	q = queue.Queue()
	ENTERED.append(get_native_id()); q.get()


# ---- recursion

def down(n):
	if n == 0:
		hold()
	return down(n - 1) + 1


@case
def recursion_250():
	down(250)


def recursion_1500():
	down(1500)


case(recursion_1500, 256 << 20)


def ping(n):
	return pong(n - 1)


def pong(n):
	if n <= 0:
		return hold()
	return (
		ping(
			n
		)
	)


@case
def mutual_recursion():
	ping(201)


@between("recursion_by_sorted.<locals>.again", "recursion_by_sorted.<locals>.again", "sort")
@case
def recursion_by_sorted():
	def again(n):
		if n == 0:
			hold()
		sorted([n - 1], key=again)
	again(60)


def recursion_by_generator():
	def tree(n):
		if n == 0:
			hold()
		yield n
		yield from tree(n - 1)
		yield -n
	for _item in tree(120):
		pass


case(recursion_by_generator, 256 << 20)


# ---- generators, coroutines

@case
def generator():
	def numbers():
		yield 1
		hold()
		yield 2
	for _n in numbers():
		pass


@case
def generator_throw():
	def guarded():
		try:
			yield 1
		except ValueError:
			hold()
	g = guarded()
	next(g)
	g.throw(ValueError("x"))


@case
def generator_close():
	def guarded():
		try:
			yield 1
		finally:
			hold()
	g = guarded()
	next(g)
	g.close()


@case
def generator_send():
	def taker():
		while True:
			function = yield
			function()
	g = taker()
	g.send(None)
	g.send(lambda: 1)
	g.send(hold)


@case
def genexpr_in_sum():
	sum(hold() if n == 2 else n for n in range(5))


@case
def genexpr_nested():
	any(any(hold() if a + b == 3 else False for a in range(3)) for b in range(3))


# ---- classes and slots

@case
def class_body():
	class Outer(object):
		a = 1

		class Inner(object):
			b = hold()


@between("slot_getattr", "slot_getattr.<locals>.Thing.__getattr__", "getattr|slot|call")
@case
def slot_getattr():
	class Thing(object):
		def __getattr__(self, name):
			hold()
	Thing().missing


@case
def slot_eq_in_list():
	class Thing(object):
		def __eq__(self, other):
			hold()
		__hash__ = None
	Thing() in [1, 2, Thing()]


@case
def slot_hash():
	class Thing(object):
		def __hash__(self):
			return hold()
	{Thing(): 1}


@case
def slot_lt_in_sort():
	class Thing(object):
		def __lt__(self, other):
			hold()
	[Thing(), Thing()].sort()


@case
def slot_iter_next():
	class Thing(object):
		def __iter__(self):
			return self

		def __next__(self):
			hold()

		next = __next__		# 2.7
	list(zip([1], Thing()))


@case
def slot_del():
	class Thing(object):
		def __del__(self):
			hold()
	thing = Thing()
	del thing


# ---- callbacks from C

@between("callback_sorted", "callback_sorted.<locals>.key", "sort")
@case
def callback_sorted():
	def key(n):
		if n == 3:
			hold()
		return n
	sorted([1, 2, 3], key=key)


@between("callback_reduce", "callback_reduce.<locals>.add", "reduce")
@case
def callback_reduce():
	def add(a, b):
		return hold() if b == 3 else a + b
	functools.reduce(add, [1, 2, 3])


@between("callback_re_sub", "callback_re_sub.<locals>.replace", "sub")
@case
def callback_re_sub():
	def replace(match):
		hold()
	re.compile("a(b)").sub(replace, "ab" * 3)


@between("callback_map_filter", "callback_map_filter.<locals>.<lambda>", "filter|map")
@case
def callback_map_filter():
	list(filter(lambda n: hold(), map(str, [1, 2])))


@case
def callback_ctypes_qsort():
	import ctypes
	libc = ctypes.CDLL(None)
	prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

	def compare(a, b):
		hold()
		return 0
	array = (ctypes.c_int * 4)(3, 1, 2, 0)
	libc.qsort(array, 4, 4, prototype(compare))


@case
def callback_json_hook():
	json.loads('{"a": {"b": [1, {"c": 2}]}}', object_hook=lambda d: hold() if "b" in d else d)


@case
def callback_expat():
	import xml.parsers.expat
	parser = xml.parsers.expat.ParserCreate()
	parser.StartElementHandler = hold
	parser.Parse("<a/>", True)


@case
def callback_groupby():
	for _key, _group in itertools.groupby([1, 2], key=lambda n: hold()):
		pass


@case
def callback_weakref():
	import weakref

	class Thing(object):
		pass
	thing = Thing()
	_reference = weakref.ref(thing, hold)
	del thing


# ---- statements

@case
def comprehensions():
	[{(hold() if a == b == 2 else a) for b in range(3)} for a in range(3)]


@case
def comprehension_of_dict():
	{a: hold() if a else 0 for a in range(3)}


@case
def decorated():
	def twice(function):
		@functools.wraps(function)
		def wrapper(*args, **kwargs):
			return function(*args, **kwargs)
		return wrapper

	@twice
	@twice
	def work():
		hold()
	work()


@case
def try_except_finally():
	try:
		try:
			raise KeyError("x")
		except KeyError:
			raise ValueError("y")
		finally:
			hold()
	except ValueError:
		pass


@case
def with_exit():
	class Manager(object):
		def __enter__(self):
			return self

		def __exit__(self, *args):
			hold()
	with Manager(), \
			Manager():
		pass


@case
def contextmanager_body():
	@contextlib.contextmanager
	def manager():
		yield 1
		hold()
	with manager():
		pass


@case
def call_over_many_lines():
	max(
		1,
		2,
		*[
			3,
			4,
		],
		key=lambda n: (
			0 if n < 3 else
			hold()
		)
	)


# ---- code that comes from elsewhere

@case
def exec_with_odd_names():
	previous = hold
	for name in ('<string>', 'a;b c"d\\e.py', 'new\nline\ttab.py', 'paren (x.py:3).py', ' lead.py '):
		code = compile("def inner():\n\tnext_one()\ninner()\n", name, "exec")

		def run(code=code, previous=previous):
			exec(code, {"next_one": previous})
		previous = run
	previous()


@case
def exec_very_long_name():
	exec(compile("hold()", "/" + "d" * 3000 + "/x.py", "exec"), {"hold": hold})


@case
def far_line():
	exec(compile("\n" * 200000 + "def far():\n" + "\n" * 70000 + "\thold()\nfar()", "far.py", "exec"),
	     {"hold": hold})


def long_source(lines):
	body = ["def long_one(x):"]
	for n in range(lines):
		body.append("\tx = x + %d" % (n % 200) if n % 3 else "\tx = (x -\n\t\t%d)" % n)
	body.append("\thold()")
	body.append("\treturn x")
	return "\n".join(body) + "\nlong_one(1)\n"


@case
def long_function_300():
	exec(compile(long_source(300), "long300.py", "exec"), {"hold": hold})


@case
def long_function_8000():
	exec(compile(long_source(8000), "long8000.py", "exec"), {"hold": hold})


@case
def long_jumps_in_lines():
	source = "def jumpy(x):\n"
	for n in range(40):
		source += "\tx += 1" + "\n" * (1 + 37 * n)
	source += "\tx = [\n" + "\n" * 300 + "hold(),\n" + "\n" * 300 + "x]\n"
	exec(compile(source + "jumpy(0)\n", "jumpy.py", "exec"), {"hold": hold})


@case
def long_wide_line():
	exec(compile("def wide(x):\n\treturn [" + ", ".join("x" for _ in range(400)) + ", hold()]\nwide(1)",
		     "wide.py", "exec"), {"hold": hold})


@case
def names_very_long():
	name = "f" * 700
	exec(compile("def %s():\n\thold()\n%s()" % (name, name), "longname.py", "exec"), {"hold": hold})


def import_dir():
	directory = tempfile.mkdtemp(prefix="pv-blocked-")
	with open(os.path.join(directory, "pv_blocked_module.py"), "w") as out:
		out.write("import sys\n\n\ndef at_import():\n\tsys.pv_hold()\n\n\nif True:\n\tat_import()\n")
	return directory


# ---- threads made by others

@case
def timer_thread():
	threading.Timer(0.0, hold).start()
	ENTERED.append(get_native_id()); GATE.acquire()


@case
def bare_thread():
	_thread.start_new_thread(hold, ())
	ENTERED.append(get_native_id()); GATE.acquire()


# ---- the truth

def start(function, index, stack):
	def run():
		NATIVE_OF[get_ident()] = (get_native_id(), function.__name__)
		function()
	threading.stack_size(stack)
	one = threading.Thread(target=run, name="case-%d" % index)
	one.daemon = True
	one.start()
	threading.stack_size(0)


def asleep(tid):
	with open("/proc/self/task/%d/stat" % tid) as stat:
		state = stat.read().rpartition(")")[2].split()[0]
	with open("/proc/self/task/%d/status" % tid) as status:
		switches = [line for line in status if "ctxt_switches" in line]
	return state == "S", switches


def wait_until_blocked(count):
	while len(ENTERED) < count:
		time.sleep(0.01)
	# Blocked for good: asleep, and not switched in although this thread gave up the GIL again and again.
	calm, before = 0, None
	while calm < 5:
		time.sleep(0.02)
		now = [asleep(int(tid)) for tid in os.listdir("/proc/self/task") if int(tid) != os.getpid()]
		calm = calm + 1 if now == before and all(s for s, _ in now) else 0
		before = now


def frames_of(frame):
	out = []
	while frame is not None:
		code = frame.f_code
		out.append([code.co_filename, getattr(code, "co_qualname", code.co_name), frame.f_lineno])
		frame = frame.f_back
	return out


def main():
	sys.setrecursionlimit(20000)
	wanted = os.environ.get("PV_CASES")
	cases = [c for c in CASES if not wanted or c[0].__name__ in wanted.split(",")]
	for index, (function, stack) in enumerate(cases):
		start(function, index, stack)
	wait_until_blocked(len(cases) + sum(EXTRA.get(f.__name__, 0) for f, _ in cases))
	natives = {t.ident: (native_id(t), t.name) for t in threading.enumerate()}
	natives.update(NATIVE_OF)
	threads = []
	for ident, frame in sys._current_frames().items():
		if ident == get_ident():
			continue
		# bare_thread's own is known to nobody but by exclusion
		native, name = natives.get(ident, (None, "unregistered"))
		threads.append({"tid": native, "case": name, "frames": frames_of(frame)})
	known = {t["tid"] for t in threads} | {os.getpid()}
	unknown = [int(tid) for tid in os.listdir("/proc/self/task") if int(tid) not in known]
	for thread in threads:
		if thread["tid"] is None and len(unknown) == 1:
			thread["tid"] = unknown[0]
	with open(sys.argv[1], "w") as out:
		json.dump({"pid": os.getpid(), "version": list(sys.version_info[:3]),
			   "threads": threads, "between": BETWEEN}, out)
	say("READY")
	sys.stdin.read()
	os._exit(0)
