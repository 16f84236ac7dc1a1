# SPDX-License-Identifier: BSD-2-Clause
"""Which recorded stacks cannot have been?  Knows the program's own truth, nothing of the walker.

Input: a folded file and the truth that targets/oracle.py published.  Output: a report as JSON;
exit status 1 if anything impossible is shown as true.
usage: oracle_check.py TRUTH.json FILE.folded [--symtab] [--max-marked SHARE] [--min-samples N]
"""
import argparse
import collections
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live  # noqa: E402

NAME, FILE, LINES, VIA, AT, CHILDREN = range(6)
# Markers that say something of the native half only; every other one hides Python frames.
NATIVE_ONLY = ("[unwind break]", "[new mapping]")


class Oracle:
	def __init__(self, truth, symtab=False):
		self.nodes = truth["nodes"]
		self.roots = {int(tid): root for tid, root in truth["threads"].items()}
		self.owners = [(re.compile(pattern), set(names)) for pattern, names in truth["owners"]]
		self.via = {}
		self.symtab = symtab
		self.everywhere = set(range(len(self.nodes)))
		self.seen = set()
		self.same = {}

	def is_node(self, index, frame):
		node = self.nodes[index]
		if node[NAME] != frame.function:
			return False
		if "/" not in node[FILE]:
			return os.path.basename(frame.file) == node[FILE]
		return live.same_file(frame.file, node[FILE])

	def starts(self, stack):
		if stack.tid is not None:
			return {self.roots[stack.tid]} if stack.tid in self.roots else set()
		return set(self.roots.values())

	def native_between(self, node, between, unsure):
		"""Whether the C frames between a Python frame and the one it called can be."""
		via = self.nodes[node][VIA]
		if via is None or unsure:
			return True
		if not between:
			return False
		if not self.symtab:
			return True
		if via not in self.via:
			self.via[via] = re.compile(via)
		return any(self.via[via].search(f.text) for f in between)

	def check(self, stack):
		"""None, or why this stack cannot have been."""
		states, previous = None, None
		between, unsure, anywhere = [], False, False
		for frame in stack.frames:
			if frame.kind == "marker":
				if frame.function == "[unknown code]" and states is not None:
					states = {c for s in states for c in self.nodes[s][CHILDREN]}
					previous = None
				elif frame.function not in NATIVE_ONLY:
					states, previous, anywhere = None, None, True
				unsure = True
				continue
			if frame.kind != "python":
				between.append(frame)
				continue
			if states is None:
				candidates = self.everywhere if anywhere else self.starts(stack)
				states = {s for s in candidates if self.is_node(s, frame)}
				if not states:
					return "%s cannot be outermost" % frame
			elif previous is None:
				states = {c for s in states for c in self.nodes[s][CHILDREN] if self.is_node(c, frame)}
				if not states:
					return "%s cannot follow an unknown frame here" % frame
			else:
				called = {c for s in states for c in self.nodes[s][CHILDREN] if self.is_node(c, frame)}
				if not called:
					return "%s does not call %s here" % (previous, frame)
				states = {c for c in called
					  if self.nodes[c][AT] is None or previous.line in self.nodes[c][AT]}
				if not states:
					return "%s calls %s, but not from this line" % (previous, frame)
				states = {c for c in states if self.native_between(c, between, unsure)}
				if not states:
					return "%s calls %s by way of C, not by way of %s" % (previous, frame, between)
			previous = frame
			between, unsure = [], False
			self.seen |= states
		if previous is None:
			return None if stack.markers() else "no Python frame, and no mark"
		if previous.line > 0 and not any(self.line_inside(s, previous) for s in states):
			return "%s is not a line of that function" % previous
		return self.check_owners(stack)

	def line_inside(self, index, frame):
		lines = self.nodes[index][LINES]
		return lines is None or lines[0] <= frame.line <= lines[1]

	def check_owners(self, stack):
		if stack.markers():
			return None
		caller = None
		for frame in stack.frames:
			if frame.kind == "python":
				caller = frame
			elif frame.kind == "native":
				for pattern, names in self.owners:
					if pattern.search(frame.function) or (frame.file and pattern.search(frame.file)):
						if caller is None or caller.function.rpartition(".")[2] not in names:
							return "%s below %s" % (frame, caller)
		return None


def check(truth, stacks, symtab=False):
	oracle = Oracle(truth, symtab)
	report = {"samples": 0, "impossible": 0, "marked": 0, "no_line": 0, "markers": collections.Counter(),
		  "reasons": collections.Counter(), "examples": []}
	for stack in stacks:
		report["samples"] += stack.count
		markers = set(stack.markers())
		for marker in markers:
			report["markers"][marker] += stack.count
		report["marked"] += stack.count if markers else 0
		python = stack.python()
		report["no_line"] += stack.count if python and python[-1].line <= 0 else 0
		reason = oracle.check(stack)
		if reason is None:
			continue
		report["impossible"] += stack.count
		report["reasons"][reason] += stack.count
		if len(report["examples"]) < 12:
			report["examples"].append(repr(stack))
	report["paths_seen"] = len(oracle.seen)
	report["paths"] = len(oracle.nodes)
	report["marked_share"] = report["marked"] / max(1, report["samples"])
	report["reasons"] = dict(report["reasons"].most_common(20))
	report["markers"] = dict(report["markers"])
	return report


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("truth")
	parser.add_argument("folded")
	parser.add_argument("--symtab", action="store_true", help="the interpreter's C functions have names")
	parser.add_argument("--max-marked", type=float, default=0.01)
	parser.add_argument("--min-samples", type=int, default=1)
	args = parser.parse_args()
	with open(args.truth) as truth:
		report = check(json.load(truth), live.parse_folded(args.folded), args.symtab)
	print(json.dumps(report, indent=1))
	good = not report["impossible"] and report["marked_share"] <= args.max_marked and \
		report["samples"] >= args.min_samples
	sys.exit(0 if good else 1)


if __name__ == "__main__":
	main()
