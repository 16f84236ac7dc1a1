# SPDX-License-Identifier: BSD-2-Clause
"""Busy functions with names and files that a careless writer breaks on.

Input: argv[1], the file for the truth.  Output: the names as JSON, READY, then work until its parent ends.
"""
import json
import os
import sys
import time

PARENT = os.getppid()
CASES = [
	("plain", "/odd/plain.py"),
	("größe", "/odd/größe.py"),
	("検査", "/odd/測試.py"),
	("\U00020BB7", "/odd/\U0001F40D.py"),
	("spaced", "/odd/with space (x).py"),
	("quoted", "/odd/quote\"back\\slash.py"),
	("semicolon", "/odd/a;b.py"),
	("newline", "/odd/a\nb.py"),
	("raw", os.fsdecode(b"/odd/\xff\xfe.py")),
	("long_" + "x" * 500, "/odd/" + "y" * 900 + ".py"),
]


def functions():
	for name, filename in CASES:
		space = {"now": time.thread_time}
		source = "\n\ndef %s(seconds):\n\tuntil = now() + seconds\n\twhile now() < until: pass\n" % name
		exec(compile(source, filename, "exec"), space)
		yield space[name]


def main():
	made = list(functions())
	with open(sys.argv[1], "w") as out:
		json.dump(CASES, out)
	print("READY", flush=True)
	while os.getppid() == PARENT:
		for function in made:
			function(0.01)


main()
