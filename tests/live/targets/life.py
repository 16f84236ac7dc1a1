# SPDX-License-Identifier: BSD-2-Clause
"""A program that is told, line by line, what to do next while it is watched.

Input: commands on standard input: thread NAME (a new busy thread, whose function is NAME; answers
"thread TID"), burn SECONDS (of CPU; answers "burnt"), exec PROGRAM ARGS... (never answers), exit STATUS, status.
Output: READY and the answers.  Between commands a thread called early burns CPU.
"""
import os
import sys
import threading
import time

PARENT = os.getppid()


def burn(seconds=None):
	until = time.thread_time() + (seconds or 1e9)
	while time.thread_time() < until and os.getppid() == PARENT:
		for _ in range(2000):
			pass


def make(name):
	space = {"burn": burn}
	exec("def %s():\n\tburn()\n" % name, space)
	return space[name]


def work_of_main(seconds):
	burn(seconds)


def main():
	threading.Thread(target=make("early"), daemon=True).start()
	print("READY", flush=True)
	for line in sys.stdin:
		word, *rest = line.split()
		if word == "thread":
			thread = threading.Thread(target=make(rest[0]), daemon=True)
			thread.start()
			print("thread %d" % thread.native_id, flush=True)
		elif word == "burn":
			work_of_main(float(rest[0]))
			print("burnt", flush=True)
		elif word == "exec":
			os.execv(rest[0], rest)
		elif word == "exit":
			os._exit(int(rest[0]))


main()
