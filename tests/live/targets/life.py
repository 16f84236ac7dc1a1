# SPDX-License-Identifier: BSD-2-Clause
"""A program that is told, line by line, what to do next while it is watched.

Input: commands on standard input: thread NAME (a new busy thread, whose function is NAME; answers
"thread TID"), burn SECONDS (of CPU; answers "burnt"), exec PROGRAM ARGS... (never answers), exit STATUS, status.
Output: READY and the answers.  Between commands a thread called early burns CPU.
"""
import os
import sys

from pv_compat import native_id, say, start_thread, thread_time

PARENT = os.getppid()


def burn(seconds=None):
	until = thread_time() + (seconds or 1e9)
	while thread_time() < until and os.getppid() == PARENT:
		for _ in range(2000):
			pass


def make(name):
	space = {"burn": burn}
	exec("def %s():\n\tburn()\n" % name, space)
	return space[name]


def work_of_main(seconds):
	burn(seconds)


def main():
	start_thread(make("early"))
	say("READY")
	for line in iter(sys.stdin.readline, ""):
		words = line.split()
		word, rest = words[0], words[1:]
		if word == "thread":
			say("thread %d" % native_id(start_thread(make(rest[0]))))
		elif word == "burn":
			work_of_main(float(rest[0]))
			say("burnt")
		elif word == "exec":
			os.execv(rest[0], rest)
		elif word == "exit":
			os._exit(int(rest[0]))


main()
