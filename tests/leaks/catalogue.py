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
# the first line of a function in C, or of a member function in C++: they are laid out by clang-format
FUNCTION = re.compile(r"(?!static struct|MODULE)\t?(?:[A-Za-z_][\w *:]*[ *])?(?!if|for|while|switch|return)([A-Za-z_]\w*)\([^;]*$")

# What a case is.  VERDICTS says which answers are right for it, of: leak, growing-held, clean, unknown.
LOST, HELD, CYCLES, NONE = "lost reference", "held", "cycles", "nothing"
NATIVE, NATIVE_HELD, MAPPING = "native memory", "native memory, held", "mapping"
VERDICTS = {
	LOST: {"leak"}, HELD: {"growing-held"}, NATIVE: {"leak"}, MAPPING: {"leak"},
	NATIVE_HELD: {"leak", "growing-held"},	# a static of the thread points at it, and nothing of it is an object
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
			start = FUNCTION.match(line)
			if start:
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
	only      which interpreters it applies to; None: all
	leaks_on  on which versions the bug is there, if it is a stock Python's own
	forked    a child serves, and has the bug; the process that forked it has not
	requests  so many are enough to see it, at one bad request of ten
	noise     by so much the measure goes up and down in the twin
	fills     the twin grows, too, in something that has a limit: it is clean all the same
	"""

	def __init__(self, name, kind, what, proof, types=(), functions=(), holder=None, refs=False, only=None, leaks_on=None,
		     forked=False, requests=3000, noise=0, fills=False):
		self.name, self.kind, self.what, self.proof, self.types = name, kind, what, proof, tuple(types)
		self.functions, self.holder, self.refs, self.only, self.leaks_on = tuple(functions), holder, refs, only, leaks_on
		self.forked, self.requests, self.noise, self.fills = forked, requests, noise, fills

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


def has_numpy(interp):
	"""Debian's, of the machine itself: the extension is built with its headers."""
	return not interp.root and interp.path.startswith("/usr/")


CASES = [
	# references that nobody holds
	Case("missing_success", LOST, "a DECREF missing on success", ("blocks", 3), ["dict", "list", "str"], refs=True),
	Case("missing_error", LOST, "a DECREF missing on the error path", ("objects", 1), ["list"], refs=True),
	Case("made_success", LOST, "what a call makes for itself, on success", ("blocks", 2), ["tuple", "str"]),
	Case("made_error", LOST, "what a call makes for itself, on the error path", ("blocks", 2), ["tuple", "str"]),
	Case("double_incref", LOST, "INCREF twice", ("Invoice", 1), ["Invoice", "dict", "tuple"], refs=True),
	Case("build_value", LOST, 'Py_BuildValue("O") of a new reference', ("blocks", 1), ["str"], refs=True),
	Case("stolen_list", LOST, "INCREF before PyList_SetItem, which steals", ("blocks", 1), ["bytes"], refs=True),
	Case("stolen_tuple", LOST, "INCREF before PyTuple_SetItem, which steals", ("Address", 1), ["Address", "str"], refs=True),
	Case("module_add", LOST, "PyModule_AddObject that fails and does not steal", ("set", 1), ["set"], refs=True),
	Case("dealloc_member", LOST, "a dealloc that forgets a member", ("malloc", 800), ["tuple"], refs=True),
	Case("cache_lost", LOST, "a bounded cache, of which some objects have a reference too many", ("Profile", 1),
	     ["Profile", "dict", "str"], refs=True),
	Case("numpy_argsort", LOST, "numpy's old argsort: the names of a dtype", ("blocks", 190), ["tuple", "str"], refs=True,
	     only=has_numpy),
	Case("forked", LOST, "a DECREF missing, only in a forked child", ("Visitor", 1), ["Visitor", "dict", "str"], forked=True),
	# memory that no Python object is in
	Case("object_malloc", NATIVE, "PyObject_Malloc never freed", ("blocks", 1)),
	Case("raw_malloc", NATIVE, "malloc never freed", ("malloc", 1200), functions=["count_spaces"]),
	Case("cxx_new", NATIVE, "C++ new never deleted", ("malloc", 560)),
	Case("realloc_chain", NATIVE, "a buffer that grew by realloc, never freed", ("malloc", 1350), functions=["render_text"]),
	Case("handover", NATIVE, "freed by another thread; some never", ("malloc", 900), requests=6000, noise=24000),	# arenas of two threads
	Case("tls_nodes", NATIVE_HELD, "a list of each thread's own, in C", ("malloc", 500)),
	Case("mapping", MAPPING, "mmap never unmapped", ("mapped", 32768)),
	# what somebody holds
	Case("growing_dict", HELD, "a module's dict that grows", ("blocks", 2), ["dict", "str"], holder="_refused"),
	Case("closure", HELD, "a closure's list that grows", ("blocks", 2), ["Order", "str"], holder="listeners"),
	Case("local_cache", HELD, "a thread's own cache that grows", ("Page", 1), ["Page", "dict", "str"], holder="pinned"),
	Case("frame_local", HELD, "a local list of a function that never ends", ("blocks", 2), ["Event", "str"], holder="backlog"),
	Case("filling_cache", HELD, "an lru_cache without a limit; the twin's has one, and fills", ("blocks", 2), ["Page", "str"],
	     holder="remembered", fills=True),
	Case("cycles", CYCLES, "cycles, the collector being off", ("Node", 4), ["Node", "list", "dict", "str"]),
	# garbage that only waits, beside what is kept; of the twins it is all there is
	Case("late_cycles", HELD, "kept, beside cycles that wait for a full collection", ("Visit", 1), ["Visit", "Page", "str"], holder="_kept"),
	Case("own_collect", HELD, "kept, beside cycles that the program collects itself", ("Whole", 1), ["Whole", "Part", "str"], holder="_kept"),
	# stock Python's own
	Case("ssl_session", NATIVE, "reading SSLSocket.session", ("malloc", 4000), functions=["PySSL_get_session", "_ssl_session_dup"],
	     leaks_on=lambda version: (3, 10) <= version <= (3, 13, 0)),
	Case("elementtree_init", LOST, "calling _elementtree.XMLParser.__init__ again", ("blocks", 12),
	     ["xml.etree.ElementTree.TreeBuilder", "TreeBuilder", "dict", "list"],
	     functions=["_elementtree_XMLParser___init__", "_elementtree_XMLParser___init___impl"], noise=200),	# freelists that fill
	# nothing grows, though it looks so
	Case("lru", NONE, "a cache as large as it may be", ("blocks", 5)),
	Case("fragmentation", NONE, "bursts of all sizes, with survivors", ("objects", 2)),
	Case("freelists", NONE, "memory that goes round by the freelists", ("blocks", 3)),
]


def by_name(name):
	return next(case for case in CASES if case.name == name)
