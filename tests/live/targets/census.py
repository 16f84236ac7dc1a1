# SPDX-License-Identifier: BSD-2-Clause
"""A heap whose contents the program knows, for tests/live/test_census.py; also for Python 2.7.

Input: argv[1]: idle, or churn: two threads that allocate all the time, READY when all is as it will be.  On standard input: "grow" makes more
of everything, "count" says what there is, "end" ends it.  Output: READY, then for each line one that begins
with COUNT: JSON, for each of its own types {address of the type: [name, objects, sum of sys.getsizeof]}, and
what gc.get_objects() has, by type: {address: [name, objects, module]}.
"""
from __future__ import print_function

import gc
import json
import sys
import threading

MORE = 3000
RING = 6000  # objects of Churned at any time, each replaced again and again


class Slots(object):
	__slots__ = ("a", "b")


class Plain(object):
	pass


class Churned(object):
	pass


if sys.version_info[0] == 2:
	text_type, character = unicode, unichr(0xe9)  # noqa: F821
else:
	text_type, character = str, "\xe9"

MAKERS = {
	"Int": (int, lambda i: 1000003 * i),
	"Float": (float, lambda i: i / 7.0),
	"Text": (text_type, lambda i: character * (i % 90)),
	"Bytes": (bytes, lambda i: b"x" * (i % 1500)),
	"Array": (bytearray, lambda i: bytearray(i % 1200)),
	"Tuple": (tuple, lambda i: (None,) * (i % 200)),
	"List": (list, lambda i: [None] * (i % 200)),
	"Dict": (dict, lambda i: dict.fromkeys(range(i % 100))),
	"Set": (set, lambda i: set(range(i % 100))),
}
# without a dict where that can be, so that a type's bytes are its own alone
TYPES = {name: type(name, (base,), {"__slots__": ()}) for name, (base, _) in MAKERS.items()}
# one list a type: what a program keeps in dicts and lists of its own would count there
KEPT = {name: [] for name in list(MAKERS) + ["Slots", "Plain", "Churned"]}
BIG = []  # tuples of atoms: in no list of the collector, too large for a pool


def grow():
	for i in range(MORE):
		for name, (_, make) in MAKERS.items():
			KEPT[name].append(TYPES[name](make(i)))
		one = Slots()
		one.a = None
		KEPT["Slots"].append(one)
		one = Plain()
		one.x = None
		KEPT["Plain"].append(one)
	BIG.append(tuple(range(5000)))
	gc.collect()
	gc.collect()


def count_all():
	counts = {}
	gc.collect()
	for one in gc.get_objects():
		kind = type(one)
		line = counts.setdefault(id(kind), [kind.__name__, 0, str(kind.__module__)])
		line[1] += 1
	return counts


def count():
	# the first time makes what the second one only finds
	json.dumps(count_all())
	tracked = count_all()
	own = {}
	for name, objects in KEPT.items():
		kind = TYPES.get(name) or globals()[name]
		own[id(kind)] = [name, len(objects), sum(sys.getsizeof(one) for one in objects)]
	text = json.dumps({"own": own, "tracked": tracked, "big": len(BIG)})
	# up to 3.6 json leaves a cycle that holds all of it
	del tracked, own
	gc.collect()
	print("COUNT", text)
	sys.stdout.flush()


def churn(first):
	ring = KEPT["Churned"]
	i = first
	before = 2 * RING
	while not ended:
		one = Churned()
		one.x = [i]
		one.y = {"i": "%d" % i, "b": b"z" * (i % 900)}
		ring[i % RING] = one
		i += 2
		if i >= before:
			# each thread has its own half of the ring by now
			before = float("inf")
			full[first].set()
		if i % 4096 == first:
			[dict(a=k, b=[k] * 40) for k in range(3000)]


ended = []
full = [threading.Event(), threading.Event()]
threads = []
grow()
if sys.argv[1] == "churn":
	# not made here: a free-threaded Python frees what another thread made when that one runs again
	KEPT["Churned"].extend([None] * RING)
	threads = [threading.Thread(target=churn, args=(n,)) for n in (0, 1)]
	for thread in threads:
		thread.start()
	for event in full:
		event.wait()
print("READY")
sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
	word = line.strip()
	if word == "end":
		break
	if word == "grow":
		grow()
	count()
ended.append(True)
for thread in threads:
	thread.join()
