# SPDX-License-Identifier: BSD-2-Clause
"""Probes whose program does nothing: what the machine asks for a hit, whoever watches.

Input: a process, a file, places in it.  Output: file descriptors that hold them.  Shares nothing with
pitviper but the kernel.
"""
import ctypes
import os
import struct
import subprocess
import tempfile

import common
import live

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_BPF, PROG_LOAD, LINK_CREATE, KPROBE, UPROBE_MULTI = 321, 5, 28, 2, 48


def bpf(command, attr):
	buffer = ctypes.create_string_buffer(attr, len(attr))
	fd = LIBC.syscall(SYS_BPF, command, buffer, len(attr))
	if fd < 0:
		raise OSError(ctypes.get_errno(), "bpf(%d)" % command)
	return fd


def probes(pid, path, offsets):
	"""Probes whose program does nothing; closing what is returned takes them away."""
	program = ctypes.create_string_buffer(struct.pack("<QQ", 0xb7, 0x95))	# r0 = 0; exit
	license, name = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(path.encode())
	where = (ctypes.c_uint64 * len(offsets))(*offsets)
	fd = bpf(PROG_LOAD, struct.pack("<IIQQIIQII16sII", KPROBE, 2, ctypes.addressof(program),
					ctypes.addressof(license), 0, 0, 0, 0, 0, b"bare", 0, UPROBE_MULTI))
	link = bpf(LINK_CREATE, struct.pack("<IIIIQQQQIIII", fd, 0, UPROBE_MULTI, 0, ctypes.addressof(name),
					    ctypes.addressof(where), 0, 0, len(offsets), 0, pid, 0))
	return fd, link


def code_of(pid, path):
	"""Where the code of a file is in a process: its address, its offset in the file."""
	with open("/proc/%d/maps" % pid) as maps:
		return next((int(line.split("-")[0], 16), int(line.split()[2], 16)) for line in maps
			    if "x" in line.split()[1] and line.split(None, 5)[-1].strip() == path)


def measure(victim, n):
	"""ns a call, as the programs in programs/ say it."""
	victim.say("go %d" % n)
	return float(victim.wait_line(b"TOOK").split()[1])


def symbol(path, name):
	"""Address of a function in an ELF file."""
	lines = subprocess.run(["nm", path], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
	return next(int(line.split()[0], 16) for line in lines if line.split()[-1] == name)


def hit_ns(n, rounds):
	"""ns that a hit takes on an instruction that the kernel emulates (push), one figure a round."""
	costs = []
	with tempfile.TemporaryDirectory() as directory:
		# linked to a fixed place: the symbol's address is the one in the process
		path = live.compile_c(os.path.join(common.PROGRAMS, "native_callee.c"), os.path.join(directory, "callee"), "-no-pie")
		with live.Target([path]) as victim:
			start, offset = code_of(victim.pid, path)
			offset += symbol(path, "callee") - start
			for _ in range(rounds):
				plain = measure(victim, n)
				fds = probes(victim.pid, path, [offset])
				costs.append(measure(victim, n) - plain)
				for fd in fds:
					os.close(fd)
	return costs
