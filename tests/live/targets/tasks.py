# SPDX-License-Identifier: BSD-2-Clause
"""asyncio tasks in two threads, each with work of its own: who runs says the function.

Input: argv[1], "asyncio", "uvloop", "python" (tasks of Python code) or "asleep" (one thread, in one task that
holds it up).  Output: a line "TASKS" with JSON: for each function burn_N, or rest(), the labels that must
stand above it, root first, from the awaiting tasks (3.14 and later) to the one that runs; then READY, and CPU
time in those functions, or none in rest(), until its parent ends.  CPython 3.8 and later.
"""
import asyncio
import json
import os
import sys
import threading
import time

KIND = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
PARENT = os.getppid()
AWAITED = sys.version_info >= (3, 14)
EAGER = sys.version_info >= (3, 12) and KIND == "asyncio"
NAMES = ["plain", "b\u00e8ta", "\u65e5\u672c\U0001f40d", "semi;colon\n", "x" * 300, "x" * 300 + "y", ""]
if KIND == "python":
	asyncio.tasks.Task = asyncio.Task = asyncio.tasks._PyTask

SOURCE = """
def burn_{n}():
	for _ in range(400):
		pass

async def inner_{n}():
	burn_{n}()
	await asyncio.sleep(0)
	burn_{n}()

async def work_{n}():
	while os.getppid() == PARENT:
		await inner_{n}()
"""
truth = {}
count = 0
lock = threading.Lock()
credit = [threading.Semaphore(50), threading.Semaphore(50)]


def make(above, name=None):
	"""A coroutine with functions of its own; name None: what asyncio gives it."""
	global count
	with lock:
		n = count
		count += 1
	space = {"asyncio": asyncio, "os": os, "PARENT": PARENT}
	exec(compile(SOURCE.format(n=n), __file__, "exec"), space)
	task = asyncio.get_running_loop().create_task(space["work_%d" % n]())
	if name is not None:
		task.set_name(name)
	truth["burn_%d" % n] = (above if AWAITED else []) + [task.get_name()]
	return task


async def chain(above, depth):
	"""A task that waits for a task that waits ..."""
	me = above + [asyncio.current_task().get_name()]
	if depth:
		task = asyncio.get_running_loop().create_task(chain(me, depth - 1))
		task.set_name("link %d" % depth)
		await task
	else:
		await make(me)


async def renamed(above):
	"""The name is another one at each turn: the label follows it."""
	me = asyncio.current_task()

	def burn_odd():
		for _ in range(400):
			pass

	def burn_even():
		for _ in range(400):
			pass

	truth["burn_odd"] = (above if AWAITED else []) + ["odd"]
	truth["burn_even"] = (above if AWAITED else []) + ["even"]
	while os.getppid() == PARENT:
		me.set_name("odd")
		burn_odd()
		await asyncio.sleep(0)
		me.set_name("even")
		burn_even()
		await asyncio.sleep(0)


async def eager(above):
	"""A task that begins to run within another one, which goes on after it."""
	me = asyncio.current_task()

	async def body():
		burn_within()

	def burn_within():
		for _ in range(400):
			pass

	def burn_after():
		for _ in range(400):
			pass

	truth["burn_within"] = ["within"]
	truth["burn_after"] = (above if AWAITED else []) + [me.get_name()]
	while os.getppid() == PARENT:
		asyncio.Task(body(), loop=asyncio.get_running_loop(), name="within", eager_start=True)
		burn_after()
		await asyncio.sleep(0)


async def keep_pace(number):
	"""Neither thread runs ahead: whoever lets go of the GIL and takes it back at once can starve the other for seconds."""
	while os.getppid() == PARENT:
		credit[1 - number].release()
		credit[number].acquire(timeout=1)
		await asyncio.sleep(0)


async def main(ready, number):
	me = [asyncio.current_task().get_name()]
	tasks = [make(me, name) for name in NAMES] + [make(me)]
	tasks.append(asyncio.get_running_loop().create_task(chain(me, 3)))
	tasks.append(asyncio.get_running_loop().create_task(keep_pace(number)))
	if number == 0:
		tasks.append(asyncio.get_running_loop().create_task(renamed(me)))
		if EAGER:
			tasks.append(asyncio.get_running_loop().create_task(eager(me)))
	for _ in range(20):
		await asyncio.sleep(0)
	ready.release()
	await asyncio.gather(*tasks)


def rest():
	while os.getppid() == PARENT:
		time.sleep(60)


async def sleeper(above):
	print("TASKS " + json.dumps({"rest": (above if AWAITED else []) + [asyncio.current_task().get_name()]}), flush=True)
	print("READY", flush=True)
	rest()


async def asleep():
	task = asyncio.get_running_loop().create_task(sleeper([asyncio.current_task().get_name()]))
	task.set_name("asleep")
	await task


if KIND == "asleep":
	asyncio.run(asleep())
	sys.exit()


def loop(ready, number):
	if KIND == "uvloop":
		import uvloop
		one = uvloop.new_event_loop()
	else:
		one = asyncio.new_event_loop()
	asyncio.set_event_loop(one)
	one.run_until_complete(main(ready, number))


ready = threading.Semaphore(0)
second = threading.Thread(target=loop, args=(ready, 1), daemon=True)


def announce():
	ready.acquire()
	ready.acquire()
	print("TASKS " + json.dumps(truth), flush=True)
	print("READY", flush=True)


threading.Thread(target=announce, daemon=True).start()
second.start()
loop(ready, 0)
