# SPDX-License-Identifier: BSD-2-Clause
"""A program that has children in every way there is, when told so, line by line.

Input: commands on standard input.  Output: READY, then for each command the lines that its children
say of themselves, each "child HOW PID CPU-SECONDS", and "done HOW".  Valid in 2.7 and all of 3.
fork N S        N children by os.fork() that burn S seconds of CPU in in_fork()
burn S          the program itself, in in_parent()
thread S        a thread of the program, in in_thread(), which ends
daemon S        a grandchild whose parent has ended, in in_daemon()
storm N COMMAND   posix_spawn of COMMAND, one after the other; each says its own CPU time in 8 bytes
mp METHOD N S   multiprocessing with fork or spawn, in in_worker()
chain S PYTHON    a child that becomes sh, env and then a Python that burns in last_of_chain()
late S MODULE   a child that imports MODULE in its middle, and then burns in after_import()
exit            ends
"""
import multiprocessing
import os
import struct
import sys
import threading
import time

process_time = getattr(time, "process_time", None) or time.clock		# 2.7: CPU time, too


def say(*words):
	os.write(1, (" ".join(str(w) for w in words) + "\n").encode())


def spin(seconds):
	until = process_time() + seconds
	while process_time() < until:
		for _ in range(2000):
			pass


def in_fork(seconds):
	spin(seconds)


def in_parent(seconds):
	spin(seconds)


def in_thread(seconds):
	spin(seconds)


def in_daemon(seconds):
	spin(seconds)


def in_worker(seconds):
	start = process_time()
	spin(seconds)
	say("child", "mp", os.getpid(), process_time() - start)


def after_import(module, seconds):
	until = process_time() + seconds
	if module.__name__ == "numpy":
		values = module.random.rand(300, 300)
		while process_time() < until:
			module.linalg.svd(values)
	else:
		while process_time() < until:
			module.dumps(list(range(1000)))


def child(how, function, *args):
	"""Forks; the child calls function and says what it has used."""
	pid = os.fork()
	if pid:
		return pid
	start = process_time()
	function(*args)
	say("child", how, os.getpid(), process_time() - start)
	os._exit(0)


def double_fork(seconds):
	if not os.fork():
		os.setsid()
		in_daemon(seconds)
		say("child", "daemon", os.getpid(), process_time())
		os._exit(0)


def late_import(seconds, name):
	spin(0.1)
	after_import(__import__(name, fromlist=["dumps"]), seconds)


def storm(count, command):
	for _ in range(count):
		reading, writing = os.pipe()
		pid = os.posix_spawn(command[0], command, os.environ, file_actions=[
			(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, writing)])
		os.close(writing)
		used = struct.unpack("=Q", os.read(reading, 8))[0]
		os.close(reading)
		os.waitpid(pid, 0)
		say("child", "storm", pid, used / 1e9)


LAST = """
import os, time
process_time = getattr(time, "process_time", None) or time.clock
def last_of_chain():
	until = process_time() + %r
	while process_time() < until: pass
last_of_chain()
os.write(1, ("child chain %%d %%f\\n" %% (os.getpid(), process_time())).encode())
"""


def chain(seconds, python):
	path = "/tmp/pv-live-chain-%d.py" % os.getpid()
	with open(path, "w") as out:
		out.write(LAST % seconds)
	pid = os.fork()
	if not pid:
		env = "/usr/bin/env X=1" if os.path.exists("/usr/bin/env") else ""		# a small root may lack it
		os.execv("/bin/sh", ["sh", "-c", "exec %s %s %s" % (env, python, path)])
	os.waitpid(pid, 0)
	os.unlink(path)


def obey(word, rest):
	if word == "fork":
		pids = [child("fork", in_fork, float(rest[1])) for _ in range(int(rest[0]))]
		for pid in pids:
			os.waitpid(pid, 0)
	elif word == "burn":
		in_parent(float(rest[0]))
	elif word == "thread":
		thread = threading.Thread(target=in_thread, args=(float(rest[0]),))
		thread.start()
		thread.join()
	elif word == "daemon":
		os.waitpid(child("between", double_fork, float(rest[0])), 0)
	elif word == "storm":
		storm(int(rest[0]), rest[1:])
	elif word == "mp":
		context = multiprocessing.get_context(rest[0])		# of 3.4
		workers = [context.Process(target=in_worker, args=(float(rest[2]),)) for _ in range(int(rest[1]))]
		for worker in workers:
			worker.start()
		for worker in workers:
			worker.join()
	elif word == "chain":
		chain(float(rest[0]), rest[1])
	elif word == "late":
		os.waitpid(child("late", late_import, float(rest[0]), rest[1]), 0)


def main():
	say("READY")
	for line in iter(sys.stdin.readline, ""):
		words = line.split()
		word, rest = words[0], words[1:]
		if word == "exit":
			break
		obey(word, rest)
		say("done", word)


if __name__ == "__main__":
	main()
