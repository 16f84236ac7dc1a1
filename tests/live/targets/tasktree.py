# SPDX-License-Identifier: BSD-2-Clause
"""asyncio tasks that wait for one another, and stay as they are.

Input: argv[1], "still", "burst" (tasks come and go), "circle" or "bomb" (argv[2] tasks for each of which 700
futures wait, and each of those for all others; behind them one task).  Output: a line "TASKS" with JSON: for each of
asyncio.all_tasks() its name, the frames of its coroutines (function, line; outermost first) and
the names of the tasks that wait for it (asyncio.capture_call_graph()); then READY.  CPython 3.14
and later.  Ends with its parent's end of standard input.
"""
import asyncio
import json
import os
import queue
import sys
import threading

KIND = sys.argv[1]


WRAPPED = {}	# id of what wraps a coroutine: that; it does not show it itself


class Holder:
	async def __aenter__(self):
		await asyncio.sleep(0)
		return self

	async def __aexit__(self, *args):
		pass

	def __await__(self):
		coroutine = forever()
		wrapper = coroutine.__await__()
		WRAPPED[id(wrapper)] = coroutine
		return (yield from wrapper)


async def forever():
	await asyncio.get_running_loop().create_future()


async def deep(n):
	if n:
		await deep(n - 1)
	else:
		await Holder()


async def ticks():
	yield 1
	await forever()
	yield 2


async def eats():
	async for _ in TICKS:
		pass


TICKS = ticks()


async def waits_for(task):
	async with Holder():
		await task


async def grouped(n):
	async with asyncio.TaskGroup() as group:
		for i in range(n):
			group.create_task(deep(i), name="member %d of %d" % (i, n))


async def circle(n, ring):
	await asyncio.sleep(0.01)
	await ring[(n + 1) % len(ring)]


def coroutines(one):
	"""Its frames and those of what it awaits, outermost first."""
	while one is not None:
		frame = next((getattr(one, k) for k in ("cr_frame", "gi_frame", "ag_frame") if hasattr(one, k)), None)
		if frame is None:
			inner = TICKS if type(one).__name__ == "async_generator_asend" else WRAPPED.get(id(one))
			return (yield from coroutines(inner))
		yield [frame.f_code.co_qualname, frame.f_lineno]
		one = next((getattr(one, k) for k in ("cr_await", "gi_yieldfrom", "ag_await") if hasattr(one, k)), None)


def truth():
	"""What the interpreter says."""
	out = []
	for task in asyncio.all_tasks():
		graph = asyncio.capture_call_graph(task)
		out.append({"name": task.get_name(), "frames": list(coroutines(task.get_coro())),
			    "awaited_by": sorted(g.future.get_name() for g in named(graph.awaited_by))})
	return out


def named(graphs):
	"""Through the futures of gather() to the tasks that wait for them."""
	for graph in graphs:
		if isinstance(graph.future, asyncio.Task):
			yield graph
		else:
			yield from named(graph.awaited_by)


def other_loop(others):
	async def main():
		asyncio.current_task().set_name("of another thread")
		task = asyncio.create_task(deep(2), name="\u65e5\u672c")
		asyncio.get_running_loop().call_later(0.1, lambda: others.put(truth()))
		await forever()
		await task

	asyncio.run(main())


def finish(others):
	if KIND == "circle":	# capture_call_graph() would run around in it for ever
		mine = [{"name": "ring %d" % n, "awaited_by": ["ring %d" % ((n + 2) % 3)]} for n in range(3)]
	else:
		mine = truth() + others
	print("TASKS " + json.dumps(mine), flush=True)
	print("READY", flush=True)


async def burst():
	async def short():
		await asyncio.sleep(0)

	while True:
		await asyncio.gather(*[short() for _ in range(50)])


async def bomb(n):
	"""Futures that lead to futures: each way through them is one of very many."""
	add = asyncio.futures.future_add_to_awaited_by
	loop = asyncio.get_running_loop()
	futures = [loop.create_future() for _ in range(700)]
	for one in futures:
		for other in futures:
			add(one, other)
	add(futures[350], asyncio.create_task(forever(), name="behind"))
	for i in range(n):
		task = asyncio.create_task(forever(), name="bombed %d" % i)
		for one in futures:
			add(task, one)
	await asyncio.sleep(0)
	print("READY")
	await asyncio.sleep(100000)


async def main():
	others = queue.Queue()
	threading.Thread(target=other_loop, args=(others,), daemon=True).start()
	others = await asyncio.to_thread(others.get)
	shared = asyncio.create_task(deep(1), name="shared")
	tasks = [asyncio.create_task(waits_for(shared), name="first"), asyncio.create_task(waits_for(shared), name="second"),
		 asyncio.create_task(eats()), asyncio.create_task(deep(70), name="very deep")]
	if KIND == "circle":
		ring = []
		ring += [asyncio.create_task(circle(i, ring), name="ring %d" % i) for i in range(3)]
	loop = asyncio.get_running_loop()
	loop.add_reader(0, lambda: os._exit(0) if not os.read(0, 100) else None)
	if KIND == "burst":
		tasks.append(asyncio.create_task(burst(), name="burst"))
		loop.call_later(0.1, print, "READY")
	else:
		loop.call_later(0.3, finish, others)
	tasks.append(asyncio.create_task(asyncio.sleep(100000), name="never"))
	await asyncio.gather(grouped(3), grouped(1), *tasks)


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(bomb(int(sys.argv[2])) if KIND == "bomb" else main())
