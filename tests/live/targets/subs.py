# SPDX-License-Identifier: BSD-2-Clause
"""A program with sub-interpreters, each with functions of its own.

Input: argv[1]: "capi": the main thread runs code of one that C code has made ("capi-top": in its outermost frame), until
3.11 by run() of the library argv[2]; "nest": the main thread runs code of its own and of two sub-interpreters in turn, while another
one does without; "sleep": it blocks in one ("sleep-top": in its outermost frame); "three": in one that was called from one; "thread": a
thread that a sub-interpreter has started.  Output: READY, then CPU time (or sleep) until its parent ends.
CPython 3.8 and later, "capi" 2.7 and later.
"""
from __future__ import print_function

import os
import sys
import threading

HEAD = """
import os, sys, threading, time
PARENT = %d
""" % os.getppid()
BODY = """
def sub_leaf_{x}():
	for _ in range(300):
		pass

def sub_mid_{x}(n):
	if n:
		return sub_mid_{x}(n - 1)
	for _ in range(5):
		sub_leaf_{x}()
"""
SLEEP = HEAD + """
def sub_sleep():
	while os.getppid() == PARENT:
		time.sleep(1000)
os.write(1, b"READY\\n")
sub_sleep()
"""
THREAD = HEAD + """
def sub_leaf():
	for _ in range(300):
		pass
def sub_thread():
	while os.getppid() == PARENT:
		sub_leaf()
one = threading.Thread(target=sub_thread)
one.start()
os.write(1, b"READY\\n")
one.join()
"""
TOP_SLEEP = HEAD + """
os.write(1, b"READY\\n")
while os.getppid() == PARENT:
	time.sleep(1000)
"""
TOP = HEAD + """
os.write(1, b"READY\\n")
while os.getppid() == PARENT:
	for _ in range(1000):
		pass
"""
CAPI = """
os.write(1, b"READY\\n")
while os.getppid() == PARENT:
	sub_mid_a(3)
"""
IMPORT = """
try:
	import _interpreters
	run = _interpreters.exec
except ImportError:
	import _xxsubinterpreters as _interpreters
	run = _interpreters.run_string
create = _interpreters.create
"""
if not sys.argv[1].startswith("capi"):
	exec(IMPORT)


def main_leaf():
	for _ in range(300):
		pass


def main_go(interp, code):
	if interp is None:
		run_in_subinterp(code)
	else:
		run(interp, code)


def main_loop(subs):
	while os.getppid() == PARENT:
		for interp, code in subs:
			main_leaf()
			main_go(interp, code)


def other_leaf():
	for _ in range(300):
		pass


def other_loop():
	while os.getppid() == PARENT:
		other_leaf()


PARENT = os.getppid()
MODE = sys.argv[1]
if MODE == "nest":
	subs = []
	for x in "ab":
		interp = create()
		run(interp, HEAD + BODY.format(x=x))
		subs.append((interp, "sub_mid_%s(3)" % x))
	threading.Thread(target=other_loop, daemon=True).start()
	print("READY", flush=True)
	main_loop(subs)
elif MODE.startswith("capi"):
	if sys.version_info >= (3, 12):
		from _testcapi import run_in_subinterp
	else:
		import ctypes
		run_in_subinterp = ctypes.PyDLL(sys.argv[2]).run
	code = TOP if MODE == "capi-top" else HEAD + BODY.format(x="a") + CAPI
	main_go(None, code if sys.version_info >= (3, 12) else code.encode())
elif MODE == "sleep-top":
	main_go(create(), TOP_SLEEP)
elif MODE == "sleep":
	main_go(create(), SLEEP)
elif MODE == "thread":
	isolated = (3, 9) <= sys.version_info < (3, 12)	# such a one may not start threads
	main_go(create(isolated=False) if isolated else create(), THREAD)
else:
	main_go(create(), IMPORT + "def sub_first(code):\n\trun(create(), code)\nsub_first(%r)\n" % SLEEP.replace("time.sleep(1000)", "pass"))
