# SPDX-License-Identifier: BSD-2-Clause
"""Targets whose memory or files lie: pitviper's work is bounded, it does not crash, it shows no nonsense."""
import os
import struct
import subprocess
import sys

import live
import pytest

LIES = ["self", "ring", "wild", "huge", "minus", "zero", "cookie", "random"]
VERSIONS = {"3.8": 0x030812F0, "3.10": 0x030A0DF0, "3.11": 0x030B07F0, "3.12": 0x030C01F0, "3.13": 0x030D00F0}


@pytest.fixture(scope="module")
def liars(tmp_path_factory):
	directory = tmp_path_factory.mktemp("liars")
	built = {}

	def get(version):
		if version not in built:
			# named as an interpreter is, as a name may be what it is judged by
			path = str(directory / ("python" + version))
			built[version] = live.compile_c(
				os.path.join(live.TARGETS, "liar.c"), path, "-rdynamic",
				"-DLIAR_VERSION=0x%xUL" % VERSIONS[version])
		return built[version]
	return get


# The most memory that pitviper had.  It is not our own child: of all children the kernel keeps the largest alone, and a
# child begins with what its parent had.
MEASURED = """#!%s
import resource, subprocess, sys
status = subprocess.call([%r] + sys.argv[1:])
with open(%r, "a") as peaks:
	print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=peaks)
sys.exit(status if status >= 0 else 128 - status)
"""


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
	"""No run of pitviper takes endless memory."""
	program, peaks = tmp_path / "measured", tmp_path / "peaks"
	program.write_text(MEASURED % (sys.executable, live.PITVIPER, str(peaks)))
	program.chmod(0o755)
	monkeypatch.setattr(live, "PITVIPER", str(program))
	yield
	assert max(int(line) for line in peaks.read_text().split()) < 600 << 10, "more than 600 MB"


def bounded(run):
	"""Ended by itself with an answer or a refusal; no signal, no sanitizer, no endless memory."""
	assert run.status in (0, 1, 4), run
	assert b"Sanitizer" not in run.err and b"runtime error" not in run.err, run


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("lie", LIES)
def test_memory_that_lies(liars, spawn, lie, version):
	victim = spawn(liars(version), lie)
	stacks, summary, run = live.record("-p", victim.pid, seconds=0.5, hz=499, check=None, timeout=20)
	bounded(run)
	if run.status == 0:
		assert summary["samples"] == live.total(stacks)
		assert live.total(stacks) > 5, "the native half must not suffer"
		for stack in stacks:
			assert len(stack.frames) < 8192
			# no Python frame of this process can be true
			assert not stack.python(), stack.python()[:3]
	for command in (("stack", "--json", victim.pid), ("doctor", victim.pid)):
		bounded(live.pitviper(*command, timeout=20))
	assert victim.alive()


# ---- files that lie

def section(path, name):
	"""(offset, size) of an ELF section, by readelf."""
	for line in subprocess.run(["readelf", "-WS", path], stdout=subprocess.PIPE, check=True).stdout.decode().split("\n"):
		fields = line.replace("[ ", "[").split()
		if len(fields) > 6 and fields[1] == name:
			return int(fields[4], 16), int(fields[5], 16)
	raise AssertionError("%s has no %s" % (path, name))


def overwrite(path, name, how):
	offset, size = section(path, name)
	with open(path, "r+b") as f:
		f.seek(offset)
		old = f.read(size)
		f.seek(offset)
		f.write(how(old))


DAMAGE = {
	"eh_frame of ones": lambda p: overwrite(p, ".eh_frame", lambda b: b"\xff" * len(b)),
	"eh_frame of zeros": lambda p: overwrite(p, ".eh_frame", lambda b: bytes(len(b))),
	"eh_frame turned": lambda p: overwrite(p, ".eh_frame", lambda b: b[::-1]),
	"eh_frame off by one": lambda p: overwrite(p, ".eh_frame", lambda b: b"\x01" + b[:-1]),
	"eh_frame_hdr of ones": lambda p: overwrite(p, ".eh_frame_hdr", lambda b: b"\xff" * len(b)),
	"symtab of ones": lambda p: overwrite(p, ".symtab", lambda b: b"\xff" * len(b)),
	"strtab without end": lambda p: overwrite(p, ".strtab", lambda b: b"A" * len(b)),
	"symtab of other bytes": lambda p: overwrite(p, ".symtab", lambda b: bytes(n * 73 % 256 for n in range(len(b)))),
}


def spoil_headers(path, how):
	with open(path, "r+b") as f:
		head = bytearray(f.read(64))
		how(head)
		f.seek(0)
		f.write(head)


DAMAGE["section headers at 2^60"] = lambda p: spoil_headers(
	p, lambda h: struct.pack_into("<Q", h, 40, 1 << 60))
DAMAGE["65535 section headers"] = lambda p: spoil_headers(p, lambda h: struct.pack_into("<H", h, 60, 65535))
DAMAGE["section header size 0"] = lambda p: spoil_headers(p, lambda h: struct.pack_into("<H", h, 58, 0))


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_files_that_lie(spawn, tmp_path, damage):
	"""The loader does not mind these; who reads the file for its tables must not mind either."""
	program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
	DAMAGE[damage](program)
	victim = spawn(program, 100)
	stacks, summary, run = live.record("-p", victim.pid, seconds=0.5, hz=499, check=None, timeout=20)
	bounded(run)
	assert run.status == 0, run
	assert live.total(stacks) == summary["samples"] > 5
	for command in (("stack", "--json", victim.pid), ("doctor", victim.pid)):
		bounded(live.pitviper(*command, timeout=20))


def test_file_replaced_by_another(spawn, tmp_path):
	"""The path of a mapped file holds something else now: names must not come from it."""
	program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
	victim = spawn(program, 100)
	os.unlink(program)
	with open(program, "wb") as out:
		out.write(b"\x7fELF" + os.urandom(5000))
	stacks, _, run = live.record("-p", victim.pid, seconds=1, hz=499)
	assert any(f.function == "leaf_of_c" for s in stacks for f in s.frames), run


def test_truncated_binary(tmp_path):
	"""A program cut off after its headers does not start, or starts and dies: no crash of ours."""
	program = live.compile_c(os.path.join(live.TARGETS, "native.c"), str(tmp_path / "native"))
	os.truncate(program, 5000)
	run = live.pitviper("record", "-o", str(tmp_path / "x.folded"), "--", program, "1", timeout=20)
	assert run.status in (1, 128 + 7, 128 + 11), run


def test_stack_pointer_that_lies(spawn, tmp_path):
	"""A thread whose stack register points into nothing, the kernel, or at itself: marked, and it goes on."""
	source = tmp_path / "sp.c"
	source.write_text(r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	unsigned long sp = strtoul(argv[1], 0, 0);

	printf("READY\n");
	fflush(stdout);
	if (sp == 0)
		sp = (unsigned long)&sp;
	/* no call and no signal from here on: only this loop, with a stack that is not there */
	__asm__ volatile("mov %0, %%rsp\n\tmov %0, %%rbp\n1:\tjmp 1b" : : "r"(sp) : "memory");
	return argc;
}
""")
	program = live.compile_c(str(source), str(tmp_path / "sp"))
	for sp in ("0", "0x10", "0x7ffffffff008", "0xffffffff81000000", "0xfffffffffffffff8"):
		victim = spawn(program, sp)
		stacks, summary, run = live.record("-p", victim.pid, seconds=0.5, hz=499, timeout=20)
		assert live.total(stacks) == summary["samples"] > 5, run
		assert all(any(f.function == "main" for f in s.frames) for s in stacks if s.count > 2 and s.frames[-1].kind != "kernel"), stacks
		victim.stop()
