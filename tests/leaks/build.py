#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds an extension of the catalogue for one interpreter: leaking or clean, -O2 or -O0.  Nothing built is committed.

Input: native/NAME.c or .cpp, the interpreter's headers ($PYROOTS/VERSION-dev for a root).  Output: NAME.so in a directory
of its variant under build/leaks (or $LEAKS_BUILD), made again only when its source, header or options changed.
"""
import glob
import hashlib
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
NATIVE = os.path.join(HERE, "native")


class NoHeaders(Exception):
	"""The interpreter's headers are not at hand; says where they were looked for."""


def output_directory():
	return os.environ.get("LEAKS_BUILD") or os.path.join(TOP, "build", "leaks")


def include_flags(interp):
	"""Where Python.h of an interpreter is: of a root, in the root or in $PYROOTS/VERSION-dev (libpythonX.Y-dev unpacked)."""
	if not interp.root:
		out = subprocess.run([interp.path, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"],
				     stdout=subprocess.PIPE, check=True).stdout.decode().strip()
		if not os.path.exists(os.path.join(out, "Python.h")):
			raise NoHeaders("no Python.h in " + out)
		return ["-I" + out]
	for base in (interp.root, interp.root + "-dev"):
		found = glob.glob(os.path.join(base, "usr/include/python%d.%d" % interp.version[:2], "Python.h"))
		if found:
			# pyconfig.h is in a directory of the architecture, which the other one includes
			return ["-I" + os.path.dirname(found[0]), "-idirafter", os.path.join(base, "usr/include")]
	raise NoHeaders("no Python.h in %s nor in %s-dev" % (interp.root, interp.root))


def numpy_flags(interp):
	out = subprocess.run([interp.path, "-c", "import numpy; print(numpy.get_include())"], stdout=subprocess.PIPE,
			     stderr=subprocess.DEVNULL).stdout.decode().strip()
	if not out:
		raise NoHeaders("%s has no numpy" % interp.name)
	return ["-I" + out]


def source_of(name):
	for ending in (".c", ".cpp"):
		path = os.path.join(NATIVE, name + ending)
		if os.path.exists(path):
			return path
	return None


def command(interp, source, leaking, optimise):
	plus = source.endswith(".cpp")
	flags = ["c++", "-std=c++17"] if plus else ["cc", "-std=gnu11"]
	flags += [optimise, "-g", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
		  "-Wno-cast-function-type", "-DLEAKS=%d" % leaking]
	flags += ["-static-libstdc++", "-static-libgcc"] if plus and interp.root else []	# a root need not have them
	with open(source, encoding="utf-8") as text:
		numpy = "numpy/" in text.read()
	return flags + include_flags(interp) + (numpy_flags(interp) if numpy else []) + [source]


def build(interp, name, leaking, optimise="-O2"):
	"""The directory that has the extension of a service; None if it has none.  Raises NoHeaders."""
	source = source_of(name)
	if not source:
		return None
	directory = os.path.join(output_directory(), "%s%s" % (interp.name, optimise), "leaking" if leaking else "clean")
	path = os.path.join(directory, name + ".so")
	line = command(interp, source, leaking, optimise)
	digest = hashlib.sha256(" ".join(line).encode())
	for part in (source, os.path.join(NATIVE, "native.h")):
		with open(part, "rb") as file:
			digest.update(file.read())
	try:
		with open(path + ".of", encoding="ascii") as stamp:
			if stamp.read() == digest.hexdigest() and os.path.exists(path):
				return directory
	except OSError:
		pass
	os.makedirs(directory, exist_ok=True)
	made = "%s.%d.%d" % (path, os.getpid(), threading.get_ident())	# others may build the same
	subprocess.run(line + ["-o", made], check=True)
	os.rename(made, path)
	with open(path + ".of", "w", encoding="ascii") as stamp:
		stamp.write(digest.hexdigest())
	return directory


def main():
	"""Everything for the interpreters whose names contain one of the arguments; all without one."""
	sys.path.insert(0, os.path.join(TOP, "tests", "live"))
	import live
	names = sorted(os.path.splitext(name)[0] for name in os.listdir(NATIVE) if not name.endswith(".h"))
	for interp in live.find_interpreters():
		if interp.version < (3, 8) or interp.free_threaded or not (not sys.argv[1:] or any(w in interp.name for w in sys.argv[1:])):
			continue
		made = 0
		for name in names:
			for leaking in (True, False):
				for optimise in ("-O2", "-O0"):
					try:
						made += bool(build(interp, name, leaking, optimise))
					except NoHeaders as reason:
						print("%s: %s: %s" % (interp.name, name, reason))
						break
		print("%s: %d extensions" % (interp.name, made))


if __name__ == "__main__":
	main()
