# SPDX-License-Identifier: BSD-2-Clause
"""Greenlets that exchange their stacks, and know which stacks there can be.

Input: argv[1], "greenlet" or "gevent"; argv[2], "busy" or "blocked".  Output: a line "PATHS" with a JSON
list of the Python paths that may be (lists of function names, root first; a prefix of one may be,
too), then READY.  busy: switches all the time until its parent ends.  blocked: for each line of
standard input one greenlet blocks in os.read(); says "IN" and its path, and goes on at the next line.
Each greenlet has functions of its own, other depths, and was started at another depth of its starter's
stack; some have C frames (sorted, re.sub) between their Python frames.
"""
import json
import os
import re
import sys

import greenlet

KIND, MODE = sys.argv[1], sys.argv[2]
PARENT = os.getppid()
DEPTHS = {"a": 1, "b": 7, "c": 23, "d": 3}
VIA = {"a": "", "b": "sorted", "c": "", "d": "sub"}

SOURCE = """
def leaf_{x}(n):
	total = 0
	while n:
		n -= 1
		total += n * n
	return total

def wait_{x}():
	return pause("{x}")

def mid_{x}(n):
	if n > 1:
		return mid_{x}(n - 1)
	while os.getppid() == PARENT:
		leaf_{x}(40)
		wait_{x}()

def via_{x}(_):
	return mid_{x}({depth})

def root_{x}():
	{call}
"""
CALLS = {"": "mid_{x}({depth})", "sorted": "sorted([0], key=via_{x})", "sub": "re.sub('x', via_{x}, 'x')"}

for x, depth in DEPTHS.items():
	call = CALLS[VIA[x]].format(x=x, depth=depth)
	exec(compile(SOURCE.format(x=x, depth=depth, call=call), __file__, "exec"))


def path(name):
	return ["root_" + name] + ["via_" + name] * bool(VIA[name]) + ["mid_" + name] * DEPTHS[name]


ORDER = list(DEPTHS)
STARTED = {}


def pause(name):
	"""Gives way to the next one; started from a depth that nobody has later."""
	if MODE == "blocked":
		line = sys.stdin.readline()
		if not line:
			sys.exit()
		print("IN " + json.dumps(path(name) + ["wait_" + name, "pause", "block"]), flush=True)
		block()
	switch(name)


def block():
	sys.stdin.readline()


def switch(name):
	if KIND == "gevent":
		return gevent.sleep(0)
	return STARTED[ORDER[(ORDER.index(name) + 1) % len(ORDER)]].switch()


def start(depth):
	"""The first switch to each is from a depth of its own."""
	if depth:
		return start(depth - 1)
	if KIND == "gevent":
		return gevent.joinall([gevent.spawn(globals()["root_" + name]) for name in ORDER])
	return STARTED["a"].switch()


def paths():
	ends = [["wait_" + name, "pause", "switch"] for name in ORDER]
	out = [path(name) + end for name, end in zip(ORDER, ends)] + [path(name) + ["leaf_" + name] for name in ORDER]
	out.append(["<module>"] + ["start"] * 5)
	return out


if KIND == "gevent":
	import gevent
else:
	STARTED = {name: greenlet.greenlet(globals()["root_" + name]) for name in ORDER}
print("PATHS " + json.dumps(paths()), flush=True)
print("READY", flush=True)
start(4)
