# SPDX-License-Identifier: BSD-2-Clause
"""The threads of the walk fixtures; started and asked by tools/record-fixture.

Input: argv[1], the modes.  Output: one line of JSON once all threads stand where they shall: the
interpreter, and for each mode its thread and the stacks (file, name, line; root first) that CPython
itself gives for it: one for a thread that is blocked, all that were seen for one that runs.
No standard library function is on these stacks: their tables would only make the fixtures longer.
"""
import _thread
import functools
import json
import os
import signal
import sys
import time
import zlib

GATE = _thread.allocate_lock()
GATE.acquire()
TIDS = {}
SPIN_SECONDS = 1.0


def hold(*_ignored):
	GATE.acquire()


# recursion, a generator, a C callback (sorted's key), names that are not ASCII

class Größe:
	def größe(self, n):
		if n == 0:
			return list(self.παράγει())
		return self.größe(n - 1)

	def παράγει(self):
		yield 1
		yield sorted([3], key=self.名)

	def 名(self, _item):
		hold()


def blocked():
	Größe().größe(2)


# many frames, every second one called by C

def deep():
	down(20)


def down(n):
	return across(n - 1) if n else hold()


def across(n):
	return list(map(down, (n,)))


class Number:
	__neg__ = hold


def between_lines():
	# a call from an instruction whose very next one, without a cache entry between, is of another line
	negated = (
		-Number()
	)
	return negated


def sleep():
	for _i in (time.sleep(n) for n in (10 ** 6,)):
		pass


def zip_forever():
	# one call of a second or so, again and again: the GIL is released within
	data = os.urandom(1 << 24)
	while True: zlib.compress(data, 9)


# runs for ever; every call of leaf() enters the interpreter anew

def leaf(_item):
	return None


def spin():
	while True: list(map(leaf, (1,)))


class Calls:
	@property
	def get(self):
		return None

	def __getitem__(self, key):
		return key


def generate():
	yield 1


def spin_inlined():
	# the kinds of calls that enter no new interpreter loop: where such a call publishes its frame
	# too early depends on the compiler
	calls, words = Calls(), {"_item": 1}
	while True: leaf(1), leaf(_item=1), leaf(**words), calls.get, calls[1], [None for _ in generate()]


# native code without unwind information between two runs of Python frames

def anonymous_code(code):
	import ctypes
	import mmap
	page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
			mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
	page.write(code)
	address = ctypes.addressof(ctypes.c_char.from_buffer(page))
	return page, address


def callback(_n):
	hold()
	return 0


def through_anonymous_code():
	import ctypes
	# sub $8, %rsp; call *%rdi; nop; add $8, %rsp; ret: behind the call it does not say at once how it returns
	call_through(b"\x48\x83\xec\x08\xff\xd7\x90\x48\x83\xc4\x08\xc3")


def through_trampoline():
	# push %rbp; mov %rsp, %rbp; call *%rdi; pop %rbp; ret: as the trampolines of -X perf
	call_through(b"\x55\x48\x89\xe5\xff\xd7\x5d\xc3")


def call_through(code):
	import ctypes
	page, address = anonymous_code(code)
	function = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: callback(1))
	ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)(ctypes.cast(function, ctypes.c_void_p))


def in_anonymous_code():
	import ctypes
	# mov $34, %eax; syscall; jmp to the start: pause() for ever
	page, address = anonymous_code(b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7\xc3")
	ctypes.CFUNCTYPE(ctypes.c_int)(address)()


# a native signal handler, above which the thread stays for ever

def handle_by_pause(signum):
	import ctypes
	libc = ctypes.CDLL(None)
	libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
	libc.signal.restype = ctypes.c_void_p
	libc.signal(signum, ctypes.cast(libc.pause, ctypes.c_void_p))


def in_signal_handler():
	hold()


def spin_to_signal():
	while True: list(map(leaf, (1,)))


def start_native():
	import ctypes
	before = set(os.listdir("/proc/self/task"))
	libc = ctypes.CDLL(None)
	thread = ctypes.c_ulong()
	libc.pthread_create(ctypes.byref(thread), None, libc.pause, None)
	return int((set(os.listdir("/proc/self/task")) - before).pop())


# asyncio: a task that holds its thread up, others that wait

SAID = {}


def in_task():
	import target_tasks
	target_tasks.run(hold, say_tasks)


def say_tasks(tasks, source):
	import target_tasks
	SAID["labels"] = target_tasks.labels(tasks)
	SAID["truth"] = target_tasks.truth, tasks, source


def forget_modules():
	# what is looked for in sys.modules would only make the fixtures longer
	kept = {name: sys.modules[name] for name in ("sys", "builtins", "__main__", "_asyncio")}
	sys.modules.clear()
	sys.modules.update(kept)


# code of a sub-interpreter, called from the main one.  It lets go of the GIL by itself: 3.9 to 3.11 ask only
# the interpreter that waits for it to do so.

INNER = """import os
def spin():
	while True: os.stat("/")
os.write(%d, spin.__code__.co_filename.encode())
spin()
"""


def interpreter_runner():
	"""What runs code in a new interpreter, and its number."""
	if sys.version_info < (3, 8):
		import _testcapi
		return _testcapi.run_in_subinterp, "?" if sys.version_info < (3, 7) else 1
	if sys.version_info < (3, 13):
		import _xxsubinterpreters as interpreters
	else:
		import _interpreters as interpreters
	inner = interpreters.create()
	run = getattr(interpreters, "exec", interpreters.run_string)
	return functools.partial(run, inner), int(inner)


def spin_in_interp():
	run, number = interpreter_runner()
	here, there = os.pipe()
	SAID["here"], SAID["interp"] = here, number
	frame = sys._getframe()
	outer = [[f.f_code.co_filename, f.f_code.co_name, f.f_lineno] for f in (frame.f_back, frame)]
	outer[1][2] += 3
	SAID["outer"] = outer
	run(INNER % there)


MODES = {f.__name__: f for f in (blocked, in_task, spin_in_interp, deep, between_lines, sleep, zip_forever, spin, spin_inlined, spin_to_signal, in_signal_handler,
				 through_anonymous_code, through_trampoline, in_anonymous_code)}


def start(mode):
	if mode == "native":
		return start_native(), None
	if mode == "in_task":
		# here, so that no stack of the thread is one of its import
		sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
		import target_tasks  # noqa: F401
	if "signal" in mode:
		handle_by_pause(signal.SIGUSR1)
	ident = _thread.start_new_thread(run, (mode,))
	while mode not in TIDS:
		time.sleep(0.001)
	if mode == "in_signal_handler":
		time.sleep(0.5)
		signal.pthread_kill(ident, signal.SIGUSR1)
	return TIDS[mode], ident


def run(mode):
	TIDS[mode] = gettid()
	MODES[mode]()


def inner_stack():
	"""The frames of spin_in_interp(): the main interpreter's list has but one of the thread's two halves."""
	while "outer" not in SAID:
		time.sleep(0.001)
	file = os.read(SAID["here"], 100).decode()
	return SAID["outer"] + [[file, "<module>", 5], [file, "spin", 3]]


def gettid():
	try:
		return _thread.get_native_id()
	except AttributeError:
		import ctypes
		return ctypes.CDLL(None).syscall(186)


def stack(ident):
	frame, found = sys._current_frames()[ident], []
	while frame:
		code = frame.f_code
		found.append([code.co_filename, getattr(code, "co_qualname", code.co_name), frame.f_lineno])
		frame = frame.f_back
	return found[::-1]


def main():
	threads = {}
	if "spin" in sys.argv[1]:
		sys.setswitchinterval(1e-5)
	for mode in sys.argv[1].split(","):
		tid, ident = start(mode)
		threads[mode] = {"tid": tid, "ident": ident, "stacks": []}
		if mode == "spin_in_interp":
			threads[mode].update(ident=None, stacks=[inner_stack()], interp=SAID["interp"])
	time.sleep(0.5)
	end = time.monotonic() + SPIN_SECONDS
	while time.monotonic() < end:
		for thread in threads.values():
			if thread["ident"]:
				now = stack(thread["ident"])
				if now not in thread["stacks"]:
					thread["stacks"].append(now)
	if "in_task" in threads:
		truth, tasks, source = SAID["truth"]
		threads["in_task"].update(labels=SAID["labels"])
		if sys.version_info >= (3, 14):
			threads["in_task"].update(tasks=truth(tasks, source))
		forget_modules()
	print(json.dumps({"pid": os.getpid(), "version": sys.version.split()[0], "threads": threads}), flush=True)
	sys.stdin.read()
	os._exit(0)


main()
