# SPDX-License-Identifier: BSD-2-Clause
"""A busy program that publishes every Python stack it can have.

Input: argv[1], the file for the truth; argv[2], optional, seconds to run (default: until its
parent ends); argv[3], optional: write stacks sampled by itself there.  Output: the truth as JSON, then the line READY.  The truth holds, for each thread, a
tree: a node is one function in one context, an edge the lines on which the parent can be while
the child runs.  Every stack is a path from the root, and every prefix of a path a stack too.
Paths that share functions differ around them (a_outer, a_inner, shared, a_leaf against b_outer,
b_inner, shared, b_leaf), so a stack mixed from two moments is no path.

Lines of calls come from the marks `#> callee` in this file, ranges of functions from the code
objects.  Native code of which the caller is known is listed under "owners".
Runs on CPython 2.7 and newer (live.py rewrites its "yield from" for 2.7), needs nothing but the standard library.
"""
import bisect
import functools
import json
import math
import os
import re
import sys
import threading
import time
import zlib

from pv_compat import get_ident, monotonic, native_id, say, start_thread

BUFFER = bytes(bytearray(range(256))) * 16
NUMBERS = list(range(24))
FLOATS = [n / 7.0 for n in range(48)]
DEPTH = 60
CHAIN = 40


# ---- alternating callers of shared functions; each chain has its own pair above and its own leaf

def a_leaf(x):
	return zlib.adler32(BUFFER) + x


def b_leaf(x):
	return math.fsum(FLOATS) + x


def c_leaf(x):
	return bisect.bisect_left(NUMBERS, x)


def shared(who, x):
	if who == 0:
		return a_leaf(x)  #> a_leaf
	if who == 1:
		return b_leaf(x)  #> b_leaf
	x += 1
	return c_leaf(x)  #> c_leaf


def a_inner(x):
	y = shared(0, x)  #> shared
	return y + 1


def b_inner(x):
	x = x + 2
	x = shared(1, x)  #> shared
	return x


def c_inner(x):
	return (shared(2, x), x)  #> shared


def a_outer(x):
	return a_inner(x)  #> a_inner


def b_outer(x):
	x -= 1
	return b_inner(x) - 1  #> b_inner


def c_outer(x):
	for y in (x,):
		c_inner(y)  #> c_inner
	return x


def alternate(n):
	while n:
		n -= 1
		a_outer(n)  #> a_outer
		b_outer(n)  #> b_outer
		c_outer(n)  #> c_outer


# the same without any work at the leaf: nothing but calls and returns

def a_nop(x):
	return x


def b_nop(x):
	return x


def bare(who):
	return a_nop(who) if who else None  #> a_nop


def bare_b(who):
	return b_nop(who) if who else None  #> b_nop


def switch(function):
	return function(1)  #> bare bare_b


def a_low(n):
	return switch(bare)  #> switch


def b_low(n):
	pass
	return switch(bare_b)  #> switch


def calls_only(n):
	while n:
		n -= 1
		a_low(n)  #> a_low
		b_low(n)  #> b_low


# ---- recursion to a depth that is known exactly

def recurse(n, leaf):
	if n == 0:
		return leaf(3)  #> a_nop b_nop
	return recurse(n - 1, leaf)  #> recurse


def recurse_a():
	return recurse(DEPTH, a_nop)  #> recurse


def recurse_b():
	x = 1
	return recurse(DEPTH // 2, b_nop) + x  #> recurse


def ping(n):
	if n:
		return pong(n - 1)  #> pong
	return a_nop(n)  #> a_nop


def pong(n):
	n = n
	if n:
		return ping(n - 1)  #> ping
	return b_nop(n)  #> b_nop


def recursion(n):
	while n:
		n -= 1
		recurse_a()  #> recurse_a
		recurse_b()  #> recurse_b
		ping(CHAIN)  #> ping
		ping(CHAIN - 1)  #> ping


# ---- generators: resumed by alternating callers, nested, thrown into, closed

def gen_body():
	function = yield
	while True:
		function = yield function(2)  #> a_only b_only


def a_only(x):
	return a_nop(x) + x  #> a_nop


def b_only(x):
	x = x + 1
	return b_nop(x)  #> b_nop


def a_consume(g):
	return g.send(a_only)  #> gen_body


def b_consume(g):
	g.send(b_only)  #> gen_body
	return g


def gen_leaf(n):
	while n:
		n -= 1
		yield n


def gen_middle(n):
	yield 0
	yield from gen_leaf(n)  #> gen_leaf


def gen_top(n):
	for x in gen_middle(n):  #> gen_middle gen_leaf
		yield x


def gen_walk(n):
	for x in gen_top(n):  #> gen_top
		a_nop(x)  #> a_nop


def gen_guard():
	while True:
		try:
			yield 1
		except ValueError:
			b_nop(1)  #> b_nop
		except GeneratorExit:
			a_nop(1)  #> a_nop
			raise


def gen_throw(n):
	g = gen_guard()
	next(g)  #> gen_guard
	while n:
		n -= 1
		g.throw(ValueError())  #> gen_guard
	g.close()  #> gen_guard


def generators(n):
	g = gen_body()
	next(g)  #> gen_body
	while n:
		n -= 1
		a_consume(g)  #> a_consume
		b_consume(g)  #> b_consume
	g.close()  #> gen_body
	gen_walk(30)  #> gen_walk
	gen_throw(10)  #> gen_throw


# ---- exceptions

class Stop(Exception):
	pass


def raise_leaf(n):
	if n & 1:
		raise Stop(n)
	raise KeyError(n)


def raise_middle(n):
	try:
		raise_leaf(n)  #> raise_leaf
	finally:
		a_nop(n)  #> a_nop


def catch_a(n):
	try:
		raise_middle(n)  #> raise_middle
	except Stop:
		return a_only(1)  #> a_only
	except KeyError:
		return b_only(1)  #> b_only


def catch_b(n):
	try:
		raise_middle(n + 1)  #> raise_middle
	except (Stop, KeyError):
		pass
	b_nop(n)  #> b_nop


def exceptions(n):
	while n:
		n -= 1
		catch_a(n)  #> catch_a
		catch_b(n)  #> catch_b


# ---- called back from C

def sort_key(x):
	return a_nop(-x)  #> a_nop


def by_sort():
	return sorted(NUMBERS, key=sort_key)  #> sort_key


def sort_key_two(x):
	return b_nop(x)  #> b_nop


def by_sort_two():
	x = list(NUMBERS)
	x.sort(key=sort_key_two)  #> sort_key_two
	return x


def fold(a, b):
	return a_only(a) + b  #> a_only


def by_reduce():
	return functools.reduce(fold, NUMBERS)  #> fold


PATTERN = re.compile(r"(\w)(\d)")
TEXT = "a1 b2 c3 d4 e5 f6 " * 3


def replace(match):
	return b_only(1) and "x"  #> b_only


def by_sub():
	return PATTERN.sub(replace, TEXT)  #> replace


def nested_key(x):
	if x == 5:
		by_reduce()  #> by_reduce
	return x


def by_nested():
	return max(NUMBERS, key=nested_key)  #> nested_key


class Slotted(object):
	def __eq__(self, other):
		return a_nop(0)  #> a_nop

	def __getattr__(self, name):
		return b_nop(name)  #> b_nop

	def __iter__(self):
		return iter(gen_leaf(4))

	__hash__ = None


SLOTTED = Slotted()
SLOTS = [Slotted() for _ in range(4)]


def by_eq():
	return SLOTTED in SLOTS  #> Slotted.__eq__


def by_getattr():
	return SLOTTED.missing  #> Slotted.__getattr__


def by_iter():
	return sum(SLOTTED)  #> Slotted.__iter__ gen_leaf


def by_map():
	return list(map(lambda x: a_nop(x), NUMBERS))  #> <lambda> a_nop


def callbacks(n):
	while n:
		n -= 1
		by_sort()  #> by_sort
		by_sort_two()  #> by_sort_two
		by_reduce()  #> by_reduce
		by_sub()  #> by_sub
		by_nested()  #> by_nested
		by_eq()  #> by_eq
		by_getattr()  #> by_getattr
		by_iter()  #> by_iter
		by_map()  #> by_map


# ---- methods that share a name; comprehensions

class Alpha(object):
	def step(self):
		return self.work()  #> Alpha.work

	def work(self):
		return a_only(1)  #> a_only


class Beta(object):
	def step(self):
		x = self.work()  #> Beta.work
		return x

	def work(self):
		x = 1
		return b_only(x)  #> b_only


ALPHA, BETA = Alpha(), Beta()


def call_step(thing):
	return thing.step()  #> Alpha.step Beta.step


def comprehend():
	return [a_nop(x) for x in NUMBERS]  #> <listcomp> a_nop


def comprehend_two():
	return {x: b_nop(x) for x in NUMBERS}  #> <dictcomp> b_nop


def summed():
	return sum(b_only(x) for x in NUMBERS)  #> <genexpr> b_only


def methods(n):
	while n:
		n -= 1
		call_step(ALPHA)  #> call_step
		call_step(BETA)  #> call_step
		comprehend()  #> comprehend
		comprehend_two()  #> comprehend_two
		summed()  #> summed


def scenes():
	alternate(150)  #> alternate
	calls_only(800)  #> calls_only
	recursion(6)  #> recursion
	generators(60)  #> generators
	exceptions(60)  #> exceptions
	callbacks(4)  #> callbacks
	methods(15)  #> methods


def second_a():
	a_outer(1)  #> a_outer
	recurse_a()  #> recurse_a


def second_b():
	x = 2
	b_outer(x)  #> b_outer
	by_sub()  #> by_sub


def second_thread():
	while RUNNING:
		second_a()  #> second_a
		second_b()  #> second_b


RUNNING = [True]


PARENT = os.getppid()
STARTED = threading.Event()


def main(until):
	while monotonic() < until and os.getppid() == PARENT:
		scenes()  #> scenes


# ---- the truth

def codes_of(code, out):
	out.append(code)
	for const in code.co_consts:
		if hasattr(const, "co_code"):
			codes_of(const, out)
	return out


class Truth(object):
	"""Builds the tree; names are those of the version that runs it."""

	def __init__(self):
		with open(__file__) as source:
			text = source.read()
		self.marks = {}			# line -> callees
		for number, line in enumerate(text.split("\n"), 1):
			if "#> " in line and "`#> " not in line and '"#> ' not in line:
				self.marks[number] = line.rpartition("#> ")[2].split()
		top = compile(text, __file__, "exec")
		self.codes = {}			# qualified name, without <locals> -> code
		self.collect(top, "")
		self.nodes = []

	def collect(self, code, prefix):
		for const in code.co_consts:
			if hasattr(const, "co_code"):
				name = prefix + const.co_name
				self.codes[name] = const
				self.collect(const, name + ".")

	@staticmethod
	def lines(code):
		import dis
		lines = [line for _, line in dis.findlinestarts(code) if line] + [code.co_firstlineno]
		return [min(lines), max(lines)]

	def node(self, name, *children, **how):
		"""name: a key of codes.  how: via, and calls, the callees whose marks count as this node's call lines."""
		code = self.codes[name]
		return {"name": getattr(code, "co_qualname", code.co_name), "file": __file__,
			"lines": self.lines(code), "mark": how.get("calls") or name, "via": how.get("via"),
			"children": self.linked(code, children)}

	def linked(self, code, children):
		first, last = self.lines(code)
		flat = []
		for child in children:
			flat.extend(child if isinstance(child, list) else [child])
		out = []
		for child in flat:
			lines = [n for n, names in self.marks.items() if first <= n <= last and child["mark"] in names]
			assert lines, "no mark for %s in %s" % (child["mark"], code.co_name)
			out.append(dict(child, at=lines))
		return out

	def inner(self, parent, name, *children, **how):
		"""A comprehension, lambda or genexpr inside parent; where it is inlined, its children instead."""
		full = parent + "." + name
		if full not in self.codes:
			return list(children)
		return self.node(full, *children, via=how.get("via"), calls=name)

	@staticmethod
	def outside(names, child):
		"""Frames of other files, by name only."""
		for name, filename in reversed(names):
			child = {"name": name, "file": filename, "lines": None, "via": None,
				 "children": [dict(child, at=child.get("at"))]}
		return child

	def recursion(self, depth, leaf):
		node = self.node("recurse", leaf)
		for _ in range(depth):
			node = self.node("recurse", node)
		return node

	def pingpong(self, n):
		names = ("ping", "pong")
		name = names[n % 2]
		node = self.node(name, self.node("b_nop" if n % 2 else "a_nop"))
		for level in range(n - 1, -1, -1):
			node = self.node(names[level % 2], node)
		return node

	def tree(self):
		N = self.node
		a_nop, b_nop = N("a_nop"), N("b_nop")
		a_only, b_only = N("a_only", a_nop), N("b_only", b_nop)
		chain = {c: N(c + "_outer", N(c + "_inner", N("shared", N(c + "_leaf")))) for c in "abc"}
		recurse_a = N("recurse_a", self.recursion(DEPTH, a_nop))
		recurse_b = N("recurse_b", self.recursion(DEPTH // 2, b_nop))
		fold = N("by_reduce", N("fold", a_only, via="reduce"))
		by_sub = N("by_sub", N("replace", b_only, via="sub"))
		gen_leaf = N("gen_leaf")
		raised = N("raise_middle", N("raise_leaf"), a_nop)
		scenes = N(
			"scenes",
			N("alternate", *chain.values()),
			N("calls_only",
			  N("a_low", N("switch", N("bare", a_nop))), N("b_low", N("switch", N("bare_b", b_nop)))),
			N("recursion", recurse_a, recurse_b, self.pingpong(CHAIN), self.pingpong(CHAIN - 1)),
			N("generators",
			  N("gen_body"),
			  N("a_consume", N("gen_body", a_only)), N("b_consume", N("gen_body", b_only)),
			  N("gen_walk", N("gen_top", N("gen_middle", gen_leaf)), a_nop),
			  N("gen_throw", N("gen_guard", a_nop, b_nop))),
			N("exceptions", N("catch_a", raised, a_only, b_only), N("catch_b", raised, b_nop)),
			N("callbacks",
			  N("by_sort", N("sort_key", a_nop, via="sort")),
			  N("by_sort_two", N("sort_key_two", b_nop, via="sort")),
			  fold, by_sub,
			  N("by_nested", N("nested_key", fold, via="max")),
			  N("by_eq", N("Slotted.__eq__", a_nop, via=".")),
			  N("by_getattr", N("Slotted.__getattr__", b_nop, via=".")),
			  N("by_iter", N("Slotted.__iter__", via="."), N("gen_leaf", via="sum")),
			  N("by_map", self.inner("by_map", "<lambda>", a_nop, via="map|list"))),
			N("methods",
			  N("call_step", N("Alpha.step", N("Alpha.work", a_only)), N("Beta.step", N("Beta.work", b_only))),
			  N("comprehend", self.inner("comprehend", "<listcomp>", a_nop)),
			  N("comprehend_two", self.inner("comprehend_two", "<dictcomp>", b_nop)),
			  N("summed", self.inner("summed", "<genexpr>", b_only, via="sum"))))
		second = N("second_thread", N("second_a", chain["a"], recurse_a), N("second_b", chain["b"], by_sub))
		return N("main", scenes), second

	def publish(self, path, second_tid):
		main_node, second = self.tree()
		with open(__file__) as source:
			text = source.read().split("\n")
		at = [n for n, line in enumerate(text, 1) if line.rstrip().endswith("# the one call of main")]
		root = {"name": "<module>", "file": __file__, "lines": [1, len(text)], "via": None, "at": None,
			"children": [dict(main_node, at=at)]}
		prefix = "Thread._" if sys.version_info >= (3, 11) else "_" if sys.version_info >= (3,) else "__"
		names = (prefix + "bootstrap", prefix + "bootstrap_inner", prefix.rstrip("_") + "run")
		wrappers = [(name, "threading.py") for name in names]
		thread_root = self.outside(wrappers, second)
		flat = []
		truth = {
			"version": list(sys.version_info[:3]), "pid": os.getpid(), "file": __file__,
			"threads": {str(os.getpid()): flatten(root, flat), str(second_tid): flatten(thread_root, flat)},
			"nodes": flat,
			# native code that only these functions call, by symbol or module
			"owners": [
				["adler32", ["a_leaf"]], ["fsum", ["b_leaf"]], ["bisect_left", ["c_leaf"]],
				["^list_sort|^builtin_sorted", ["by_sort", "by_sort_two"]],
				["functools_reduce", ["by_reduce"]], ["pattern_sub", ["by_sub"]],
				["zlib\\.cpython|^libz\\.", ["a_leaf"]],
			],
		}
		with open(path, "w") as out:
			json.dump(truth, out)


def flatten(node, flat):
	"""The tree as a list of nodes, children by index: deep recursion makes deep trees."""
	todo, first = [(node, None)], len(flat)
	while todo:
		node, parent = todo.pop()
		index = len(flat)
		flat.append([node["name"], node["file"], node["lines"], node["via"], node.get("at"), []])
		if parent is not None:
			flat[parent][5].append(index)
		todo.extend((child, index) for child in node["children"])
	return first


# ---- the checker's own check: the same stacks by CPython's own means, as folded lines

def sample_self(path, seconds, idents):
	counts = {}
	STARTED.wait()
	# of CPU time: on a busy machine the others run no more meanwhile than on one that is not
	until = time.process_time() + seconds
	me = get_ident()
	while time.process_time() < until:
		time.sleep(0.0002)
		begin, lines = time.perf_counter(), []
		for ident, frame in sys._current_frames().items():
			if ident == me or frame.f_code.co_name in ("<module>", "wait", "notify_all", "set"):
				continue
			frames = []
			while frame is not None:
				code = frame.f_code
				frames.append("%s (%s:%s)" % (getattr(code, "co_qualname", code.co_name),
							      code.co_filename, frame.f_lineno))
				frame = frame.f_back
			lines.append(";".join(["thread x (%d)" % idents[ident]] + frames[::-1]))
		# nobody can ask for the GIL back within a switch interval: what took longer may be torn
		if time.perf_counter() - begin < 0.9 * sys.getswitchinterval():
			for line in lines:
				counts[line] = counts.get(line, 0) + 1
	with open(path, "w") as out:
		for line, count in counts.items():
			out.write("%s %d\n" % (line, count))
	os._exit(0)


def start():
	sys.setrecursionlimit(5000)
	if hasattr(sys, "setswitchinterval"):
		sys.setswitchinterval(0.001)
	else:
		sys.setcheckinterval(100)
	second = start_thread(second_thread)
	Truth().publish(sys.argv[1], native_id(second))
	if len(sys.argv) > 3:
		idents = {get_ident(): os.getpid(), second.ident: native_id(second)}
		start_thread(sample_self, (sys.argv[3], float(sys.argv[2]), idents))
		return float("inf")
	if len(sys.argv) > 2:
		return monotonic() + float(sys.argv[2])
	return float("inf")


if __name__ == "__main__":
	UNTIL = start()
	say("READY")
	STARTED.set()
	main(UNTIL)  # the one call of main
	os._exit(0)
