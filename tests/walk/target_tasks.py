# SPDX-License-Identifier: BSD-2-Clause
"""For target.py: asyncio tasks in a loop without library frames, and what is true of them.  CPython 3.8 and later."""
import asyncio
import sys

AWAITED = sys.version_info >= (3, 14)
NEVER = []


class Loop:
	"""As much of an event loop as tasks need."""
	def __init__(self):
		self.ready = []

	def call_soon(self, callback, *args, context=None):
		self.ready.append((callback, args))

	def create_future(self):
		return asyncio.Future(loop=self)

	def get_debug(self):
		return False


def task(loop, coroutine, name=None):
	return asyncio.Task(coroutine, loop=loop, name=name)


async def holds(hold):
	hold()


async def gathers(awaited):
	await asyncio.gather(awaited)


async def waits(awaited):
	await awaited


async def ticks(loop):
	NEVER.append(loop.create_future())
	await NEVER[-1]
	yield 1


async def eats(source):
	async for _ in source:
		pass


def run(hold, say):
	"""Runs until one task holds the thread up, and says before what is there."""
	loop = Loop()
	asyncio._set_running_loop(loop)
	held = loop.create_future()
	source = ticks(loop)
	eating = task(loop, eats(source), "eats")
	tasks = {"eating": eating, "first": task(loop, waits(eating), "first"), "second": task(loop, waits(eating), "x" * 40)}
	running = task(loop, first_waits(held, hold), "\u65e5\u672c\U0001f40d" if sys.version_info < (3, 14) else "running")
	between = task(loop, gathers(running), "b\u00e8ta")
	outer = task(loop, waits(between))
	tasks.update(running=running, between=between, outer=outer)
	step(loop)
	say(tasks, source)
	held.set_result(None)
	step(loop)


def step(loop):
	while loop.ready:
		callback, args = loop.ready.pop(0)
		callback(*args)


async def first_waits(held, hold):
	await held
	await holds(hold)


def labels(tasks):
	"""The tasks above the coroutine that runs, root first."""
	chain = [tasks["outer"], tasks["between"]] if AWAITED else []
	return [one.get_name() for one in chain + [tasks["running"]]]


def coroutines(one, source):
	"""Its frames and those of what it awaits, outermost first."""
	while one is not None:
		if type(one).__name__ == "async_generator_asend":
			one = source
		frame = next((getattr(one, k) for k in ("cr_frame", "ag_frame") if hasattr(one, k)), None)
		if frame is None:
			return
		yield [frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno]
		one = next((getattr(one, k) for k in ("cr_await", "ag_await") if hasattr(one, k)), None)


def truth(tasks, source):
	"""Each task, once the one that runs holds its thread up."""
	waiting = {"eating": ["first", "second"], "running": ["between"], "between": ["outer"]}
	out = []
	for key, one in tasks.items():
		frames = list(coroutines(one.get_coro(), source))
		out.append({"name": one.get_name(), "running": key == "running",
			    # what a running coroutine awaits is on its thread's stack
			    "frames": frames[:1] if key == "running" else frames,
			    "awaited_by": sorted(tasks[name].get_name() for name in waiting.get(key, []))})
	return sorted(out, key=lambda said: said["name"])
