# SPDX-License-Identifier: BSD-2-Clause
"""What the targets need and older CPythons lack.  Valid in 2.7 and all of 3.

Input: nothing.  Output: functions of one meaning on every version.
"""
import sys
import threading
import time

SYS_GETTID = 186
TID_IN_PTHREAD = 0x2d0		# glibc, x86-64: struct pthread.tid


def say(line):
	sys.stdout.write(line + "\n")
	sys.stdout.flush()


def start_thread(target, args=(), name=None):
	thread = threading.Thread(target=target, args=args, name=name)
	thread.daemon = True
	thread.start()
	return thread


if hasattr(threading, "get_native_id"):		# 3.8
	get_native_id = threading.get_native_id

	def native_id(thread):
		return thread.native_id
else:
	import ctypes
	LIBC = ctypes.CDLL(None)

	def get_native_id():
		return LIBC.syscall(SYS_GETTID)

	def native_id(thread):
		return ctypes.c_int.from_address(thread.ident + TID_IN_PTHREAD).value

if sys.version_info >= (3, 7):
	thread_time = time.thread_time
elif sys.version_info >= (3, 3):
	def thread_time():
		return time.clock_gettime(3)	# CLOCK_THREAD_CPUTIME_ID, which 3.6 does not name
else:
	import resource

	def thread_time():
		usage = resource.getrusage(1)	# RUSAGE_THREAD
		return usage.ru_utime + usage.ru_stime

monotonic = getattr(time, "monotonic", time.time)
get_ident = getattr(threading, "get_ident", None) or __import__("thread").get_ident
