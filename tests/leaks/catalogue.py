# SPDX-License-Identifier: BSD-2-Clause
"""The truth of the catalogue as data: each case, whether it leaks, what is lost, where, and who holds it.

Input: the marks "HERE: WORD" in services/*.py and native/*.c (native/native.h says what they mean).  Output: CASES.
Written before there was a detector; nothing here is told to one.
"""
import ast
import glob
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = re.compile(r"HERE: (\w+)")

# What a case is.  VERDICTS says which answers are right for it, of: leak, growing-held, clean, unknown.
LOST, HELD, NATIVE, MAPPING, CYCLES, NONE = "lost reference", "held", "native memory", "mapping", "cycles", "nothing"
VERDICTS = {
	LOST: {"leak"}, HELD: {"growing-held"}, NATIVE: {"leak"}, MAPPING: {"leak"},
	CYCLES: {"leak", "growing-held"},	# garbage that nobody collects is held, by itself
	NONE: {"clean"},
}


class Site:
	"""A place in the source of a case: where memory is allocated, or a reference taken or not given back."""

	def __init__(self, mark, file, line, function):
		self.mark, self.file, self.line, self.function = mark, file, line, function

	def __repr__(self):
		return "%s %s (%s:%d)" % (self.mark, self.function, self.file, self.line)


def python_sites(path):
	with open(path, encoding="utf-8") as text:
		source = text.read()
	functions = []

	def visit(node, outer):
		for child in ast.iter_child_nodes(node):
			inner = outer
			if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
				inner = outer + [child.name]
				if isinstance(child, ast.FunctionDef):
					last = max(getattr(n, "lineno", 0) for n in ast.walk(child))
					functions.append((child.lineno, last, child.name))
			visit(child, inner)

	visit(ast.parse(source), [])
	for number, line in enumerate(source.split("\n"), 1):
		for mark in MARK.findall(line):
			# the innermost function that the line is in
			inside = max((f for f in functions if f[0] <= number <= f[1]), default=(0, 0, "<module>"))
			yield Site(mark, os.path.basename(path), number, inside[2])


def native_sites(path):
	function = None
	with open(path, encoding="utf-8") as lines:
		for number, line in enumerate(lines, 1):
			start = re.match(r"(?!static struct)\w[^;=#{]*?(\w+)\(", line)
			if start and not line.startswith(("MODULE", "#")):
				function = start[1]
			for mark in MARK.findall(line):
				yield Site(mark, os.path.basename(path), number, function)


class Case:
	"""One bug and its twin.

	kind      what is lost
	types     names of types that are right as an answer; the first is that of the object itself
	functions C functions that are right as an answer, besides those with a mark
	holder    what must be named as the holder (a part of the path), of what is held
	proof     (measure, how much of it a bad request costs at least): see program.py's seen()
	refs      whether --shared makes one long-lived object go through the bug: for `refs`
	only      versions of Python, or None: where the case applies; leaks_on: where the bug is (a stock Python's own)
	"""

	def __init__(self, name, kind, what, proof, types=(), functions=(), holder=None, refs=False, only=None, leaks_on=None,
		     forked=False, requests=3000, modules=()):
		self.name, self.kind, self.what, self.proof, self.types = name, kind, what, proof, tuple(types)
		self.functions, self.holder, self.refs, self.only, self.leaks_on = tuple(functions), holder, refs, only, leaks_on
		self.forked, self.requests, self.modules = forked, requests, tuple(modules)

	@property
	def variants(self):
		return ("clean",) if self.kind == NONE else ("leaking", "clean")

	def applies(self, interp):
		return self.only is None or self.only(interp)

	def leaks(self, variant, version):
		"""Whether that variant does, on that version of Python."""
		return variant == "leaking" and (self.leaks_on is None or self.leaks_on(version))

	def sites(self):
		found = list(python_sites(os.path.join(HERE, "services", self.name + ".py")))
		for path in glob.glob(os.path.join(HERE, "native", self.name + ".c*")):
			found += native_sites(path)
		return found

	def verdicts(self, variant, version):
		return VERDICTS[self.kind] if self.leaks(variant, version) else VERDICTS[NONE]


CASES = [
	Case("missing_success", LOST, "a DECREF missing on success", ("blocks", 3), ["dict", "list", "str"], refs=True),
	Case("missing_error", LOST, "a DECREF missing on the error path", ("objects", 1), ["list"], refs=True),
	Case("double_incref", LOST, "INCREF twice", ("Invoice", 1), ["Invoice", "dict", "tuple"], refs=True),
	Case("build_value", LOST, 'Py_BuildValue("O") of a new reference', ("blocks", 1), ["str"], refs=True),
	Case("stolen_list", LOST, "INCREF before PyList_SetItem, which steals", ("blocks", 1), ["bytes"], refs=True),
	Case("object_malloc", NATIVE, "PyObject_Malloc never freed", ("blocks", 1)),
	Case("raw_malloc", NATIVE, "malloc never freed", ("malloc", 1200), functions=["count_spaces"]),
	Case("growing_dict", HELD, "a module's dict that grows", ("blocks", 2), ["dict", "str"], holder="_refused"),
	Case("closure", HELD, "a closure's list that grows", ("blocks", 2), ["Order", "str"], holder="listeners"),
	Case("cycles", CYCLES, "cycles, the collector being off", ("Node", 4), ["Node", "list", "dict", "str"]),
	Case("lru", NONE, "a cache as large as it may be", ("blocks", 5)),
]


def by_name(name):
	return next(case for case in CASES if case.name == name)
