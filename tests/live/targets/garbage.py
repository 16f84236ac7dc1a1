# SPDX-License-Identifier: BSD-2-Clause
"""Cycles that nobody has any more, of many kinds, while the collector is off.

Input, on standard input: "collect" has them collected; both lines are answered.  Output: READY, then for each line one that
begins with DONE: JSON, how many objects of each type are garbage, and how often there was a full collection.
"""
import collections
import ctypes
import functools
import gc
import json
import sys
import weakref

N = 300
KEPT = []


class Word(str):
	"""In no list: it hangs on garbage."""
	__slots__ = ()


def type_of(name, base=object, slots=None):
	space = {"__slots__": slots} if slots else {}
	return type(name, (base,), space)


def pair(kind):
	a, b = kind(), kind()
	a.other, b.other = b, a
	return a


def filled(kind, fill):
	one = kind()
	one.inside = fill(one)
	return one


def closure(kind):
	one = kind()

	def inner():
		return inner, one
	return inner


def generator(kind):
	def run(one):
		me = yield
		for _ in [me]:
			yield me, one
	made = run(kind())
	next(made)
	made.send(made)
	return made


def frame(kind):
	one = kind()
	try:
		raise ValueError(one)
	except ValueError as error:
		one.error = error
		one.trace = sys.exc_info()[2]
	return one


def itself(kind):
	one = kind()
	one.me = one
	return one


def put(container, one):
	container.append(one)
	return container


def weak(kind):
	one = pair(kind)
	one.back = weakref.ref(one, functools.partial(print, one))	# the one there is: its object's list begins with it
	return one


def word(kind):
	one = kind()
	one.me, one.word = one, Word("a text of its own")
	return one


def method(kind):
	one = kind()
	one.call = one.__repr__
	one.bound = functools.partial(print, one)
	return one


# name -> (base, slots, what makes one, objects of the type that it has)
KINDS = {
	"Pair": (object, None, pair, 2),
	"Slotted": (object, ("other", "__weakref__"), pair, 2),
	"InList": (object, None, lambda kind: filled(kind, lambda one: [one]), 1),
	"InTuple": (object, None, lambda kind: filled(kind, lambda one: (one, 1)), 1),
	"InDict": (object, None, lambda kind: filled(kind, lambda one: {1: one}), 1),
	"IsKey": (object, None, lambda kind: filled(kind, lambda one: {one: 1}), 1),
	"InSet": (object, None, lambda kind: filled(kind, lambda one: {one}), 1),
	"InDeque": (object, None, lambda kind: filled(kind, lambda one: put(collections.deque(), one)), 1),
	"InOrdered": (object, None, lambda kind: filled(kind, lambda one: collections.OrderedDict([(1, one)])), 1),
	"InClosure": (object, None, closure, 1),
	"InGenerator": (object, None, generator, 1),
	"InFrame": (object, None, frame, 1),
	"IsList": (list, None, itself, 1),
	"IsDict": (dict, None, itself, 1),
	"IsSet": (set, None, itself, 1),
	"IsException": (ValueError, None, itself, 1),
	"IsWeak": (object, None, weak, 2),
	"HasWord": (object, None, word, 1),
	"HasMethod": (object, None, method, 1),
}
TYPES = {name: type_of(name, base, slots) for name, (base, slots, _, _) in KINDS.items()}
Lost, Held = type_of("Lost"), type_of("Held")


def make():
	for name, (_, _, maker, _) in KINDS.items():
		for _ in range(N):
			maker(TYPES[name])
			one = maker(TYPES[name])
			KEPT.append(one)
	for _ in range(N):
		one = itself(Lost)
		ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
		KEPT.append(iter([itself(Held)]))


def answer(collected):
	garbage = {} if collected else {name: N * n for name, (_, _, _, n) in KINDS.items()}
	if not collected:
		garbage["Word"] = N
	stats = gc.get_stats()[2]
	print("DONE " + json.dumps({"garbage": garbage, "full": stats["collections"], "collected": stats["collected"]}))
	sys.stdout.flush()


gc.collect()
gc.disable()
make()
print("READY")
sys.stdout.flush()
collected = False
while True:
	line = sys.stdin.readline()
	if not line:
		break
	if line.strip() == "collect":
		gc.collect()
		collected = True
	elif line.strip() == "threshold":
		gc.enable()
		gc.set_threshold(0)
	elif line.strip() == "enable":
		gc.set_threshold(100000)
		gc.enable()
	answer(collected)
