# SPDX-License-Identifier: BSD-2-Clause
"""Threads blocked in known places, and the truth about them.

Input: argv[1], the file to write the truth to.  Output: see pv_blocked.py, which has the cases of every CPython and
tells the truth; here is what needs the syntax or the library of 3.6 and newer.
"""
import asyncio
import collections
import concurrent.futures
import contextlib
import functools
import json
import os
import sys
import threading

from pv_blocked import ENTERED, GATE, between, case, hold, import_dir, main
from pv_compat import get_native_id

if sys.version_info >= (3, 7):
	run_loop, running_loop = asyncio.run, asyncio.get_running_loop
else:
	running_loop = asyncio.get_event_loop

	def run_loop(coroutine):
		loop = asyncio.new_event_loop()
		asyncio.set_event_loop(loop)
		return loop.run_until_complete(coroutine)


# ---- how it blocks

@case
def blocks_in_event():
	event = threading.Event()
	ENTERED.append(get_native_id()); event.wait()


@case
def blocks_in_condition_for():
	condition = threading.Condition()
	with condition:
		ENTERED.append(get_native_id()); condition.wait_for(lambda: False)


@case
def blocks_in_join():
	other = threading.Thread(target=hold, daemon=True, name="joined")
	other.start()
	ENTERED.append(get_native_id()); other.join()


# ---- generators, coroutines

@case
def generator_yield_from():
	def inner():
		yield 1
		hold()

	def middle():
		yield 0
		yield from inner()

	def outer():
		yield from middle()
	list(outer())


@case
def coroutine():
	async def leaf():
		hold()

	async def middle():
		await leaf()

	async def main():
		await asyncio.sleep(0)
		await middle()
	run_loop(main())


@case
def coroutine_gathered():
	async def waits():
		await asyncio.sleep(100000)

	async def holds():
		await asyncio.sleep(0)
		hold()

	async def main():
		await asyncio.gather(waits(), holds(), waits())
	run_loop(main())


@case
def async_generator():
	async def numbers():
		yield 1
		hold()
		yield 2

	async def main():
		async for _n in numbers():
			pass
	run_loop(main())


@case
def async_with():
	class Manager:
		async def __aenter__(self):
			hold()

		async def __aexit__(self, *args):
			pass

	async def main():
		async with Manager():
			pass
	run_loop(main())


@case
def async_comprehension():
	async def numbers():
		for n in range(3):
			yield n

	async def main():
		return [hold() if n == 1 else n async for n in numbers()]
	run_loop(main())


@case
def event_loop_idle():
	async def main():
		running_loop().call_soon(
			lambda: ENTERED.append(native))
		await asyncio.sleep(100000)
	native = get_native_id()
	run_loop(main())


# ---- classes and slots

@case
def metaclass():
	class Meta(type):
		def __new__(mcs, name, bases, namespace):
			hold()

		@classmethod
		def __prepare__(mcs, name, bases):
			return collections.OrderedDict()

	class _Made(metaclass=Meta):
		pass


@case
def init_subclass():
	class Base:
		def __init_subclass__(cls):
			hold()

	class _Derived(Base):
		pass


@case
def set_name():
	class Descriptor:
		def __set_name__(self, owner, name):
			hold()

	class _Owner:
		field = Descriptor()


@case
def slot_len():
	class Thing:
		def __len__(self):
			hold()
	if Thing():
		pass


@case
def slot_getitem():
	class Thing:
		def __getitem__(self, key):
			hold()
	Thing()[1:2]


@case
def slot_add():
	class Thing:
		def __radd__(self, other):
			hold()
	1 + Thing()


@case
def slot_call():
	class Thing:
		def __call__(self, *args, **kwargs):
			hold()
	Thing()(1, a=2)


@case
def slot_repr_in_fstring():
	class Thing:
		def __repr__(self):
			hold()
	f"{[Thing()]!r:>10}"


@case
def slot_new_and_init():
	class Thing:
		def __new__(cls, *args):
			return super().__new__(cls)

		def __init__(self, *args):
			hold()
	Thing(1)


@case
def slot_contains():
	class Thing:
		def __contains__(self, item):
			hold()
	1 in Thing()


@case
def property_and_super():
	class Base:
		@property
		def value(self):
			return hold()

	class Derived(Base):
		@property
		def value(self):
			return super().value
	Derived().value


@case
def descriptor_get():
	class Descriptor:
		def __get__(self, instance, owner):
			hold()

	class Owner:
		field = Descriptor()
	Owner().field


@case
def methods_of_all_kinds():
	class Thing:
		@staticmethod
		def static(self):
			self.instance()

		@classmethod
		def classy(cls, self):
			cls.static(self)

		def instance(self):
			hold()
	Thing.classy(Thing())


# ---- callbacks from C

@between("callback_min", "callback_min.<locals>.<lambda>", "min")
@case
def callback_min():
	min([1, 2], key=lambda n: hold() if n == 2 else n)


@case
def callback_json_default():
	json.dumps([1, {"a": object()}], default=hold)


@case
def callback_partial_lru_cache():
	@functools.lru_cache(maxsize=None)
	def cached(a, b):
		hold()
	functools.partial(cached, 1)(b=2)


@case
def callback_singledispatch():
	@functools.singledispatch
	def speak(thing):
		pass

	@speak.register(int)
	def _speak_int(thing):
		hold()
	speak(1)


# ---- statements

@case
def lambda_in_lambda():
	(lambda f: (lambda g: g())(f))(hold)


@case
def default_argument():
	def function(a=hold()):
		return a
	function()


@case
def decorator_itself():
	@hold
	def work():
		pass


@case
def except_in_loop():
	for n in range(3):
		try:
			{}[n]
		except KeyError:
			if n == 2:
				hold()


@case
def exit_stack():
	with contextlib.ExitStack() as stack:
		stack.callback(hold)


@case
def while_else_and_backward():
	n = 0
	while n < 3:
		n += 1
		if n == 1:
			continue
	else:
		hold()


@case
def conditional_chain():
	a = 5
	return (1 if a == 1 else
		2 if a == 2 else
		3 if a == 3 else
		hold())


# ---- code that comes from elsewhere

@case
def eval_expression():
	eval("(\n\n\nhold())", {"hold": hold})


@case
def exec_surrogate_name():
	exec(compile("\n\nhold()", os.fsdecode(b"/tmp/raw-\xff\xfe.py"), "exec"), {"hold": hold})


@case
def names_latin1():
	exec(compile("class Übung:\n\tdef prüfen_µ(self):\n\t\thold()\nÜbung().prüfen_µ()",
		     "/tmp/größe.py", "exec"), {"hold": hold})


@case
def names_ucs2():
	exec(compile("class Ящик:\n\tdef 検査(self):\n\t\thold()\nЯщик().検査()",
		     "/tmp/файл-測試.py", "exec"), {"hold": hold})


@case
def names_ucs4():
	# U+20BB7 is a letter outside the basic plane; file names may hold anything
	exec(compile("class \U00020BB7:\n\tdef \U00020BB7野(self):\n\t\thold()\n\U00020BB7().\U00020BB7野()",
		     "/tmp/\U0001F40D.py", "exec"), {"hold": hold})


@case
def import_body():
	sys.pv_hold = hold
	sys.path.insert(0, import_dir())
	import pv_blocked_module  # noqa: F401


# ---- threads made by others

@case
def pool_worker():
	pool = concurrent.futures.ThreadPoolExecutor(1)
	pool.submit(hold)
	ENTERED.append(get_native_id()); GATE.acquire()


if __name__ == "__main__":
	main()
