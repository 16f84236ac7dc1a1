#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The stack of BPF programs, as kernels before Linux 6.13 count it: what all functions on a way use, together.

Input: src/bpf/*.bpf.o of the build directory.  Output: PASS or FAIL lines; status 1 if a way is too deep; with a name of a
unit (bpf_stack.py trace) its functions and the deepest way from each, too.

kernel/bpf/verifier.c, check_max_stack_depth(): each function counts as a multiple of 32, at least once, and so do callbacks
of bpf_loop(); 512 bytes and 8 functions are the most.  Functions in branches that the verifier knows not to be taken are
counted here as if they were.
"""
import os
import pathlib
import re
import struct
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PITVIPER = pathlib.Path(os.environ.get("PITVIPER") or TOP / "build/src/pitviper")
STACK_MAX, CALLS_MAX = 512, 8
FRAME = 10  # the register
R_BPF_64_64, R_BPF_64_32 = 1, 10


def read_elf(data):
	"""Sections as (name, type, bytes, link, info), symbols of the symbol table as (name, info, section, value)."""
	at, = struct.unpack_from("<Q", data, 40)
	size, n, names = struct.unpack_from("<HHH", data, 58)
	headers = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * size) for i in range(n)]

	def text(section, offset):
		begin = headers[section][4] + offset
		return data[begin:data.index(b"\0", begin)].decode()

	sections = [(text(names, h[0]), h[1], data[h[4]:h[4] + h[5]] if h[1] != 8 else b"", h[6], h[7]) for h in headers]
	table = next(i for i, s in enumerate(sections) if s[1] == 2)
	symbols = []
	for i in range(0, len(sections[table][2]), 24):
		name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", sections[table][2], i)
		symbols.append((text(sections[table][3], name), info, section, value))
	return sections, symbols


def touched(code, write, source, register, offset, immediate, moved):
	"""How far below the frame pointer an instruction reaches; moved: registers that were made of it."""
	kind = code & 7
	base = write if kind in (2, 3) else source if kind == 1 else None
	if base == FRAME and offset < 0:
		return -offset
	if code == 0x07 and moved.get(write):  # r += constant
		return max(0, -immediate)
	return 0


def read_functions(path):
	"""name: (bytes of stack, names of what it calls)"""
	sections, symbols = read_elf(path.read_bytes())
	begins = {(s[2], s[3]): s[0] for s in symbols if s[1] & 15 == 2}
	relocations = {}
	for _, kind, data, _, info in sections:
		if kind == 9:  # SHT_REL
			for i in range(0, len(data), 16):
				at, what = struct.unpack_from("<QQ", data, i)
				relocations[info, at] = what & 0xffffffff, symbols[what >> 32]
	functions = {}
	for index, (_, _, data, _, _) in enumerate(sections):
		name, moved = None, {}
		if not any(section == index for section, _ in begins):
			continue
		for at in range(0, len(data), 8):
			if (index, at) in begins:
				name, moved = begins[index, at], {}
				functions[name] = [0, set()]
			code, registers, offset, immediate = struct.unpack_from("<BBhi", data, at)
			write, source = registers & 15, registers >> 4
			functions[name][0] = max(functions[name][0],
						 touched(code, write, source, FRAME, offset, immediate, moved))
			if code & 7 in (1, 4, 7):
				moved[write] = code == 0xbf and source == FRAME
			kind, symbol = relocations.get((index, at), (None, None))
			target = None
			if code == 0x85 and source == 1:  # a call of ours
				target = (index, at + 8 + 8 * immediate)
				if symbol:
					target = (symbol[2], symbol[3] + 8 + 8 * immediate)
			elif code == 0x18 and kind == R_BPF_64_64 and symbol[2] < len(sections) and sections[symbol[2]][0] == ".text":
				target = (symbol[2], symbol[3] + immediate)  # the address of a callback
			if target:
				functions[name][1].add(begins[target])
	return functions


def deepest(functions, name, known):
	"""(bytes, functions) of the deepest way from a function on, and the longest."""
	if name not in known:
		stack, calls = functions[name]
		below = [deepest(functions, call, known) for call in calls if call != name]
		most, way = max(((b[0], b[1]) for b in below), default=(0, []))
		known[name] = (most + max(32, -(-stack // 32) * 32), [name] + way, 1 + max((b[2] for b in below), default=0))
	return known[name]


def main():
	failed = False
	paths = sorted((PITVIPER.parent / "bpf").glob("*.bpf.o"))
	if not paths:
		print("SKIP lint/bpf_stack: no BPF objects beside", PITVIPER)
		return 0
	for path in paths:
		functions, known = read_functions(path), {}
		for name in functions:
			deepest(functions, name, known)
		most, way, _ = max(known.values())
		levels = max(one[2] for one in known.values())
		wrong = most > STACK_MAX or levels > CALLS_MAX
		failed |= wrong
		unit = path.name.partition(".")[0]
		print(f"{'FAIL' if wrong else 'PASS'} lint/bpf_stack: {unit}: {most} of {STACK_MAX} bytes, {levels} of {CALLS_MAX} functions"
		      + (": " + " ".join(f"{f}:{functions[f][0]}" for f in way) if wrong else ""))
		if unit in sys.argv[1:]:
			for name in sorted(known, key=lambda f: -known[f][0]):
				print(f"{known[name][0]:5} {functions[name][0]:4} {known[name][2]} {name}:", *sorted(functions[name][1]))
	return failed


sys.exit(main())
